package cluster_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// A slowDisk is one whose appends can be held up.
type slowDisk struct {
	mu   sync.Mutex
	held chan struct{} // guarded by mu; appends wait until it is closed
}

func (d *slowDisk) append() {
	d.mu.Lock()
	held := d.held
	d.mu.Unlock()
	if held != nil {
		<-held
	}
}

func (d *slowDisk) hold() (release func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.held = make(chan struct{})
	return sync.OnceFunc(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		close(d.held)
		d.held = nil
	})
}

// withSlowDisks is a cluster of three and their disks, with its leader and the two others.
func withSlowDisks(t *testing.T, tune func(*cluster.Config)) (c *clustertest.Cluster, disks *[3]slowDisk, leader, a, b int) {
	disks = new([3]slowDisk)
	c = led(t, func(cfg *cluster.Config) {
		tune(cfg)
		cfg.MarkInterval = time.Hour // nothing is proposed but what a test proposes
		cfg.BeforeAppend(disks[cfg.NodeID[1]-'1'].append)
	})
	leader = c.Leader()
	awaitVersion(t, c.Store(leader), store.Version) // which is proposed once all have been heard
	c.Propose(acceptText(1))
	c.Agree()
	return c, disks, leader, (leader + 1) % 3, (leader + 2) % 3
}

// acceptText is an Accept of one message under the token seq.
func acceptText(seq uint64) store.Command {
	return acceptCommand("x", seq, fmt.Sprint("message ", seq))
}

// proposed proposes message 2 on a node, and tells the answer.
func proposed(t *testing.T, node *cluster.Node) <-chan error {
	answer := make(chan error, 1)
	go func() { // ends with patience
		_, err := node.Propose(patient(t), acceptText(2))
		answer <- err
	}()
	return answer
}

// commitNotices is as long as followers may be told many times what is committed.
const commitNotices = 200 * time.Millisecond

// TestLeadersDiskIsWaitedFor: the followers have a leader's entries before its own disk has, but it answers nothing and
// tells nobody that they are committed before; its disk and theirs make the majority.
func TestLeadersDiskIsWaitedFor(t *testing.T) {
	c, disks, leader, a, b := withSlowDisks(t, steady)
	before := c.Node(leader).Figures()
	release := disks[leader].hold()
	defer release()
	answered := proposed(t, c.Node(leader))
	for _, i := range []int{a, b} {
		c.Eventually("the followers to have it", func() bool { return c.Node(i).Figures().LastIndex > before.LastIndex })
	}
	time.Sleep(commitNotices)
	for i := range 3 {
		if f := c.Node(i).Figures(); f.CommitIndex > before.LastIndex || f.Applied > before.LastIndex {
			t.Errorf("n%d holds %d for committed and has applied %d; the leader's disk has %d", i+1, f.CommitIndex, f.Applied, before.LastIndex)
		}
	}
	select {
	case err := <-answered:
		t.Fatalf("answered before the leader's disk had it: %v", err)
	default:
	}
	if err := c.Node(leader).Sync(patient(t)); err != nil { // of what nobody has been told
		t.Errorf("sync: %v", err)
	}
	release()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	c.Agree()
}

// TestFollowersDiskIsWaitedFor: with one follower away, the other's disk makes the majority with the leader's, not that it
// has been sent the entry.
func TestFollowersDiskIsWaitedFor(t *testing.T) {
	c, disks, leader, a, b := withSlowDisks(t, steady)
	before := c.Node(leader).Figures()
	c.Isolate(b, clustertest.Reset)
	release := disks[a].hold()
	defer release()
	answered := proposed(t, c.Node(leader))
	c.Eventually("the leader's log to have it", func() bool { return c.Node(leader).Figures().LastIndex > before.LastIndex })
	time.Sleep(commitNotices)
	if f := c.Node(leader).Figures(); f.CommitIndex > before.LastIndex || f.Applied > before.LastIndex {
		t.Errorf("the leader holds %d for committed and has applied %d; the followers' disks have %d", f.CommitIndex, f.Applied, before.LastIndex)
	}
	select {
	case err := <-answered:
		t.Fatalf("answered before a follower's disk had it: %v", err)
	default:
	}
	release()
	if err := <-answered; err != nil {
		t.Fatal(err)
	}
	c.Heal()
	c.Agree()
}

// TestLeaderLosesItsTail: a leader ends before its disk has an entry that one follower has. The two that do not have it go
// on without: the follower has not acted on it, and takes it back.
func TestLeaderLosesItsTail(t *testing.T) {
	c, disks, leader, a, b := withSlowDisks(t, quick)
	before := c.Node(leader).Figures()
	c.Isolate(b, clustertest.Reset)
	release := disks[leader].hold()
	defer release()
	lost := proposed(t, c.Node(leader))
	c.Eventually("a follower to have it", func() bool { return c.Node(a).Figures().LastIndex > before.LastIndex })
	time.Sleep(commitNotices)
	c.Isolate(a, clustertest.Reset)
	if err := c.Node(leader).BreakLog(); err != nil {
		t.Fatal(err)
	}
	release()
	if err := <-lost; err == nil {
		t.Error("answered although the leader's disk never had it")
	}
	c.Eventually("the leader to end", func() bool { return c.Fatal(leader) != nil })
	c.Crash(leader)
	c.Start(leader)
	if last := c.Node(leader).Figures().LastIndex; last > before.LastIndex {
		t.Fatalf("the leader's log ends with %d, want %d", last, before.LastIndex)
	}
	c.Cut(clustertest.None, []int{leader}, []int{b})
	c.Cut(clustertest.None, []int{b}, []int{leader})
	c.LeaderOf(leader, b)
	c.ProposeOn(leader, acceptText(3))
	c.Heal()
	c.LeaderOf(0, 1, 2)
	c.Agree()
	for i := range 3 {
		if got := texts(t, c.Store(i)); len(got) != 2 || got["message 1"] != 1 || got["message 3"] != 1 {
			t.Errorf("n%d has %v", i+1, got)
		}
	}
}
