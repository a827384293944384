package cluster

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"
)

// A reaper removes the binds of nodes that have not been heard of for Config.ReapAfter, and of those that
// are no members any more, so that limits and receipts count on binds that are there.
type reaper struct {
	node  *Node
	awake time.Time // since when this leader has been listening without a break
	turn  time.Time // the last turn
}

// reap is a duty of the leader. A new leader has to have listened for ReapAfter itself before it judges,
// and so has one that was stopped for a while (SIGSTOP, a suspended machine): it was itself who did
// not hear.
func (p *reaper) reap(_ context.Context, r *reign) error {
	n := p.node
	now := time.Now()
	if now.Sub(p.turn) > max(n.cfg.ReapAfter/2, 2*n.cfg.PulseInterval) {
		p.awake = now
	}
	p.turn = now
	if now.Sub(p.awake) < n.cfg.ReapAfter {
		return nil
	}
	var errs []error
	for _, id := range slices.Sorted(maps.Keys(n.store.Nodes())) {
		_, member := n.server(id)
		if id == n.cfg.NodeID || member && n.sightings.get(id).heardWithin(n.cfg.ReapAfter) {
			continue
		}
		errs = append(errs, n.dropBinds(r, id))
	}
	return errors.Join(errs...)
}
