package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// TestFounderIsNotJoined: a node that was started with bootstrap and the same cluster_id, by a copied configuration, has a
// history of its own. With it, it would be a voter that holds other messages under the same numbers; whether it leads its
// cluster at the moment does not matter.
func TestFounderIsNotJoined(t *testing.T) {
	for _, leads := range []bool{true, false} {
		found := func(id string) *site {
			s := newSite(t, func(c *Config) { c.NodeID, c.ClusterID = id, "sms" })
			s.start()
			s.ready()
			return s
		}
		ours, other := found("n1"), found("n2")
		ours.accept(1, "one")
		other.accept(1, "another")
		if !leads {
			other.node.lead.set(false)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		err := ours.node.Join(ctx, "n2", other.node.Addr())
		cancel()
		if !errors.Is(err, ErrRefused) {
			t.Errorf("joined a node with a history of its own, which leads: %t; error %v", leads, err)
		}
	}
}

// TestNobodyIsPromotedDuringAChange: promoting reads who is a member and then asks Raft, one after the other. In between
// a node that is being removed would come back, with a vote.
func TestNobodyIsPromotedDuringAChange(t *testing.T) {
	s := newSite(t, func(c *Config) { c.PulseInterval = time.Hour })
	s.start()
	s.ready()
	n := s.node
	if err := n.raft.AddNonvoter("n2", "127.0.0.1:1", 0, 0).Error(); err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	n.sightings.done("n2", &sighting{heard: now, pulse: pulse{applied: 1 << 40, version: store.Version}})
	votes := func() bool { m, _ := n.server("n2"); return m.Suffrage == raft.Voter }
	n.changing <- struct{}{} // it is being removed
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := n.promote(ctx, n.lead.current()); err != nil || votes() {
		t.Errorf("during a change: %v, has a vote: %t", err, votes())
	}
	<-n.changing
	_ = n.promote(ctx, n.lead.current()) // with two voters, one of which is not there, it is not committed
	eventually(t, "a vote after the change", votes)
}
