package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/argon2id"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// crashPolicy lets uncertain messages be sent again after a few seconds, so that the test sees
// it: each message's text is its own, and the simulator's ledger shows what was sent twice.
const crashPolicy = `
signatures: [阿里云测试]
classes:
  notice: {resend_after: 3s}
templates:
  - {code: SMS_100000003, class: notice, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 100}}}
routes:
  - {name: sim, kind: dysmsapi, endpoint: "%s", plain: true, qps: 100000, workers: 32, timeout: 2s}
accounts:
  - {system_id: crash, password_hash: "%s", binds: 100, sign_name: 阿里云测试}
`

// TestKilledAtRandomMoments kills the node with SIGKILL under load, again and again, and starts it
// on the same data. Nothing accepted may be lost, nothing sent twice, no refused message sent, and
// every receipt that was asked for must arrive (promises 1, 2, 3 and 4).
func TestKilledAtRandomMoments(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 10
	}
	if s := os.Getenv("SMPPBRIDGE_CRASH_ROUNDS"); s != "" {
		var err error
		if rounds, err = strconv.Atoi(s); err != nil {
			t.Fatal(err)
		}
	}
	c := newCrash(t)
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 4 {
		e := &esme{c.fleet}
		clients.Go(func() { e.run(ctx) })
	}
	defer func() { cancel(); clients.Wait() }()

	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 1))
	for range rounds {
		d := c.startNode(t)
		// Some kills fall into the start, some into full load.
		wait(t, ctx, time.Duration(random.IntN(700))*time.Millisecond)
		_ = d.Process.Kill()
		_ = d.Wait()
	}
	d := c.startNode(t)
	c.fleet.stop()
	c.awaitReceipts(t, ctx)
	c.check(t)
	_ = d.Process.Signal(os.Interrupt)
	if err := d.Wait(); err != nil {
		t.Errorf("the node's end: %v", err)
	}
}

// crash is the system under test: the daemon as a program, a simulator that outlives it, and ESMEs.
type crash struct {
	binary, config, http string
	sim                  *aliyunsim.Server
	fleet                *fleet
}

func newCrash(t *testing.T) *crash {
	t.Helper()
	dir := t.TempDir()
	c := &crash{binary: filepath.Join(dir, "smppbridged"), config: filepath.Join(dir, "node.yaml")}
	if out, err := exec.Command("go", "build", "-o", c.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	cfg := aliyunsim.DevConfig()
	cfg.Reports = aliyunsim.ReportConfig{
		Delay: 50 * time.Millisecond, Jitter: 200 * time.Millisecond, Window: 10 * time.Millisecond,
		Retries: retryEvery(200*time.Millisecond, 2000),
	}
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	// Answers are lost also while the node lives.
	if err := sim.SetFaults(aliyunsim.Faults{
		{Kind: aliyunsim.FaultDrop, Executed: true, Probability: 0.01},
		{Kind: aliyunsim.FaultDrop, Probability: 0.01},
		{Kind: aliyunsim.FaultThrottle, Probability: 0.01},
		{Kind: aliyunsim.FaultReportEarly, Probability: 0.1},
		{Kind: aliyunsim.FaultReportDuplicate, Probability: 0.05, DelayMS: 20},
	}); err != nil {
		t.Fatal(err)
	}
	c.sim = sim
	srv := serveSimulator(t, sim)
	smppAddr, callback := freeAddr(t), freeAddr(t)
	c.http = freeAddr(t)
	const secret = "0123456789abcdef"
	sim.SetReportURL("http://" + callback + "/callback/" + secret + "/smsreport")
	hash, err := argon2id.CreateHash("secret", &argon2id.Params{Memory: 8 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "policy.yaml"), fmt.Sprintf(crashPolicy, srv, hash))
	write(t, filepath.Join(dir, "key"), "sim-key\nsim-secret\n")
	write(t, c.config, fmt.Sprintf(`
node_id: n1
data_dir: %s/data
smpp: {listen: "%s"}
http: {listen: "%s"}
callback: {listen: "%s", secret: "%s"}
cluster: {listen: "%s"}
credentials: {default: {source: file, file: %s/key}}
log: {level: warn, format: text}
`, dir, smppAddr, c.http, callback, secret, freeAddr(t), dir))
	c.fleet = newFleet(smppAddr, "crash", 8)
	return c
}

func retryEvery(d time.Duration, n int) []time.Duration {
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = d
	}
	return list
}

