package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// A reign is one time of leading, from winning an election to losing it.
type reign struct {
	ready chan struct{} // closed when all that earlier leaders committed is applied here
	ended chan struct{} // closed when this node leads no longer
}

// awaitReady returns when the reign is ready; its error wraps ErrNotLeader if it has ended, or was none.
func (r *reign) awaitReady(ctx context.Context) error {
	if r == nil {
		return ErrNotLeader
	}
	select {
	case <-r.ready:
	case <-r.ended:
		return ErrNotLeader
	case <-ctx.Done():
		return ctx.Err()
	}
	return ctx.Err()
}

// A leadership is a level, not an event: what counts is whether this node leads now. Raft tells of
// each change in order and waits until it is heard, so no reign goes unseen, however short.
type leadership struct {
	mu      sync.Mutex
	reign   *reign        // guarded by mu; nil = not leading
	changed chan struct{} // guarded by mu; closed and replaced when reign changes
	gained  uint64        // guarded by mu; reigns so far
}

func newLeadership() *leadership { return &leadership{changed: make(chan struct{})} }

// set begins a reign or ends one.
func (l *leadership) set(leading bool) *reign {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.reign != nil {
		close(l.reign.ended)
		l.reign = nil
	}
	if leading {
		l.reign = &reign{ready: make(chan struct{}), ended: make(chan struct{})}
		l.gained++
	}
	close(l.changed)
	l.changed = make(chan struct{})
	return l.reign
}

// current returns the reign of now, nil if another node leads or none.
func (l *leadership) current() *reign {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reign
}

func (l *leadership) look() (*reign, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reign, l.changed
}

func (l *leadership) count() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gained
}

// wait returns a reign that is ready, or nil when ctx or the node ends.
func (l *leadership) wait(ctx context.Context, stop <-chan struct{}) *reign {
	for {
		r, changed := l.look()
		var ready chan struct{}
		if r != nil {
			ready = r.ready
		}
		select {
		case <-ready:
			return r
		case <-changed:
		case <-ctx.Done():
			return nil
		case <-stop:
			return nil
		}
	}
}

// Lead runs work while this node leads. Each time it has become the leader and has applied what
// earlier leaders committed, it commits a store.Lead command, which makes the attempts they left
// open uncertain, and then calls work. The context of work ends when leadership does, and work is
// waited for before it is called again. Proposals of the past leader's work that come in late fail
// or are taken like those of any node.
//
// Lead returns nil when ctx ends or the node is shut down, and work's error if work returns one
// while this node leads. If work returns nil it is not called again before the next election won.
func (n *Node) Lead(ctx context.Context, work func(ctx context.Context) error) error {
	for {
		r := n.lead.wait(ctx, n.queue.stopping)
		if r == nil {
			return nil
		}
		if err := n.leadOnce(ctx, r, work); err != nil {
			return fmt.Errorf("leader's work: %w", err)
		}
	}
}

func (n *Node) leadOnce(outer context.Context, r *reign, work func(ctx context.Context) error) error {
	ctx, cancel := context.WithCancel(outer)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		select {
		case <-r.ended:
			cancel()
		case <-ctx.Done():
		}
	})
	for {
		_, err := n.Propose(ctx, &store.Lead{Node: n.cfg.NodeID, DueAt: n.resolveAt()})
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return nil
		}
		// Unknown outcomes too: a second Lead finds nothing open.
		n.log.WarnContext(ctx, "lead command not committed", "err", err)
		if !pause(ctx, retryPause) {
			return nil
		}
	}
	n.log.InfoContext(ctx, "leading", "node", n.cfg.NodeID, "term", n.raft.CurrentTerm())
	err := work(ctx)
	if ctx.Err() != nil {
		return nil // what work says of its own end is not a failure
	}
	if err == nil {
		<-ctx.Done()
	}
	return err
}

// resolveAt is when the attempts of an earlier leader are first looked into.
func (n *Node) resolveAt() int64 {
	at := max(n.store.Clock(), n.clock.now().UnixMilli())
	return at + n.cfg.ResolveDelay.Milliseconds()
}

// retryPause is the wait before a new leader tries again what every reign begins with.
const retryPause = 20 * time.Millisecond

