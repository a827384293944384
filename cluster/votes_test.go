package cluster

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// lonely starts a node of some version that leads alone, and adds the member n2, which is not there and has no vote. It
// returns when the leader has done all its duties once; they come again only if the test calls them.
func lonely(t *testing.T, version uint64) *site {
	t.Helper()
	s := newSite(t, func(c *Config) { c.PulseInterval, c.Version = time.Hour, version })
	s.start()
	eventually(t, "the duties to be done once", func() bool { return s.store.ClusterVersion() == version })
	if err := s.node.raft.AddNonvoter("n2", "127.0.0.1:1", 0, 0).Error(); err != nil {
		t.Fatal(err)
	}
	return s
}

// heard has the node know of n2 what it is told ago.
func (s *site) heard(ago time.Duration, p pulse) {
	s.node.sightings.done("n2", &sighting{heard: time.Now().Add(-ago), pulse: p})
}

// TestWhoGetsAVote: a node that is far behind, does not answer or cannot apply what is in the log would be counted in every
// majority, and nothing would be committed until it has caught up.
func TestWhoGetsAVote(t *testing.T) {
	t.Parallel()
	s := lonely(t, store.Version)
	s.heard(0, pulse{version: store.Version}) // while the leader itself has little
	if err := s.node.promote(t.Context(), s.node.lead.current()); err != nil {
		t.Error(err)
	}
	if m, ok := s.node.server("n2"); !ok || m.Suffrage == raft.Voter {
		t.Fatal("a node that has nothing yet has a vote")
	}
	var wg sync.WaitGroup
	for lane := range 50 { // more entries than a node may be behind
		wg.Go(func() {
			for i := range maxBehind/50 + 2 {
				if _, err := s.node.Propose(t.Context(), &store.NodeUp{Node: fmt.Sprint("lane", lane), Incarnation: uint64(i + 1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	own, _ := s.store.Applied()
	fresh := s.node.fresh()
	tests := []struct {
		name  string
		ago   time.Duration
		pulse pulse
		votes bool
	}{
		{"it is behind", 0, pulse{applied: own - maxBehind - 1, version: store.Version}, false},
		{"it has not answered for long", fresh + time.Minute, pulse{applied: own, version: store.Version}, false},
		{"its program is older", 0, pulse{applied: own, version: store.Version - 1}, false},
		{"it is near", 0, pulse{applied: own - maxBehind, version: store.Version}, true}, // the last: with it there is no majority
	}
	for _, test := range tests {
		s.heard(test.ago, test.pulse)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err := s.node.promote(ctx, s.node.lead.current())
		cancel()
		if test.votes { // Raft has been asked, and a disk may take longer than the wait
			eventually(t, "a vote", func() bool { m, ok := s.node.server("n2"); return !ok || m.Suffrage == raft.Voter })
		}
		if m, ok := s.node.server("n2"); !ok || (m.Suffrage == raft.Voter) != test.votes {
			t.Errorf("%s: has a vote %t, want %t (%v)", test.name, m.Suffrage == raft.Voter, test.votes, err)
		}
	}
}

// TestVersionIsRaisedForAll: what a later program brings is not used while a member might not understand it, which
// would stop that member, and with it perhaps the majority.
func TestVersionIsRaisedForAll(t *testing.T) {
	t.Parallel()
	s := lonely(t, store.Version-1)
	s.node.cfg.Version = store.Version // as if it had been upgraded
	tests := []struct {
		name   string
		ago    time.Duration // since the other one was heard; 0: never
		others uint64
		want   uint64
	}{
		{"the other one was never heard", 0, 0, store.Version - 1},
		{"its program is older", time.Millisecond, store.Version - 1, store.Version - 1},
		{"it was later, long ago", s.node.fresh() + time.Minute, store.Version, store.Version - 1},
		{"its program is as late", time.Millisecond, store.Version, store.Version},
	}
	for _, test := range tests {
		if test.ago > 0 {
			s.heard(test.ago, pulse{version: test.others})
		}
		if err := s.node.raise(t.Context(), s.node.lead.current()); err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if got := s.store.ClusterVersion(); got != test.want {
			t.Errorf("%s: cluster version %d, want %d", test.name, got, test.want)
		}
	}
	s.heard(time.Millisecond, pulse{version: store.Version + 1})
	if err := s.node.raise(t.Context(), s.node.lead.current()); err != nil || s.store.ClusterVersion() != store.Version {
		t.Errorf("the other's program is later: cluster version %d, %v, want %d", s.store.ClusterVersion(), err, store.Version)
	}
}
