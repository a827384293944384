package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// roundsInFlight is how many rounds of proposals Raft has at a time: one is applied, the next is
// appended, and whatever comes meanwhile gathers for the one after. Without this bound Raft would
// append small groups faster than the store applies them, and each pays for a transaction of its own.
const roundsInFlight = 2

// roundGap is the time between two rounds of a busy leader with followers: each round costs every node a sync,
// a message each way and a few wake-ups, whatever is in it, and several nodes' groups come unaligned. Three nodes
// at 10,000 submits a second on two processors: a tenth less of their time, and the slowest answers a sixth sooner.
const roundGap = 2500 * time.Microsecond

// maxRoundBytes ends a round before maxAppendEntries does: 512 KiB of messages take the store about
// 10 ms, which is what a command behind them waits.
const maxRoundBytes = 512 << 10

// A queue puts proposals into Raft's log, in rounds and in the order of their stamps, and tells their
// outcomes. Its goroutines are pump and settle; stop ends both.
type queue struct {
	cfg   Config
	raft  *raft.Raft
	store *store.Store
	lead  *leadership

	members func() int // of the cluster, this node among them

	mu      sync.Mutex
	pending []*proposal // guarded by mu; not yet handed to Raft
	closed  bool        // guarded by mu; nothing is taken any more
	away    int         // guarded by mu; commands that another node was asked to propose

	handedMu sync.Mutex
	handed   map[*byte]*proposal // guarded by handedMu; commands without an outcome that Raft has, by their first octet

	wake     chan struct{}    // capacity 1: pending is not empty
	rounds   chan struct{}    // capacity roundsInFlight: one token for each round that Raft has
	settling chan []*proposal // rounds, in the order of the log; closed by pump
	stopping chan struct{}    // closed by stop
	settled  chan struct{}    // closed when settle has ended
	home     chan struct{}    // closed when the queue is closed and nothing is away
	last     int64            // pump's: the last stamp
	rounded  time.Time        // pump's: when the last round was handed to Raft

	waiting      atomic.Int64 // proposals without an outcome
	waitingBytes atomic.Int64
	oldest       atomic.Int64 // Unix ns since when settle waits for the same proposal; 0 = none
	taken        atomic.Uint64
	refused      atomic.Uint64
	unknown      atomic.Uint64
}

// A proposal is something that Raft is asked to put into its log.
type proposal struct {
	octets []byte             // an encoded command without its stamp
	call   func() raft.Future // what Raft is asked instead, if octets is nil
	reign  *reign             // in which it was proposed

	handed bool // guarded by queue.mu: pump has it, and it cannot be withdrawn

	refused error // pump's, then settle's: why Raft did not get it

	future raft.Future // pump's, then settle's
	at     time.Time   // pump's: when Raft got it
	told   atomic.Bool
	done   chan struct{} // closed when result and err are set
	result store.Result
	err    error
}

// tell sets the outcome and says it to who waits. The first outcome counts: a result that is decided stays
// the result, even if Raft does not know any more what became of the entry.
func (p *proposal) tell(r store.Result, err error) {
	if p.told.CompareAndSwap(false, true) {
		p.result, p.err = r, err
		close(p.done)
	}
}

func newQueue(cfg Config, st *store.Store) *queue {
	return &queue{
		cfg:      cfg,
		store:    st,
		wake:     make(chan struct{}, 1),
		rounds:   make(chan struct{}, roundsInFlight),
		settling: make(chan []*proposal, roundsInFlight),
		stopping: make(chan struct{}),
		settled:  make(chan struct{}),
		home:     make(chan struct{}),
		handed:   make(map[*byte]*proposal),
	}
}

