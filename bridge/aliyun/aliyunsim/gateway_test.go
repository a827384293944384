package aliyunsim

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestGatewayChecks has a row for each refusal of the gateway, and for the order where two apply.
func TestGatewayChecks(t *testing.T) {
	good := func() testRequest { return sendSms(otp("13900000001")) }
	header := func(change func(http.Header)) *http.Request {
		q := good()
		q.header = change
		return q.v3()
	}
	key := func(id, secret, token string) testRequest {
		q := good()
		q.keyID, q.secret, q.token = id, secret, token
		return q
	}
	v1 := func(name, value string) *http.Request {
		q := good()
		q.unsigned = func(r *http.Request) {
			v := r.URL.Query()
			if v.Set(name, value); value == "" {
				v.Del(name)
			}
			r.URL.RawQuery = v.Encode()
		}
		return q.v1()
	}
	action := func(name string) testRequest { q := good(); q.action = name; return q }
	param := func(changes ...string) testRequest { return sendSms(with(otp("13900000001"), changes...)) }
	old := key("nobody", "", "")
	old.now = time.Now().Add(-time.Hour)
	expired := good()
	expired.now = time.Now().Add(-time.Hour)
	expired.keyID, expired.secret = "sim-key", "wrong"

	tests := []struct {
		name    string
		request *http.Request
		status  int
		want    string
	}{
		{"no action", header(func(h http.Header) { h.Del("x-acs-action") }), 400, "MissingAction"},
		{"unknown action", action("AddSmsTemplate").v3(), 404, "InvalidAction.NotFound"},
		{"unknown action, v1", action("AddSmsTemplate").v1(), 404, "InvalidAction.NotFound"},
		{"no version", header(func(h http.Header) { h.Del("x-acs-version") }), 400, "MissingVersion"},
		{"other version", header(func(h http.Header) { h.Set("x-acs-version", "2018-05-01") }), 400, "InvalidVersion"},
		{"other version, v1", v1("Version", "2018-05-01"), 400, "InvalidVersion"},
		{"nothing about the caller", header(func(h http.Header) { h.Set("Authorization", "") }), 400, ""},
		{"no date", header(func(h http.Header) { h.Del("x-acs-date") }), 400, "MissingTimestamp"},
		{"no date, v1", v1("Timestamp", ""), 400, "MissingTimestamp"},
		{"no nonce", header(func(h http.Header) { h.Del("x-acs-signature-nonce") }), 400, "MissingSignatureNonce"},
		{"no nonce, v1", v1("SignatureNonce", ""), 400, "MissingSignatureNonce"},
		{"no key, v1", v1("AccessKeyId", ""), 400, "MissingAccessKeyId"},
		{"other method of signing, v1", v1("SignatureMethod", "HMAC-MD5"), 400, "InvalidSignatureMethod"},
		{"no signature name", param("SignName", "").v3(), 400, "MissingSignName"},
		{"no phone numbers", param("PhoneNumbers", "").v1(), 400, "MissingPhoneNumbers"},
		{"no template", param("TemplateCode", "").v3(), 400, "MissingTemplateCode"},
		{"what is missing comes before who calls", sendSms(nil).v3(), 400, "MissingPhoneNumbers"},
		{"unknown key", key("nobody", "", "").v3(), 404, "InvalidAccessKeyId.NotFound"},
		{"unknown key, v1", key("nobody", "", "").v1(), 404, "InvalidAccessKeyId.NotFound"},
		{"who calls comes before when", old.v3(), 404, "InvalidAccessKeyId.NotFound"},
		{"disabled key", key("old-key", "old", "").v3(), 403, "InvalidAccessKeyId.Inactive"},
		{"when comes before whether truly", expired.v3(), 400, "InvalidTimeStamp.Expired"},
		{"bad date", header(func(h http.Header) { h.Set("x-acs-date", "yesterday") }), 400, "InvalidTimeStamp.Format"},
		{"token", key("sts-key", "sts", "token").v3(), 200, "OK"},
		{"token, v1", key("sts-key", "sts", "token").v1(), 200, "isv.BUSINESS_LIMIT_CONTROL"},
		{"no token", key("sts-key", "sts", "").v3(), 400, "MissingSecurityToken"},
		{"other token", key("sts-key", "sts", "else").v1(), 400, "InvalidSecurityToken.MismatchWithAccessKey"},
		{"expired token", key("late-key", "sts", "token").v3(), 400, "InvalidSecurityToken.Expired"},
	}
	s := newServer(t, func(c *Config) {
		c.Accounts[0].Keys = append(c.Accounts[0].Keys,
			Key{ID: "old-key", Secret: "old", Inactive: true},
			Key{ID: "sts-key", Secret: "sts", SecurityToken: "token", Expires: time.Now().Add(time.Hour)},
			Key{ID: "late-key", Secret: "sts", SecurityToken: "token", Expires: time.Now().Add(-time.Hour)})
	})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.want == "" {
				test.request.Header.Del("Authorization")
				test.want = "MissingAccessKeyId"
			}
			a := do(t, s, test.request)
			if a.status != test.status || a.Code != test.want {
				t.Fatalf("got %d %s, want %d %s", a.status, a.Code, test.status, test.want)
			}
			checkForm(t, a)
		})
	}
}

