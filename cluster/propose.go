package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// Propose returns once the leader, this node or another one, has applied cmd, with Apply's result. This
// node's store may have it later: see Sync. An error that wraps store.ErrNotProposed means that cmd surely
// never entered the log; any other error, among them the end of ctx while the entry is under way and a
// change of the leader, that its outcome is unknown. Repeating a command whose token is the same is safe
// either way.
//
// Propose waits for a leader up to Config.EnqueueTimeout. The commands that are a leader's own acts do not:
// they are not proposed if this node does not lead.
func (n *Node) Propose(ctx context.Context, cmd store.Command) (store.Result, error) {
	if err := n.allowed(cmd); err != nil {
		n.queue.refused.Add(1)
		return nil, notProposed(err)
	}
	_, accept := cmd.(*store.Accept)
	own := leaderOnly(cmd)
	if err := n.queue.room(accept); err != nil { // before the work of encoding
		n.queue.refused.Add(1)
		return nil, notProposed(err)
	}
	octets := store.Encode(0, cmd)
	if len(octets) > maxCommandBytes {
		n.queue.refused.Add(1)
		return nil, notProposed(fmt.Errorf("%w: %d octets", ErrTooLarge, len(octets)))
	}
	until := time.Now().Add(n.cfg.EnqueueTimeout)
	for {
		seen := n.glance()
		res, err := n.proposeOnce(ctx, seen, octets, route{accept: accept, own: own})
		if errors.Is(err, store.ErrNotProposed) && errors.Is(err, ErrNotLeader) && !own && n.awaitLeader(ctx, seen, until) {
			continue
		}
		if errors.Is(err, store.ErrNotProposed) {
			n.queue.refused.Add(1)
		}
		return res, err
	}
}

// A route says of a command how it may go: accept, that it is refused first when much waits; own, that it
// goes nowhere if this node does not lead.
type route struct{ accept, own bool }

func (n *Node) proposeOnce(ctx context.Context, seen glance, octets []byte, how route) (store.Result, error) {
	switch {
	case n.ending.Load():
		return nil, notProposed(ErrShutdown)
	case seen.reign != nil:
		return n.proposeHere(ctx, seen.reign, octets, how.accept)
	case how.own || seen.leader == "" || seen.leader == n.cfg.NodeID:
		return nil, notProposed(n.queue.notLeading())
	}
	return n.forward(ctx, seen.leader, octets)
}

// allowed refuses what the cluster version in force does not know, and, when the disk is nearly full, what
// is new.
func (n *Node) allowed(cmd store.Command) error {
	if _, accept := cmd.(*store.Accept); accept && n.diskLow() {
		return ErrDiskFull
	}
	if since, now := store.Since(cmd), n.store.ClusterVersion(); since > now {
		return fmt.Errorf("%w: the command needs %d, %d is in force", ErrVersion, since, now)
	}
	return nil
}

// proposeHere has this node propose an encoded command in reign r, and waits for the outcome.
func (n *Node) proposeHere(ctx context.Context, r *reign, octets []byte, accept bool) (store.Result, error) {
	p, err := n.queue.propose(ctx, r, octets, accept)
	if err != nil {
		return nil, notProposed(err)
	}
	select {
	case <-p.done:
		return p.result, p.err
	case <-ctx.Done():
		err = ctx.Err()
	case <-n.fault.ch: // Raft may have ended without an answer
		err = n.fault.get()
	}
	if n.queue.withdraw(p) {
		return nil, notProposed(err)
	}
	n.queue.unknown.Add(1)
	return nil, fmt.Errorf("propose: outcome unknown: %w", err)
}

func notProposed(err error) error {
	return fmt.Errorf("propose: %w: %w", store.ErrNotProposed, err)
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
