package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// A duty is what the leader does for the cluster now and then.
type duty struct {
	name string
	do   func(ctx context.Context, r *reign) error
}

// govern does the duties of the leader until the reign ends. A duty that fails is tried again at the next
// turn.
func (n *Node) govern(r *reign) {
	ctx, cancel := n.reignContext(context.Background(), r)
	defer cancel()
	reaper := &reaper{node: n, awake: time.Now(), turn: time.Now()}
	auditor := &auditor{node: n}
	duties := []duty{
		{"clock", n.guardClock},
		{"disk", n.guardDisk},
		{"promote", n.promote},
		{"raise", n.raise},
		{"reap", reaper.reap},
		{"verify", auditor.audit},
	}
	tick := time.NewTicker(n.cfg.PulseInterval)
	defer tick.Stop()
	for {
		for _, d := range duties {
			if err := d.do(ctx, r); err != nil && ctx.Err() == nil && !errors.Is(err, errClockOff) { // which has its own alarm
				n.log.Warn("duty of the leader not done", "duty", d.name, "err", err)
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// promote gives a vote to the members that have none and have caught up. A node that lags or does not
// answer would be counted in every majority. It is put off while members are changed: a node that is being
// removed would come back, with a vote.
func (n *Node) promote(ctx context.Context, _ *reign) error {
	select {
	case n.changing <- struct{}{}:
		defer func() { <-n.changing }()
	default:
		return nil
	}
	own, _ := n.store.Applied()
	for _, s := range n.servers() {
		p := n.sightings.get(string(s.ID))
		ready := p.heardWithin(n.fresh()) && p.pulse.applied > 0 && p.pulse.applied+maxBehind >= own &&
			p.pulse.version >= n.store.ClusterVersion()
		if s.Suffrage == raft.Voter || !ready {
			continue
		}
		if err := n.await(ctx, n.raft.AddVoter(s.ID, s.Address, 0, n.cfg.EnqueueTimeout)); err != nil {
			return err
		}
		n.log.Info("node has a vote now", "node", string(s.ID))
	}
	return nil
}
