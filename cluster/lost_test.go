package cluster_test

import (
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// TestLostMajority: two of three nodes are lost in the middle of the load. The third is recovered with all that was
// acknowledged; those of the old epoch that come back are not listened to; empty ones join.
func TestLostMajority(t *testing.T) {
	c := clustertest.New(t, 3, quick)
	leader := c.Leader()
	l := startLoad(t, 4, 100, c.Node(0), c.Node(1), c.Node(2))
	l.more(t, 50)
	first, last := (leader+1)%3, (leader+2)%3
	c.Crash(first)
	l.more(t, 50) // from here on each acknowledged one is on the disk of the node that is left
	c.Crash(leader)
	c.Stop(last)
	rep := recoverNode(t, c, last)
	if rep.Epoch != 2 || len(rep.Members) != 3 {
		t.Errorf("report %+v", rep)
	}
	c.Start(last)
	if got := c.Leader(); got != last {
		t.Fatalf("node %d leads, want %d", got, last)
	}
	l.stop(t, c.Store(last))

	// What is left of the old epoch has a majority, but this node is not of it.
	c.Start(leader)
	c.Start(first)
	c.Eventually("the old nodes to be one cluster", func() bool { return c.Node(leader).IsLeader() || c.Node(first).IsLeader() })
	if _, err := c.Node(last).Propose(patient(t), acceptCommand("n", 1, "of the new epoch")); err != nil {
		t.Errorf("propose on the recovered node: %v", err)
	}
	if e := c.Store(leader).Epoch(); e != 1 {
		t.Errorf("an old node is in epoch %d", e)
	}
	if err := c.Node(last).Join(patient(t), c.Peer(leader).ID, c.Peer(leader).Addr); err == nil {
		t.Error("a node with data of the old epoch has joined")
	}
	c.Stop(leader)
	c.Stop(first)

	for range 2 {
		i := c.Add()
		if err := c.Node(last).Join(patient(t), c.Peer(i).ID, c.Peer(i).Addr); err != nil {
			t.Fatal(err)
		}
		awaitVote(t, c.Node(last), c.Peer(i).ID)
	}
	c.Propose(acceptCommand("n", 2, "of three nodes"))
	level(c)
	if got := len(c.Node(last).Members()); got != 3 {
		t.Errorf("%d members, want 3", got)
	}
	for i := 3; i < 5; i++ {
		if c.Store(i).Epoch() != 2 || c.Store(i).ClusterID() != c.Store(last).ClusterID() {
			t.Errorf("node %d: epoch %d, cluster %q", i, c.Store(i).Epoch(), c.Store(i).ClusterID())
		}
	}
}

// recoverNode recovers node i, which is down.
func recoverNode(t *testing.T, c *clustertest.Cluster, i int) cluster.RecoverReport {
	t.Helper()
	st, err := store.Open(c.Dir(i)+".db", store.Options{MmapSize: 1 << 24})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	rep, err := cluster.Recover(cluster.Config{NodeID: c.Peer(i).ID, Dir: c.Dir(i), Addr: c.Peer(i).Addr}, st)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}
