package aliyunsim

import (
	"context"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	testQueue   = "Alicom-Queue-1-SmsReport"
	testUpQueue = "Alicom-Queue-1-SmsUp"
)

// queueing runs f in a bubble of synthetic time with a Server whose account has queues.
func queueing(t *testing.T, f func(t *testing.T, s *Server), change ...func(*Config)) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer(t, func(c *Config) {
			c.Accounts[0].ReportQueue, c.Accounts[0].UpQueue = testQueue, testUpQueue
			for _, g := range change {
				g(c)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, &idleListener{done: make(chan struct{})}) }()
		synctest.Wait()
		f(t, s)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// A mnsKey is what QueryTokenForMnsQueue answers.
type mnsKey struct {
	AccessKeyID     string `json:"AccessKeyId"`
	AccessKeySecret string
	SecurityToken   string
	CreateTime      string
	ExpireTime      string
}

// tokenFor asks for a queue's keys.
func tokenFor(t *testing.T, s *Server, kind, queue string) (mnsKey, string) {
	t.Helper()
	req := testRequest{action: "QueryTokenForMnsQueue", query: url.Values{"MessageType": {kind}, "QueueName": {queue}}}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, req.v3())
	var body struct {
		Code            string
		MessageTokenDTO mnsKey
	}
	if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
		t.Fatal(err)
	}
	return body.MessageTokenDTO, body.Code
}

// A mnsAnswer is any answer of a queue.
type mnsAnswer struct {
	status   int
	XMLName  xml.Name
	Code     string
	Messages []mnsReceived  `xml:"Message"`
	Errors   []mnsUndeleted `xml:"Error"`
}

// ask makes a request of a queue. It signs apart from the package's own code on purpose.
func (k mnsKey) ask(t *testing.T, s *Server, method, target, body string, change ...func(*http.Request)) mnsAnswer {
	t.Helper()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("x-mns-version", "2015-06-06")
	r.Header.Set("Content-Type", "text/xml")
	r.Header.Set("Date", time.Now().UTC().Format(http.TimeFormat))
	r.Header.Set("security-token", k.SecurityToken)
	mac := hmac.New(sha1.New, []byte(k.AccessKeySecret))
	fmt.Fprintf(mac, "%s\n\ntext/xml\n%s\nx-mns-version:2015-06-06\n%s", method, r.Header.Get("Date"), target)
	r.Header.Set("Authorization", "MNS "+k.AccessKeyID+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	for _, f := range change {
		f(r)
	}
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, r)
	a := mnsAnswer{}
	if text := w.Body.Bytes(); len(text) > 0 && w.Header().Get("Content-Type") == "text/xml;charset=utf-8" {
		var errors struct {
			XMLName xml.Name
			Message string // of a refusal
		}
		_ = xml.Unmarshal(text, &errors)
		if errors.XMLName.Local == "Error" {
			var refusal struct{ Code string }
			if err := xml.Unmarshal(text, &refusal); err != nil {
				t.Fatalf("%v: %s", err, text)
			}
			a.Code = refusal.Code
		} else if err := xml.Unmarshal(text, &a); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
	}
	a.status = w.Code
	return a
}

func (k mnsKey) receive(t *testing.T, s *Server, queue string, wait int) mnsAnswer {
	t.Helper()
	return k.ask(t, s, http.MethodGet, fmt.Sprintf("/queues/%s/messages?numOfMessages=16&waitseconds=%d", queue, wait), "")
}

func (k mnsKey) remove(t *testing.T, s *Server, queue string, handles ...string) mnsAnswer {
	t.Helper()
	body := "<ReceiptHandles>"
	for _, h := range handles {
		body += "<ReceiptHandle>" + h + "</ReceiptHandle>"
	}
	return k.ask(t, s, http.MethodDelete, "/queues/"+queue+"/messages", body+"</ReceiptHandles>")
}

// A report comes by the queue when it is time, to whoever waits for it, and is taken when it is deleted.
func TestQueueReport(t *testing.T) {
	queueing(t, func(t *testing.T, s *Server) {
		k, code := tokenFor(t, s, "SmsReport", testQueue)
		if code != "OK" {
			t.Fatalf("token: %s", code)
		}
		if a := k.receive(t, s, testQueue, 5); a.status != 404 || a.Code != "MessageNotExist" {
			t.Errorf("an empty queue answers %d %s", a.status, a.Code)
		}
		begin := time.Now()
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, testRequest{action: "SendSms", query: url.Values{"PhoneNumbers": {"13900000001"}, "SignName": {"速通银行"},
			"TemplateCode": {"SMS_100000003"}, "TemplateParam": {`{"content":"x"}`}, "OutId": {"sb-1-7"}}}.v3())
		a := k.receive(t, s, testQueue, 30)
		if waited := time.Since(begin); len(a.Messages) != 1 || waited != 300*time.Millisecond {
			t.Fatalf("%d messages after %v, want the report after 300ms", len(a.Messages), waited)
		}
		body, err := base64.StdEncoding.DecodeString(a.Messages[0].MessageBody)
		var report map[string]any
		if err != nil || json.Unmarshal(body, &report) != nil {
			t.Fatalf("body %q: %v", body, err)
		}
		if report["out_id"] != "sb-1-7" || report["err_code"] != "DELIVERED" || report["success"] != true {
			t.Errorf("report %v", report)
		}
		if got := s.Ledger()[0].State; got != StatePending {
			t.Errorf("before it is deleted it is %v", got)
		}
		if a := k.remove(t, s, testQueue, a.Messages[0].ReceiptHandle); a.status != 204 {
			t.Errorf("deleting answers %d", a.status)
		}
		if got := s.Ledger()[0].State; got != StatePushed {
			t.Errorf("after it was deleted it is %v", got)
		}
		if c := s.Queues()[testQueue]; c != (QueueCounts{Put: 1, Received: 1, Deleted: 1}) {
			t.Errorf("counts %+v", c)
		}
	})
}

