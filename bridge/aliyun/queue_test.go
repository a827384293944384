package aliyun

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/bridge"
)

// queueAt is a client of a queue at a test server.
func queueAt(t *testing.T, h http.HandlerFunc) *queueClient {
	t.Helper()
	u, err := url.Parse(serve(t, h).URL)
	if err != nil {
		t.Fatal(err)
	}
	client := newQueueTransport(nil, 1)
	t.Cleanup(client.CloseIdleConnections)
	return &queueClient{url: u.JoinPath("queues", "q", "messages"), client: client,
		now: func() time.Time { return time.Date(2012, 3, 7, 18, 49, 58, 0, time.UTC) }}
}

// The signature is the one that was computed by hand (with openssl) of what the service's documents say is signed.
func TestQueueSignature(t *testing.T) {
	keys, err := newKeys("STS.id", "secret", "token")
	if err != nil {
		t.Fatal(err)
	}
	var got http.Header
	c := queueAt(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Clone()
		w.WriteHeader(http.StatusNoContent)
	})
	if err := c.remove(t.Context(), keys, []string{"h1", "h2"}); err != nil {
		t.Fatal(err)
	}
	const want = "MNS STS.id:F6ny0hPSsXQFK6b5dD75764cIvo="
	if got.Get("Authorization") != want || got.Get("Security-Token") != "token" || got.Get("Date") != "Wed, 07 Mar 2012 18:49:58 GMT" {
		t.Errorf("signed %q, want %q", got.Get("Authorization"), want)
	}
}

// What a queue may answer, and what is made of it. Nothing of the answer but a code is in an error.
func TestQueueAnswers(t *testing.T) {
	keys, err := newKeys(testKeyID, testSecret, "")
	if err != nil {
		t.Fatal(err)
	}
	refused := func(code string) string {
		return `<?xml version="1.0"?><Error><Code>` + code + `</Code><Message>` + testPhone + `</Message></Error>`
	}
	tests := []struct {
		name   string
		status int
		body   string
		want   int // messages
		err    string
	}{
		{"empty", 404, refused("MessageNotExist"), 0, ""},
		{"one", 200, `<Messages xmlns="x"><Message><MessageBody>e30=</MessageBody><ReceiptHandle>h</ReceiptHandle><DequeueCount>2</DequeueCount></Message></Messages>`, 1, ""},
		{"no queue", 404, refused("QueueNotExist"), 0, "receive: refused with HTTP 404 QueueNotExist"},
		{"wrong key", 403, refused("AccessDenied"), 0, "receive: refused with HTTP 403 AccessDenied"},
		{"a code that is none", 403, refused("with spaces " + testPhone), 0, "receive: refused with HTTP 403"},
		{"a page", 502, "<html>" + testPhone + "</html>", 0, "receive: refused with HTTP 502"},
		{"not XML", 200, testPhone, 0, "receive: the answer cannot be read"},
		{"another document", 200, refused("x"), 0, "receive: the answer cannot be read"},
		{"more than were asked for", 200, "<Messages>" + strings.Repeat("<Message/>", 17) + "</Messages>", 0, "receive: the answer cannot be read"},
		{"without end", 200, strings.Repeat("x", maxMNSAnswer+1), 0, "receive: the answer is too long"},
		{"a redirect", 302, "", 0, "receive: refused with HTTP 302"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := queueAt(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			})
			list, err := c.receive(t.Context(), keys)
			text := ""
			if err != nil {
				text = err.Error()
			}
			if len(list) != tt.want || text != tt.err {
				t.Errorf("%d messages, %q; want %d, %q", len(list), text, tt.want, tt.err)
			}
		})
	}
}

// A message that is deleted already is no error; any other is.
func TestQueueDeletes(t *testing.T) {
	keys, err := newKeys("id", "secret", "")
	if err != nil {
		t.Fatal(err)
	}
	item := func(code string) string {
		return "<Error><ErrorCode>" + code + "</ErrorCode><ReceiptHandle>h</ReceiptHandle></Error>"
	}
	for body, want := range map[string]string{
		"<Errors>" + item("MessageNotExist") + "</Errors>":                              "",
		"<Errors>" + item("MessageNotExist") + item("ReceiptHandleError") + "</Errors>": "delete 1 messages: refused with HTTP 404 ReceiptHandleError",
	} {
		var sent string
		c := queueAt(t, func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			sent = r.Method + " " + string(b)
			w.WriteHeader(404)
			_, _ = io.WriteString(w, body)
		})
		text := ""
		if err := c.remove(t.Context(), keys, []string{"a<b"}); err != nil {
			text = err.Error()
		}
		if text != want || sent != "DELETE <ReceiptHandles><ReceiptHandle>a&lt;b</ReceiptHandle></ReceiptHandles>" {
			t.Errorf("got %q, want %q; sent %q", text, want, sent)
		}
	}
}

