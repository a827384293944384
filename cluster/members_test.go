package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// patience is long enough for a busy machine on whose disk each sync takes half a second.
const patience = time.Minute

func patient(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// member returns node id as node sees it.
func member(node *cluster.Node, id string) (cluster.Member, bool) {
	ms := node.Members()
	i := slices.IndexFunc(ms, func(m cluster.Member) bool { return m.ID == id })
	if i < 0 {
		return cluster.Member{}, false
	}
	return ms[i], true
}

// awaitVote waits until node sees that id has a vote.
func awaitVote(t *testing.T, node *cluster.Node, id string) {
	t.Helper()
	clustertest.Eventually(t, id+" has a vote", func() bool { m, ok := member(node, id); return ok && m.Voter })
}

// awaitHeard waits until node has heard of all other members.
func awaitHeard(t *testing.T, node *cluster.Node) {
	t.Helper()
	clustertest.Eventually(t, "all members were heard", func() bool {
		for _, m := range node.Members() {
			if m.Heard < 0 {
				return false
			}
		}
		return len(node.Members()) > 0
	})
}

// A load proposes in a few lanes on whichever node leads, each message until it is acknowledged.
type load struct {
	ctx  context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
	size int // of a message's text

	mu    sync.Mutex
	nodes []*cluster.Node // guarded by mu
	acked []string        // guarded by mu; texts
}

func startLoad(t *testing.T, lanes, size int, nodes ...*cluster.Node) *load {
	l := &load{nodes: nodes, size: size}
	l.ctx, l.end = context.WithCancel(context.Background())
	for lane := range lanes {
		l.wg.Go(func() { l.lane(lane) })
	}
	t.Cleanup(func() { l.end(); l.wg.Wait() })
	return l
}

func (l *load) lane(lane int) {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for seq := uint64(1); ; seq++ {
		text := fmt.Sprintf("lane %d message %d %s", lane, seq, strings.Repeat("x", l.size))
		cmd := acceptCommand(fmt.Sprint("lane", lane), seq, text)
		for !l.try(cmd) {
			select {
			case <-tick.C:
			case <-l.ctx.Done():
				return
			}
		}
		l.mu.Lock()
		l.acked = append(l.acked, text)
		l.mu.Unlock()
	}
}

func (l *load) try(cmd store.Command) bool {
	l.mu.Lock()
	nodes := slices.Clone(l.nodes)
	l.mu.Unlock()
	for _, n := range nodes {
		if !n.IsLeader() {
			continue
		}
		ctx, cancel := context.WithTimeout(l.ctx, time.Second)
		_, err := n.Propose(ctx, cmd)
		cancel()
		return err == nil
	}
	return false
}

func (l *load) use(nodes ...*cluster.Node) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.nodes = nodes
}

func (l *load) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// more waits for n further acknowledgements.
func (l *load) more(t *testing.T, n int) {
	t.Helper()
	want := l.count() + n
	clustertest.Eventually(t, fmt.Sprintf("%d more acknowledgements", n), func() bool { return l.count() >= want })
}

// stop ends the load and checks that each store has each acknowledged message once, and no other twice.
func (l *load) stop(t *testing.T, stores ...*store.Store) {
	t.Helper()
	l.end()
	l.wg.Wait()
	t.Logf("%d messages acknowledged", len(l.acked))
	for i, st := range stores {
		found := texts(t, st)
		for _, text := range l.acked {
			if found[text] != 1 {
				t.Errorf("store %d has %.30q %d times, want once", i, text, found[text])
			}
		}
		for text, n := range found {
			if n > 1 {
				t.Errorf("store %d has %.30q %d times", i, text, n)
			}
		}
	}
}

