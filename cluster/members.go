package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// Errors of Join, Remove, Transfer and Leave that callers tell apart. Any other error means that the
// outcome is unknown; each of them may be repeated.
var (
	// ErrRefused is wrapped when nothing was changed and repeating it will not help: the text says what to
	// do first.
	ErrRefused = errors.New("refused")

	// ErrLeft is what Ready says of a node that is no member any more.
	ErrLeft = errors.New("this node has left the cluster: stop it; to take part again, join it")

	// ErrRemoved is what Ready says of a node that was removed while it was away.
	ErrRemoved = errors.New("this node was removed from the cluster: stop it; to take part again, join it")
)

// A Member is a node of the cluster as this node sees it.
type Member struct {
	ID      string        `json:"node"`
	Addr    string        `json:"addr"`
	Voter   bool          `json:"voter"`
	Leader  bool          `json:"leader"`
	Heard   time.Duration `json:"heard"`   // since it last answered this node; -1 = never
	Applied uint64        `json:"applied"` // index in its store's file, when it last answered
	Version uint64        `json:"version"` // the highest cluster version it takes part in
	Clock   time.Duration `json:"clock"`   // by how much its clock is ahead of this node's
}

// membership is the part of a Node that knows of its own place in the cluster.
type membership struct {
	sightings *sightings
	clock     *steadyClock

	left    atomic.Bool // Leave has succeeded
	strange atomic.Bool // the leader says that this node is no member

	changing chan struct{} // capacity 1: one change of the members at a time

	clockOffset  atomic.Int64 // ns by which this node's clock is ahead of the others'
	clockAlarmed time.Time    // pulseLoop's: when that was last logged

	reaped    atomic.Uint64 // times that a node's binds were removed
	diverged  atomic.Int64  // members whose hash is not the majority's
	undecided atomic.Uint64 // marks of which no majority noted the same hash
}

func newMembership(n *Node) *membership {
	return &membership{
		sightings: newSightings(),
		clock:     &steadyClock{wall: n.cfg.Now, outvoted: n.outvoted, leading: n.IsLeader},
		changing:  make(chan struct{}, 1),
	}
}

// gone says that this node is no member any more, if it knows.
func (n *Node) gone() error {
	_, member := n.server(n.cfg.NodeID)
	switch {
	case n.left.Load() && !member:
		return ErrLeft
	case n.strange.Load():
		return ErrRemoved
	}
	return nil
}

// Members returns the members of Raft's configuration, this node among them if it is one.
func (n *Node) Members() []Member {
	leader := n.LeaderID()
	var ms []Member
	for _, s := range n.servers() {
		m := Member{ID: string(s.ID), Addr: string(s.Address), Voter: s.Suffrage == raft.Voter, Heard: -1}
		m.Leader = m.ID == leader
		if m.ID == n.cfg.NodeID {
			m.Heard, m.Version = 0, n.cfg.Version
			m.Applied, _ = n.store.Applied()
		} else if p := n.sightings.get(m.ID); !p.heard.IsZero() {
			now := time.Now()
			m.Heard, m.Applied, m.Version = now.Sub(p.heard), p.pulse.applied, p.pulse.version
			m.Clock = p.clockAt(now).Sub(n.cfg.Now())
		}
		ms = append(ms, m)
	}
	return ms
}

func (n *Node) memberFigures(f *Figures) {
	f.ClusterVersion, f.Supported = n.store.ClusterVersion(), n.cfg.Version
	for _, m := range n.Members() {
		f.Members++
		if m.Voter {
			f.Voters++
		}
		if m.Heard >= 0 && m.Heard <= n.fresh() {
			f.Heard++
		}
	}
	f.ClockOffset = time.Duration(n.clockOffset.Load())
	f.Diverged, f.Undecided, f.Reaped = n.diverged.Load(), n.undecided.Load(), n.reaped.Load()
}

// Join makes a node a member: first without a vote, and with one when it has caught up. The node runs
// already, without Bootstrap. It returns when the first step is committed; Members tells of the second. Any
// node may be asked.
//
// A node that is a member at that address stays one; a member at another address is moved to this one.
// It is refused if the node at addr is not the one named, belongs to another cluster, cannot apply what
// this cluster's version allows, or does not answer.
func (n *Node) Join(ctx context.Context, id, addr string) error {
	if err := n.order(ctx, change{op: opJoin, node: id, addr: addr}); err != nil {
		return fmt.Errorf("join %s at %s: %w", id, addr, err)
	}
	return nil
}

// Remove takes a member out, dead or alive; its binds go with it. A leader hands over first. It is refused
// for the last voter, and when it would leave the cluster without a majority of voters that answer:
// what is dead is removed first, and a lost majority is another matter (Recover).
func (n *Node) Remove(ctx context.Context, id string) error {
	if err := n.order(ctx, change{op: opRemove, node: id}); err != nil {
		return fmt.Errorf("remove %s: %w", id, err)
	}
	return nil
}

// Transfer hands leadership to a voter, or with an empty id to the one that is most up to date. It is
// refused if that voter does not answer, has fallen far behind, or has a clock that is off.
func (n *Node) Transfer(ctx context.Context, id string) error {
	if err := n.order(ctx, change{op: opTransfer, node: id, addr: n.LeaderID()}); err != nil {
		return fmt.Errorf("transfer leadership: %w", err)
	}
	return nil
}

// Leave takes this node out of the cluster, handing leadership over first, and returns when that is
// committed. Afterwards Ready returns ErrLeft. The last voter cannot leave.
func (n *Node) Leave(ctx context.Context) error {
	if err := n.order(ctx, change{op: opRemove, node: n.cfg.NodeID}); err != nil {
		return fmt.Errorf("leave: %w", err)
	}
	n.left.Store(true)
	return nil
}

// StepDown hands leadership over if this node leads and another voter can take it, and returns when
// another node is known to lead. Its error says why this node leads still, or that ctx ended first.
func (n *Node) StepDown(ctx context.Context) error {
	for n.lead.current() != nil {
		if others, _ := n.otherVoters(); len(others) == 0 {
			return nil
		}
		err := n.handOver(ctx, "")
		if err != nil && !pause(ctx, retryPause) {
			return fmt.Errorf("step down: %w", err)
		}
	}
	for n.LeaderID() == "" || n.LeaderID() == n.cfg.NodeID {
		if n.lead.current() != nil { // elected again
			return n.StepDown(ctx)
		}
		if !pause(ctx, retryPause) {
			return fmt.Errorf("step down: no other node leads yet: %w", ctx.Err())
		}
	}
	return nil
}

// stepDownLimit bounds what Shutdown gives to handing over.
const stepDownLimit = 3 * time.Second

// stepDownToStop hands over at the last moment. Without it the others would wait for their election
// timeouts; with it failing they do.
func (n *Node) stepDownToStop(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stepDownLimit)
	defer cancel()
	if n.fault.get() != nil || n.lead.current() == nil {
		return
	}
	if err := n.handOver(ctx, ""); err != nil {
		n.log.Info("leadership not handed over", "err", err)
	}
}
