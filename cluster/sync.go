package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// The subjects of reads: subjectIndex is about how far a store must be to hold all that is committed,
// subjectLease about how long ago the leader knew that it leads.
const (
	subjectIndex = "index"
	subjectLease = "lease"
)

// Sync returns when this node's store holds all that was committed when Sync was called, as a leader knows
// it that still has its majority. What is read afterwards is no older than that.
func (n *Node) Sync(ctx context.Context) error {
	for {
		r := n.syncs.join()
		select {
		case <-r.done:
		case <-ctx.Done():
			return fmt.Errorf("sync: %w", ctx.Err())
		case <-n.queue.stopping:
			return fmt.Errorf("sync: %w", ErrShutdown)
		case <-n.fault.ch:
			return fmt.Errorf("sync: %w", n.fault.get())
		}
		if r.err == nil {
			return nil
		}
		if !n.awaitLeader(ctx, r.seen, time.Now().Add(n.cfg.EnqueueTimeout)) && ctx.Err() != nil {
			return fmt.Errorf("sync: %w: %w", ctx.Err(), r.err)
		}
	}
}

// A syncRound is one look at what is committed, for all who came before it began.
type syncRound struct {
	done chan struct{} // closed when err and seen are set
	err  error
	seen glance
}

// syncs gathers those who come while a round is under way for the next one: that round may have asked for
// the index before they came.
type syncs struct {
	wake chan struct{} // capacity 1: next is there

	mu   sync.Mutex
	next *syncRound // guarded by mu; not begun yet; nil if nobody waits for it
}

func newSyncs() *syncs { return &syncs{wake: make(chan struct{}, 1)} }

func (s *syncs) join() *syncRound {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil {
		s.next = &syncRound{done: make(chan struct{})}
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
	return s.next
}

func (s *syncs) take() *syncRound {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.next
	s.next = nil
	return r
}

// syncLoop carries out the rounds until ctx ends.
func (n *Node) syncLoop(ctx context.Context) {
	for {
		select {
		case <-n.syncs.wake:
		case <-ctx.Done():
			return
		}
		if r := n.syncs.take(); r != nil {
			r.seen = n.glance()
			r.err = n.syncOnce(ctx, r.seen)
			close(r.done)
		}
	}
}

func (n *Node) syncOnce(ctx context.Context, seen glance) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.EnqueueTimeout)
	defer cancel()
	index, err := uint64(0), error(nil)
	switch {
	case seen.reign != nil:
		index, err = n.readIndex(ctx, seen.reign)
	case seen.leader == "" || seen.leader == n.cfg.NodeID:
		return ErrNotLeader
	default:
		index, err = n.askNumber(ctx, seen.leader, subjectIndex)
	}
	if err != nil {
		return err
	}
	return n.fsm.progress.wait(ctx, func() bool {
		applied, _ := n.store.Applied()
		return applied >= index
	})
}

// askNumber asks a node that leads for a number, as long as no other is known to lead.
func (n *Node) askNumber(ctx context.Context, leader, subject string) (uint64, error) {
	ctx, cancel := n.leaders.while(ctx, leader)
	defer cancel()
	answer, err := n.mesh.ask(ctx, leader, subject, nil)
	if err != nil {
		return 0, err
	}
	if len(answer) != 8 {
		return 0, fmt.Errorf("ask %s: an answer of %d octets", leader, len(answer))
	}
	return binary.BigEndian.Uint64(answer), nil
}

func (n *Node) answerIndex(ctx context.Context, _ string, _ []byte) ([]byte, error) {
	index, err := n.readIndex(ctx, n.lead.current())
	return binary.BigEndian.AppendUint64(nil, index), err
}

// readIndex returns how far a store must be to hold all that is committed now. A leader knows that once its
// barrier is passed, and if a majority answers it after it has looked.
func (n *Node) readIndex(ctx context.Context, r *reign) (uint64, error) {
	if err := r.awaitReady(ctx); err != nil {
		return 0, err
	}
	index := n.committed()
	term, err := n.verifyLeader(ctx)
	if err != nil {
		return 0, err
	}
	var last raft.Log
	if err := n.cache.GetLog(index, &last); err != nil {
		return 0, fmt.Errorf("read entry %d: %w", index, err)
	}
	if last.Term != term { // a reign has begun since, and has not committed anything yet
		return 0, fmt.Errorf("%w in term %d for long enough", ErrNotLeader, term)
	}
	return n.reachable(last)
}

// committed returns the index of the last entry that is known to be committed, and that this node has on its disk: until
// then nobody acts on it.
func (n *Node) committed() uint64 { return min(n.raft.CommitIndex(), n.wal.tail.synced()) }