func TestGenesisNamesTheClusterOnce(t *testing.T) {
	t.Parallel()
	t.Run("all nodes by the log", func(t *testing.T) {
		c := clustertest.New(t, 3, nil)
		id := c.Store(c.Leader()).ClusterID()
		if len(id) != 8 || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("cluster id %q when a leader is ready", id)
		}
		for i := range 3 {
			clustertest.Eventually(t, "the name on all nodes", func() bool { return c.Store(i).ClusterID() == id })
		}
		c.Stop(c.Leader())
		if got := c.Store(c.Leader()).ClusterID(); got != id {
			t.Errorf("cluster id %q under the next leader, was %q", got, id)
		}
	})
	t.Run("as configured", func(t *testing.T) {
		c := clustertest.New(t, 1, func(cfg *cluster.Config) { cfg.ClusterID = "abc1" })
		if got := c.Store(c.Leader()).ClusterID(); got != "abc1" {
			t.Errorf("cluster id %q, want abc1", got)
		}
	})
}

// TestClusterGrowsAndReplacesUnderLoad is the life of a cluster: it begins as one node, two join and need
// its file because the log was cut, one dies and is removed, another takes its place.
func TestClusterGrowsAndReplacesUnderLoad(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 1, func(cfg *cluster.Config) {
		quick(cfg)
		cfg.SegmentBytes, cfg.MaxLogBytes = 64<<10, 512<<10
	})
	first := c.Node(c.Leader())
	l := startLoad(t, 4, 8<<10, first)
	l.more(t, 200)
	for i := 1; i <= 2; i++ {
		if got := c.Add(); got != i {
			t.Fatal("index", got)
		}
		if err := first.Join(patient(t), c.Peer(i).ID, c.Peer(i).Addr); err != nil {
			t.Fatal(err)
		}
		awaitVote(t, first, c.Peer(i).ID)
		if f := c.Node(i).Figures(); f.SnapshotsReceived == 0 {
			t.Errorf("node %d joined without a snapshot", i)
		}
		l.use(c.Node(0), c.Node(i))
	}
	l.use(c.Node(0), c.Node(1), c.Node(2))
	l.more(t, 100)

	c.Crash(2)
	l.use(c.Node(0), c.Node(1))
	l.more(t, 100)
	if err := c.Node(1).Remove(patient(t), "n3"); err != nil {
		t.Fatal(err)
	}
	if got := c.Add(); got != 3 {
		t.Fatal("index", got)
	}
	if err := c.Node(1).Join(patient(t), "n4", c.Peer(3).Addr); err != nil {
		t.Fatal(err)
	}
	awaitVote(t, c.Node(0), "n4")
	l.use(c.Node(0), c.Node(1), c.Node(3))
	l.more(t, 100)

	// The replacement counts: without it one of three is left.
	leader := c.Leader()
	other := 1 - min(leader, 1)
	if leader == 3 {
		other = 0
	}
	c.Crash(other)
	l.more(t, 100)
	l.end()
	l.wg.Wait()
	c.Agree()
	var stores []*store.Store
	for i := range 4 {
		if c.Store(i) != nil {
			stores = append(stores, c.Store(i))
		}
	}
	if len(stores) != 2 {
		t.Fatalf("%d stores", len(stores))
	}
	l.stop(t, stores...)
}

func TestJoinRefuses(t *testing.T) {
	c := clustertest.New(t, 1, quick)
	c.Leader()
	spare, foreign := c.Add(), clustertest.New(t, 1, quick)
	foreign.Leader()
	clustertest.Eventually(t, "the version raised", func() bool { return c.Store(0).ClusterVersion() == store.Version })
	tests := []struct {
		name, id, addr, says string
	}{
		{"nobody there", "n9", "127.0.0.1:1", "no answer"},
		{"another node", "n9", c.Peer(spare).Addr, "n2"},
		{"no id", "", c.Peer(spare).Addr, "id"},
		{"a wildcard", "n2", "0.0.0.0:7775", "names no host"},
		{"not encrypted", "n2", "192.0.2.1:7775", "not encrypted"},
		{"a member's address", "n2", c.Peer(0).Addr, "is the address of n1"},
		{"another cluster", "n1", foreign.Peer(0).Addr, "cluster"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := c.Node(0).Join(patient(t), test.id, test.addr)
			if !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("join: %v, want ErrRefused that says %q", err, test.says)
			}
			if got := c.Node(0).Members(); len(got) != 1 || got[0].Addr != c.Peer(0).Addr {
				t.Errorf("members %+v", got)
			}
		})
	}
	for range 2 { // the second time it is a member already
		if err := c.Node(0).Join(patient(t), "n2", c.Peer(spare).Addr); err != nil {
			t.Fatal(err)
		}
	}
	awaitVote(t, c.Node(0), "n2")
	// Any node may be asked.
	third := c.Add()
	if err := c.Node(spare).Join(patient(t), "n3", c.Peer(third).Addr); err != nil {
		t.Fatal(err)
	}
	awaitVote(t, c.Node(spare), "n3")
}

