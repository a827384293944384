package aliyun_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/store"
)

const (
	reportQueue = "Alicom-Queue-1-SmsReport"
	upQueue     = "Alicom-Queue-1-SmsUp"
)

// sink notes what it is given; while refuse is positive it takes nothing.
type sink struct {
	mu       sync.Mutex
	refuse   int                                // guarded by mu
	reports  map[string][]bridge.IncomingReport // guarded by mu; by OutId
	messages []bridge.IncomingMessage           // guarded by mu
	came     chan struct{}                      // something was given
}

func newSink() *sink {
	return &sink{reports: map[string][]bridge.IncomingReport{}, came: make(chan struct{}, 1024)}
}

// Report implements bridge.Sink.
func (s *sink) Report(_ context.Context, list []bridge.IncomingReport) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.came <- struct{}{} }()
	if s.refuse > 0 {
		s.refuse--
		return errors.New("no leader")
	}
	for _, r := range list {
		s.reports[r.OutID] = append(s.reports[r.OutID], r)
	}
	return nil
}

// Incoming implements bridge.Sink.
func (s *sink) Incoming(_ context.Context, list []bridge.IncomingMessage) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer func() { s.came <- struct{}{} }()
	s.messages = append(s.messages, list...)
	return nil
}

// queueRig is a simulator, a client of it, and its queues being read.
type queueRig struct {
	sim    *aliyunsim.Server
	client *aliyun.Client
	queues *aliyun.Queues
	set    aliyun.Queue // what is read
	sink   *sink
	reg    *prometheus.Registry
	logs   *bytes.Buffer // read when nothing runs any more
	stop   func()
}

// readQueues starts all that.
func readQueues(t *testing.T, change func(*aliyunsim.Config)) *queueRig {
	t.Helper()
	r := &queueRig{sink: newSink(), reg: prometheus.NewRegistry(), logs: new(bytes.Buffer)}
	var addr string
	r.sim, addr = simOn(t, func(c *aliyunsim.Config) {
		c.Accounts[0].ReportQueue, c.Accounts[0].UpQueue = reportQueue, upQueue
		if change != nil {
			change(c)
		}
	})
	keys, err := aliyun.Static("sim-key", "sim-secret", "")
	if err != nil {
		t.Fatal(err)
	}
	r.client, err = aliyun.New(aliyun.Config{Routes: []aliyun.Route{{Name: "main", Endpoint: addr, Plain: true, Credentials: keys, Workers: 4}}})
	if err != nil {
		t.Fatal(err)
	}
	if r.queues, err = aliyun.NewQueues(slog.New(slog.NewJSONHandler(r.logs, &slog.HandlerOptions{Level: slog.LevelDebug})), r.reg); err != nil {
		t.Fatal(err)
	}
	r.set = aliyun.Queue{Name: "q", Endpoint: addr, TokenEndpoint: addr, Plain: true, Credentials: keys,
		Reports: reportQueue, Incoming: upQueue, Receivers: 3}
	if err := r.queues.Set([]aliyun.Queue{r.set}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.queues.Run(ctx, r.sink) }()
	r.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("Run: %v", err)
		}
		for _, secret := range []string{"1390000", "sim-secret", "token-", "secret-", "你好"} {
			if strings.Contains(r.logs.String(), secret) {
				t.Errorf("%q is in the log", secret)
			}
		}
	})
	t.Cleanup(r.stop)
	return r
}

// simOn runs a simulator until the test ends.
func simOn(t *testing.T, change func(*aliyunsim.Config)) (*aliyunsim.Server, string) {
	t.Helper()
	cfg := aliyunsim.DevConfig()
	cfg.Reports.Delay, cfg.Reports.Window = time.Millisecond, time.Millisecond
	change(&cfg)
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- sim.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	return sim, l.Addr().String()
}

// until waits for ok, which is looked at whenever something has come.
func (r *queueRig) until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	patience := time.After(20 * time.Second)
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		r.sink.mu.Lock()
		done := ok()
		r.sink.mu.Unlock()
		if done {
			return
		}
		select {
		case <-r.sink.came:
		case <-look.C:
		case <-patience:
			t.Fatalf("not within 20 s: %s; queues %+v", what, r.sim.Queues())
		}
	}
}

// send sends messages with the OutIds sb-1-0 and so on.
func (r *queueRig) send(t *testing.T, n int) {
	t.Helper()
	for i := range n {
		c := simCall(i)
		c.Recipients[0].Phone = fmt.Sprintf("139%08d", i)
		if a := r.client.Send(context.Background(), c); a.Kind != store.OutcomeAccepted {
			t.Fatalf("send: %+v", a)
		}
	}
}

