package cluster_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// TestLostMajority: two of three nodes are lost in the middle of the load. The third is recovered with all that was
// acknowledged; those of the old epoch that come back are not listened to; empty ones join.
func TestLostMajority(t *testing.T) {
	t.Parallel()
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
	c.Agree()
	if got := len(c.Node(last).Members()); got != 3 {
		t.Errorf("%d members, want 3", got)
	}
	for i := 3; i < 5; i++ {
		if c.Store(i).Epoch() != 2 || c.Store(i).ClusterID() != c.Store(last).ClusterID() {
			t.Errorf("node %d: epoch %d, cluster %q", i, c.Store(i).Epoch(), c.Store(i).ClusterID())
		}
	}
}

// TestSurvivorsRecoveredApart: of three nodes two are left, and each is recovered by itself. They have the same
// cluster id and epoch, and refuse each other in both directions, saying why and what to do. The one that is emptied
// joins; a node that was away meanwhile is refused by both.
func TestSurvivorsRecoveredApart(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, quick)
	c.Propose(acceptCommand("n", 1, "of all"))
	c.Agree()
	lineage := c.Store(0).Lineage()
	if lineage == (store.Lineage{}) || lineage != c.Store(1).Lineage() || lineage != c.Store(2).Lineage() {
		t.Errorf("lineages %s, %s, %s", lineage, c.Store(1).Lineage(), c.Store(2).Lineage())
	}
	for i := range 3 {
		c.Stop(i)
	}
	a, b := recoverNode(t, c, 0), recoverNode(t, c, 1)
	if a.Epoch != b.Epoch || a.ClusterID != b.ClusterID || a.Lineage == b.Lineage || a.Lineage == lineage || b.Lineage == lineage {
		t.Fatalf("recovered %+v and %+v", a, b)
	}
	for i := range 3 { // the third is of the old epoch
		c.Start(i)
	}
	for i := range 2 {
		c.Eventually("each to lead its own", c.Node(i).IsLeader)
		if _, err := c.Node(i).Propose(patient(t), acceptCommand("n", 2, fmt.Sprint("of node ", i))); err != nil {
			t.Fatal(err)
		}
	}
	join := func(i, j int) error { return c.Node(i).Join(patient(t), c.Peer(j).ID, c.Peer(j).Addr) }
	for i := range 2 {
		err := join(i, 1-i)
		for _, part := range []string{"each was recovered by itself", "empty the data directory", a.Lineage.String(), b.Lineage.String()} {
			if !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), part) || strings.Contains(err.Error(), "no answer") {
				t.Errorf("node %d joins node %d: %v, want ErrRefused that says %q", i, 1-i, err, part)
			}
		}
		err = join(i, 2)
		if !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), "from before a recovery") || !strings.Contains(err.Error(), lineage.String()) {
			t.Errorf("node %d joins the one that was away: %v", i, err)
		}
	}
	c.Stop(1)
	c.Stop(2)
	for i := 1; i < 3; i++ {
		c.Empty(i)
		c.Start(i)
		if err := join(0, i); err != nil {
			t.Fatal(err)
		}
		awaitVote(t, c.Node(0), c.Peer(i).ID)
		if got := c.Store(i).Lineage(); got != a.Lineage {
			t.Errorf("node %d has lineage %s, want %s", i, got, a.Lineage)
		}
	}
	c.Propose(acceptCommand("n", 3, "of three nodes"))
	c.Agree()
	c.Stop(0) // the two go on without the one that was recovered
	c.Propose(acceptCommand("n", 4, "of two nodes"))
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
