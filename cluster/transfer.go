package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// maxBehind is how many entries a node may be behind the leader and still be given a vote or the lead.
const maxBehind = 1000

// handOver gives leadership to a voter, with an empty id to the one that is most up to date among those whose
// clocks are good, and returns when this node leads no longer.
//
// Whoever is to lead is asked how it is at this moment: while Raft hands over it takes no proposals,
// and it would wait for a node that is dead or far behind for as long as an election takes, or until a
// call to it has timed out. If the transfer fails this node leads on.
func (n *Node) handOver(ctx context.Context, id string) error {
	r := n.lead.current()
	if r == nil {
		return nil
	}
	within, cancel := n.reignContext(ctx, r)
	defer cancel()
	heirs, err := n.heirs(within, id)
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return ErrNotLeader // it was lost meanwhile
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, h := range heirs {
		err := n.await(ctx, n.raft.LeadershipTransferToServer(h.ID, h.Address))
		if err == nil {
			select {
			case <-r.ended:
				n.log.Info("leadership handed over", "node", n.cfg.NodeID, "to", string(h.ID))
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		errs = append(errs, fmt.Errorf("hand over to %s: %w", h.ID, err))
		if ctx.Err() != nil || errors.Is(err, raft.ErrNotLeader) || errors.Is(err, raft.ErrRaftShutdown) {
			break
		}
	}
	return errors.Join(errs...)
}

// yield hands over as a duty of the leader. It does not end with the reign, as the duty does: the reign ends with what this
// brings about, and it would not be known whether this node gave the lead or lost it. It ends when the node stops: Raft leaves a
// transfer that comes too late without an answer (1.7.3).
func (n *Node) yield(r *reign) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with ctx
		select {
		case <-n.queue.stopping:
			cancel()
		case <-ctx.Done():
		}
	}()
	if n.lead.current() != r {
		return ErrNotLeader
	}
	return n.handOver(ctx, "")
}

// heirs returns the voters that can lead, the best first, or just the one that was asked for.
func (n *Node) heirs(ctx context.Context, id string) ([]raft.Server, error) {
	others, _ := n.otherVoters()
	if id != "" {
		if s, ok := n.server(id); !ok || s.Suffrage != raft.Voter {
			return nil, refused("%s has no vote here", id)
		}
		others = slices.DeleteFunc(others, func(s raft.Server) bool { return string(s.ID) != id })
	}
	if len(others) == 0 {
		return nil, refused("there is no other voter")
	}
	asked := n.askHeirs(ctx, others)
	view := n.lookAtClocks()
	own, _ := n.store.Applied()
	var fit []raft.Server
	var errs []error
	applied := make(map[raft.ServerID]uint64) // by these answers: one of an earlier question may come after them
	for i, s := range others {
		switch p := asked[i]; {
		case p.heard.IsZero():
			errs = append(errs, fmt.Errorf("%s does not answer", s.ID))
		case p.pulse.applied+maxBehind < own:
			errs = append(errs, fmt.Errorf("%s is %d entries behind", s.ID, own-p.pulse.applied))
		case p.pulse.full:
			errs = append(errs, fmt.Errorf("the disk of %s is nearly full", s.ID))
		case !n.clockAgrees(p, view):
			errs = append(errs, fmt.Errorf("the clock of %s is off", s.ID))
		default:
			fit = append(fit, s)
			applied[s.ID] = p.pulse.applied
		}
	}
	if len(fit) == 0 {
		return nil, refused("nobody to hand over to: %w", errors.Join(errs...))
	}
	slices.SortStableFunc(fit, func(a, b raft.Server) int { return cmp.Compare(applied[b.ID], applied[a.ID]) })
	return fit, nil
}

// heirDelay is how much longer than the first voter the others have to answer.
const heirDelay = 200 * time.Millisecond

// askHeirs asks voters how they are at this moment; the zero sighting stands for one that does not say. A
// question is repeated: the connection to a node that has just come back may have to be made first.
func (n *Node) askHeirs(ctx context.Context, voters []raft.Server) []sighting {
	ctx, cancel := context.WithTimeout(ctx, transferTry)
	defer cancel()
	asked := make([]sighting, len(voters))
	var wg sync.WaitGroup
	for i, s := range voters {
		wg.Go(func() {
			p, err := n.feel(ctx, string(s.ID))
			for err != nil {
				if !pause(ctx, retryPause) {
					return
				}
				p, err = n.feel(ctx, string(s.ID))
			}
			asked[i] = p
			n.sightings.done(string(s.ID), &p)
			time.AfterFunc(heirDelay, cancel)
		})
	}
	wg.Wait()
	return asked
}
