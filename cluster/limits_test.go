package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// TestLimitsAreLinearizable: clients on all nodes charge the same meters, of each kind, while leadership is handed over,
// leaders are cut off and crash. What they are told can be explained by one order of their requests, in which each one
// happened once between its beginning and its end (promise 5). Proposals whose outcome is unknown are
// repeated with their token or given up; what became of those shows the state at the end.
func TestLimitsAreLinearizable(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, func(cfg *cluster.Config) {
		quick(cfg)
		cfg.Now = coarse
	})
	s := newStorm(t, c)
	ctx, cancel := context.WithCancel(context.Background())
	var lanes sync.WaitGroup
	for i := range 6 {
		l := &lane{storm: s, id: i, rand: rand.New(rand.NewPCG(7, uint64(i)))}
		lanes.Go(func() { l.run(ctx) })
	}
	s.disturb()
	cancel()
	lanes.Wait()
	s.judge()
}

// A seat is a node as clients use it: it may be gone any moment.
type seat struct {
	node  *cluster.Node
	store *store.Store
}

// A storm is all that clients do to the meters.
type storm struct {
	t       *testing.T
	cluster *clustertest.Cluster
	budgets []*budget
	seats   [3]atomic.Pointer[seat] // nil while it is down
	began   time.Time
	done    atomic.Int64 // requests whose outcome is known
	doubts  atomic.Int64 // proposals whose outcome was unknown at first

	mu       sync.Mutex
	requests []*request // guarded by mu
}

// A request is a wish and what is known of it.
type request struct {
	wish
	budget     *budget
	lane       int
	text       string // of its messages, without their place in it; empty: it is not an Accept
	of         int    // messages asked for
	subject    store.Number
	begin      bool
	answer     answer
	outcome    outcome
	call, back time.Duration
}

type outcome int

const (
	told  outcome = iota // the client knows
	never                // it surely never entered the log
	doubt                // given up
)

func newStorm(t *testing.T, c *clustertest.Cluster) *storm {
	s := &storm{t: t, cluster: c, budgets: budgets(), began: time.Now()}
	for i := range 3 {
		s.up(i)
	}
	return s
}

func (s *storm) up(i int) { s.seats[i].Store(&seat{s.cluster.Node(i), s.cluster.Store(i)}) }

func (s *storm) crash(i int) {
	s.seats[i].Store(nil)
	s.cluster.Crash(i)
}

// disturb does one thing after the other to the leader, or to another node, each time that work has gone on for a while.
func (s *storm) disturb() {
	c := s.cluster
	others := func(i int) []int { return []int{(i + 1) % 3, (i + 2) % 3} }
	cut := func(cut func(leader int)) func(int) {
		return func(leader int) {
			cut(leader)
			c.LeaderOf(others(leader)...)
			s.progress(20)
			c.Heal()
		}
	}
	restart := func(i int) {
		s.crash(i)
		s.progress(20)
		c.Start(i)
		s.up(i)
	}
	for _, what := range []func(leader int){
		func(leader int) { _ = c.Node(leader).StepDown(patient(s.t)) },
		cut(func(leader int) { c.Isolate(leader, clustertest.Drop) }),
		restart,
		cut(func(leader int) { c.Isolate(leader, clustertest.Reset) }),
		func(leader int) { restart(others(leader)[0]) },
		cut(c.Mute),
		func(leader int) { _ = c.Node(leader).StepDown(patient(s.t)) },
	} {
		s.progress(60)
		what(c.LeaderOf(0, 1, 2))
	}
	s.progress(60)
}

// progress waits until a number of further requests are done.
func (s *storm) progress(requests int64) {
	s.t.Helper()
	from := s.done.Load()
	s.cluster.Eventually("the clients get on", func() bool { return s.done.Load() >= from+requests })
}

// A lane is a client: it asks one thing at a time, of any node.
type lane struct {
	*storm
	id   int
	rand *rand.Rand
	seq  uint64
	open map[*budget][]store.Number // granted to this lane and not given back
}

func (l *lane) run(ctx context.Context) {
	l.open = make(map[*budget][]store.Number)
	for ctx.Err() == nil {
		b := l.budgets[l.rand.IntN(len(l.budgets)-1)] // the last one is Begin's
		open := l.open[b]
		if n := len(open); n > 0 && l.rand.IntN(10) < 4 {
			k := l.rand.IntN(n)
			l.finish(b, open[k])
			open[k] = open[n-1]
			l.open[b] = open[:n-1]
			continue
		}
		l.accept(b)
	}
}

// seat returns a node that is up.
func (l *lane) seat() *seat {
	for {
		if s := l.seats[l.rand.IntN(3)].Load(); s != nil {
			return s
		}
	}
}

// ask begins a request.
func (l *lane) ask(b *budget) *request {
	return &request{budget: b, lane: l.id, call: time.Since(l.began), wish: wish{from: coarse().UnixMilli()}}
}

