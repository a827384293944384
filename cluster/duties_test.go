package cluster_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// index returns n1 as 0.
func index(cfg *cluster.Config) int { return int(cfg.NodeID[1] - '1') }

func awaitVersion(t *testing.T, st *store.Store, v uint64) {
	t.Helper()
	clustertest.Eventually(t, fmt.Sprintf("cluster version %d", v), func() bool { return st.ClusterVersion() == v })
}

// TestRollingUpgrade: what only later programs understand enters the log once the last node has one.
func TestRollingUpgrade(t *testing.T) {
	t.Parallel()
	var versions [4]atomic.Uint64
	for i := range versions {
		versions[i].Store(1)
	}
	c := clustertest.New(t, 3, func(cfg *cluster.Config) {
		quick(cfg)
		cfg.Version = versions[index(cfg)].Load()
	})
	down := &store.NodeDown{Node: "gone", Incarnation: 1}
	for i := range 3 {
		if v := c.Store(c.Leader()).ClusterVersion(); v != 1 {
			t.Fatalf("cluster version %d while %d nodes have the later program", v, i)
		}
		if _, err := c.Node(c.Leader()).Propose(patient(t), down); !errors.Is(err, store.ErrVersion) || !errors.Is(err, store.ErrNotProposed) {
			t.Fatalf("propose what version 2 brings: %v, want ErrVersion and ErrNotProposed", err)
		}
		c.Stop(i)
		versions[i].Store(2)
		c.Start(i)
		beat(t, c) // the leader has heard what they support now
		handTo(t, c.Node(i), c.Peer(i).ID)
		clustertest.Eventually(t, "the node with the later program to lead", c.Node(i).IsLeader)
		beat(t, c)
	}
	for i := range 3 {
		awaitVersion(t, c.Store(i), 2)
	}
	c.Propose(down)
	// From now on an earlier program is not let in.
	if i := c.Add(); i != 3 {
		t.Fatal(i)
	}
	err := c.Node(0).Join(patient(t), "n4", c.Peer(3).Addr)
	if !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), "version") {
		t.Errorf("join a node with the earlier program: %v, want ErrRefused for its version", err)
	}
}

// beat waits until the leader has heard of all other nodes after everything that was committed before,
// a few times, so that it has had occasion to act on it.
func beat(t *testing.T, c *clustertest.Cluster) {
	t.Helper()
	for range 5 {
		c.Propose(&store.NodeUp{Node: "beat", Incarnation: 1})
		leader := c.Leader()
		at, _ := c.Store(leader).Applied()
		clustertest.Eventually(t, "all nodes heard", func() bool {
			for _, m := range c.Node(leader).Members() {
				if m.Applied < at {
					return !c.Node(leader).IsLeader()
				}
			}
			return true
		})
	}
}

// inSync waits until what a node's store shows has all that was committed. The file alone may have it before: a
// message can be looked up there while the state's clock still is that of the commit before, 0 before the first.
func inSync(t *testing.T, node *cluster.Node) {
	t.Helper()
	if err := node.Sync(patient(t)); err != nil {
		t.Fatal(err)
	}
}

// TestLeaderOfAWrongClockHandsOverBeforeItStamps: one stamp of the next hour would stay for an hour.
func TestLeaderOfAWrongClockHandsOverBeforeItStamps(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(off.String(), func(t *testing.T) {
			c := clustertest.New(t, 3, func(cfg *cluster.Config) {
				quick(cfg)
				cfg.HeartbeatTimeout, cfg.ElectionTimeout = patience, patience // others lead only if it is handed to them
				if cfg.NodeID == "n1" {
					cfg.HeartbeatTimeout, cfg.ElectionTimeout = 500*time.Millisecond, 500*time.Millisecond
					cfg.Now = func() time.Time { return time.Now().Add(off) }
				}
				cfg.LeaderLeaseTimeout = 500 * time.Millisecond
			})
			clustertest.Eventually(t, "another node to lead", func() bool {
				return c.Node(1).IsLeader() || c.Node(2).IsLeader()
			})
			begin := time.Now()
			number(t, c.Propose(acceptCommand("x", 1, "stamped by a good clock")))
			for i := range 3 {
				inSync(t, c.Node(i))
				if n := len(texts(t, c.Store(i))); n != 1 {
					t.Errorf("node %d holds %d messages, want 1", i, n)
				}
				if d := time.UnixMilli(c.Store(i).Clock()).Sub(begin); d.Abs() > time.Minute {
					t.Errorf("the state's clock is off by %v", d)
				}
			}
			clustertest.Eventually(t, "the figure to tell", func() bool {
				f := c.Node(0).Figures()
				return (f.ClockOffset - off).Abs() < time.Minute
			})
		})
	}
}

