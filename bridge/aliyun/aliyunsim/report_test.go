package aliyunsim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// An idleListener never has a connection: the tests of reports ask the handler.
type idleListener struct {
	once sync.Once
	done chan struct{}
}

func (l *idleListener) Accept() (net.Conn, error) { <-l.done; return nil, net.ErrClosed }
func (l *idleListener) Close() error              { l.once.Do(func() { close(l.done) }); return nil }
func (l *idleListener) Addr() net.Addr            { return &net.TCPAddr{} }

// A push is one POST that a receiver got.
type push struct {
	after   time.Duration // since the bubble began
	reports []map[string]any
}

// A receiver takes pushes in the place of a network.
type receiver struct {
	t     *testing.T
	begin time.Time

	mu     sync.Mutex
	pushes []push                                // guarded by mu
	answer func(try int) (*http.Response, error) // guarded by mu
	silent bool                                  // guarded by mu
}

func respond(status int, body string) (*http.Response, error) {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}, nil
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	if got := req.Header.Get("Content-Type"); got != "application/json;charset=UTF-8" || req.Method != http.MethodPost {
		r.t.Errorf("%s with content type %q", req.Method, got)
	}
	p := push{after: time.Since(r.begin)}
	if err := json.NewDecoder(req.Body).Decode(&p.reports); err != nil {
		r.t.Errorf("push: %v", err)
	}
	r.mu.Lock()
	if !r.silent {
		r.pushes = append(r.pushes, p)
	}
	try, answer, silent := len(r.pushes), r.answer, r.silent
	r.mu.Unlock()
	switch {
	case silent:
		<-req.Context().Done()
		return nil, req.Context().Err()
	case answer == nil:
		return respond(200, `{"code":0,"msg":"接收成功"}`)
	}
	return answer(try)
}

// set changes how the receiver answers; a silent one does not.
func (r *receiver) set(answer func(try int) (*http.Response, error), silent bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer, r.silent = answer, silent
}

// got returns the pushes so far.
func (r *receiver) got() []push {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.pushes)
}

// seen describes the pushes: when, and whose reports.
func (r *receiver) seen() string {
	var out []string
	for _, p := range r.got() {
		var phones []string
		for _, rep := range p.reports {
			phones = append(phones, strings.TrimPrefix(fmt.Sprint(rep["phone_number"]), "1390000000"))
		}
		out = append(out, p.after.String()+" "+strings.Join(phones, ","))
	}
	return strings.Join(out, "; ")
}

// pushing runs f in a bubble of synthetic time with a Server that pushes to r.
func pushing(t *testing.T, change func(*Config), f func(t *testing.T, s *Server, r *receiver)) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{t: t, begin: time.Now()}
		s := newServer(t, func(c *Config) {
			c.ReportURL, c.Transport = "http://bridge.test/callback/secret/smsreport", r
			if change != nil {
				change(c)
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx, &idleListener{done: make(chan struct{})}) }()
		synctest.Wait()
		f(t, s, r)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
}

// sendTo sends any text to 1390000000n for each n.
func sendTo(t *testing.T, s *Server, n ...int) {
	t.Helper()
	for _, n := range n {
		q := sendSms(free(fmt.Sprintf("1390000000%d", n), fmt.Sprintf("text %d", n)))
		if a := do(t, s, q.v3()); a.Code != "OK" {
			t.Fatalf("send: %s", a.Code)
		}
	}
}

// pass lets synthetic time go by.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func states(s *Server) string {
	var out []string
	for _, e := range s.Ledger() {
		out = append(out, e.State.String())
	}
	return strings.Join(out, ",")
}

// TestReportFields checks a report field by field, times at UTC+8.
func TestReportFields(t *testing.T) {
	pushing(t, func(c *Config) {
		c.Outcomes = map[string]Outcome{"2": {ErrCode: "MOBILE_NOT_ON_SERVICE"}, "3": {NoReport: true}}
	}, func(t *testing.T, s *Server, r *receiver) {
		sendTo(t, s, 1, 2, 3)
		noOutID := with(free("13900000004", strings.Repeat("长", 100)), "OutId", "")
		if a := do(t, s, sendSms(noOutID).v3()); a.Code != "OK" {
			t.Fatal(a.Code)
		}
		pass(time.Second)
		ledger := s.Ledger()
		if len(r.got()) != 1 || len(r.got()[0].reports) != 3 {
			t.Fatalf("pushes: %s", r.seen())
		}
		want := []map[string]any{
			{"phone_number": "13900000001", "send_time": "2000-01-01 08:00:00", "report_time": "2000-01-01 08:00:00",
				"success": true, "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "1", "biz_id": ledger[0].BizID,
				"out_id": "out-13900000001"},
			{"phone_number": "13900000002", "send_time": "2000-01-01 08:00:00", "report_time": "2000-01-01 08:00:00",
				"success": false, "err_code": "MOBILE_NOT_ON_SERVICE", "err_msg": "停机、空号、暂停服务、关机、不在服务区", "sms_size": "1",
				"biz_id": ledger[1].BizID, "out_id": "out-13900000002"},
			{"phone_number": "13900000004", "send_time": "2000-01-01 08:00:00", "report_time": "2000-01-01 08:00:00",
				"success": true, "err_code": "DELIVERED", "err_msg": "用户接收成功", "sms_size": "2", "biz_id": ledger[3].BizID},
		}
		for i, got := range r.got()[0].reports {
			if fmt.Sprint(got) != fmt.Sprint(want[i]) {
				t.Errorf("report %d:\n got %v\nwant %v", i, got, want[i])
			}
		}
		if got := states(s); got != "pushed,pushed,none,pushed" {
			t.Errorf("states %s", got)
		}
	})
}

