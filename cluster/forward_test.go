package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// A crowd proposes on all nodes, two lanes on each, like the batchers of bridges do: what is unknown is
// proposed again with its token until it has a result, what was surely not proposed never again.
type crowd struct {
	t    *testing.T
	c    *clustertest.Cluster
	down [3]atomic.Bool // the node is not there
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	acked   map[string]store.Number // guarded by mu; by text
	refused map[string]bool         // guarded by mu; by text
	tried   map[string]bool         // guarded by mu; by text; once unknown
	results [3]int                  // guarded by mu; by node
	sure    [3]int                  // guarded by mu; times that it was surely not proposed
	unknown [3]int                  // guarded by mu
}

func newCrowd(t *testing.T, c *clustertest.Cluster, prefix string) *crowd {
	w := &crowd{t: t, c: c, stop: make(chan struct{}), acked: make(map[string]store.Number), refused: make(map[string]bool), tried: make(map[string]bool)}
	for i := range 3 {
		node := c.Node(i)
		for lane := range 2 {
			w.wg.Go(func() { w.lane(i, node, fmt.Sprintf("%s n%d lane %d", prefix, i+1, lane)) })
		}
	}
	return w
}

func (w *crowd) lane(i int, node *cluster.Node, name string) {
	for seq := uint64(1); ; seq++ {
		text := fmt.Sprintf("%s message %d", name, seq)
		cmd := acceptCommand(name, seq, text)
		for {
			select {
			case <-w.stop:
				return
			default:
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			res, err := node.Propose(ctx, cmd)
			late := ctx.Err() != nil
			cancel()
			if late {
				w.t.Errorf("%s: a proposal on n%d hung", text, i+1)
			}
			if w.down[i].Load() && errors.Is(err, cluster.ErrShutdown) {
				return
			}
			if w.note(i, text, res, err) {
				break
			}
		}
	}
}

// note counts an outcome and says whether it is the last one.
func (w *crowd) note(i int, text string, res store.Result, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case errors.Is(err, store.ErrNotProposed):
		w.sure[i]++
		w.refused[text] = !w.tried[text] // else an earlier attempt is unknown still
		return w.refused[text]
	case err != nil:
		w.unknown[i]++
		w.tried[text] = true
		return false
	}
	w.acked[text] = number(w.t, res)
	w.results[i]++
	return true
}

func (w *crowd) counts() (results, sure, unknown [3]int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.results, w.sure, w.unknown
}

// more waits until each of the nodes has had n more results.
func (w *crowd) more(n int, nodes ...int) {
	w.t.Helper()
	before, _, _ := w.counts()
	w.c.Eventually(fmt.Sprintf("%d more results on each of %v", n, nodes), func() bool {
		now, _, _ := w.counts()
		for _, i := range nodes {
			if now[i] < before[i]+n {
				return false
			}
		}
		return true
	})
}

// end stops the lanes and compares what they were told with the stores.
func (w *crowd) end() {
	w.t.Helper()
	close(w.stop)
	w.wg.Wait()
	w.c.Agree()
	results, sure, unknown := w.counts()
	w.t.Logf("results %v, surely not proposed %v, unknown %v", results, sure, unknown)
	for i := range 3 {
		found := texts(w.t, w.c.Store(i))
		for text, n := range found {
			if n != 1 || w.refused[text] {
				w.t.Errorf("n%d has %q %d times; surely not proposed: %v", i+1, text, n, w.refused[text])
			}
		}
		for text, number := range w.acked {
			m, _, err := w.c.Store(i).Lookup(number)
			if err != nil || m.Text != text {
				w.t.Errorf("n%d has %q, %v as %v, want %q", i+1, m.Text, err, number, text)
			}
		}
	}
}

func TestProposeOnEveryNode(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	leader := c.Leader()
	w := newCrowd(t, c, "a")
	w.more(50, 0, 1, 2)
	w.end()
	if _, sure, unknown := w.counts(); sure != [3]int{} || unknown != [3]int{} {
		t.Errorf("surely not proposed %v, unknown %v, with nothing wrong", sure, unknown)
	}
	for i := range 3 {
		if f := c.Node(i).Figures(); (f.Forwarded > 0) != (i != leader) {
			t.Errorf("n%d: %+v", i+1, f)
		}
		c.Eventually("nothing to wait", func() bool { // an answer comes before the count, and a leader has commands of its own
			f := c.Node(i).Figures()
			return f.Waiting == 0 && f.WaitingBytes == 0
		})
	}
	large := acceptCommand("large", 1, strings.Repeat("x", 250<<10))
	for range 4 { // more than the window of a stream
		large.Messages = append(large.Messages, large.Messages[0])
	}
	res := c.ProposeOn((leader+1)%3, large)
	if got, ok := res.(*store.AcceptResult); !ok || len(got.Items) != 5 || got.Items[4].Code != store.AcceptOK {
		t.Errorf("a large command: %+v", res)
	}
}