// TestLeaderWhoseClockLeapsHandsOver, and none of what it stamps meanwhile is of the wrong time.
func TestLeaderWhoseClockLeapsHandsOver(t *testing.T) {
	t.Parallel()
	var off [3]atomic.Int64
	c := clustertest.New(t, 3, func(cfg *cluster.Config) {
		quick(cfg)
		i := index(cfg)
		cfg.Now = func() time.Time { return time.Now().Add(time.Duration(off[i].Load())) }
	})
	old := c.Leader()
	for i := range 3 {
		awaitHeard(t, c.Node(i))
	}
	l := startLoad(t, 2, 10, c.Node(0), c.Node(1), c.Node(2))
	l.more(t, 20)
	off[old].Store(int64(time.Hour))
	clustertest.Eventually(t, "another node to lead", func() bool {
		if d := time.Until(c.Node(old).Now().Round(0)); d.Abs() > time.Minute {
			t.Errorf("what is due on the node is decided by a clock that is off by %v", d)
		}
		return c.Node((old+1)%3).IsLeader() || c.Node((old+2)%3).IsLeader()
	})
	l.more(t, 20)
	l.end()
	l.wg.Wait()
	for i := range 3 {
		inSync(t, c.Node(i))
		if d := time.Until(time.UnixMilli(c.Store(i).Clock())); d.Abs() > time.Minute {
			t.Errorf("the state's clock on node %d is off by %v", i, d)
		}
	}
	off[old].Store(0)
	awaitHeard(t, c.Node((old+1)%3))
	c.Agree()
	l.stop(t, c.Store(0), c.Store(1), c.Store(2))
}

func openBind(c *clustertest.Cluster, node string) {
	c.Propose(&store.NodeUp{Node: node, Incarnation: 7})
	c.Propose(&store.BindOpen{Bind: store.Bind{Node: node, Incarnation: 7, Session: 1, Account: "a", Receives: true}})
}

func TestBindsOfTheDeadAreRemoved(t *testing.T) {
	t.Parallel()
	c := led(t, steady) // one leader counts the removals
	leader := c.Leader()
	dead, alive := (leader+1)%3, (leader+2)%3
	for _, id := range []string{"n1", "n2", "n3", "ghost"} {
		openBind(c, id)
	}
	binds := func(id string) int { return len(c.Store(leader).NodeBinds(id)) }
	clustertest.Eventually(t, "the binds of a node that is no member to be removed", func() bool { return binds("ghost") == 0 })
	c.Crash(dead)
	clustertest.Eventually(t, "the binds of the dead node to be removed", func() bool { return binds(c.Peer(dead).ID) == 0 })
	for _, i := range []int{leader, alive} {
		if binds(c.Peer(i).ID) != 1 {
			t.Errorf("the binds of %s, which lives, are gone", c.Peer(i).ID)
		}
	}
	clustertest.Eventually(t, "two removals to be counted", func() bool { return c.Node(leader).Figures().Reaped == 2 }) // behind the commit
}

func TestBindsOfTheRemovedGoAtOnce(t *testing.T) {
	t.Parallel()
	c := led(t, func(cfg *cluster.Config) {
		steady(cfg)
		cfg.ReapAfter = patience // a twelfth of it is the pause after a lease that was refused
	})
	leader := c.Leader()
	awaitVersion(t, c.Store(leader), store.Version)
	gone := c.Peer((leader + 1) % 3).ID
	openBind(c, gone)
	if err := c.Node(leader).Remove(patient(t), gone); err != nil {
		t.Fatal(err)
	}
	if n := len(c.Store(leader).NodeBinds(gone)); n != 0 {
		t.Errorf("%d binds of the removed node are left", n)
	}
}

// forgetTokens damages a store's file, so that a repeated proposal is taken for a new one.
func forgetTokens(t *testing.T, path string) {
	t.Helper()
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		if err := tx.DeleteBucket([]byte("tokens")); err != nil {
			return err
		}
		_, err := tx.CreateBucket([]byte("tokens"))
		return err
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestDivergedNodeStops: its file was damaged while it was down, so that it comes to another result than
// the others. It stops, whether it leads or not, and the others go on.
func TestDivergedNodeStops(t *testing.T) {
	t.Parallel()
	for _, leads := range []bool{false, true} {
		t.Run(fmt.Sprintf("leads %v", leads), func(t *testing.T) {
			c := clustertest.New(t, 3, quick)
			leader := c.Leader()
			awaitVersion(t, c.Store(leader), store.Version)
			number(t, c.Propose(acceptCommand("x", 1, "once")))
			c.Agree()
			bad := (leader + 1) % 3
			good := []int{leader, (leader + 2) % 3}
			c.Stop(bad)
			forgetTokens(t, c.Dir(bad)+".db")
			c.Start(bad)
			c.Agree()
			if leads {
				awaitHeard(t, c.Node(leader))
				handTo(t, c.Node(leader), c.Peer(bad).ID)
			}
			c.Propose(acceptCommand("x", 1, "once"))
			var fatal error
			clustertest.Eventually(t, "the diverged node to stop", func() bool { fatal = c.Fatal(bad); return fatal != nil })
			if !errors.Is(fatal, store.ErrDiverged) {
				t.Errorf("it stopped with %v, want ErrDiverged", fatal)
			}
			c.Crash(bad)
			number(t, c.Propose(acceptCommand("x", 2, "the others go on")))
			for _, i := range good {
				clustertest.Eventually(t, "the second message", func() bool { return len(texts(t, c.Store(i))) == 2 })
			}
		})
	}
}

// TestFailedTransferLeavesAWorkingLeader: the node that was to lead does not answer.
func TestFailedTransferLeavesAWorkingLeader(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	leader := c.Leader()
	dead := (leader + 1) % 3
	c.Crash(dead)
	p := c.Peer(dead)
	if err := c.Node(leader).ForceTransfer(p.ID, p.Addr); err == nil {
		t.Fatal("leadership went to a dead node")
	}
	number(t, c.Propose(acceptCommand("x", 1, "after it")))
	if got := c.Leader(); got != leader {
		t.Errorf("node %d leads, want %d still", got, leader)
	}
}
