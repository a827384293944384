package cluster_test

import (
	"context"
	"errors"
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
)

// TestDeposedLeaderAnswersNoReads: the others are in a later term, where another node leads, and the leader has not heard
// of it: that it reaches them is not enough. What it holds may be old, for its own readers and for those of another
// node that takes it for the leader.
func TestDeposedLeaderAnswersNoReads(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, func(cfg *cluster.Config) { firstLeads(cfg); cfg.EnqueueTimeout = short })
	leader := c.LeaderOf(0, 1, 2)
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