// A message that is not deleted in time comes again, with another handle.
func TestQueueAgain(t *testing.T) {
	queueing(t, func(t *testing.T, s *Server) {
		if err := s.Enqueue(testUpQueue, []byte("{}")); err != nil {
			t.Fatal(err)
		}
		k, _ := tokenFor(t, s, "SmsUp", testUpQueue)
		first := k.receive(t, s, testUpQueue, 0)
		if a := k.receive(t, s, testUpQueue, 0); a.Code != "MessageNotExist" {
			t.Errorf("hidden, and received: %+v", a)
		}
		again := k.receive(t, s, testUpQueue, 30)
		if len(first.Messages) != 1 || len(again.Messages) != 1 || again.Messages[0].DequeueCount != 2 {
			t.Fatalf("first %+v, again %+v", first.Messages, again.Messages)
		}
		if a := k.remove(t, s, testUpQueue, first.Messages[0].ReceiptHandle); a.status != 404 || len(a.Errors) != 1 {
			t.Errorf("an old handle deletes: %+v", a)
		}
		if a := k.remove(t, s, testUpQueue, again.Messages[0].ReceiptHandle); a.status != 204 {
			t.Errorf("the last handle does not delete: %+v", a)
		}
	}, func(c *Config) { c.Queues.Visibility = 20 * time.Second }) // sooner than the third request gives up
}

// Who may read a queue.
func TestQueueRefusals(t *testing.T) {
	other := func(c *Config) {
		c.Accounts = append(c.Accounts, Account{Name: "other", Keys: []Key{{ID: "k2", Secret: "s2"}}, ReportQueue: "q2"})
	}
	queueing(t, func(t *testing.T, s *Server) {
		if err := s.Enqueue("q3", nil); err == nil {
			t.Error("there is no q3")
		}
		for _, q := range []struct{ kind, queue string }{{"SmsUp", testQueue}, {"SmsReport", "q2"}, {"SmsReport", "q3"}} {
			if _, code := tokenFor(t, s, q.kind, q.queue); code != "isp.RAM_PERMISSION_DENY" {
				t.Errorf("token for %s of %s: %s", q.kind, q.queue, code)
			}
		}
		k, _ := tokenFor(t, s, "SmsReport", testQueue)
		wrong := k
		wrong.AccessKeySecret = "x"
		unknown := k
		unknown.AccessKeyID = "x"
		drop := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
		late := func(r *http.Request) { r.Header.Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat)) }
		const messages = "/queues/" + testQueue + "/messages?numOfMessages=16"
		tests := []struct {
			name   string
			answer mnsAnswer
			status int
			code   string
		}{
			{"secret", wrong.receive(t, s, testQueue, 0), 403, "SignatureDoesNotMatch"},
			{"key", unknown.receive(t, s, testQueue, 0), 403, "InvalidAccessKeyId"},
			{"queue", k.receive(t, s, testUpQueue, 0), 403, "AccessDenied"},
			{"token", k.ask(t, s, "GET", messages, "", drop("security-token")), 403, "InvalidSecurityToken"},
			{"version", k.ask(t, s, "GET", messages, "", drop("x-mns-version")), 400, "MissingVersionHeader"},
			{"authorization", k.ask(t, s, "GET", messages, "", drop("authorization")), 400, "MissingAuthorizationHeader"},
			{"date", k.ask(t, s, "GET", messages, "", drop("date")), 400, "MissingDateHeader"},
			{"late", k.ask(t, s, "GET", messages, "", late), 408, "TimeExpired"},
			{"too many", k.ask(t, s, "GET", strings.Replace(messages, "16", "17", 1), ""), 400, "InvalidArgument"},
			{"too long", k.ask(t, s, "GET", messages+"&waitseconds=31", ""), 400, "InvalidArgument"},
			{"nothing to delete", k.remove(t, s, testQueue), 400, "MalformedXML"},
			{"method", k.ask(t, s, "PUT", messages, ""), 400, "InvalidRequestURL"},
		}
		for _, tt := range tests {
			if tt.answer.status != tt.status || tt.answer.Code != tt.code {
				t.Errorf("%s: %d %s, want %d %s", tt.name, tt.answer.status, tt.answer.Code, tt.status, tt.code)
			}
		}
		if k.ExpireTime != time.Now().Add(time.Hour).In(time.FixedZone("", 8*60*60)).Format("2006-01-02 15:04:05") {
			t.Errorf("expires at %s", k.ExpireTime)
		}
		time.Sleep(time.Hour + time.Second) // in a bubble: nothing waits
		if a := k.receive(t, s, testQueue, 0); a.status != 403 {
			t.Errorf("expired keys: %d %s", a.status, a.Code)
		}
	}, other)
}