// Every report is handed over, whatever fails on the way, and deleted only then.
func TestQueueHandsOver(t *testing.T) {
	const n = 60
	r := readQueues(t, func(c *aliyunsim.Config) {
		c.Queues.Visibility = 300 * time.Millisecond
		c.Outcomes = map[string]aliyunsim.Outcome{"7": {ErrCode: "MK:0001"}}
		c.Faults = aliyunsim.Faults{
			{Kind: aliyunsim.FaultReportDuplicate, Probability: 0.2},
			{Kind: aliyunsim.FaultReset, Action: "BatchReceiveMessage", Count: 2},
			{Kind: aliyunsim.FaultDrop, Action: "BatchDeleteMessage", Count: 2, Executed: true},
			{Kind: aliyunsim.FaultError500, Action: "QueryTokenForMnsQueue", Count: 1},
		}
	})
	r.sink.mu.Lock()
	r.sink.refuse = 3
	r.sink.mu.Unlock()
	r.send(t, n)
	r.until(t, "all reports", func() bool { return len(r.sink.reports) == n })
	r.until(t, "an empty queue", func() bool { return r.sim.Queues()[reportQueue].Left == 0 })
	r.stop()
	for id, list := range r.sink.reports {
		want := "DELIVERED"
		if strings.HasSuffix(id, "7") {
			want = "MK:0001"
		}
		if got := list[0]; got.Code != want || got.BizID == "" || got.DoneAt.IsZero() {
			t.Errorf("report %s: %+v, want code %s", id, got, want)
		}
	}
	for _, e := range r.sim.Ledger() {
		if e.State != aliyunsim.StatePushed {
			t.Errorf("report of entry %d is %v", e.Seq, e.State)
		}
	}
}

// A message that cannot be understood holds nobody up, and is deleted after three tries.
func TestQueueBadMessages(t *testing.T) {
	r := readQueues(t, func(c *aliyunsim.Config) { c.Queues.Visibility = 200 * time.Millisecond })
	for range 40 {
		if err := r.sim.Enqueue(reportQueue, []byte(`{"phone_number":"13900000001","out_id":{}}`)); err != nil {
			t.Fatal(err)
		}
	}
	r.send(t, 5)
	pending := `{"phone_number":"13900000001","err_code":"REQUEST_SUCCESS","out_id":"sb-1-1"}`
	if err := r.sim.Enqueue(reportQueue, []byte(pending)); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the good ones", func() bool { return len(r.sink.reports) == 5 })
	r.until(t, "an empty queue", func() bool { return r.sim.Queues()[reportQueue].Left == 0 })
	r.stop()
	// Who deletes later than a message stays hidden receives it once more: a bad one is dropped again then.
	count := func(result string) int {
		return int(queueMessages(t, r.reg, "SmsReport", result))
	}
	dropped, taken, early := max(40, count("dropped")), max(5, count("taken")), max(1, count("pending"))
	bad := 40*2 + dropped
	if c := r.sim.Queues()[reportQueue]; c.Received < int64(bad+taken+early) {
		t.Errorf("received %d times, want bad ones three times each", c.Received)
	}
	want := fmt.Sprintf(`
# HELP smppbridge_aliyun_queue_messages_total Messages of message queues by queue, kind and result.
# TYPE smppbridge_aliyun_queue_messages_total counter
smppbridge_aliyun_queue_messages_total{kind="SmsReport",queue="q",result="bad"} %d
smppbridge_aliyun_queue_messages_total{kind="SmsReport",queue="q",result="dropped"} %d
smppbridge_aliyun_queue_messages_total{kind="SmsReport",queue="q",result="pending"} %d
smppbridge_aliyun_queue_messages_total{kind="SmsReport",queue="q",result="refused"} 0
smppbridge_aliyun_queue_messages_total{kind="SmsReport",queue="q",result="taken"} %d
smppbridge_aliyun_queue_messages_total{kind="SmsUp",queue="q",result="bad"} 0
smppbridge_aliyun_queue_messages_total{kind="SmsUp",queue="q",result="dropped"} 0
smppbridge_aliyun_queue_messages_total{kind="SmsUp",queue="q",result="pending"} 0
smppbridge_aliyun_queue_messages_total{kind="SmsUp",queue="q",result="refused"} 0
smppbridge_aliyun_queue_messages_total{kind="SmsUp",queue="q",result="taken"} 0
`, bad, dropped, early, taken)
	if err := testutil.GatherAndCompare(r.reg, strings.NewReader(want), "smppbridge_aliyun_queue_messages_total"); err != nil {
		t.Error(err)
	}
	if problems, err := testutil.GatherAndLint(r.reg); err != nil || len(problems) > 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// queueMessages is what reg shows of the messages of a queue's kind with that result.
func queueMessages(t *testing.T, reg *prometheus.Registry, kind, result string) float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == "smppbridge_aliyun_queue_messages_total" && labels["kind"] == kind && labels["result"] == result {
				return m.GetCounter().GetValue()
			}
		}
	}
	t.Fatalf("no counter of %s, %s", kind, result)
	return 0
}

