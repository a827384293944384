package aliyunsim

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A sight is what a client sees of a call.
type sight struct {
	err    error // of the round trip or of reading the body
	status int
	ctype  string
	body   string
}

// look makes a call over TCP and returns what its client sees.
func look(c *http.Client, host, number string) sight {
	q := sendSms(free(number, "text"))
	q.host = host
	res, err := c.Do(q.v3())
	if err != nil {
		return sight{err: err}
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return sight{err, res.StatusCode, res.Header.Get("Content-Type"), string(body)}
}

// TestCallFaults checks for each fault what the client sees and what was executed: where it says that the service
// did its work, it did, and where it says it did not, it did not.
func TestCallFaults(t *testing.T) {
	const jsonType = "application/json;charset=utf-8"
	code := func(code string) func(sight) bool {
		return func(v sight) bool {
			return v.err == nil && v.ctype == jsonType && strings.Contains(v.body, `"Code":"`+code+`"`)
		}
	}
	status := func(n int, and func(sight) bool) func(sight) bool {
		return func(v sight) bool { return v.status == n && (and == nil || and(v)) }
	}
	dropped := func(v sight) bool { return errors.Is(v.err, io.EOF) }
	reset := func(v sight) bool { return errors.Is(v.err, syscall.ECONNRESET) }
	silence := func(v sight) bool { return errors.Is(v.err, context.DeadlineExceeded) }
	cut := func(v sight) bool {
		return errors.Is(v.err, io.ErrUnexpectedEOF) && strings.HasPrefix(v.body, `{"Message":"OK"`)
	}
	html := func(v sight) bool { return v.ctype == "text/html" && strings.HasPrefix(v.body, "<html>") }
	empty := func(v sight) bool { return v.body == "" && v.ctype == "" }
	garbage := func(v sight) bool { return v.err == nil && !strings.HasPrefix(v.body, "{") && v.body != "" }

	tests := []struct {
		fault    Fault
		sees     func(sight) bool
		executed bool
	}{
		{Fault{Kind: FaultLatency, DelayMS: 1}, status(200, code("OK")), true},
		{Fault{Kind: FaultHang, DelayMS: 1}, status(200, code("OK")), true},
		{Fault{Kind: FaultDrop}, dropped, false},
		{Fault{Kind: FaultDrop, Executed: true}, dropped, true},
		{Fault{Kind: FaultReset}, reset, false},
		{Fault{Kind: FaultReset, Executed: true}, reset, true},
		{Fault{Kind: FaultBlackHole}, silence, false},
		{Fault{Kind: FaultBlackHole, Executed: true}, silence, false},
		{Fault{Kind: FaultRedirect}, status(200, html), false},
		{Fault{Kind: FaultRedirect, Executed: true}, status(200, html), true},
		{Fault{Kind: FaultError500}, status(500, code("InternalError")), false},
		{Fault{Kind: FaultError500, Executed: true}, status(500, code("InternalError")), true},
		{Fault{Kind: FaultHTML502}, status(502, html), false},
		{Fault{Kind: FaultHTML502, Executed: true}, status(502, html), true},
		{Fault{Kind: FaultEmpty503}, status(503, empty), false},
		{Fault{Kind: FaultEmpty503, Executed: true}, status(503, empty), true},
		{Fault{Kind: FaultThrottle}, status(400, code("Throttling.User")), false},
		{Fault{Kind: FaultThrottle, Code: "Throttling.Api", Executed: true}, status(400, code("Throttling.Api")), false},
		{Fault{Kind: FaultBusiness}, status(200, code("isp.SYSTEM_ERROR")), false},
		{Fault{Kind: FaultBusiness, Executed: true}, status(200, code("isp.SYSTEM_ERROR")), true},
		{Fault{Kind: FaultBusiness, Code: "isv.AMOUNT_NOT_ENOUGH"}, status(200, code("isv.AMOUNT_NOT_ENOUGH")), false},
		{Fault{Kind: FaultGateway, Code: "Forbidden.RAM"}, status(403, code("Forbidden.RAM")), false},
		{Fault{Kind: FaultGateway, Code: "ServiceUnavailable", Status: 503}, status(503, code("ServiceUnavailable")), false},
		{Fault{Kind: FaultSlowBody, DelayMS: 8}, status(200, code("OK")), true},
		{Fault{Kind: FaultIdleClose}, status(200, code("OK")), true},
		{Fault{Kind: FaultTruncated}, cut, false},
		{Fault{Kind: FaultTruncated, Executed: true}, cut, true},
		{Fault{Kind: FaultGarbage}, status(200, garbage), false},
		{Fault{Kind: FaultGarbage, Executed: true}, status(200, garbage), true},
	}
	s := newServer(t, nil)
	host := run(t, s)
	seen := map[FaultKind]bool{}
	for _, test := range tests {
		seen[test.fault.Kind] = true
		t.Run(fmt.Sprintf("%s %s executed=%v", test.fault.Kind, test.fault.Code, test.fault.Executed), func(t *testing.T) {
			// A connection of its own for each call: net/http would repeat one on a connection that had been used.
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			if test.fault.Kind == FaultBlackHole {
				c.Timeout = 100 * time.Millisecond
			}
			if err := s.SetFaults(Faults{test.fault}); err != nil {
				t.Fatal(err)
			}
			before := len(s.Ledger())
			if v := look(c, host, "13900000001"); !test.sees(v) {
				t.Errorf("the client sees %+v", v)
			}
			if executed := len(s.Ledger()) - before; (executed == 1) != test.executed || executed > 1 {
				t.Errorf("%d messages executed, want %v", executed, test.executed)
			}
		})
	}
	for _, kind := range kinds() {
		if !kind.ofReport() && !seen[kind] {
			t.Errorf("%s is not tested", kind)
		}
	}
}

// TestFaultTimes checks the faults that take time, in synthetic time: when the service does its work, and when
// the client is answered.
func TestFaultTimes(t *testing.T) {
	tests := []struct {
		name      string
		faults    Faults
		executedS int
		answeredS int
	}{
		{"none", nil, 0, 0},
		{"latency", Faults{{Kind: FaultLatency, DelayMS: 3000}}, 3, 3},
		{"two latencies", Faults{{Kind: FaultLatency, DelayMS: 3000}, {Kind: FaultLatency, DelayMS: 2000}}, 5, 5},
		{"hang", Faults{{Kind: FaultHang, DelayMS: 10_000}}, 0, 10},
		{"latency and hang", Faults{{Kind: FaultHang, DelayMS: 10_000}, {Kind: FaultLatency, DelayMS: 1000}}, 1, 11},
		{"slow body", Faults{{Kind: FaultSlowBody, DelayMS: 8000}}, 0, 8},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newServer(t, func(c *Config) { c.Faults = test.faults })
				begin := time.Now()
				if a := do(t, s, sendSms(free("13900000001", "a")).v3()); a.Code != "OK" {
					t.Fatalf("got %s", a.Code)
				}
				if got := time.Since(begin); got != time.Duration(test.answeredS)*time.Second {
					t.Errorf("answered after %v, want %d s", got, test.answeredS)
				}
				if got := s.Ledger()[0].Time.Sub(begin); got != time.Duration(test.executedS)*time.Second {
					t.Errorf("executed after %v, want %d s", got, test.executedS)
				}
			})
		})
	}
}

