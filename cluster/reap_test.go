package cluster

import (
	"context"
	"errors"
	"testing"
	"time"

	"smppbridge/store"
)

// TestReaperHasToHaveListened: a leader that is new, or was stopped for a while, has not heard of anybody,
// which says nothing about them.
func TestReaperHasToHaveListened(t *testing.T) {
	s := newSite(t, func(c *Config) { c.ReapAfter = time.Hour })
	s.start()
	eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
	for _, cmd := range []store.Command{
		&store.NodeUp{Node: "gone", Incarnation: 1},
		&store.BindOpen{Bind: store.Bind{Node: "gone", Incarnation: 1, Session: 1, Account: "a"}},
	} {
		if _, err := s.node.Propose(context.Background(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Now()
	long := now.Add(-2 * time.Hour)
	tests := []struct {
		name        string
		awake, turn time.Time
		left        int
	}{
		{"a new leader", now, now, 1},
		{"stopped since the last turn", long, long, 1},
		{"it has listened long enough", long, now, 0},
	}
	for _, test := range tests {
		p := &reaper{node: s.node, awake: test.awake, turn: test.turn}
		if err := p.reap(context.Background(), s.node.lead.current()); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		if got := len(s.store.NodeBinds("gone")); got != test.left {
			t.Errorf("%s: %d binds left, want %d", test.name, got, test.left)
		}
	}
}

// TestEarlierProgramDoesNotStart on a file that only a later one may go on with.
func TestEarlierProgramDoesNotStart(t *testing.T) {
	version := uint64(store.Version)
	s := newSite(t, func(c *Config) { c.Version = version })
	s.start()
	eventually(t, "the cluster version", func() bool { return s.store.ClusterVersion() == store.Version })
	s.stop()
	version--
	if err := s.try(); err == nil {
		t.Fatal("it started")
	} else if !errors.Is(err, store.ErrVersion) {
		t.Errorf("start: %v, want ErrVersion", err)
	}
}
