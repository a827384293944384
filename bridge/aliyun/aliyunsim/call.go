package aliyunsim

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxBody is the largest body that is read. 100 recipients with their parameters stay far below.
const maxBody = 1 << 20

// A param is one decoded parameter.
type param struct{ name, value string }

// A call is one request to the API, decoded.
type call struct {
	r      *http.Request
	id     string // RequestId
	action string
	v1     bool    // signed the RPC v1 way, everything in params
	query  []param // of the URL, by name
	params []param // of the URL and the form, by name
	body   []byte

	account *account
	queue   *mnsQueue // of a request to one
}

var errBadEncoding = errors.New("parameters are not well encoded")

// readCall decodes r.
func (s *Server) readCall(r *http.Request) (*call, error) {
	c := &call{r: r, id: s.ids.request()}
	var err error
	if c.query, err = appendParams(make([]param, 0, 24), r.URL.RawQuery); err != nil {
		return c, err
	}
	if r.ContentLength != 0 {
		if c.body, err = io.ReadAll(io.LimitReader(r.Body, maxBody+1)); err != nil {
			return c, err
		}
		if len(c.body) > maxBody {
			return c, errBadEncoding
		}
	}
	c.params = c.query
	if len(c.body) > 0 && isForm(r.Header) {
		if c.params, err = appendParams(slices.Clone(c.query), string(c.body)); err != nil {
			return c, err
		}
	}
	c.v1 = r.Header.Get("Authorization") == "" && c.get("Signature") != ""
	c.action = r.Header.Get("X-Acs-Action")
	if c.v1 || c.action == "" {
		c.action = c.get("Action")
	}
	return c, nil
}

func isForm(h http.Header) bool {
	return strings.HasPrefix(strings.ToLower(h.Get("Content-Type")), "application/x-www-form-urlencoded")
}

// appendParams decodes the name=value pairs of raw and sorts all of list by name, values of one
// name by value: the canonical order of both signature algorithms.
func appendParams(list []param, raw string) ([]param, error) {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return list, errBadEncoding
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return list, errBadEncoding
		}
		list = append(list, param{name, value})
	}
	slices.SortFunc(list, func(a, b param) int {
		if n := strings.Compare(a.name, b.name); n != 0 {
			return n
		}
		return strings.Compare(a.value, b.value)
	})
	return list, nil
}

// get returns the parameter called name, or "".
func (c *call) get(name string) string {
	for i := range c.params {
		if c.params[i].name == name {
			return c.params[i].value
		}
	}
	return ""
}

// hasPhone reports whether c is about a phone number that ends in suffix, whatever its spelling.
func (c *call) hasPhone(suffix string) bool {
	if suffix == "" {
		return true
	}
	numbers := strings.Split(c.get("PhoneNumbers"), ",")
	if text := c.get("PhoneNumberJson"); text != "" {
		_ = json.Unmarshal([]byte(text), &numbers) // what is not JSON is refused later
	}
	numbers = append(numbers, c.get("PhoneNumber"))
	return slices.ContainsFunc(numbers, func(n string) bool { return strings.HasSuffix(n, suffix) })
}