// Keys are asked for again shortly before they end, and while nobody gives any the old ones do.
func TestQueueTokenIsRenewed(t *testing.T) {
	now := time.Date(2026, 3, 5, 4, 0, 0, 0, time.UTC)
	var asked atomic.Int32
	var fails atomic.Bool
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if fails.Load() {
			respond(503, "")(w, r)
			return
		}
		if r.Header.Get("x-acs-action") != "QueryTokenForMnsQueue" || r.URL.Query().Get("QueueName") != "q" || r.URL.Query().Get("MessageType") != "SmsReport" {
			t.Errorf("asked %s", r.URL.RawQuery)
		}
		end := now.Add(time.Hour).In(beijing).Format(time.DateTime)
		respond(200, `{"Code":"OK","MessageTokenDTO":{"AccessKeyId":"STS.1","AccessKeySecret":"s","SecurityToken":"t","ExpireTime":"`+end+`"}}`)(w, r)
	})
	u, _ := url.Parse(srv.URL + "/")
	token := &queueToken{url: u, client: newKeysClient(nil), credentials: testKeys(t), kind: queueOfReports, queue: "q", now: func() time.Time { return now }}
	steps := []struct {
		name  string
		after time.Duration
		fails bool
		asked int32
		ok    bool
	}{
		{"first", 0, false, 1, true},
		{"good", 57 * time.Minute, false, 1, true},
		{"two minutes before their end", time.Minute + time.Second, true, 2, true},
		{"not again at once", time.Second, true, 2, true},
		{"again", 10 * time.Second, true, 3, true},
		{"ended", 2 * time.Minute, true, 4, false},
		{"given again", 0, false, 5, true},
	}
	for _, s := range steps {
		now = now.Add(s.after)
		fails.Store(s.fails)
		_, err := token.keys(t.Context())
		if asked.Load() != s.asked || (err == nil) != s.ok {
			t.Errorf("%s: asked %d times, %v; want %d, ok %v", s.name, asked.Load(), err, s.asked, s.ok)
		}
		if err != nil {
			checkNoSecret(t, err.Error())
		}
	}
}

// What is no usable answer is an error that quotes nothing.
func TestQueueTokenAnswers(t *testing.T) {
	const good = `"AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c"`
	for body, want := range map[string]string{
		`{"Code":"isp.RAM_PERMISSION_DENY","Message":"` + testPhone + `"}`:       "refused with HTTP 200 isp.RAM_PERMISSION_DENY",
		`{"Code":"` + testPhone + `"}`:                                           errNoSession.Error(),
		`{"Code":"OK"}`:                                                          errNoSession.Error(),
		`{"Code":"OK","MessageTokenDTO":{` + good + `}}`:                         errNoSession.Error(),
		`{"Code":"OK","MessageTokenDTO":{` + good + `,"ExpireTime":"tomorrow"}}`: errNoSession.Error(),
		`{"Code":"OK","MessageTokenDTO":{"ExpireTime":"2026-03-05 12:00:00"}}`:   errNoSession.Error(),
		`not JSON`: errNoSession.Error(),
		`{"Code":"OK","MessageTokenDTO":{` + good + `,"ExpireTime":"2026-03-05 12:00:00"}}`: "",
	} {
		s, err := readQueueToken([]byte(body))
		text := ""
		if err != nil {
			text = err.Error()
		} else if at := time.Date(2026, 3, 5, 4, 0, 0, 0, time.UTC); !s.expires.Equal(at) {
			t.Errorf("ends at %v, want %v", s.expires, at)
		}
		if text != want {
			t.Errorf("%s: got %q, want %q", body, text, want)
		}
	}
}

// Bodies that are none are told from those that are not final, and from good ones.
func TestQueueBodies(t *testing.T) {
	code := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tt := range []struct {
		name, kind, body string
		want             bodyKind
	}{
		{"not base64", queueOfReports, "{}", bodyBad},
		{"not JSON", queueOfReports, code("x"), bodyBad},
		{"a list", queueOfReports, code(`[{"phone_number":"1","out_id":"x"}]`), bodyBad},
		{"nothing to match", queueOfReports, code(`{"phone_number":"1"}`), bodyBad},
		{"pending", queueOfReports, code(`{"phone_number":"1","out_id":"x","err_code":"REQUEST_SUCCESS"}`), bodyPending},
		{"good", queueOfReports, code(` {"phone_number":"1","out_id":"x","success":true} `), bodyGood},
		{"from nobody", queueOfIncoming, code(`{"dest_code":"1","content":"x"}`), bodyBad},
		{"to nobody", queueOfIncoming, code(`{"phone_number":"1","content":"x"}`), bodyBad},
		{"content that is no text", queueOfIncoming, code(`{"phone_number":"1","dest_code":"1","content":{}}`), bodyBad},
		{"incoming", queueOfIncoming, code(`{"phone_number":"1","dest_code":"1","content":""}`), bodyGood},
	} {
		var g goods
		if got := g.add(&queueReader{kind: tt.kind, now: time.Now}, tt.body); got != tt.want || (got == bodyGood) != (len(g.reports)+len(g.incoming) == 1) {
			t.Errorf("%s: %d, with %d reports and %d messages; want %d", tt.name, got, len(g.reports), len(g.incoming), tt.want)
		}
	}
}