// TestFaultChoice checks whom a fault befalls: by count, phone number and API.
func TestFaultChoice(t *testing.T) {
	s := newServer(t, nil)
	send := func(number string) string { return do(t, s, sendSms(free(number, "a")).v3()).Code }
	lists := func() string { return do(t, s, testRequest{action: "QuerySmsSignList"}.v3()).Code }
	batch := func() string {
		return do(t, s, testRequest{action: "SendBatchSms", query: with(nil, "PhoneNumberJson", `["13900000001","8613900000002"]`,
			"SignNameJson", `["速通银行","速通银行"]`, "TemplateCode", "SMS_100000003",
			"TemplateParamJson", `[{"content":"a"},{"content":"b"}]`)}.v3()).Code
	}
	ask := func(f ...Fault) string {
		if err := s.SetFaults(f); err != nil {
			t.Fatal(err)
		}
		return strings.Join([]string{send("13900000001"), send("+8613900000002"), send("13900000001"), batch(), lists()}, " ")
	}
	const bad = "isp.SYSTEM_ERROR"
	tests := []struct {
		name  string
		fault Fault
		want  []string
	}{
		{"all that send", Fault{}, []string{bad, bad, bad, bad, "OK"}},
		{"the next two", Fault{Count: 2}, []string{bad, bad, "OK", "OK", "OK"}},
		{"one number", Fault{Suffix: "002"}, []string{"OK", bad, "OK", bad, "OK"}},
		{"one number once", Fault{Suffix: "2", Count: 1}, []string{"OK", bad, "OK", "OK", "OK"}},
		{"one API", Fault{Action: "SendBatchSms"}, []string{"OK", "OK", "OK", bad, "OK"}},
		{"another API", Fault{Action: "QuerySmsSignList"}, []string{"OK", "OK", "OK", "OK", bad}},
		{"all", Fault{Action: "*"}, []string{bad, bad, bad, bad, bad}},
	}
	for _, test := range tests {
		test.fault.Kind = FaultBusiness
		if got, want := ask(test.fault), strings.Join(test.want, " "); got != want {
			t.Errorf("%s:\n got %s\nwant %s", test.name, got, want)
		}
	}
	// The first fault that applies wins, and the other keeps its count.
	first, second := Fault{Kind: FaultBusiness, Code: "first", Count: 1}, Fault{Kind: FaultBusiness, Code: "second", Count: 2}
	if got, want := ask(first, second), "first second second OK OK"; got != want {
		t.Errorf("two faults: got %s, want %s", got, want)
	}
	if left := s.Faults(); len(left) != 0 {
		t.Errorf("faults that are used up are still there: %+v", left)
	}
}