// checkForm checks what answers of the gateway and of the service have in common and apart.
func checkForm(t *testing.T, a testAnswer) {
	t.Helper()
	if !regexp.MustCompile(`^[0-9A-F]{8}-[0-9A-F]{4}-4[0-9A-F]{3}-[89AB][0-9A-F]{3}-[0-9A-F]{12}$`).MatchString(a.RequestId) {
		t.Errorf("RequestId %q is not an upper-case UUID", a.RequestId)
	}
	if got := a.header.Get("x-acs-request-id"); got != a.RequestId {
		t.Errorf("x-acs-request-id %q, want %q", got, a.RequestId)
	}
	if got := a.header.Get("Content-Type"); got != "application/json;charset=utf-8" {
		t.Errorf("content type %q", got)
	}
	gateway := a.status >= 400
	if (a.HostId == "dysmsapi.aliyuncs.com") != gateway || strings.HasPrefix(a.Recommend, "https://") != gateway {
		t.Errorf("status %d with HostId %q and Recommend %q", a.status, a.HostId, a.Recommend)
	}
}

// TestNonce checks that a nonce is good once in 15 minutes, whether its call was executed or not.
func TestNonce(t *testing.T) {
	clock := newClock()
	s := newServer(t, func(c *Config) { c.Now = clock.now })
	ask := func(nonce, secret string) string {
		q := sendSms(free("13900000001", "a"))
		q.nonce, q.now, q.keyID, q.secret = nonce, clock.now(), "sim-key", secret
		return do(t, s, q.v3()).Code
	}
	for i, step := range []struct {
		after         time.Duration
		nonce, secret string
		want          string
	}{
		{0, "a", "sim-secret", "OK"},
		{0, "a", "sim-secret", "SignatureNonceUsed"},
		{0, "b", "wrong", "SignatureDoesNotMatch"},
		{0, "b", "sim-secret", "SignatureNonceUsed"},
		{15 * time.Minute, "a", "sim-secret", "SignatureNonceUsed"},
		{6 * time.Minute, "a", "sim-secret", "OK"},
		{time.Hour, "a", "sim-secret", "OK"},
	} {
		clock.advance(step.after)
		if got := ask(step.nonce, step.secret); got != step.want {
			t.Errorf("step %d: got %s, want %s", i, got, step.want)
		}
	}
}

// TestNoncesAreBounded checks that a generation's limit turns the generations over.
func TestNoncesAreBounded(t *testing.T) {
	n := newNonces(10)
	for i := range 1000 {
		if !n.use(fmt.Sprint(i), start) {
			t.Fatalf("nonce %d is new and was refused", i)
		}
	}
	if n.use("999", start) {
		t.Error("the last nonce was forgotten")
	}
	total := 0
	for _, set := range n.sets {
		total += len(set)
	}
	if total > 40 {
		t.Errorf("%d nonces are remembered, want at most 40", total)
	}
}

