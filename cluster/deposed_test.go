package cluster_test

import (
	"context"
	"errors"
	"testing"

	"smppbridge/cluster"
)

// TestDeposedLeaderAnswersNoReads: the others are in a later term, where another node leads, and the leader has not heard
// of it: that it reaches them is not enough. What it holds may be old, for its own readers and for those of another
// node that takes it for the leader.
func TestDeposedLeaderAnswersNoReads(t *testing.T) {
	t.Parallel()
	c := led(t, func(cfg *cluster.Config) { firstLeads(cfg); cfg.EnqueueTimeout = short })
	leader := c.Leader()
	a, b := (leader+1)%3, (leader+2)%3
	c.Node(a).AnswerTerm(1)
	if err := c.Node(leader).Sync(patient(t)); err != nil {
		t.Fatalf("one of the others is in its term: %v", err)
	}
	c.Node(b).AnswerTerm(1)
	for _, i := range []int{leader, a} {
		ctx, cancel := context.WithTimeout(context.Background(), short)
		defer cancel()
		if err := c.Node(i).Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("sync on n%d with a leader that is deposed: %v, want that it waits", i+1, err)
		}
	}
	c.Eventually("the leader not to say that it is in touch", func() bool { return !c.Node(leader).InTouch() })
	c.Node(b).AnswerTerm(0)
	if err := c.Node(a).Sync(patient(t)); err != nil {
		t.Errorf("sync once a majority is in the leader's term: %v", err)
	}
}

// TestHeartbeatDeposesNobody: what makes a leader a follower comes to Raft's main loop, so that it does not add entries in
// another leader's term. Followers heed their leader's heartbeats.
func TestHeartbeatDeposesNobody(t *testing.T) {
	t.Parallel()
	c := led(t, firstLeads)
	leader := c.Leader()
	a := (leader + 1) % 3
	term := c.Node(leader).Figures().Term
	for _, tt := range []struct {
		what     string
		from, to int
		later    uint64
		heeded   bool
	}{
		{"a leader, of a later term", a, leader, 1, false},
		{"a follower, of a later term", leader, a, 1, false},
		{"a follower, of its term", leader, a, 0, true},
	} {
		to := c.Peer(tt.to)
		if heeded, err := c.Node(tt.from).Heartbeat(to.ID, to.Addr, tt.later); err != nil || heeded != tt.heeded {
			t.Errorf("to %s: heeded %v, %v", tt.what, heeded, err)
		}
	}
	for i := range 3 {
		if f := c.Node(i).Figures(); f.Term != term || c.Node(i).IsLeader() != (i == leader) {
			t.Errorf("n%d is %s in term %d; n%d led in term %d", i+1, f.State, f.Term, leader+1, term)
		}
	}
}
