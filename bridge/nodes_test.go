package bridge

import (
	"context"
	"fmt"
	"math"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/argon2id"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// fleet is several bridges over one log, each with its own store and SMPP server, in fake time. Raft is played: what
// is proposed is committed and applied at once, unless the test says otherwise or a node is held.
type fleet struct {
	t       *testing.T
	members []*member
	logs    *logs
	api     *api

	mu      sync.Mutex
	book    *store.Store                                                  // guarded by mu; has applied all that is committed: results come from it
	entries []store.Entry                                                 // guarded by mu; what is committed
	log     []proposal                                                    // guarded by mu; what was proposed, in that order
	stamp   int64                                                         // guarded by mu; of the last entry
	term    uint64                                                        // guarded by mu
	leader  *member                                                       // guarded by mu; nil = none
	fate    func(*member, store.Command) fate                             // guarded by mu; may block: the proposal waits
	link    func(from, to *member, subject string) (time.Duration, error) // guarded by mu
	changed chan struct{}                                                 // guarded by mu; closed and replaced when anything above or of a member changes
}

// proposal is a command and who proposed it.
type proposal struct {
	by      *member
	command store.Command
}

// member is a node of a fleet: a rig whose bridge commits to the fleet's log.
type member struct {
	*rig
	f      *fleet
	id     string
	change []func(*Config)

	// What follows is guarded by fleet.mu.
	applied     int       // entries in its store
	upTo        int       // and no more than these
	cutOff      bool      // it reaches no other node
	cutFate     fate      // what becomes of its proposals then
	touched     time.Time // when it last heard from a leader, while it does not
	down        bool      // its process is dead
	incarnation uint64
	handlers    map[string]func(context.Context, string, []byte) ([]byte, error)
	stop        func() // ends the process
}

// reapAfter is when the leader gives a silent node's binds away; a node knows after a third of it that it may be silent.
const reapAfter = 3 * time.Second

// askWithin is how long a request between nodes that cannot arrive takes to fail.
const askWithin = 2 * time.Second

// inFleet runs f with n nodes named n1, n2 …, of which the first leads. change, if given, alters each node's
// configuration.
func inFleet(t *testing.T, n int, test func(*testing.T, *fleet), change ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{t: t, logs: new(logs), api: new(api), changed: make(chan struct{}), book: openStore(t)}
		for i := range n {
			m := &member{f: f, id: fmt.Sprintf("n%d", i+1), upTo: math.MaxInt, change: change}
			m.rig = &rig{t: t, node: &oneNode{store: openStore(t)}, api: f.api, logs: f.logs}
			f.members = append(f.members, m)
		}
		f.leader = f.members[0]
		if _, err := f.commit(&store.Raise{Version: store.Version}); err != nil {
			t.Fatal(err)
		}
		f.putPolicy(promisePolicy)
		for _, m := range f.members {
			m.start()
		}
		defer f.end()
		test(t, f)
	})
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	st, err := store.Open(filepath.Join(t.TempDir(), "state"), store.Options{ClusterID: "sms", NoSync: true, MmapSize: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// end stops all nodes in good order and closes their stores. A test may leave nodes cut off, held or down.
func (f *fleet) end() {
	f.decide(nil)
	f.links(nil)
	f.lead(f.members[0])
	for _, m := range f.members {
		m.heal()
		m.release()
	}
	for _, m := range f.members {
		for _, open := range m.gates {
			open()
		}
		if !m.isDown() {
			m.stop()
		}
	}
	for _, m := range f.members {
		if err := m.node.store.Close(); err != nil {
			f.t.Error(err)
		}
	}
	if err := f.book.Close(); err != nil {
		f.t.Error(err)
	}
	f.logs.check(f.t)
}

// at is the node with a number, the first one is 1.
func (f *fleet) at(number int) *member { return f.members[number-1] }

// tellLocked wakes who waits for a change. f.mu is held.
func (f *fleet) tellLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// decide says what becomes of proposals from now on.
func (f *fleet) decide(fate func(*member, store.Command) fate) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fate = fate
}

// links says how long requests between nodes take from now on, and which of them fail.
func (f *fleet) links(link func(from, to *member, subject string) (time.Duration, error)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.link = link
}

// lead makes m the leader, or leaves the nodes without one. A leader holds all that is committed.
func (f *fleet) lead(m *member) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if m == f.leader {
		return
	}
	f.touchLocked()
	f.leader = m
	f.term++
	if m != nil {
		m.upTo = math.MaxInt
		m.applyLocked()
	}
	f.tellLocked()
}

// touchLocked notes of all nodes that hear the leader that they do. f.mu is held.
func (f *fleet) touchLocked() {
	for _, m := range f.members {
		if f.leader != nil && !m.cutOff && !m.down {
			m.touched = time.Now()
		}
	}
}

// commit appends a command to the log; nodes apply it as far as they may.
func (f *fleet) commit(cmd store.Command) (store.Result, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now().UnixMilli()
	if f.leader != nil {
		now = f.leader.node.now().UnixMilli()
	}
	f.stamp = max(f.stamp, now)
	e := store.Entry{Index: uint64(len(f.entries) + 1), Term: f.term + 1, Command: store.Encode(f.stamp, cmd)}
	res, err := f.book.Apply([]store.Entry{e})
	if err != nil {
		return nil, err
	}
	f.entries = append(f.entries, e)
	for _, m := range f.members {
		m.applyLocked()
	}
	f.tellLocked()
	return res[0], nil
}