// note ends a request.
func (l *lane) note(r *request) {
	r.back, r.until = time.Since(l.began), coarse().UnixMilli()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.requests = append(l.requests, r)
	l.done.Add(1)
}

// errLost is about an answer of which the client never heard.
var errLost = errors.New("the answer got lost")

// propose proposes cmd until its outcome is known, on one node after the other, or now and then gives it up before.
// Answers get lost now and then.
func (l *lane) propose(cmd store.Command) (store.Result, outcome) {
	unknown := false
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		res, err := l.seat().node.Propose(ctx, cmd)
		cancel()
		if err == nil && l.rand.IntN(4) == 0 {
			err = errLost
		}
		if err == nil {
			return res, told
		}
		if !errors.Is(err, store.ErrNotProposed) {
			unknown = true
			l.doubts.Add(1)
		}
		switch {
		case unknown && l.rand.IntN(4) == 0:
			return nil, doubt
		case !unknown && l.rand.IntN(4) == 0:
			return nil, never
		}
	}
}

// many is more than a bucket of these budgets ever holds: on a machine that is too slow to empty one by many small
// requests, this shows what is refused.
const many = 8

// accept asks for one to three messages, now and then for many.
func (l *lane) accept(b *budget) {
	l.seq++
	r := l.ask(b)
	r.of, r.text = 1+l.rand.IntN(3), fmt.Sprintf("%s %d %d", b.name, l.id, l.seq)
	if l.rand.IntN(8) == 0 {
		r.of = many
	}
	cmd := &store.Accept{
		Token:   store.Token{Node: fmt.Sprint("lane", l.id), Incarnation: 1, Seq: l.seq, Lowest: max(l.seq, 2) - 1},
		Charges: [][]store.Charge{b.charges},
	}
	for i := range r.of {
		m := store.Message{Account: b.name, Phone: "13900000000", Text: fmt.Sprint(r.text, " ", i), KeepText: true}
		cmd.Messages = append(cmd.Messages, store.Submission{Message: m})
	}
	res, outcome := l.propose(cmd)
	r.outcome = outcome
	if outcome == told {
		for _, it := range res.(*store.AcceptResult).Items {
			switch it.Code {
			case store.AcceptOK:
				l.open[b] = append(l.open[b], it.Number)
			case store.AcceptOverLimit:
			default:
				l.t.Errorf("%s: answered with code %d", r.text, it.Code)
			}
			r.answer.units = append(r.answer.units, unit{number: uint64(it.Number), limit: int(it.Limit)})
		}
	}
	l.note(r)
}

// finish ends a message that this lane was granted: it is deleted, or sent and reported.
func (l *lane) finish(b *budget, n store.Number) {
	if l.rand.IntN(2) == 0 {
		l.begin(n)
	}
	r := l.ask(b)
	r.end, r.subject = true, n
	for r.outcome = doubt; r.outcome != told; {
		st, ok := l.look(n)
		if !ok {
			continue
		}
		if st.State == store.StateFinal {
			r.outcome = told
			break
		}
		var cmd store.Command = &store.Close{Items: []store.CloseItem{{Number: n, Revision: st.Revision, Ending: store.EndDeleted}}}
		if st.State == store.StateSending {
			cmd = &store.Report{Reports: []store.DeliveryReport{{Number: n, Attempt: st.Attempt, Ending: store.EndDelivered}}}
		}
		if _, o := l.propose(cmd); o == doubt && l.rand.IntN(3) == 0 {
			break
		}
	}
	l.note(r)
}

// look reads a message's status on some node, after all that was committed before.
func (l *lane) look(n store.Number) (store.Status, bool) {
	seat := l.seat()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := seat.node.Sync(ctx); err != nil {
		return store.Status{}, false
	}
	_, st, err := seat.store.Lookup(n)
	return st, err == nil
}

// begin begins an attempt for a message that was never begun, if there is a leader to do it.
func (l *lane) begin(n store.Number) {
	for i := range l.seats {
		seat := l.seats[i].Load()
		if seat == nil || !seat.node.IsLeader() {
			continue
		}
		b := l.budgets[len(l.budgets)-1]
		r := l.ask(b)
		r.begin, r.subject, r.of = true, n, 1
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		res, err := seat.node.Propose(ctx, &store.Begin{
			Charges: [][]store.Charge{b.charges},
			Attempts: []store.BeginAttempt{{Route: "r", CallBy: math.MaxInt32, Charges: -1, Members: []store.BeginMember{
				{Number: n, Revision: 1, Phone: "13900000000"},
			}}},
		})
		switch {
		case errors.Is(err, store.ErrNotProposed):
			r.outcome = never
		case err != nil:
			r.outcome = doubt
			l.doubts.Add(1)
		default:
			a := res.(*store.BeginResult).Attempts[0]
			if !a.Members[0].Granted && a.Members[0].Limit < 0 {
				l.t.Errorf("message %v is not granted, and by no limit", n)
			}
			r.answer.units = []unit{{number: uint64(a.ID), limit: int(a.Members[0].Limit)}}
		}
		l.note(r)
		return
	}
}