// reachable returns the index of the last entry up to l that a store can have: Raft's own entries, with
// which every reign begins, never reach it.
func (n *Node) reachable(l raft.Log) (uint64, error) {
	for {
		applied, _ := n.store.Applied()
		if l.Index <= applied || l.Type == raft.LogCommand || l.Type == raft.LogConfiguration {
			return l.Index, nil
		}
		index := l.Index - 1
		if index <= applied {
			return index, nil
		}
		if err := n.cache.GetLog(index, &l); err != nil {
			return 0, fmt.Errorf("read entry %d: %w", index, err)
		}
	}
}

// A progress lets others wait for what the store commits.
type progress struct {
	waiting atomic.Int32
	hurry   chan struct{} // capacity 1: somebody waits who did not before

	mu      sync.Mutex
	changed chan struct{} // guarded by mu; closed and replaced when something was committed
}

func (p *progress) look() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}

// wake tells those who wait that something was committed. It costs nothing if there is nobody.
func (p *progress) wake() {
	if p.waiting.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// wait returns when reached is true, which is looked at after each commit. What is staged is committed without
// delay meanwhile.
func (p *progress) wait(ctx context.Context, reached func() bool) error {
	p.waiting.Add(1)
	defer p.waiting.Add(-1)
	select {
	case p.hurry <- struct{}{}:
	default:
	}
	for {
		changed := p.look()
		if reached() {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return fmt.Errorf("wait for apply: %w", ctx.Err())
		}
	}
}

// A lease says since when at least this node can be sure to be part of a majority with a leader. It is
// dated by the moment before a question was asked, so what a frozen process finds in its sockets when it
// is woken does not renew it.
type lease struct{ at atomic.Pointer[time.Time] }

func (l *lease) renew(at time.Time) { l.at.Store(&at) }

// age returns the time since the lease was renewed.
func (l *lease) age() time.Duration {
	if at := l.at.Load(); at != nil {
		return time.Since(*at)
	}
	return time.Duration(1<<63 - 1)
}

// InTouch says whether this node leads, or has heard from the leader within ReapAfter/3: until then no
// other node has been given its binds.
func (n *Node) InTouch() bool { return n.lease.age() < n.cfg.ReapAfter/3 }

// keepTouch renews the lease twelve times in ReapAfter, and when the leader changes, until ctx ends.
func (n *Node) keepTouch(ctx context.Context) {
	for {
		seen := n.glance()
		if err := n.touch(ctx, seen); err != nil && ctx.Err() == nil {
			n.log.DebugContext(ctx, "not in touch with a leader", "node", n.cfg.NodeID, "err", err)
		}
		t := time.NewTimer(n.cfg.ReapAfter / 12)
		select {
		case <-seen.reigns:
		case <-seen.leaders:
		case <-t.C:
		case <-ctx.Done():
		}
		t.Stop()
		if ctx.Err() != nil {
			return
		}
	}
}

func (n *Node) touch(ctx context.Context, seen glance) error {
	ctx, cancel := context.WithTimeout(ctx, n.cfg.ReapAfter/3)
	defer cancel()
	now := time.Now()
	switch {
	case seen.reign != nil:
		if _, err := n.verifyLeader(ctx); err != nil {
			return err
		}
	case seen.leader == "" || seen.leader == n.cfg.NodeID:
		return ErrNotLeader
	default:
		age, err := n.askNumber(ctx, seen.leader, subjectLease)
		if err != nil {
			return err
		}
		now = now.Add(-time.Duration(min(age, uint64(n.cfg.ReapAfter))))
	}
	n.lease.renew(now)
	return nil
}

// answerLease has who asks believe that its binds are its own for ReapAfter/3. So it must have been heard of
// late enough for the reaper to wait that long: that it can ask does not say that it can be asked, and by
// that the reaper goes.
func (n *Node) answerLease(_ context.Context, from string, _ []byte) ([]byte, error) {
	if n.lead.current() == nil {
		return nil, ErrNotLeader
	}
	if from != n.cfg.NodeID && !n.sightings.get(from).heardWithin(n.cfg.ReapAfter-n.cfg.ReapAfter/3) {
		n.sightings.hurry()
		return nil, fmt.Errorf("node %s does not answer the leader", from)
	}
	age := n.lease.age()
	if age >= n.cfg.ReapAfter {
		return nil, errors.New("this leader does not know that it leads")
	}
	return binary.BigEndian.AppendUint64(nil, uint64(age)), nil
}