// putPolicy makes doc the policy in force.
func (f *fleet) putPolicy(doc string) {
	f.t.Helper()
	hash, err := argon2id.CreateHash(rigPassword,
		&argon2id.Params{Memory: 8 << 10, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
	if err != nil {
		f.t.Fatal(err)
	}
	doc = strings.ReplaceAll(doc, "HASH", hash)
	if _, err := configs.ParsePolicy("test", []byte(doc)); err != nil {
		f.t.Fatal(err)
	}
	res, err := f.commit(&store.PutPolicy{Base: f.book.Policy().Version, Doc: []byte(doc)})
	if err != nil || !res.(*store.PolicyResult).OK {
		f.t.Fatalf("put policy: %v %v", res, err)
	}
}

// reap gives away the binds of a node that the leader has not heard of for too long.
func (f *fleet) reap(m *member) {
	f.t.Helper()
	for _, v := range f.book.AllBinds() {
		if v.Node != m.id {
			continue
		}
		if _, err := f.commit(&store.BindClose{Node: v.Node, Incarnation: v.Incarnation, Session: v.Session}); err != nil {
			f.t.Fatal(err)
		}
	}
}

// proposals counts the commands of one type that were proposed, by whichever node.
func proposals[C store.Command](f *fleet) (count int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.log {
		if _, ok := p.command.(C); ok {
			count++
		}
	}
	return count
}

// start starts the node's process, a new incarnation on the store that it has.
func (m *member) start() {
	f := m.f
	f.mu.Lock()
	m.down = false
	m.incarnation++
	m.handlers = make(map[string]func(context.Context, string, []byte) ([]byte, error))
	incarnation := m.incarnation
	f.mu.Unlock()

	m.listener = smpptest.NewListener()
	cfg := Config{NodeID: m.id, Cluster: &seat{m, incarnation}, Store: m.node.store, Sender: m.api,
		Now: m.node.now, Steady: m.node.steady, Log: m.logs.logger()}
	for _, change := range m.change {
		change(&cfg)
	}
	b, err := New(cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.mu.Lock()
	m.Bridge = b
	f.mu.Unlock()
	m.run()
}

// run has the node's bridge work and serve.
func (m *member) run() {
	t, b := m.f.t, m.Bridge
	ctx, cancel := context.WithCancel(context.Background())
	serving, close := context.WithCancel(context.Background())
	var running, served sync.WaitGroup
	running.Go(func() {
		if err := b.Run(ctx); err != nil && !m.isDown() {
			t.Errorf("Run of %s: %v", m.id, err)
		}
	})
	m.stopRun = func() { cancel(); running.Wait() }
	if err := b.Announce(ctx); err != nil {
		t.Fatal(err)
	}
	srv := smpp.NewServer(smpp.Config{SystemID: m.id, Log: m.logs.logger()}, b)
	m.server = srv
	m.serve = func(l net.Listener) {
		served.Go(func() {
			if err := srv.Serve(serving, l); err != nil && !m.isDown() {
				t.Errorf("Serve of %s: %v", m.id, err)
			}
		})
	}
	m.serve(m.listener)
	m.stop = func() {
		close()
		served.Wait()
		cancel()
		running.Wait()
	}
}

// crash ends the node's process: from this moment nothing that it does reaches anybody.
func (m *member) crash() {
	m.f.mu.Lock()
	m.f.touchLocked()
	m.down = true
	if m.f.leader == m {
		m.f.leader = nil
	}
	m.f.tellLocked()
	m.f.mu.Unlock()
	m.stop()
}

// bridge is the node's bridge, for goroutines that are not the test's.
func (m *member) bridge() *Bridge {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return m.Bridge
}

func (m *member) isDown() bool {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return m.down
}

// cut takes the node off the network: it reaches no other, and what it proposes has this fate (refused or lost).
func (m *member) cut(what fate) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.f.touchLocked()
	m.cutOff, m.cutFate = true, what
	m.upTo = m.applied
	m.f.tellLocked()
}

// heal ends what cut began: the node hears of all that it has missed.
func (m *member) heal() {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	if m.cutOff {
		m.cutOff, m.upTo = false, math.MaxInt
		m.applyLocked()
		m.f.tellLocked()
	}
}

// hold has the node apply nothing more, and be in touch all the same: it lags.
func (m *member) hold() {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	m.upTo = m.applied
}

// release ends what hold began.
func (m *member) release() { m.step(math.MaxInt) }

// step has a node that is held apply the next entries.
func (m *member) step(entries int) {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	if m.upTo = math.MaxInt; entries < math.MaxInt {
		m.upTo = m.applied + entries
	}
	m.applyLocked()
	m.f.tellLocked()
}

// applyLocked applies what is committed, as far as the node may. fleet.mu is held.
func (m *member) applyLocked() {
	upTo := min(m.upTo, len(m.f.entries))
	if upTo <= m.applied {
		return
	}
	if _, err := m.node.store.Apply(m.f.entries[m.applied:upTo]); err != nil {
		m.f.t.Errorf("%s applies: %v", m.id, err)
	}
	m.applied = upTo
}

// await waits until ok says so, called with fleet.mu held after each change.
func (f *fleet) await(ctx context.Context, ok func() bool) error {
	for {
		f.mu.Lock()
		done, changed := ok(), f.changed
		f.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