// Incoming messages come from their own queue, as they were written.
func TestQueueIncoming(t *testing.T) {
	r := readQueues(t, nil)
	body, err := json.Marshal(map[string]any{"phone_number": "13900000001", "content": " 你好 ", "send_time": "2026-03-05 00:00:37",
		"dest_code": "10690001", "sequence_id": 4711, "sign_name": "速通银行"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.sim.Enqueue(upQueue, body); err != nil {
		t.Fatal(err)
	}
	r.until(t, "the message", func() bool { return len(r.sink.messages) == 1 })
	r.stop()
	got := r.sink.messages[0]
	at := time.Date(2026, 3, 4, 16, 0, 37, 0, time.UTC)
	if !got.SentAt.Equal(at) {
		t.Errorf("sent at %v, want %v", got.SentAt, at)
	}
	got.SentAt = time.Time{}
	want := bridge.IncomingMessage{Phone: "13900000001", DestCode: "10690001", SignName: "速通银行", Text: " 你好 ", ID: "4711"}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// Keys that are refused are replaced at once, not when they would have expired.
func TestQueueRevokedKeys(t *testing.T) {
	r := readQueues(t, nil)
	r.send(t, 1)
	r.until(t, "the first report", func() bool { return len(r.sink.reports) == 1 })
	r.sim.RevokeQueueTokens()
	r.send(t, 20)
	r.until(t, "reports after the keys were revoked", func() bool { return len(r.sink.reports) == 20 })
}

// Keys that end are replaced before, so that no request is refused.
func TestQueueKeysAreRenewed(t *testing.T) {
	// A third of that is left when they are replaced: the machine must not stand still for so long.
	r := readQueues(t, func(c *aliyunsim.Config) { c.Queues.TokenFor = 9 * time.Second })
	fetched := func() int64 { return r.sim.Counters().Calls["QueryTokenForMnsQueue"]["OK"] }
	for i := 0; fetched() < 3; i++ { // one for each queue, and one more for that with the messages
		if err := r.sim.Enqueue(reportQueue, fmt.Appendf(nil, `{"phone_number":"13900000001","success":true,"err_code":"DELIVERED","out_id":"x-%d"}`, i)); err != nil {
			t.Fatal(err)
		}
		r.until(t, "a report", func() bool { return len(r.sink.reports) == i+1 })
	}
	r.stop()
	if refused := r.sim.Counters().Calls["BatchReceiveMessage"]["InvalidSecurityToken"]; refused != 0 || fetched() > 12 {
		t.Errorf("%d requests refused, keys fetched %d times", refused, fetched())
	}
}

// A change of the queues ends the receivers of those that are gone, and starts others.
func TestQueuesAreReplaced(t *testing.T) {
	// A receiver that has ended may still be handed a message, until the service notices: it comes again soon.
	r := readQueues(t, func(c *aliyunsim.Config) { c.Queues.Visibility = time.Second })
	both := r.set
	if err := r.queues.Set([]aliyun.Queue{{Name: "a"}}); err == nil {
		t.Error("a queue without credentials is taken")
	}
	r.until(t, "keys for both", func() bool { return r.sim.Counters().Calls["QueryTokenForMnsQueue"]["OK"] == 2 })
	before := r.sim.Counters().Calls["QueryTokenForMnsQueue"]["OK"]
	one := both
	one.Reports = ""
	if err := r.queues.Set([]aliyun.Queue{one}); err != nil {
		t.Fatal(err)
	}
	up := func(n int) {
		t.Helper()
		if err := r.sim.Enqueue(upQueue, fmt.Appendf(nil, `{"phone_number":"13900000001","content":"%d","dest_code":"1"}`, n)); err != nil {
			t.Fatal(err)
		}
		r.until(t, "the message by the queue that is left", func() bool { return len(r.sink.messages) >= n })
	}
	r.until(t, "the change", func() bool { return r.sim.Counters().Calls["QueryTokenForMnsQueue"]["OK"] == before+1 })
	up(1)
	r.send(t, 3)
	r.until(t, "reports in the queue", func() bool { return r.sim.Queues()[reportQueue].Put == 3 })
	up(2) // a receiver of reports would have had the time
	r.sink.mu.Lock()
	if got := len(r.sink.reports); got != 0 {
		t.Errorf("%d received from a queue that is not read any more", got)
	}
	r.sink.mu.Unlock()
	if err := r.queues.Set([]aliyun.Queue{both}); err != nil {
		t.Fatal(err)
	}
	r.until(t, "all reports", func() bool { return len(r.sink.reports) == 3 })
}
