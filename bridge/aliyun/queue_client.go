package aliyun

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// The message service's requests. There is a client of its maker's, which takes no address but the service's own.
const (
	mnsVersion = "2015-06-06"
	mnsType    = "text/xml;charset=utf-8"
	// mnsMost is how many messages one request receives or deletes at most.
	mnsMost = 16
	// mnsWait is how long an empty queue holds a request, in whole seconds; the service's longest.
	mnsWait = 30 * time.Second
	// mnsSlack is what a request may take beyond that.
	mnsSlack = 10 * time.Second
	// maxMNSAnswer bounds what is read of an answer: a message has 64 KiB at most.
	maxMNSAnswer = 4 << 20
)

// mnsEmpty is the code of a queue without messages, and of messages that are deleted already.
const mnsEmpty = "MessageNotExist"

// A queueMessage is a message as the service hands it out.
type queueMessage struct {
	MessageBody   string
	ReceiptHandle string
	DequeueCount  int
}

// A queueClient reads one queue of the message service.
type queueClient struct {
	url    *url.URL // of the queue's messages
	client *http.Client
	now    func() time.Time
}

// newQueueTransport makes the client for receivers of a queue, which keep one connection each.
func newQueueTransport(proxy *url.URL, receivers int) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:                  http.ProxyURL(proxy),
			DialContext:            (&net.Dialer{Timeout: fetchWithin}).DialContext,
			TLSHandshakeTimeout:    fetchWithin,
			MaxIdleConnsPerHost:    receivers,
			IdleConnTimeout:        time.Minute,
			MaxResponseHeaderBytes: maxKeysAnswer,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// receive waits for messages, and returns none when none came.
func (c *queueClient) receive(ctx context.Context, keys Keys) ([]queueMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, mnsWait+mnsSlack)
	defer cancel()
	target := *c.url
	target.RawQuery = "numOfMessages=" + strconv.Itoa(mnsMost) + "&waitseconds=" + strconv.Itoa(int(mnsWait.Seconds()))
	body, err := c.do(ctx, http.MethodGet, &target, nil, keys)
	if said := new(refusal); errors.As(err, &said) && said.code == mnsEmpty {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("receive: %w", err)
	}
	var list struct {
		XMLName  xml.Name       `xml:"Messages"`
		Messages []queueMessage `xml:"Message"`
	}
	if err := xml.Unmarshal(body, &list); err != nil || len(list.Messages) > mnsMost {
		return nil, errors.New("receive: the answer cannot be read")
	}
	return list.Messages, nil
}

// remove deletes messages by the handles of their receipts. One that is deleted already, or that has become visible
// again, is no error: in the latter case it comes again.
func (c *queueClient) remove(ctx context.Context, keys Keys, handles []string) error {
	ctx, cancel := context.WithTimeout(ctx, mnsSlack)
	defer cancel()
	body, err := xml.Marshal(struct {
		XMLName xml.Name `xml:"ReceiptHandles"`
		Handles []string `xml:"ReceiptHandle"`
	}{Handles: handles})
	if err != nil {
		return errors.New("delete: the receipts cannot be written")
	}
	_, err = c.do(ctx, http.MethodDelete, c.url, body, keys)
	if said := new(refusal); err != nil && !(errors.As(err, &said) && said.code == mnsEmpty) {
		return fmt.Errorf("delete %d messages: %w", len(handles), err)
	}
	return nil
}

// do makes a request and returns the body of an answer with HTTP 2xx; any other is a refusal. Its errors
// carry neither keys nor anything that was answered, but for a code.
func (c *queueClient) do(ctx context.Context, method string, target *url.URL, body []byte, keys Keys) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, target.String(), bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the request cannot be made")
	}
	signMNS(request, keys, c.now())
	status, answer, err := roundTrip(c.client, request, maxMNSAnswer)
	if err != nil {
		return nil, err
	}
	if status/100 != 2 {
		return nil, &refusal{status, mnsCode(answer)}
	}
	return answer, nil
}

// mnsCode is the code in a refusal: of the whole request, or of the first message that was not deleted.
func mnsCode(answer []byte) string {
	var said struct {
		Code   string
		Errors []struct{ ErrorCode string } `xml:"Error"`
	}
	if xml.Unmarshal(answer, &said) != nil {
		return ""
	}
	code := said.Code
	for i := range said.Errors {
		if e := said.Errors[i].ErrorCode; code == "" || e != mnsEmpty {
			code = e
		}
	}
	if !codeShape.MatchString(code) {
		return ""
	}
	return code
}

// signMNS makes a request one of the message service's, signed with keys: HMAC-SHA1 over the method, three headers, those
// that begin with x-mns-, and the path with its query.
func signMNS(r *http.Request, keys Keys, now time.Time) {
	key := keys.reveal()
	date := now.UTC().Format(http.TimeFormat)
	h := r.Header
	h.Set("Content-Type", mnsType)
	h.Set("Date", date)
	h.Set("x-mns-version", mnsVersion)
	if key.token != "" {
		h.Set("security-token", key.token)
	}
	mac := hmac.New(sha1.New, []byte(key.secret))
	_, _ = fmt.Fprintf(mac, "%s\n\n%s\n%s\nx-mns-version:%s\n%s", r.Method, mnsType, date, mnsVersion, r.URL.RequestURI())
	h.Set("Authorization", "MNS "+key.id+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
}