// TestReportBatches checks the delay, the window of a batch and its size.
func TestReportBatches(t *testing.T) {
	pushing(t, func(c *Config) { c.Reports.Batch = 3 }, func(t *testing.T, s *Server, r *receiver) {
		sendTo(t, s, 1)
		pass(30 * time.Millisecond)
		sendTo(t, s, 2)
		pass(100 * time.Millisecond)
		sendTo(t, s, 3, 4, 5, 6, 7)
		pass(time.Second)
		// 1 waits 50 ms for 2; of the five, three fill a batch and two wait for more.
		if got, want := r.seen(), "350ms 1,2; 430ms 3,4,5; 480ms 6,7"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestReportRetries checks what counts as taken, and the pauses of 1, 5 and 10 minutes before a batch is dropped.
func TestReportRetries(t *testing.T) {
	const all = "350ms 1; 1m0.35s 1; 6m0.35s 1; 16m0.35s 1"
	fail := func(status int, body string) func(int) (*http.Response, error) {
		return func(int) (*http.Response, error) { return respond(status, body) }
	}
	tests := []struct {
		name   string
		answer func(try int) (*http.Response, error)
		want   string
		state  string
	}{
		{"taken", fail(200, `{"code":0}`), "350ms 1", "pushed"},
		{"taken with another number", fail(200, `{"code":1,"msg":""}`), "350ms 1", "pushed"},
		{"status 500", fail(500, `{"code":0}`), all, "lost"},
		{"status 204", fail(204, ``), all, "lost"},
		{"code is a string", fail(200, `{"code":"0"}`), all, "lost"},
		{"no code", fail(200, `{"msg":"ok"}`), all, "lost"},
		{"not JSON", fail(200, `ok`), all, "lost"},
		{"no connection", func(int) (*http.Response, error) { return nil, errors.New("refused") }, all, "lost"},
		{"taken at the third", func(try int) (*http.Response, error) {
			if try < 3 {
				return respond(503, "")
			}
			return respond(200, `{"code":0}`)
		}, "350ms 1; 1m0.35s 1; 6m0.35s 1", "pushed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pushing(t, nil, func(t *testing.T, s *Server, r *receiver) {
				r.set(test.answer, false)
				sendTo(t, s, 1)
				pass(time.Minute - time.Second)
				if len(r.got()) > 1 {
					t.Errorf("retried too soon: %s", r.seen())
				}
				pass(time.Hour)
				if got := r.seen(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if got := states(s); got != test.state {
					t.Errorf("state %s, want %s", got, test.state)
				}
				n := s.Counters().Reports
				if n.Pushed+n.Lost != 1 || n.Posts != int64(len(r.got())) || n.Pending != 0 {
					t.Errorf("counters %+v", n)
				}
			})
		})
	}
}

// TestReportPushTimeout checks that a receiver which does not answer is given up and tried again.
func TestReportPushTimeout(t *testing.T) {
	pushing(t, nil, func(t *testing.T, s *Server, r *receiver) {
		r.set(nil, true)
		sendTo(t, s, 1)
		pass(4 * time.Second)
		if n := s.Counters().Reports; n.Failed != 0 || n.Posts != 1 {
			t.Errorf("after 4 s: %+v", n)
		}
		pass(2 * time.Second)
		if n := s.Counters().Reports; n.Failed != 1 || n.Retried != 1 || n.Pending != 1 {
			t.Errorf("after 6 s: %+v", n)
		}
		r.set(nil, false)
		pass(time.Minute)
		if got, want := r.seen(), "1m5.35s 1"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// TestReportFaults checks each fault of reports: what is pushed when, and what the ledger says.
func TestReportFaults(t *testing.T) {
	tests := []struct {
		name   string
		faults Faults
		want   string
		states string
	}{
		{"none", nil, "350ms 1,2,3", "pushed,pushed,pushed"},
		{"duplicate in the same batch", Faults{{Kind: FaultReportDuplicate, Suffix: "2"}}, "350ms 1,2,2,3", "pushed,pushed,pushed"},
		{"duplicate later", Faults{{Kind: FaultReportDuplicate, Suffix: "2", DelayMS: 1000}}, "350ms 1,2,3; 1.35s 2", "pushed,pushed,pushed"},
		{"overtaken", Faults{{Kind: FaultReportLate, Count: 1, DelayMS: 40}}, "350ms 2,3,1", "pushed,pushed,pushed"},
		{"late", Faults{{Kind: FaultReportLate, Count: 1, DelayMS: 5000}}, "350ms 2,3; 5.35s 1", "pushed,pushed,pushed"},
		{"withheld", Faults{{Kind: FaultReportWithhold, Suffix: "02"}}, "350ms 1,3; 1m0.05s 2", "pushed,withheld,pushed"},
		{"lost", Faults{{Kind: FaultReportLose, Suffix: "02"}}, "350ms 1,3", "pushed,lost,pushed"},
		{"early", Faults{{Kind: FaultReportEarly, Suffix: "2"}}, "0s 2; 350ms 1,3", "pushed,pushed,pushed"},
		{"early and again", Faults{{Kind: FaultReportEarly, Suffix: "2"}, {Kind: FaultReportDuplicate, Suffix: "2", DelayMS: 300}},
			"0s 2; 350ms 1,2,3", "pushed,pushed,pushed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pushing(t, func(c *Config) { c.Faults = test.faults }, func(t *testing.T, s *Server, r *receiver) {
				sendTo(t, s, 1, 2, 3)
				pass(time.Minute)
				if got := states(s); got != test.states {
					t.Errorf("states %s, want %s", got, test.states)
				}
				withheld := strings.Count(test.states, "withheld")
				if got := s.ReleaseReports(); got != withheld {
					t.Errorf("%d reports released, want %d", got, withheld)
				}
				pass(time.Minute)
				if got := r.seen(); got != test.want {
					t.Errorf("got %s, want %s", got, test.want)
				}
				if got, want := states(s), strings.ReplaceAll(test.states, "withheld", "pushed"); got != want {
					t.Errorf("states at the end: %s", got)
				}
			})
		})
	}
}

// TestReportEarly checks that an early report is taken before the call is answered.
func TestReportEarly(t *testing.T) {
	pushing(t, func(c *Config) { c.Faults = Faults{{Kind: FaultReportEarly}} }, func(t *testing.T, s *Server, r *receiver) {
		gate := make(chan struct{})
		r.set(func(int) (*http.Response, error) { <-gate; return respond(200, `{"code":0}`) }, false)
		answered := make(chan testAnswer, 1)
		go func() { answered <- do(t, s, sendSms(free("13900000001", "a")).v3()) }()
		synctest.Wait()
		select {
		case <-answered:
			t.Fatal("answered before the report was")
		default:
		}
		close(gate)
		if a := <-answered; a.Code != "OK" || a.BizId != r.got()[0].reports[0]["biz_id"] {
			t.Errorf("got %s %s, pushed %v", a.Code, a.BizId, r.got())
		}
	})
}

func TestReportWithoutOutID(t *testing.T) {
	pushing(t, func(c *Config) { c.Faults = Faults{{Kind: FaultReportNoOutID, Suffix: "1"}} },
		func(t *testing.T, s *Server, r *receiver) {
			sendTo(t, s, 1, 2)
			pass(time.Second)
			_, first := r.got()[0].reports[0]["out_id"]
			_, second := r.got()[0].reports[1]["out_id"]
			if first || !second {
				t.Errorf("out_id there: %v and %v, want false and true", first, second)
			}
			if s.Ledger()[0].OutID == "" {
				t.Error("the ledger lost the OutId")
			}
		})
}

// TestReportURL checks that without a URL nobody is told, and that one can be set later.
func TestReportURL(t *testing.T) {
	pushing(t, func(c *Config) { c.ReportURL = "" }, func(t *testing.T, s *Server, r *receiver) {
		sendTo(t, s, 1)
		s.SetReportURL("http://bridge.test/")
		sendTo(t, s, 2, 3)
		pass(time.Second)
		s.SetReportURL("")
		sendTo(t, s, 4)
		pass(time.Second)
		if got, want := r.seen(), "350ms 2,3"; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if got := states(s); got != "none,pushed,pushed,none" {
			t.Errorf("states %s", got)
		}
	})
}

// TestRunStopsWhilePushing checks that Run does not wait for a receiver that hangs, and keeps the report pending.
func TestRunStopsWhilePushing(t *testing.T) {
	var s *Server
	pushing(t, nil, func(t *testing.T, srv *Server, r *receiver) {
		s = srv
		r.set(nil, true)
		sendTo(t, s, 1)
		pass(time.Second) // the push hangs until 5.35 s
		t.Cleanup(func() {
			if took := time.Since(r.begin); took > 3*time.Second {
				t.Errorf("Run ended after %v", took)
			}
		})
	})
	if got := states(s); got != "pending" {
		t.Errorf("state %s, want pending", got)
	}
}