func TestRemoveRefuses(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	leader := c.Leader()
	node := c.Node(leader)
	awaitHeard(t, node)
	if err := node.Remove(patient(t), "n9"); !errors.Is(err, cluster.ErrRefused) {
		t.Errorf("remove a node that is no member: %v, want ErrRefused", err)
	}
	dead, alive := (leader+1)%3, (leader+2)%3
	c.Crash(dead)
	clustertest.Eventually(t, "the dead one is missed", func() bool {
		m, _ := member(node, c.Peer(dead).ID)
		return m.Heard > 2*time.Second
	})
	if err := node.Remove(patient(t), c.Peer(alive).ID); !errors.Is(err, cluster.ErrRefused) {
		t.Errorf("remove the one of two that lives: %v, want ErrRefused", err)
	}
	if err := node.Remove(patient(t), c.Peer(dead).ID); err != nil {
		t.Error(err)
	}
	if err := node.Remove(patient(t), c.Peer(alive).ID); err != nil {
		t.Error(err)
	}
	for _, err := range []error{node.Remove(patient(t), c.Peer(leader).ID), node.Leave(patient(t))} {
		if !errors.Is(err, cluster.ErrRefused) {
			t.Errorf("remove the last voter: %v, want ErrRefused", err)
		}
	}
	if c.Leader() != leader {
		t.Error("the last node does not lead")
	}
}

// TestRemovedNodeDoesNotDisturb: it was away when it was removed, and takes itself for a voter when it
// is started again.
func TestRemovedNodeDoesNotDisturb(t *testing.T) {
	t.Parallel()
	var log nodeLog
	logged := ""
	c := led(t, func(cfg *cluster.Config) {
		steady(cfg)
		if cfg.NodeID == logged {
			cfg.HeartbeatTimeout, cfg.ElectionTimeout, cfg.LeaderLeaseTimeout = time.Second, time.Second, time.Second // it soon asks for votes
			cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		}
	})
	leader := c.Leader()
	node := c.Node(leader)
	awaitHeard(t, node)
	away := (leader + 1) % 3
	c.Agree()
	c.Crash(away)
	logged = c.Peer(away).ID
	if err := node.Remove(patient(t), c.Peer(away).ID); err != nil {
		t.Fatal(err)
	}
	before := node.Figures()
	c.Start(away)
	clustertest.Eventually(t, "the node to know that it was removed", func() bool {
		return errors.Is(c.Node(away).Ready(), cluster.ErrRemoved)
	})
	// Refused, it is a candidate too shortly to be seen as one. It is none if it was sent the entry that removes it.
	clustertest.Eventually(t, "it to ask for votes, or not to want any", func() bool {
		return log.has("entering candidate state") || log.has("not part of stable configuration")
	})
	for range 50 {
		number(t, c.Propose(&store.Accept{Messages: acceptCommand("x", 1, "a message").Messages}))
	}
	if after := node.Figures(); after.Term != before.Term || after.Reigns != before.Reigns {
		t.Errorf("term %d and %d reigns, were %d and %d", after.Term, after.Reigns, before.Term, before.Reigns)
	}
	// Joined again, it takes part as before.
	if err := node.Join(patient(t), c.Peer(away).ID, c.Peer(away).Addr); err != nil {
		t.Fatal(err)
	}
	awaitVote(t, node, c.Peer(away).ID)
	c.Agree()
	clustertest.Eventually(t, "the node not to think itself removed", func() bool {
		return !errors.Is(c.Node(away).Ready(), cluster.ErrRemoved)
	})
}

