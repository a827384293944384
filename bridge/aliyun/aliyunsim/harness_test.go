package aliyunsim

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// start is when the clocks of tests begin: 10:00:30 at UTC+8.
var start = time.Date(2025, 11, 21, 2, 0, 30, 0, time.UTC)

// A testClock is a clock that a test moves.
type testClock struct{ ns atomic.Int64 }

func newClock() *testClock {
	c := &testClock{}
	c.ns.Store(start.UnixNano())
	return c
}

func (c *testClock) now() time.Time          { return time.Unix(0, c.ns.Load()) }
func (c *testClock) advance(d time.Duration) { c.ns.Add(int64(d)) }

// newServer returns a Server that plays DevConfig as changed by change.
func newServer(t testing.TB, change func(*Config)) *Server {
	t.Helper()
	cfg := DevConfig()
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// run serves s on a free port until the test ends and returns its host and port.
func run(t testing.TB, s *Server) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return ln.Addr().String()
}

// A testRequest is a call that a test signs by hand. The code is apart from the package's own on purpose.
type testRequest struct {
	method string // POST unless set
	host   string
	action string
	query  url.Values
	form   url.Values
	now    time.Time
	nonce  string
	keyID  string
	secret string
	token  string
	// unsigned changes the request after it was signed.
	unsigned func(*http.Request)
	// header changes the header before it is signed.
	header func(http.Header)
}

var nonceCounter atomic.Int64

func (q testRequest) withDefaults() testRequest {
	if q.method == "" {
		q.method = http.MethodPost
	}
	if q.host == "" {
		q.host = "sim.test"
	}
	if q.now.IsZero() {
		q.now = time.Now()
	}
	if q.nonce == "" {
		q.nonce = fmt.Sprintf("nonce-%d", nonceCounter.Add(1))
	}
	if q.keyID == "" {
		q.keyID, q.secret = "sim-key", "sim-secret"
	}
	return q
}

// percent is url.Values.Encode with the three differences that Alibaba's documents name.
func percent(v url.Values) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(v.Encode())
}

// v3 signs q by ACS3-HMAC-SHA256.
func (q testRequest) v3() *http.Request {
	q = q.withDefaults()
	body := q.form.Encode()
	sum := sha256.Sum256([]byte(body))
	h := http.Header{}
	h.Set("x-acs-action", q.action)
	h.Set("x-acs-version", "2017-05-25")
	h.Set("x-acs-date", q.now.UTC().Format("2006-01-02T15:04:05Z"))
	h.Set("x-acs-signature-nonce", q.nonce)
	h.Set("x-acs-content-sha256", hex.EncodeToString(sum[:]))
	if body != "" {
		h.Set("content-type", "application/x-www-form-urlencoded")
	}
	if q.token != "" {
		h.Set("x-acs-security-token", q.token)
	}
	if q.header != nil {
		q.header(h)
	}
	names, lines := []string{"host"}, map[string]string{"host": q.host}
	for name := range h {
		lower := strings.ToLower(name)
		names = append(names, lower)
		lines[lower] = h.Get(name)
	}
	slices.Sort(names)
	canonical := q.method + "\n/\n" + percent(q.query) + "\n"
	for _, name := range names {
		canonical += name + ":" + lines[name] + "\n"
	}
	list := strings.Join(names, ";")
	canonical += "\n" + list + "\n" + h.Get("x-acs-content-sha256")
	sum = sha256.Sum256([]byte(canonical))
	mac := hmac.New(sha256.New, []byte(q.secret))
	fmt.Fprintf(mac, "ACS3-HMAC-SHA256\n%x", sum)
	h.Set("Authorization", fmt.Sprintf("ACS3-HMAC-SHA256 Credential=%s,SignedHeaders=%s,Signature=%x", q.keyID, list, mac.Sum(nil)))
	return q.request(q.query, body, h)
}

// v1 signs q the RPC v1 way.
func (q testRequest) v1() *http.Request {
	q = q.withDefaults()
	query := url.Values{"Action": {q.action}, "Version": {"2017-05-25"}, "Format": {"json"}, "AccessKeyId": {q.keyID},
		"SignatureMethod": {"HMAC-SHA1"}, "SignatureVersion": {"1.0"}, "SignatureNonce": {q.nonce},
		"Timestamp": {q.now.UTC().Format("2006-01-02T15:04:05Z")}}
	if q.token != "" {
		query.Set("SecurityToken", q.token)
	}
	all := url.Values{}
	for _, from := range []url.Values{query, q.query, q.form} {
		for name, values := range from {
			all[name] = values
		}
	}
	for name, values := range q.query {
		query[name] = values
	}
	toSign := q.method + "&%2F&" + url.QueryEscape(percent(all))
	mac := hmac.New(sha1.New, []byte(q.secret+"&"))
	mac.Write([]byte(toSign))
	query.Set("Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	h := http.Header{}
	if len(q.form) > 0 {
		h.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	return q.request(query, q.form.Encode(), h)
}

func (q testRequest) request(query url.Values, body string, h http.Header) *http.Request {
	r, err := http.NewRequest(q.method, "http://"+q.host+"/?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	if body == "" {
		r.Body, r.ContentLength = http.NoBody, 0
	}
	r.Header = h
	if q.unsigned != nil {
		q.unsigned(r)
	}
	return r
}

// A testAnswer is a decoded answer.
type testAnswer struct {
	status int
	header http.Header
	body   string

	Code, Message, RequestId, BizId, HostId, Recommend string
}

// do asks the handler of s without a network.
func do(t testing.TB, s *Server, r *http.Request) testAnswer {
	t.Helper()
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	return decode(t, w.Result())
}

func decode(t testing.TB, res *http.Response) testAnswer {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := testAnswer{status: res.StatusCode, header: res.Header, body: string(body)}
	if err := json.Unmarshal(body, &a); err != nil {
		t.Fatalf("answer %q: %v", body, err)
	}
	return a
}

// otp are the parameters of a one-time code to a phone number.
func otp(number string) url.Values {
	return url.Values{"PhoneNumbers": {number}, "SignName": {"速通银行"}, "TemplateCode": {"SMS_100000001"},
		"TemplateParam": {`{"code":"123456"}`}, "OutId": {"out-" + number}}
}

// free are the parameters of any text to a phone number.
func free(number, text string) url.Values {
	params, _ := json.Marshal(map[string]string{"content": text})
	return url.Values{"PhoneNumbers": {number}, "SignName": {"速通银行"}, "TemplateCode": {"SMS_100000003"},
		"TemplateParam": {string(params)}, "OutId": {"out-" + number}}
}

// with returns v with a few values changed: names and values in turn; an empty value removes.
func with(v url.Values, changes ...string) url.Values {
	out := url.Values{}
	for name, values := range v {
		out[name] = values
	}
	for i := 0; i < len(changes); i += 2 {
		if out.Set(changes[i], changes[i+1]); changes[i+1] == "" {
			out.Del(changes[i])
		}
	}
	return out
}

func sendSms(v url.Values) testRequest { return testRequest{action: "SendSms", query: v} }