// propose waits until reign r is ready, and adds an encoded command to the next round. Its errors mean
// that nothing was added.
func (q *queue) propose(ctx context.Context, r *reign, octets []byte, accept bool) (*proposal, error) {
	if len(octets) > maxCommandBytes {
		return nil, fmt.Errorf("%w: %d octets", ErrTooLarge, len(octets))
	}
	if err := r.awaitReady(ctx); errors.Is(err, ErrNotLeader) {
		return nil, q.notLeading()
	} else if err != nil {
		return nil, err
	}
	p := &proposal{octets: octets, reign: r, done: make(chan struct{})}
	return p, q.add(p, accept)
}

// do has pump make call in its turn, during reign r, and waits for the outcome: Raft answers when
// this node leads no longer, at the latest.
func (q *queue) do(r *reign, call func() raft.Future) error {
	p := &proposal{call: call, reign: r, done: make(chan struct{})}
	if err := q.add(p, false); err != nil {
		return err
	}
	<-p.done
	return p.err
}

func (q *queue) add(p *proposal, accept bool) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrShutdown
	}
	if p.octets != nil {
		if err := q.room(accept); err != nil {
			return err
		}
	}
	q.pending = append(q.pending, p)
	q.waiting.Add(1)
	q.waitingBytes.Add(int64(len(p.octets)))
	q.taken.Add(1)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return nil
}

// begin counts a command of some octets that another node is asked to propose, until end.
func (q *queue) begin(octets int64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrShutdown
	}
	q.away++
	q.waiting.Add(1)
	q.waitingBytes.Add(octets)
	return nil
}

func (q *queue) end(octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.away--
	q.waiting.Add(-1)
	q.waitingBytes.Add(-octets)
	q.tellHome()
}

// tellHome says that nothing is away any more and nothing will be. q.mu is held.
func (q *queue) tellHome() {
	if q.closed && q.away == 0 {
		close(q.home)
	}
}

// room refuses what would wait behind too much. Accepts are refused first: the other commands
// finish work that was accepted, and some make room.
func (q *queue) room(accept bool) error {
	factor := int64(2)
	if accept {
		factor = 1
	}
	entries, size := q.waiting.Load(), q.waitingBytes.Load()
	if entries < factor*q.cfg.MaxWaiting && size < factor*q.cfg.MaxWaitingBytes {
		return nil
	}
	return fmt.Errorf("%w: %d with %d octets", ErrBacklog, entries, size)
}

func (q *queue) notLeading() error {
	select {
	case <-q.stopping:
		return ErrShutdown
	default:
		return ErrNotLeader
	}
}

// withdraw takes p out again, and says whether that was in time.
func (q *queue) withdraw(p *proposal) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.pending, p)
	if p.handed || i < 0 {
		return false
	}
	q.pending = slices.Delete(q.pending, i, i+1)
	q.forget(p)
	return true
}

func (q *queue) forget(p *proposal) {
	q.waiting.Add(-1)
	q.waitingBytes.Add(-int64(len(p.octets)))
}

// pump hands rounds to Raft until stop.
func (q *queue) pump() {
	defer close(q.settling)
	for {
		select {
		case <-q.wake:
			for q.round() {
			}
		case <-q.stopping:
			q.close()
			return
		}
	}
}

// round hands what has gathered to Raft as soon as it has few enough rounds, and says whether there
// may be more.
func (q *queue) round() bool {
	select {
	case q.rounds <- struct{}{}:
	case <-q.stopping:
		return false
	}
	if !q.gap() {
		<-q.rounds
		return false
	}
	batch := q.gathered()
	if len(batch) == 0 {
		<-q.rounds
		return false
	}
	q.rounded = time.Now()
	for _, p := range batch {
		q.hand(p)
	}
	q.settling <- batch
	return true
}

// gap waits until roundGap has passed since the last round, and says whether the pump goes on. After a pause
// there is nothing to wait for.
func (q *queue) gap() bool {
	if left := roundGap - time.Since(q.rounded); left > 0 && q.members() > 1 {
		t := time.NewTimer(left)
		defer t.Stop()
		select {
		case <-t.C:
		case <-q.stopping:
			return false
		}
	}
	return true
}