// TestThrottling checks the calls of one second, per account and API.
func TestThrottling(t *testing.T) {
	clock := newClock()
	s := newServer(t, func(c *Config) {
		c.Now = clock.now
		c.QPS = map[string]int{"SendSms": 3}
		other := c.Accounts[0]
		other.Name, other.Keys = "other", []Key{{ID: "other-key", Secret: "s"}}
		other.QPS = map[string]int{"*": 1}
		c.Accounts = append(c.Accounts, other)
	})
	ask := func(q testRequest) testAnswer {
		q.now = clock.now()
		return do(t, s, q.v3())
	}
	send := sendSms(free("13900000001", "a"))
	for range 3 {
		if a := ask(send); a.Code != "OK" {
			t.Fatalf("got %s within the quota", a.Code)
		}
	}
	clock.advance(250 * time.Millisecond)
	a := ask(send)
	if a.Code != "Throttling.User" || a.status != 400 || a.Message != "Request was denied due to user flow control." {
		t.Fatalf("got %d %s beyond the quota", a.status, a.body)
	}
	want := fmt.Sprintf("Limit:3,Remain:0,TimeLeft:750,Reset:%d", start.Add(time.Second).UnixMilli())
	if got := a.header.Get("x-ratelimit-user-api"); got != want {
		t.Errorf("x-ratelimit-user-api: got %q, want %q", got, want)
	}
	if a := ask(testRequest{action: "QuerySmsSignList"}); a.Code != "OK" {
		t.Errorf("another API got %s", a.Code)
	}
	elsewhere := send
	elsewhere.keyID, elsewhere.secret = "other-key", "s"
	if a := ask(elsewhere); a.Code != "OK" {
		t.Errorf("another account got %s", a.Code)
	}
	if a := ask(elsewhere); a.Code != "Throttling.User" || !strings.HasPrefix(a.header.Get("x-ratelimit-user"), "Limit:1,") {
		t.Errorf("another account beyond a quota of its own got %s, %q", a.Code, a.header.Get("x-ratelimit-user"))
	}
	clock.advance(750 * time.Millisecond)
	if a := ask(send); a.Code != "OK" {
		t.Errorf("got %s in the next second", a.Code)
	}
	if n := len(s.Ledger()); n != 5 {
		t.Errorf("%d messages executed, want 5", n)
	}
}

// TestUnreadableRequests checks that nonsense is refused and nothing else.
func TestUnreadableRequests(t *testing.T) {
	s := newServer(t, nil)
	for name, change := range map[string]func(*http.Request){
		"escape in the query": func(r *http.Request) { r.URL.RawQuery += "&x=%zz" },
		"path":                func(r *http.Request) { r.URL.Path = "/sms" },
		"method":              func(r *http.Request) { r.Method = http.MethodPut },
		"escape in a name":    func(r *http.Request) { r.URL.RawQuery += "&%z=1" },
		"long body": func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat("a=b&", maxBody/4+1))), -1
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		},
		"authorization": func(r *http.Request) { r.Header.Set("Authorization", "Basic Zm9v") },
	} {
		q := sendSms(otp("13900000001"))
		q.unsigned = change
		if a := do(t, s, q.v3()); a.status < 400 || a.status >= 500 || a.Code == "" {
			t.Errorf("%s: got %d %s", name, a.status, a.Code)
		}
	}
	if n := len(s.Ledger()); n != 0 {
		t.Errorf("%d messages executed", n)
	}
	if got := s.Counters().Calls; got["other"]["InvalidParameter"] != 3 || got["SendSms"]["InvalidAuthorization"] != 1 {
		t.Errorf("refusals were counted as %v", got)
	}
}

// TestRunListenerFails checks that Run ends, with the error, when its listener breaks.
func TestRunListenerFails(t *testing.T) {
	s := newServer(t, nil)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
	if err := s.Run(t.Context(), ln); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want a closed listener", err)
	}
}
