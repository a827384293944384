package cluster

import (
	"context"
	"fmt"

	"smppbridge/store"
)

// raise is a duty of the leader: when every member, with a vote or without, takes part in a later
// cluster version than the one in force, it raises that. From then on commands that earlier programs
// do not know may be in the log, so a member that does not answer holds it back.
func (n *Node) raise(_ context.Context, r *reign) error {
	lowest := n.cfg.Version
	for _, s := range n.servers() {
		if string(s.ID) == n.cfg.NodeID {
			continue
		}
		p := n.sightings.get(string(s.ID))
		if !p.heardWithin(n.fresh()) {
			return nil
		}
		lowest = min(lowest, p.pulse.version)
	}
	if lowest <= n.store.ClusterVersion() {
		return nil
	}
	if _, err := n.commit(r, &store.Raise{Version: lowest}); err != nil {
		return fmt.Errorf("raise the cluster version to %d: %w", lowest, err)
	}
	n.log.Info("cluster version raised", "version", lowest)
	return nil
}

// checkVersion refuses to start a program that is older than what the log may hold.
func (n *Node) checkVersion() error {
	if v := n.store.ClusterVersion(); v > n.cfg.Version {
		return fmt.Errorf("%w: the cluster is at version %d, this program takes part in versions up to %d: install a later one",
			store.ErrVersion, v, n.cfg.Version)
	}
	return nil
}
