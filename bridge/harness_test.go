package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// A fate is what becomes of a proposal.
type fate int

const (
	applied fate = iota
	refused      // surely never in the log
	noRoom       // the same, because there is no room
	lost         // unknown, and it did not happen
	hidden       // unknown, but it happened
)

// errOutcomeUnknown is what a proposal that was lost or hidden ends with.
var errOutcomeUnknown = errors.New("outcome unknown")

// oneNode commits commands to a real store, and plays what can become of a proposal.
type oneNode struct {
	store *store.Store
	ahead atomic.Int64 // of the bubble's clock, in ns
	spent atomic.Int64 // of that, what is time that has passed: see rig.jump

	mu    sync.Mutex
	index uint64                   // guarded by mu
	fate  func(store.Command) fate // guarded by mu; may block: the proposal waits
	late  time.Duration            // guarded by mu; until readers see what the cluster answers before its commit
	log   []store.Command          // guarded by mu; what was proposed, in that order
}

func (n *oneNode) now() time.Time { return time.Now().Add(time.Duration(n.ahead.Load())) }

func (n *oneNode) steady() time.Time { return time.Now().Add(time.Duration(n.spent.Load())) }

func (n *oneNode) decide(f func(store.Command) fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = f
}

// Propose implements Cluster.
func (n *oneNode) Propose(ctx context.Context, cmd store.Command) (store.Result, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotProposed, err)
	}
	n.mu.Lock()
	decide := n.fate
	n.log = append(n.log, cmd)
	n.mu.Unlock()
	what := applied
	if decide != nil {
		what = decide(cmd)
	}
	switch what {
	case refused:
		return nil, store.ErrNotProposed
	case noRoom:
		return nil, fmt.Errorf("%w: %w", store.ErrNotProposed, store.ErrFull)
	case lost:
		return nil, errOutcomeUnknown
	}
	res, err := n.apply(cmd)
	if err == nil && what == hidden {
		return nil, errOutcomeUnknown
	}
	return res, err
}

func (n *oneNode) apply(cmd store.Command) (store.Result, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.index++
	apply := n.store.Apply
	switch cmd.(type) {
	case *store.Accept, *store.Report, *store.Delivered:
		if n.late > 0 {
			apply = n.store.Stage
			time.AfterFunc(n.late, func() { n.store.Commit() })
		}
	}
	b := store.Encode(n.now().UnixMilli(), cmd)
	res, err := apply([]store.Entry{{Index: n.index, Term: 1, Command: b}})
	if err != nil {
		return nil, err
	}
	return res[0], nil
}

// Lead implements Cluster: this node leads from its start.
func (n *oneNode) Lead(ctx context.Context, work func(context.Context) error) error {
	if _, err := n.apply(&store.Lead{Node: "n1", DueAt: n.now().UnixMilli()}); err != nil {
		return err
	}
	return work(ctx)
}

// Sync implements Cluster.
func (n *oneNode) Sync(context.Context) error { return n.store.Commit() }

// InTouch implements Cluster.
func (n *oneNode) InTouch() bool { return true }

// Ask implements Cluster.
func (n *oneNode) Ask(context.Context, string, string, []byte) ([]byte, error) {
	return nil, errors.New("there is one node only")
}

// Answer implements Cluster.
func (n *oneNode) Answer(string, func(context.Context, string, []byte) ([]byte, error)) {}

// proposed counts the commands of one type.
func proposed[C store.Command](n *oneNode) (count int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.log {
		if _, ok := c.(C); ok {
			count++
		}
	}
	return count
}

// api is the SMS API: every call is accepted unless send says otherwise, and nothing is known of any
// unless find says otherwise.
type api struct {
	mu    sync.Mutex
	send  func(Call) Answer                 // guarded by mu
	find  func(outID string) (Found, error) // guarded by mu
	calls []Call                            // guarded by mu
	finds int                               // guarded by mu
}

// Send implements Sender.
func (a *api) Send(_ context.Context, c Call) Answer {
	a.mu.Lock()
	a.calls = append(a.calls, c)
	n, send := len(a.calls), a.send
	a.mu.Unlock()
	if send != nil {
		return send(c)
	}
	return Answer{Kind: store.OutcomeAccepted, BizID: fmt.Sprintf("biz^%d", n)}
}

// Find implements Sender.
func (a *api) Find(_ context.Context, _, outID, _ string, _ time.Time) (Found, error) {
	a.mu.Lock()
	a.finds++
	find := a.find
	a.mu.Unlock()
	if find != nil {
		return find(outID)
	}
	return Found{}, nil
}

func (a *api) called() []Call {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Call(nil), a.calls...)
}

func (a *api) asked() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.finds
}

// rig is a bridge with its SMPP server in memory and in fake time, on a real store; only the API
// and the outcome of proposals are played.
type rig struct {
	*Bridge
	t        testing.TB
	node     *oneNode
	api      *api
	listener *smpptest.Listener
	server   *smpp.Server
	logs     *logs
	serve    func(net.Listener) // serves another listener beside that of dial
	stopRun  func()             // ends Run and waits for it
	stopped  sync.WaitGroup     // waits for Run
	ends     error              // what Run is to end with
	gates    []func()
}

