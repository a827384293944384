package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// Propose returns once cmd is applied, with Apply's result. An error that wraps
// store.ErrNotProposed means that cmd surely never entered the log; any other error, among them the
// end of ctx while waiting, that its outcome is unknown. Repeating a command whose token is the
// same is safe either way.
func (n *Node) Propose(ctx context.Context, cmd store.Command) (store.Result, error) {
	if _, ok := cmd.(*store.Accept); ok && n.diskLow() {
		n.queue.refused.Add(1)
		return nil, notProposed(ErrDiskFull)
	}
	p, err := n.queue.propose(ctx, cmd)
	if err != nil {
		n.queue.refused.Add(1)
		return nil, notProposed(err)
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		n.queue.unknown.Add(1)
		return nil, fmt.Errorf("propose: outcome unknown: %w", ctx.Err())
	}
}

func notProposed(err error) error {
	return fmt.Errorf("propose: %w: %w", store.ErrNotProposed, err)
}

// A queue puts proposals into Raft's log in the order of their stamps and tells their outcomes.
type queue struct {
	cfg   Config
	raft  *raft.Raft
	store *store.Store
	lead  *leadership

	// order holds one token. Who has it may stamp a command and hand it to Raft, so that stamps
	// ascend as the log does. stop takes it for good.
	order    chan struct{}
	stopping chan struct{}  // closed by stop: nothing more is taken
	settling chan *proposal // in the order of the log; closed by stop
	settled  chan struct{}  // closed when the settle loop has ended
	last     int64          // owned by the token's holder: the last stamp

	waiting      atomic.Int64 // proposals without an outcome
	waitingBytes atomic.Int64
	oldest       atomic.Int64 // Unix ns since when the settle loop waits for the same proposal; 0 = none
	taken        atomic.Uint64
	refused      atomic.Uint64
	unknown      atomic.Uint64
}

// A proposal is something that Raft was asked to put into its log.
type proposal struct {
	future raft.Future
	size   int64
	at     time.Time
	done   chan struct{} // closed when result and err are set
	result store.Result
	err    error
}

func newQueue(cfg Config, st *store.Store) *queue {
	return &queue{
		cfg:      cfg,
		store:    st,
		order:    make(chan struct{}, 1),
		stopping: make(chan struct{}),
		// As many as the bounds below let in, and barriers: pushing never waits.
		settling: make(chan *proposal, 2*cfg.MaxWaiting+64),
		settled:  make(chan struct{}),
	}
}

