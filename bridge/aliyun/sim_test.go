package aliyun_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/store"
)

// startSim runs the simulator until the test ends, and returns it with a client of it.
func startSim(t *testing.T, change func(*aliyunsim.Config), rpcV1 bool) (*aliyunsim.Server, *aliyun.Client) {
	t.Helper()
	cfg := aliyunsim.DevConfig()
	cfg.Reports.Delay, cfg.Reports.Window = time.Millisecond, time.Millisecond
	if change != nil {
		change(&cfg)
	}
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- sim.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("simulator: %v", err)
		}
	})
	keys, err := aliyun.Static("sim-key", "sim-secret", "")
	if err != nil {
		t.Fatal(err)
	}
	client, err := aliyun.New(aliyun.Config{Routes: []aliyun.Route{{
		Name: "main", Endpoint: l.Addr().String(), Plain: true, RPCV1: rpcV1, Credentials: keys, Workers: 4, Timeout: 20 * time.Second,
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return sim, client
}

// simCall is a call that the simulator takes.
func simCall(n int) bridge.Call {
	return bridge.Call{
		OutID: fmt.Sprintf("sb-1-%d", n), Route: "main", Template: "SMS_100000003",
		Recipients: []bridge.Recipient{{Phone: "13800001111", SignName: "速通银行", Params: fmt.Sprintf(`{"content":"消息%d"}`, n)}},
	}
}

// Promise 3, as far as it is made here: an uncertain call that was executed is found, one that was
// not is not, with either signature.
func TestUncertainIsResolved(t *testing.T) {
	tests := []struct {
		fault    aliyunsim.FaultKind
		executed bool
	}{
		{aliyunsim.FaultDrop, true}, {aliyunsim.FaultDrop, false},
		{aliyunsim.FaultError500, true}, {aliyunsim.FaultError500, false},
		{aliyunsim.FaultHTML502, true}, {aliyunsim.FaultHTML502, false},
		{aliyunsim.FaultEmpty503, true}, {aliyunsim.FaultEmpty503, false},
		{aliyunsim.FaultTruncated, true}, {aliyunsim.FaultGarbage, true},
		{aliyunsim.FaultBusiness, true}, {aliyunsim.FaultBusiness, false}, // isp.SYSTEM_ERROR
	}
	for _, rpcV1 := range []bool{false, true} {
		sim, client := startSim(t, nil, rpcV1)
		for i, tt := range tests {
			fault := aliyunsim.Fault{Kind: tt.fault, Executed: tt.executed, Count: 1}
			if err := sim.SetFaults(aliyunsim.Faults{fault}); err != nil {
				t.Fatal(err)
			}
			call, begun, before := simCall(i), time.Now(), len(sim.Ledger())
			a := client.Send(context.Background(), call)
			if a.Kind != store.OutcomeUncertain {
				t.Errorf("RPC v1 %v, %s: got %+v, want uncertain", rpcV1, tt.fault, a)
			}
			executed := len(sim.Ledger()) - before
			if (executed == 1) != tt.executed {
				t.Fatalf("RPC v1 %v, %s: the simulator executed %d, want %v", rpcV1, tt.fault, executed, tt.executed)
			}
			found, err := client.Find(context.Background(), "main", call.OutID, call.Recipients[0].Phone, begun)
			if err != nil || found.Known != tt.executed {
				t.Errorf("RPC v1 %v, %s executed %v: found %+v, %v", rpcV1, tt.fault, tt.executed, found, err)
			}
		}
	}
}

// A batch is one call with one BizId and an entry of the ledger for each; lost answers are found one by one.
func TestBatchIsResolved(t *testing.T) {
	sim, client := startSim(t, nil, false)
	call := simCall(1)
	call.Recipients = nil
	for i := range 100 {
		call.Recipients = append(call.Recipients, bridge.Recipient{
			Phone: fmt.Sprintf("1390000%04d", i), SignName: "速通银行", Params: fmt.Sprintf(`{"content":"消息%d"}`, i)})
	}
	for _, lost := range []bool{false, true} {
		call.OutID = fmt.Sprintf("sb-1-lost-%v", lost)
		want := store.OutcomeAccepted
		if lost {
			want = store.OutcomeUncertain
			if err := sim.SetFaults(aliyunsim.Faults{{Kind: aliyunsim.FaultReset, Executed: true, Count: 1}}); err != nil {
				t.Fatal(err)
			}
		}
		begun, before := time.Now(), len(sim.Ledger())
		if a := client.Send(context.Background(), call); a.Kind != want || !a.Whole {
			t.Fatalf("got %+v, want kind %d", a, want)
		}
		entries := sim.Ledger()[before:]
		if len(entries) != 100 {
			t.Fatalf("the simulator executed %d", len(entries))
		}
		for i, e := range entries {
			to := call.Recipients[i]
			if e.Phone != to.Phone || e.Params != to.Params || e.OutID != call.OutID || e.BizID != entries[0].BizID {
				t.Errorf("entry %d is of another", i)
			}
		}
		for _, i := range []int{0, 57, 99} {
			found, err := client.Find(context.Background(), "main", call.OutID, call.Recipients[i].Phone, begun)
			if err != nil || !found.Known {
				t.Errorf("find %d: %+v, %v", i, found, err)
			}
		}
	}
	// One bad number refuses the whole, and does not say which.
	call.Recipients[3].Phone = "123"
	before := len(sim.Ledger())
	if a := client.Send(context.Background(), call); a.Code != "isv.MOBILE_NUMBER_ILLEGAL" || a.Whole || len(sim.Ledger()) != before {
		t.Errorf("a bad number: %+v", a)
	}
}

// What is retried was not executed.
func TestRetriedIsNotExecuted(t *testing.T) {
	sim, client := startSim(t, nil, false)
	for i, fault := range []aliyunsim.Fault{
		{Kind: aliyunsim.FaultThrottle},
		{Kind: aliyunsim.FaultGateway, Code: "Forbidden.RAM", Status: 403},
		{Kind: aliyunsim.FaultBusiness, Code: "isv.AMOUNT_NOT_ENOUGH"},
		{Kind: aliyunsim.FaultBusiness, Code: "isv.BUSINESS_LIMIT_CONTROL", Message: "触发分钟级流控Permits:1"},
	} {
		if err := sim.SetFaults(aliyunsim.Faults{fault}); err != nil {
			t.Fatal(err)
		}
		if a := client.Send(context.Background(), simCall(i)); a.Kind != store.OutcomeRetry {
			t.Errorf("%s %s: got %+v, want retry", fault.Kind, fault.Code, a)
		}
	}
	if entries := sim.Ledger(); len(entries) != 0 {
		t.Errorf("the simulator executed %d", len(entries))
	}
}

// A wrong key stops the route, a per-phone limit waits for its window, a wrong template is final;
// all in the simulator's own words.
func TestSimulatorRefusals(t *testing.T) {
	_, client := startSim(t, nil, false)
	otp := func(n int) bridge.Call {
		c := simCall(n)
		c.Template, c.Recipients[0].Params = "SMS_100000001", `{"code":"482913"}`
		return c
	}
	// At most one of three calls falls on the edge of a minute, so of the last two one is refused.
	var refused bridge.Answer
	for i := range 3 {
		if a := client.Send(context.Background(), otp(i)); a.Kind == store.OutcomeRetry {
			refused = a
		}
	}
	if refused.Code != "isv.BUSINESS_LIMIT_CONTROL.minute" || refused.After <= 0 || refused.After > time.Minute+2*time.Second {
		t.Errorf("second code within a minute: %+v", refused)
	}
	wrong := simCall(9)
	wrong.Template = "SMS_999999999"
	if a := client.Send(context.Background(), wrong); a.Kind != store.OutcomeRejected || a.Err != "031" {
		t.Errorf("unknown template: %+v", a)
	}
	_, other := startSim(t, func(c *aliyunsim.Config) { c.Accounts[0].Keys[0].Secret = "another" }, false)
	if a := other.Send(context.Background(), simCall(1)); a.Kind != store.OutcomeRetry || !a.Account || a.Code != "SignatureDoesNotMatch" {
		t.Errorf("wrong secret: %+v", a)
	}
}

// reports passes on what is reported.
type reports chan []bridge.IncomingReport

func (r reports) Report(ctx context.Context, batch []bridge.IncomingReport) error {
	select {
	case r <- batch:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Incoming makes it a bridge.Sink.
func (r reports) Incoming(context.Context, []bridge.IncomingMessage) error {
	return errors.New("only reports are awaited")
}

// The simulator's pushes are understood, and name the call; one that was not taken comes again.
func TestSimulatorReports(t *testing.T) {
	const secret = "correct-horse-battery-staple"
	got := make(reports, 16)
	handler := aliyun.PushHandler(got, secret, nil, nil)
	busy := make(chan struct{}, 1)
	busy <- struct{}{}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-busy: // the first push finds the node without a leader
			http.Error(w, "come again", http.StatusServiceUnavailable)
		default:
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(hook.Close)
	_, client := startSim(t, func(c *aliyunsim.Config) {
		c.ReportURL = hook.URL + "/callback/" + secret + "/smsreport"
		c.Reports.Retries = []time.Duration{time.Millisecond}
		c.Outcomes = map[string]aliyunsim.Outcome{"2222": {ErrCode: "MOBILE_NOT_ON_SERVICE"}}
	}, false)
	for i, tt := range []struct {
		phone  string
		ending store.Ending
		err    string
	}{{"13800001111", store.EndDelivered, "000"}, {"13800002222", store.EndUndeliverable, "101"}} {
		call := simCall(i)
		call.Recipients[0].Phone = tt.phone
		begun := time.Now()
		a := client.Send(context.Background(), call)
		if a.Kind != store.OutcomeAccepted || a.BizID == "" {
			t.Fatalf("send: %+v", a)
		}
		batch := <-got
		if len(batch) != 1 {
			t.Fatalf("%d reports, want 1", len(batch))
		}
		r := batch[0]
		if r.OutID != call.OutID || r.BizID != a.BizID || r.Phone != tt.phone || r.Ending != tt.ending || r.Err != tt.err {
			t.Errorf("report %d: ending %d err %s, ids as sent %v %v; want %d %s", i, r.Ending, r.Err, r.OutID == call.OutID, r.BizID == a.BizID, tt.ending, tt.err)
		}
		if late := r.DoneAt.Sub(begun); late < -2*time.Second || late > time.Minute {
			t.Errorf("report %d: done %v after the call", i, late)
		}
		found, err := client.Find(context.Background(), "main", call.OutID, tt.phone, begun)
		if err != nil || !found.Final || found.Ending != tt.ending || found.Err != tt.err {
			t.Errorf("find %d: %+v, %v", i, found, err)
		}
	}
}