// readerOf reads c's queue, with keys that are good for a while.
func readerOf(t *testing.T, c *queueClient) *queueReader {
	t.Helper()
	q, err := NewQueues(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys, _ := newKeys("id", "secret", "")
	return &queueReader{name: "q", kind: queueOfReports, client: c, log: q.log, now: time.Now, metrics: q.metrics,
		token: &queueToken{now: time.Now, last: session{keys, time.Now().Add(time.Hour)}}}
}

// A queue that answers at once without messages is not asked in a loop, nor is one that fails.
func TestQueueIsNotAskedInALoop(t *testing.T) {
	for name, status := range map[string]int{"empty at once": 404, "failing": 500} {
		var asked atomic.Int32
		ctx, cancel := context.WithCancel(t.Context())
		c := queueAt(t, func(w http.ResponseWriter, _ *http.Request) {
			if asked.Add(1) == 1 { // the time is that after the first request, however late it comes
				time.AfterFunc(1500*time.Millisecond, cancel)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<Error><Code>"+map[int]string{404: mnsEmpty, 500: "InternalError"}[status]+"</Code></Error>")
		})
		r := readerOf(t, c)
		r.run(ctx, nil)
		if got := asked.Load(); got < 1 || got > 4 {
			t.Errorf("%s: asked %d times in 1.5 s", name, got)
		}
		if ctx.Err() == nil {
			t.Errorf("%s: ended early", name)
		}
		cancel()
	}
}

// stopsWhenGiven is a sink whose receiver is to end while it has something committed. It takes it, unless that has ended too.
type stopsWhenGiven struct {
	stop  func()
	hangs bool // until it is given up
	given context.Context
}

func (s *stopsWhenGiven) Report(ctx context.Context, _ []bridge.IncomingReport) error {
	s.given = ctx
	s.stop()
	if s.hangs {
		<-ctx.Done()
	}
	return ctx.Err()
}

func (s *stopsWhenGiven) Incoming(context.Context, []bridge.IncomingMessage) error { return nil }

// What was received before a receiver has to end is committed and deleted: else it would come again after a while. A commit
// that takes long is given up, and then nothing is deleted.
func TestQueueEndsWithWhatItHas(t *testing.T) {
	body := base64.StdEncoding.EncodeToString([]byte(`{"phone_number":"1","out_id":"x","success":true}`))
	for _, hangs := range []bool{false, true} {
		var deleted atomic.Int32
		c := queueAt(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodDelete {
				deleted.Add(1)
				w.WriteHeader(http.StatusNoContent)
				return
			}
			_, _ = io.WriteString(w, "<Messages><Message><ReceiptHandle>h</ReceiptHandle><MessageBody>"+body+"</MessageBody></Message></Messages>")
		})
		r := readerOf(t, c)
		ctx, cancel := context.WithCancel(t.Context())
		sink := &stopsWhenGiven{stop: cancel, hangs: hangs}
		r.run(ctx, sink)
		if got := deleted.Load() == 1; got == hangs || sink.given.Err() == nil {
			t.Errorf("a commit that takes long: %v; deleted: %v; its context: %v", hangs, got, sink.given.Err())
		}
	}
}

// A stop at the very moment at which keys have come leaves a reader with keys, or with an error, never without both.
func TestQueueTokenWhileItStops(t *testing.T) {
	srv := serve(t, func(w http.ResponseWriter, r *http.Request) {
		end := time.Now().Add(time.Hour).In(beijing).Format(time.DateTime)
		respond(200, `{"Code":"OK","MessageTokenDTO":{"AccessKeyId":"STS.1","AccessKeySecret":"s","SecurityToken":"t","ExpireTime":"`+end+`"}}`)(w, r)
	})
	u, _ := url.Parse(srv.URL + "/")
	ctx, cancel := context.WithCancel(t.Context())
	token := &queueToken{url: u, client: newKeysClient(nil), credentials: testKeys(t), kind: queueOfReports, queue: "q", now: time.Now,
		fetched: func(error) { cancel() }}
	if keys, err := token.keys(ctx); err == nil && keys.reveal == nil {
		t.Error("no error and no keys")
	}
}