// serveSimulator returns the address the simulator listens on until the test ends.
func serveSimulator(t *testing.T, sim *aliyunsim.Server) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- sim.Run(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("simulator: %v", err)
		}
	})
	return l.Addr().String()
}

// startNode starts the daemon; it does not wait until it is ready.
func (c *crash) startNode(t *testing.T) *exec.Cmd {
	t.Helper()
	d := exec.Command(c.binary, "run", "--config", c.config)
	d.Stderr = testWriter{t}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Process.Kill() })
	return d
}

// awaitReceipts waits until every accepted message has its receipt. There is time as long as receipts come: a slow disk has
// much to make up for.
func (c *crash) awaitReceipts(t *testing.T, ctx context.Context) {
	t.Helper()
	left, moved := 0, time.Now()
	for {
		missing := c.fleet.missing()
		if len(missing) == 0 {
			return
		}
		if len(missing) != left {
			left, moved = len(missing), time.Now()
		}
		if time.Since(moved) > time.Minute {
			t.Fatalf("%d receipts missing, and none came for a minute, e.g. of %s: %s", len(missing), missing[0], c.where(missing[0]))
		}
		wait(t, ctx, 50*time.Millisecond)
	}
}

// where asks the node about a message.
func (c *crash) where(id string) string {
	resp, err := http.Get("http://" + c.http + "/v1/messages/" + id)
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var v json.RawMessage
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		return err.Error()
	}
	return string(v)
}

// check compares what the ESMEs were told with what the simulator executed.
func (c *crash) check(t *testing.T) {
	t.Helper()
	executed := make(map[string]int)
	for _, e := range c.sim.Ledger() {
		var p struct{ Content string }
		if err := json.Unmarshal([]byte(e.Params), &p); err != nil {
			t.Fatal(err)
		}
		executed[p.Content]++
	}
	f := c.fleet
	f.mu.Lock()
	defer f.mu.Unlock()
	lost, doubled, ghosts, early, undelivered, repeated := 0, 0, 0, 0, 0, 0
	for n, id := range f.accepted {
		if executed[f.text(n)] == 0 {
			lost++
		}
		if f.stats[id] != "DELIVRD" {
			undelivered++
		}
	}
	for n := range f.refused {
		ghosts += executed[f.text(n)]
	}
	for _, k := range executed {
		if k > 1 {
			doubled++
		}
	}
	for id, e := range f.early { // over another bind the receipt may overtake
		if f.byID[id] == e {
			early++
		}
	}
	for _, k := range f.receipts {
		repeated += k - 1
	}
	t.Logf("accepted %d, unanswered %d, refused %d; executed %d, receipts for %d messages, %d repeated",
		len(f.accepted), len(f.unknown), len(f.refused), len(executed), len(f.receipts), repeated)
	if lost+doubled+ghosts+early+undelivered > 0 || len(f.accepted) == 0 {
		t.Errorf("lost %d, doubled %d, ghosts %d, receipts before their submit_sm_resp %d, not delivered %d, want 0 each",
			lost, doubled, ghosts, early, undelivered)
	}
}

// testWriter shows the daemon's log in the test's.
type testWriter struct{ t *testing.T }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// freeAddr returns a loopback address that was free a moment ago.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := listenLow()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

var ports sync.Map // port -> struct{}: what listenLow has given out; two of a test must not be the same

// listenLow listens on a port that no connection of another test is given meanwhile as its own: those are higher.
func listenLow() (l net.Listener, err error) {
	for range 1000 {
		port := 12_000 + rand.IntN(16_000)
		if _, given := ports.LoadOrStore(port, struct{}{}); given {
			continue
		}
		if l, err = net.Listen("tcp", fmt.Sprint("127.0.0.1:", port)); err == nil {
			return l, nil
		}
	}
	return nil, fmt.Errorf("no port is free: %w", err)
}

// wait lets time pass; the test's own clock is what it measures.
func wait(t *testing.T, ctx context.Context, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-ctx.Done():
		t.Fatal(ctx.Err())
	}
}