// TestFaultsRepeat checks that the seed decides, and that the probability is kept.
func TestFaultsRepeat(t *testing.T) {
	course := func(seed uint64) []bool {
		s := newFaultSet(seed, Faults{{Kind: FaultBusiness, Probability: 0.3}})
		var out []bool
		for range 1000 {
			out = append(out, s.ofCall("SendSms", &action{sends: true}, func(string) bool { return true }).Kind != "")
		}
		return out
	}
	one, same, other := course(1), course(1), course(2)
	if !slices.Equal(one, same) || slices.Equal(one, other) {
		t.Error("the seed does not decide which calls fail")
	}
	hits := 0
	for _, hit := range one {
		if hit {
			hits++
		}
	}
	if hits < 250 || hits > 350 {
		t.Errorf("%d of 1000 calls failed, want about 300", hits)
	}
}

// TestFaultsBehindTheGateway checks that calls which the gateway refuses use up no fault.
func TestFaultsBehindTheGateway(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Faults = Faults{{Kind: FaultBusiness, Count: 1}} })
	q := sendSms(free("13900000001", "a"))
	q.keyID, q.secret = "sim-key", "wrong"
	if a := do(t, s, q.v3()); a.Code != "SignatureDoesNotMatch" {
		t.Fatalf("got %s", a.Code)
	}
	if left := s.Faults(); len(left) != 1 || left[0].Count != 1 {
		t.Errorf("faults left: %+v", left)
	}
}

func TestFaultsValidate(t *testing.T) {
	for _, f := range []Fault{{}, {Kind: "x"}, {Kind: FaultDrop, Probability: 1.5}, {Kind: FaultDrop, Count: -1},
		{Kind: FaultDrop, DelayMS: -1}, {Kind: FaultDrop, Suffix: "12x"}, {Kind: FaultGateway}} {
		s := newServer(t, nil)
		if err := s.SetFaults(Faults{{Kind: FaultDrop}, f}); err == nil || !strings.Contains(err.Error(), "fault 1") {
			t.Errorf("%+v: got %v", f, err)
		}
		if len(s.Faults()) != 0 {
			t.Errorf("%+v was refused and yet set", f)
		}
	}
}

// TestIdleClose checks that the connection is closed unannounced after a good answer: the next request that
// a client writes to it is lost, and was not executed.
func TestIdleClose(t *testing.T) {
	s := newServer(t, func(c *Config) { c.Faults = Faults{{Kind: FaultIdleClose, DelayMS: 20, Count: 1}} })
	host := run(t, s)
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	q := sendSms(free("13900000001", "first"))
	q.host = host
	if err := q.v3().Write(conn); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil || !strings.Contains(string(buf[:n]), `"Code":"OK"`) || !strings.Contains(string(buf[:n]), "Connection: keep-alive") {
		t.Fatalf("got %q, %v", buf[:n], err)
	}
	q.query = free("13900000002", "second")
	if err := q.v3().Write(conn); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		t.Fatal(err)
	}
	if n, err := conn.Read(buf); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %d bytes and %v, want a closed connection", n, err)
	}
	if n := len(s.Ledger()); n != 1 {
		t.Errorf("%d messages executed, want 1", n)
	}
}

// TestRunStopsWhileHanging checks that Run ends although calls hang, and that those which waited to be executed
// are not.
func TestRunStopsWhileHanging(t *testing.T) {
	for name, executed := range map[FaultKind]int{FaultHang: 1, FaultLatency: 0, FaultIdleClose: 1} {
		t.Run(string(name), func(t *testing.T) {
			var s *Server
			answered := make(chan sight, 1)
			t.Run("serve", func(t *testing.T) {
				s = newServer(t, func(c *Config) { c.Faults = Faults{{Kind: name, Suffix: "0001", DelayMS: 3_600_000}} })
				host := run(t, s)
				c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
				go func() { answered <- look(c, host, "13900000001") }()
				for s.Counters().Faults[string(name)] == 0 { // the call is inside
					_ = look(c, host, "1") // a refused call
				}
			}) // its cleanup stops Run
			if v := <-answered; name != FaultIdleClose && v.err == nil {
				t.Errorf("the client sees %+v, want an error", v)
			}
			if n := len(s.Ledger()); n != executed {
				t.Errorf("%d messages executed, want %d", n, executed)
			}
		})
	}
}