// inRig runs f with a rig, in fake time: what waits costs nothing. change, if given, alters the
// bridge's configuration.
func inRig(t *testing.T, f func(*testing.T, *rig), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, change)
		ctx, cancel := context.WithCancel(context.Background())
		running := &r.stopped
		running.Go(func() {
			if err := r.Run(ctx); !errors.Is(err, r.ends) {
				t.Errorf("Run: %v, want %v", err, r.ends)
			}
		})
		r.stopRun = func() { cancel(); running.Wait() }
		if err := r.Announce(ctx); err != nil {
			t.Fatal(err)
		}
		srv := smpp.NewServer(smpp.Config{SystemID: "rig", Log: r.logs.logger()}, r.Bridge)
		r.server = srv
		serving, stop := context.WithCancel(context.Background())
		var served sync.WaitGroup
		r.serve = func(l net.Listener) {
			served.Go(func() {
				if err := srv.Serve(serving, l); err != nil {
					t.Errorf("Serve: %v", err)
				}
			})
		}
		r.serve(r.listener)
		defer func() {
			r.node.decide(nil)
			for _, open := range r.gates {
				open()
			}
			stop()
			served.Wait()
			r.stopRun()
			if err := r.store.Close(); err != nil {
				t.Error(err)
			}
			r.logs.check(t)
		}()
		f(t, r)
	})
}

// gate returns a channel that open closes, at the latest when the test ends: what it holds up must
// not hold up a test that has failed.
func (r *rig) gate() (passed <-chan struct{}, open func()) {
	c := make(chan struct{})
	open = sync.OnceFunc(func() { close(c) })
	r.gates = append(r.gates, open)
	return c, open
}

func newRig(t *testing.T, change []func(*Config)) *rig {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "state"), store.Options{ClusterID: "sms", NoSync: true, MmapSize: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, node: &oneNode{store: st}, api: new(api), logs: new(logs), listener: smpptest.NewListener()}
	if _, err := r.node.apply(&store.Raise{Version: store.Version}); err != nil {
		t.Fatal(err)
	}
	r.putPolicy(promisePolicy)
	cfg := Config{NodeID: "n1", Cluster: r.node, Store: st, Sender: r.api, Now: r.node.now, Steady: r.node.steady,
		Log: r.logs.logger()}
	for _, f := range change {
		f(&cfg)
	}
	if r.Bridge, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	return r
}

// password of all accounts of promisePolicy.
const rigPassword = "secret"

// putPolicy makes doc the policy in force.
func (r *rig) putPolicy(doc string) {
	r.t.Helper()
	hash, err := argon2id.CreateHash(rigPassword,
		&argon2id.Params{Memory: 8 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		r.t.Fatal(err)
	}
	doc = strings.ReplaceAll(doc, "HASH", hash)
	if _, err := configs.ParsePolicy("test", []byte(doc)); err != nil {
		r.t.Fatal(err)
	}
	put := &store.PutPolicy{Base: r.node.store.Policy().Version, Doc: []byte(doc)}
	if res, err := r.node.apply(put); err != nil || !res.(*store.PolicyResult).OK {
		r.t.Fatalf("put policy: %v %v", res, err)
	}
}

// esme is a bound ESME.
type esme struct {
	*smpptest.ESME
	r *rig
}

func (r *rig) dial() *esme {
	r.t.Helper()
	conn, err := r.listener.Dial()
	if err != nil {
		r.t.Fatal(err)
	}
	e := &esme{smpptest.New(r.t, conn), r}
	e.Timeout = time.Minute
	return e
}

func (r *rig) bind(account string, typ smpp.BindType) *esme {
	r.t.Helper()
	e := r.dial()
	e.MustBind(typ, account, rigPassword)
	return e
}

// submit sends a text without waiting for its answer.
func (e *esme) submit(text string, change ...func(*smpp.SubmitSM)) uint32 {
	e.r.t.Helper()
	m := submitSM(text)
	m.RegisteredDelivery = smpp.RegisteredDeliveryAlways
	for _, f := range change {
		f(m)
	}
	return e.Send(m)
}

// accepted submits a text that must be accepted and returns its number.
func (e *esme) accepted(text string, change ...func(*smpp.SubmitSM)) store.Number {
	e.r.t.Helper()
	e.submit(text, change...)
	return e.number()
}

// number reads a submit_sm_resp that must say ESME_ROK.
func (e *esme) number() store.Number {
	e.r.t.Helper()
	h, p := e.Expect(smpp.SubmitSMRespID)
	if h.Status != smpp.StatusOK {
		e.r.t.Fatalf("submit_sm answered %v", h.Status)
	}
	n, err := store.ParseNumber(p.(*smpp.SubmitSMResp).MessageID)
	if err != nil {
		e.r.t.Fatal(err)
	}
	return n
}

// status is where a message stands.
func (r *rig) status(n store.Number) store.Status {
	r.t.Helper()
	_, st, err := r.store.Lookup(n)
	if err != nil {
		r.t.Fatal(err)
	}
	return st
}

// stored is how many messages the store has.
func (r *rig) stored() int {
	r.t.Helper()
	for n := store.Number(1); ; n++ {
		if _, _, err := r.store.Lookup(n); errors.Is(err, store.ErrNotFound) {
			return int(n) - 1
		} else if err != nil {
			r.t.Fatal(err)
		}
	}
}

// await waits for c to be closed, which must come within a minute of fake time.
func await(t *testing.T, what string, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(time.Minute):
		t.Fatalf("not within a minute: %s", what)
	}
}

// pass lets fake time pass, and all that happens in it.
func pass(d time.Duration) {
	time.Sleep(d) // in a bubble of synctest: nothing waits
	synctest.Wait()
}

// jump puts the bridge's clock forward, in steps and with what is due then: fake time would pass
// second by second, with all that ticks.
func (r *rig) jump(steps int, step time.Duration) {
	for range steps {
		r.node.ahead.Add(int64(step))
		r.node.spent.Add(int64(step))
		pass(2 * time.Second)
	}
}