// TestLeaderCutOff: the leader's packets are lost, one way or both, or its connections break. The others go
// on, nothing hangs, and nothing is lost or there twice when it is back.
func TestLeaderCutOff(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		cut  func(c *clustertest.Cluster, leader int)
	}{
		{"dropped both ways", func(c *clustertest.Cluster, i int) { c.Isolate(i, clustertest.Drop) }},
		{"reset", func(c *clustertest.Cluster, i int) { c.Isolate(i, clustertest.Reset) }},
		{"it hears nothing", (*clustertest.Cluster).Deafen},
		{"nothing is heard of it", (*clustertest.Cluster).Mute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := clustertest.New(t, 3, nil)
			old := c.LeaderOf(0, 1, 2)
			a, b := (old+1)%3, (old+2)%3
			w := newCrowd(t, c, "a")
			w.more(20, 0, 1, 2)
			tt.cut(c, old)
			cut := time.Now()
			c.LeaderOf(a, b)
			t.Logf("the others have a leader after %v", time.Since(cut).Round(10*time.Millisecond))
			w.more(20, a, b)
			c.Eventually("it knows that it leads no longer", func() bool { return !c.Node(old).IsLeader() && !c.Node(old).InTouch() && c.Node(old).Ready() != nil })
			_, sure, _ := w.counts()
			c.Eventually("its proposals are refused", func() bool { _, now, _ := w.counts(); return now[old] > sure[old] })
			c.Heal()
			w.more(20, 0, 1, 2)
			w.end()
		})
	}
}

// TestFollowerCutOff: what a follower proposes while it hears nothing of the leader is surely not proposed
// or unknown, and the leader goes on with the other one.
func TestFollowerCutOff(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, nil)
	leader := c.LeaderOf(0, 1, 2)
	away, other := (leader+1)%3, (leader+2)%3
	w := newCrowd(t, c, "a")
	w.more(20, 0, 1, 2)
	c.Isolate(away, clustertest.Drop)
	w.more(50, leader, other)
	c.Eventually("it is out of touch", func() bool { return !c.Node(away).InTouch() && c.Node(away).Ready() != nil })
	c.Eventually("its proposals are refused", func() bool { _, sure, _ := w.counts(); return sure[away] >= 2 })
	before, _, _ := w.counts()
	w.more(50, leader, other)
	if now, _, _ := w.counts(); now[away] != before[away] {
		t.Errorf("the node cut off was given %d results", now[away]-before[away])
	}
	c.Heal()
	w.more(20, 0, 1, 2)
	w.end()
}

// TestLeaderKilledUnderLoad crashes the leader again and again under proposals on all nodes. Tokens of lanes
// on the node that dies are not settled, so only what was acknowledged counts for them. Two clusters share the rounds,
// which mostly wait for elections.
func TestLeaderKilledUnderLoad(t *testing.T) {
	t.Parallel()
	rounds := 10
	if testing.Short() {
		rounds = 2
	}
	for _, name := range []string{"one", "two"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			killLeaders(t, rounds)
		})
	}
}

func killLeaders(t *testing.T, rounds int) {
	t.Helper()
	c := clustertest.New(t, 3, nil)
	var gaps []time.Duration
	for round := range rounds {
		old := c.LeaderOf(0, 1, 2)
		w := newCrowd(t, c, fmt.Sprint("round ", round))
		w.more(10, 0, 1, 2)
		w.down[old].Store(true)
		begin := time.Now()
		c.Crash(old)
		w.more(1, (old+1)%3, (old+2)%3)
		gaps = append(gaps, time.Since(begin))
		w.more(10, (old+1)%3, (old+2)%3)
		c.Start(old)
		w.end()
		if t.Failed() {
			t.Fatalf("in round %d", round)
		}
	}
	t.Logf("the others had results again after %v", gaps)
}

// TestLeadersOwnCommandsStay: what only a leader may propose is not passed on to one.
func TestLeadersOwnCommandsStay(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, func(cfg *cluster.Config) { cfg.Version = 1 })
	leader := c.LeaderOf(0, 1, 2)
	follower := c.Node((leader + 1) % 3)
	for _, cmd := range []store.Command{&store.Begin{}, &store.Lead{Node: "n9"}, &store.Genesis{ClusterID: "x"}, &store.Raise{Version: 1}} {
		_, err := follower.Propose(context.Background(), cmd)
		if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, cluster.ErrNotLeader) {
			t.Errorf("%T on a follower: %v, want ErrNotProposed and ErrNotLeader", cmd, err)
		}
	}
	for i := range 3 {
		_, err := c.Node(i).Propose(context.Background(), &store.Mark{})
		if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, cluster.ErrVersion) {
			t.Errorf("a command of cluster version 2 on n%d: %v, want ErrNotProposed and ErrVersion", i+1, err)
		}
	}
}

// TestProposeWaitsForALeader: nobody leads, so the proposal waits as long as it may; then one does.
func TestProposeWaitsForALeader(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, func(cfg *cluster.Config) { cfg.EnqueueTimeout = 400 * time.Millisecond })
	leader := c.LeaderOf(0, 1, 2)
	alone := (leader + 1) % 3
	c.Crash(leader)
	c.Crash((leader + 2) % 3)
	node := c.Node(alone)
	c.Eventually("no leader known", func() bool { return node.LeaderID() == "" && !node.IsLeader() })
	begin := time.Now()
	_, err := node.Propose(context.Background(), acceptCommand("x", 1, "one"))
	if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, cluster.ErrNotLeader) {
		t.Errorf("propose: %v, want ErrNotProposed and ErrNotLeader", err)
	}
	if d := time.Since(begin); d < 400*time.Millisecond {
		t.Errorf("refused after %v, before its time", d)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := node.Propose(ctx, acceptCommand("x", 1, "one")); !errors.Is(err, store.ErrNotProposed) {
		t.Errorf("propose until a deadline: %v, want ErrNotProposed", err)
	}
	c.Start(leader)
	number(t, c.ProposeOn(alone, acceptCommand("x", 1, "one")))
}
