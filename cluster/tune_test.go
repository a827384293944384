package cluster_test

import (
	"strings"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
)

// quick makes pulses, and what hangs on them, quick.
func quick(cfg *cluster.Config) {
	cfg.PulseInterval, cfg.MarkInterval, cfg.ReapAfter = 50*time.Millisecond, 100*time.Millisecond, 2*time.Second
}

// steady has no leader lost because the machine stands still for a moment: that is for tests which say what becomes of
// the leader, and in which nobody has to notice that one is gone.
func steady(cfg *cluster.Config) {
	quick(cfg)
	cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = 3*time.Second, 3*time.Second, 3*time.Second
}

// firstLeads is steady with others than n1 that lead only if it is handed to them.
func firstLeads(cfg *cluster.Config) {
	steady(cfg)
	if cfg.NodeID != "n1" {
		cfg.HeartbeatTimeout, cfg.ElectionTimeout = 2*patience, 2*patience
	}
}

// led starts three nodes of which n1 leads, without the wait of steady ones for their first election.
func led(t *testing.T, tune func(*cluster.Config)) *clustertest.Cluster {
	t.Helper()
	c := clustertest.New(t, 3, tune)
	if err := c.Node(0).Stand(); err != nil {
		t.Fatal(err)
	}
	c.LeaderOf(0, 1, 2)
	return c
}

// handTo has node via give the lead to another one. That one did not answer in time, within a second, says only that the
// machine stood still.
func handTo(t *testing.T, via *cluster.Node, id string) {
	t.Helper()
	clustertest.Eventually(t, "the lead to be handed to "+id, func() bool {
		err := via.Transfer(patient(t), id)
		if err != nil && !strings.Contains(err.Error(), "does not answer") {
			t.Fatal(err)
		}
		return err == nil
	})
}