// pause waits, and says whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// watchLeadership follows Raft's notices until stop is closed. It never waits for long, because
// Raft's main loop waits for it.
func (n *Node) watchLeadership(notices <-chan bool, stop <-chan struct{}) {
	var wg sync.WaitGroup
	defer wg.Wait()
	defer n.lead.set(false)
	for {
		select {
		case leading := <-notices:
			r := n.lead.set(leading)
			if r == nil {
				n.log.Info("leadership lost", "node", n.cfg.NodeID)
				continue
			}
			wg.Go(func() { n.establish(r) })
		case <-stop:
			return
		}
	}
}

// establish makes a reign ready and then does what the leader owes the cluster. It ends with the reign at
// the latest.
func (n *Node) establish(r *reign) {
	for _, step := range []func(*reign) error{n.barrier, n.checkClock, n.genesis} {
		if !n.insist(r, step) {
			return
		}
	}
	close(r.ready)
	n.announceAddr(r)
	n.govern(r)
}

// insist repeats a step until it succeeds; it says whether that came before the end of the reign.
func (n *Node) insist(r *reign, step func(*reign) error) bool {
	for {
		err := step(r)
		if err == nil {
			return true
		}
		select {
		case <-r.ended:
			return false
		case <-n.queue.stopping:
			return false
		case <-time.After(retryPause):
		}
		if !errors.Is(err, ErrNotLeader) && !errors.Is(err, errClockOff) { // which has its own alarm
			n.log.Warn("new leader not ready yet", "err", err)
		}
	}
}

// barrier is passed when the store holds all that any leader stamped, so that stamps ascend over the
// change of leaders.
func (n *Node) barrier(r *reign) error {
	if err := n.queue.do(r, func() raft.Future { return n.raft.Barrier(n.cfg.EnqueueTimeout) }); err != nil {
		return err
	}
	return n.fsm.commit()
}

// genesis names the cluster if it has no name: all members spell OutIds with the name in the log.
func (n *Node) genesis(r *reign) error {
	if n.store.ClusterID() != "" {
		return nil
	}
	id := n.cfg.ClusterID
	if id == "" {
		// Not a fixed one: reports of a cluster whose data was thrown away would name the OutIds of this.
		id = strings.ToLower(rand.Text()[:8])
	}
	if _, err := n.commit(r, &store.Genesis{ClusterID: id, Lineage: newLineage()}); err != nil {
		return err
	}
	n.log.Info("cluster named", "cluster_id", n.store.ClusterID(), "lineage", n.store.Lineage().String())
	return nil
}

// commit proposes a command of the leader's own during reign r, ready or not. It is never forwarded: in
// another reign the reason for it may be gone.
func (n *Node) commit(r *reign, cmd store.Command) (store.Result, error) {
	p := &proposal{octets: store.Encode(0, cmd), reign: r, done: make(chan struct{})}
	if err := n.queue.add(p, false); err != nil {
		return nil, err
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-n.fault.ch:
		return nil, n.fault.get()
	}
}

// reignContext returns a context that ends with the reign or the node, too.
func (n *Node) reignContext(parent context.Context, r *reign) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(parent)
	go func() { // ends with ctx
		select {
		case <-r.ended:
			cancel()
		case <-n.queue.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}

// announceAddr puts this node's address into Raft's configuration if it has moved. With one node
// nothing depends on it; others learn by it where to find the leader.
func (n *Node) announceAddr(r *reign) {
	for _, s := range n.raft.GetConfiguration().Configuration().Servers {
		own := s.ID == raft.ServerID(n.cfg.NodeID)
		if !own || s.Address == n.trans.LocalAddr() || s.Suffrage != raft.Voter {
			continue
		}
		err := n.queue.do(r, func() raft.Future {
			return n.raft.AddVoter(s.ID, n.trans.LocalAddr(), 0, n.cfg.EnqueueTimeout)
		})
		if err != nil {
			n.log.Warn("new address not in raft's configuration", "err", err)
			return
		}
		n.log.Info("address changed", "node", n.cfg.NodeID, "addr", n.trans.LocalAddr(), "was", s.Address)
	}
}