// gathered takes one round out of pending.
func (q *queue) gathered() []*proposal {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, size := 0, 0
	for _, p := range q.pending {
		if size += len(p.octets); n == maxAppendEntries || n > 0 && size > maxRoundBytes {
			break
		}
		p.handed = true
		n++
	}
	batch := slices.Clone(q.pending[:n])
	q.pending = slices.Delete(q.pending, 0, n)
	return batch
}

// hand gives p to Raft. A proposal of an earlier reign is turned away: its stamp would have to follow
// those of a leader this node may not have heard of.
func (q *queue) hand(p *proposal) {
	p.at = q.rounded
	select {
	case <-p.reign.ended:
		p.refused = notProposed(q.notLeading())
		return
	default:
	}
	if p.call != nil {
		p.future = p.call()
		return
	}
	q.last = max(q.last, q.store.Clock(), q.cfg.Now().UnixMilli())
	stamp(p.octets, q.last)
	q.handedMu.Lock()
	q.handed[&p.octets[0]] = p
	q.handedMu.Unlock()
	p.future = q.raft.Apply(p.octets, q.cfg.EnqueueTimeout)
}

// decided tells the proposer of a command that any node may propose in numbers, if l is one of this node's, its result
// before Raft does: on a follower the store lags behind the result too. For any other of its proposals it says that
// its proposer waits for the commit. Raft hands the same octets to the store that it was handed.
func (q *queue) decided(l *raft.Log, r store.Result) (awaited bool) {
	p := q.take(l.Data)
	if p == nil {
		return false
	}
	switch r.(type) {
	case *store.AcceptResult, *store.ReportResult, *store.DeliveredResult:
		p.tell(r, nil)
		return false
	}
	return true
}

// take takes the proposal of some octets out of handed; nil if there is none.
func (q *queue) take(octets []byte) *proposal {
	if len(octets) == 0 {
		return nil
	}
	q.handedMu.Lock()
	defer q.handedMu.Unlock()
	p := q.handed[&octets[0]]
	delete(q.handed, &octets[0])
	return p
}

// stampAt is where the time stands in an encoded command: after its format and its kind.
const stampAt = 2

// stamp writes the leader's time into an encoded command.
func stamp(octets []byte, at int64) {
	binary.BigEndian.PutUint64(octets[stampAt:], uint64(at))
}

// settle tells the outcomes in the order in which Raft gives them, until pump has ended and all are
// told. Waiting in one goroutine spares one for each proposal.
func (q *queue) settle() {
	defer close(q.settled)
	for batch := range q.settling {
		for _, p := range batch {
			result, err := store.Result(nil), p.refused
			if p.future != nil {
				q.oldest.Store(p.at.UnixNano())
				result, err = outcome(p.future)
				q.oldest.Store(0)
			}
			q.forget(p)
			q.take(p.octets)
			p.tell(result, err)
		}
		<-q.rounds
	}
}

// close turns away what has not been handed to Raft, and all that comes.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.tellHome()
	for _, p := range q.pending {
		q.forget(p)
		p.tell(nil, notProposed(ErrShutdown))
	}
	q.pending = nil
}

// stop refuses all further proposals and waits until those under way are settled, or ctx ends.
func (q *queue) stop(ctx context.Context) error {
	close(q.stopping)
	for _, done := range []<-chan struct{}{q.settled, q.home} {
		select {
		case <-done:
		case <-ctx.Done():
			return fmt.Errorf("settle %d proposals: %w", q.waiting.Load(), ctx.Err())
		}
	}
	return nil
}

// answered waits until Raft has answered the rounds that it has, for so long at most.
func (q *queue) answered(limit time.Duration) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for until := time.Now().Add(limit); len(q.rounds) > 0 && time.Now().Before(until); {
		<-tick.C
	}
}

// stuck returns for how long the settle loop has waited for the same proposal.
func (q *queue) stuck() time.Duration {
	since := q.oldest.Load()
	if since == 0 {
		return 0
	}
	return time.Since(time.Unix(0, since))
}
