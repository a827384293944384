package aliyun

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// maxKeysAnswer bounds what is read of an answer; real ones have a few hundred octets, and a security
// token may have a thousand.
const maxKeysAnswer = 64 << 10

// newKeysClient makes the HTTP client of one source of keys: no connection is kept between its few
// requests, and no redirect followed, which could carry a key elsewhere.
func newKeysClient(proxy *url.URL) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyURL(proxy),
			DialContext:       (&net.Dialer{Timeout: fetchWithin}).DialContext,
			DisableKeepAlives: true,
			// An answer may not make us read headers without end either.
			MaxResponseHeaderBytes: maxKeysAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// A refusal is an answer that is not HTTP 200. Only its code is kept: the message may quote what was
// signed.
type refusal struct {
	status int
	code   string // empty: none that can be told
}

// Error is safe to log.
func (r *refusal) Error() string {
	s := fmt.Sprintf("refused with HTTP %d", r.status)
	if r.code != "" {
		s += " " + r.code
	}
	return s
}

// codeShape is what an error code looks like; anything else is not repeated.
var codeShape = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9._-]{0,63}$`)

// exchange sends a request and returns the body of the answer, if that is HTTP 200; any other is a refusal. Its
// errors carry neither addresses with parameters nor anything that was answered, but for a code.
func exchange(client *http.Client, request *http.Request) ([]byte, error) {
	status, body, err := roundTrip(client, request, maxKeysAnswer)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		var said struct{ Code string }
		if json.Unmarshal(body, &said) != nil || !codeShape.MatchString(said.Code) {
			said.Code = ""
		}
		return nil, &refusal{status, said.Code}
	}
	return body, nil
}

// roundTrip sends a request and returns the answer, whatever its status, unless it has more than limit octets. Its
// errors carry neither addresses with parameters nor anything that was answered. What a status means, and where a
// refusal has its code, differs from service to service.
func roundTrip(client *http.Client, request *http.Request, limit int64) (status int, body []byte, err error) {
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, plainError(err)
	}
	defer response.Body.Close()
	body, err = io.ReadAll(io.LimitReader(response.Body, limit+1))
	switch {
	case err != nil:
		return 0, nil, plainError(err)
	case int64(len(body)) > limit:
		return 0, nil, errors.New("the answer is too long")
	}
	return response.StatusCode, body, nil
}

// plainError is a transport's error without the URL, and without the error itself: what others wrap
// in there is not ours to judge. A time-out is said in words that an operator knows.
func plainError(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	// A server that does not speak HTTP is quoted by net/http.
	text, _, _ := strings.Cut(err.Error(), ` "`)
	return errors.New(text)
}

// keysAnswer is how both the metadata service and STS spell keys.
type keysAnswer struct {
	AccessKeyID     string `json:"AccessKeyId"`
	AccessKeySecret string
	SecurityToken   string
	Expiration      string
}

// errNoSession says that an answer cannot be used. It does not quote it.
var errNoSession = errors.New("the answer has no keys that can be used")

// session checks the answer.
func (a keysAnswer) session() (session, error) {
	keys, err := newKeys(a.AccessKeyID, a.AccessKeySecret, a.SecurityToken)
	if err != nil || a.SecurityToken == "" {
		return session{}, errNoSession
	}
	expires, err := time.Parse(time.RFC3339, a.Expiration)
	if err != nil {
		return session{}, errNoSession
	}
	return session{keys, expires}, nil
}