// TestTransferBackAndForth: nothing is lost or doubled, and no node is elected otherwise.
func TestTransferBackAndForth(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	leader := c.Leader()
	for i := range 3 {
		awaitHeard(t, c.Node(i))
	}
	l := startLoad(t, 4, 10, c.Node(0), c.Node(1), c.Node(2))
	l.more(t, 50)
	for range 20 {
		next := (leader + 1) % 3
		via := c.Node((leader + 2) % 3) // any node may be asked
		handTo(t, via, c.Peer(next).ID)
		clustertest.Eventually(t, "the next to lead", func() bool { return c.Node(next).IsLeader() })
		l.more(t, 20)
		leader = next
	}
	l.end()
	l.wg.Wait()
	c.Agree()
	reigns := uint64(0)
	for i := range 3 {
		reigns += c.Node(i).Figures().Reigns
	}
	if reigns > 25 {
		t.Errorf("%d reigns for 20 transfers", reigns)
	}
	l.stop(t, c.Store(0), c.Store(1), c.Store(2))
}

// TestTransferToTheDeadIsRefused, and the leader leads on without a pause.
func TestTransferToTheDeadIsRefused(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	leader := c.Leader()
	dead := (leader + 1) % 3
	awaitHeard(t, c.Node(leader))
	c.Crash(dead)
	for _, id := range []string{c.Peer(dead).ID, "n9"} {
		if err := c.Node(leader).Transfer(patient(t), id); !errors.Is(err, cluster.ErrRefused) {
			t.Errorf("transfer to %s: %v, want ErrRefused", id, err)
		}
	}
	if !c.Node(leader).IsLeader() {
		t.Error("the leader is gone")
	}
	number(t, c.Propose(acceptCommand("x", 1, "after it")))
}

func TestStepDown(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	old := c.Leader()
	awaitHeard(t, c.Node(old))
	if err := c.Node(old).StepDown(patient(t)); err != nil {
		t.Fatal(err)
	}
	if c.Node(old).IsLeader() || c.Node(old).LeaderID() == c.Peer(old).ID {
		t.Error("it leads still")
	}
	number(t, c.Propose(acceptCommand("x", 1, "under the next leader")))
	alone := clustertest.New(t, 1, quick)
	alone.Leader()
	if err := alone.Node(0).StepDown(patient(t)); err != nil || !alone.Node(0).IsLeader() {
		t.Errorf("step down alone: %v, leads %v, want nil and true", err, alone.Node(0).IsLeader())
	}
}

// TestShutdownHandsOver: the others need not notice that the leader is gone.
func TestShutdownHandsOver(t *testing.T) {
	t.Parallel()
	c := led(t, firstLeads)
	awaitHeard(t, c.Node(0))
	c.Stop(0) // the others would not ask for votes before the test is over
	number(t, c.Propose(acceptCommand("x", 1, "under the next leader")))
}

// TestLeaveOfTheLeader: it hands over first, so that the others need no election of their own.
func TestLeaveOfTheLeader(t *testing.T) {
	t.Parallel()
	c := led(t, firstLeads)
	old := c.Leader()
	awaitHeard(t, c.Node(old))
	l := startLoad(t, 4, 10, c.Node(0), c.Node(1), c.Node(2))
	l.more(t, 50)
	if err := c.Node(old).Leave(patient(t)); err != nil {
		t.Fatal(err)
	}
	clustertest.Eventually(t, "Ready to say that it left", func() bool { return errors.Is(c.Node(old).Ready(), cluster.ErrLeft) })
	l.more(t, 50)
	left := []int{(old + 1) % 3, (old + 2) % 3}
	for _, i := range left {
		if _, ok := member(c.Node(i), c.Peer(old).ID); ok || len(c.Node(i).Members()) != 2 {
			t.Errorf("members of node %d: %+v", i, c.Node(i).Members())
		}
	}
	l.end()
	l.wg.Wait()
	c.Stop(old)
	c.Agree()
	l.stop(t, c.Store(left[0]), c.Store(left[1]))
}