// propose hands cmd to Raft. Its errors mean that it did not.
func (q *queue) propose(ctx context.Context, cmd store.Command) (*proposal, error) {
	if err := q.room(cmd); err != nil {
		return nil, err
	}
	r := q.lead.current()
	if r == nil {
		return nil, q.notLeading()
	}
	select {
	case <-r.ready:
	case <-r.ended:
		return nil, q.notLeading()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := q.take(ctx, r); err != nil {
		return nil, err
	}
	defer q.release()
	if err := q.room(cmd); err != nil {
		return nil, err
	}
	wait, err := q.patience(ctx)
	if err != nil {
		return nil, err
	}
	at := max(q.last, q.store.Clock(), q.cfg.Now().UnixMilli())
	b := store.Encode(at, cmd)
	if len(b) > maxCommandBytes {
		return nil, fmt.Errorf("%w: %d octets", ErrTooLarge, len(b))
	}
	q.last = at
	return q.push(q.raft.Apply(b, wait), int64(len(b))), nil
}

// barrier asks Raft to apply all that is in the log, and waits for it.
func (q *queue) barrier(ctx context.Context, r *reign) error {
	if err := q.take(ctx, r); err != nil {
		return err
	}
	p := q.push(q.raft.Barrier(q.cfg.EnqueueTimeout), 0)
	q.release()
	<-p.done // Raft answers when it has been applied, or when this node no longer leads
	return p.err
}

// room refuses what would wait behind too much. Accepts are refused first: the other commands
// finish work that was accepted, and some make room.
func (q *queue) room(cmd store.Command) error {
	factor := int64(2)
	if _, ok := cmd.(*store.Accept); ok {
		factor = 1
	}
	entries, size := q.waiting.Load(), q.waitingBytes.Load()
	if entries < factor*q.cfg.MaxWaiting && size < factor*q.cfg.MaxWaitingBytes {
		return nil
	}
	return fmt.Errorf("%w: %d with %d octets", ErrBacklog, entries, size)
}

// take waits for the token.
func (q *queue) take(ctx context.Context, r *reign) error {
	select {
	case q.order <- struct{}{}:
	case <-q.stopping:
		return ErrShutdown
	case <-r.ended:
		return q.notLeading()
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-r.ended: // the stamp must not be older than what another leader has stamped since
		q.release()
		return q.notLeading()
	default:
		return nil
	}
}

func (q *queue) release() { <-q.order }

func (q *queue) notLeading() error {
	select {
	case <-q.stopping:
		return ErrShutdown
	default:
		return ErrNotLeader
	}
}

// patience returns how long Raft may take to take a proposal.
func (q *queue) patience(ctx context.Context) (time.Duration, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	wait := q.cfg.EnqueueTimeout
	if deadline, ok := ctx.Deadline(); ok {
		wait = min(wait, time.Until(deadline))
	}
	if wait <= 0 {
		return 0, context.DeadlineExceeded
	}
	return wait, nil
}

// push gives the outcome of f to the settle loop. The caller has the token.
func (q *queue) push(f raft.Future, size int64) *proposal {
	p := &proposal{future: f, size: size, at: time.Now(), done: make(chan struct{})}
	q.waiting.Add(1)
	q.waitingBytes.Add(size)
	q.taken.Add(1)
	q.settling <- p
	return p
}

// settle tells the outcomes, in the order in which Raft gives them, until stop has been called and
// all are told. Waiting in one goroutine spares one for each proposal.
func (q *queue) settle() {
	defer close(q.settled)
	for p := range q.settling {
		q.oldest.Store(p.at.UnixNano())
		p.result, p.err = outcome(p.future)
		q.oldest.Store(0)
		q.waiting.Add(-1)
		q.waitingBytes.Add(-p.size)
		close(p.done)
	}
}

// stop refuses all further proposals and waits until those under way are settled, or ctx ends.
func (q *queue) stop(ctx context.Context) error {
	close(q.stopping)
	select {
	case q.order <- struct{}{}: // kept: nobody enqueues any more
	case <-ctx.Done():
		return fmt.Errorf("stop proposals: %w", ctx.Err())
	}
	close(q.settling)
	select {
	case <-q.settled:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("settle %d proposals: %w", q.waiting.Load(), ctx.Err())
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

// outcome waits for f. Raft gives a proposal an index when it appends it, before anything can be
// known of it; without an index, these errors say that it was turned away.
func outcome(f raft.Future) (store.Result, error) {
	err := f.Error()
	if err == nil {
		return response(f)
	}
	if i, ok := f.(raft.IndexFuture); ok && i.Index() == 0 {
		switch {
		case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
			return nil, notProposed(fmt.Errorf("%w: %w", ErrNotLeader, err))
		case errors.Is(err, raft.ErrRaftShutdown):
			return nil, notProposed(fmt.Errorf("%w: %w", ErrShutdown, err))
		case errors.Is(err, raft.ErrEnqueueTimeout):
			return nil, notProposed(fmt.Errorf("%w: %w", ErrBacklog, err))
		}
	}
	return nil, fmt.Errorf("propose: outcome unknown: %w", err)
}

func response(f raft.Future) (store.Result, error) {
	a, ok := f.(raft.ApplyFuture)
	if !ok {
		return nil, nil
	}
	switch r := a.Response().(type) {
	case store.Result:
		return r, nil
	case error:
		return nil, fmt.Errorf("propose: outcome unknown: %w", r)
	case nil:
		return nil, nil // a barrier
	default:
		return nil, fmt.Errorf("propose: outcome unknown: answer of type %T", r)
	}
}
