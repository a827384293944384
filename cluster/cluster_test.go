package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

func acceptCommand(node string, seq uint64, text string) *store.Accept {
	return &store.Accept{
		Token:    store.Token{Node: node, Incarnation: 1, Seq: seq, Lowest: seq - min(seq-1, 64)},
		Messages: []store.Submission{{Message: store.Message{Account: "a", Phone: "13900000000", Text: text}, Charges: -1}},
	}
}

// number returns the number that an Accept of one message was given.
func number(t *testing.T, res store.Result) store.Number {
	t.Helper()
	got, ok := res.(*store.AcceptResult)
	if !ok || len(got.Items) != 1 || got.Items[0].Code != store.AcceptOK {
		t.Fatalf("result %T %+v", res, res)
	}
	return got.Items[0].Number
}

func texts(t *testing.T, st *store.Store) map[string]int {
	t.Helper()
	found := make(map[string]int)
	for n := store.Number(1); ; n++ {
		m, _, err := st.Lookup(n)
		if errors.Is(err, store.ErrNotFound) {
			return found
		}
		if err != nil {
			t.Fatal(err)
		}
		found[m.Text]++
	}
}

func TestThreeNodesHoldTheSame(t *testing.T) {
	t.Parallel()
	c := led(t, steady)
	var last store.Number
	for seq := uint64(1); seq <= 30; seq++ {
		n := number(t, c.Propose(acceptCommand("x", seq, fmt.Sprint("message ", seq))))
		if n <= last {
			t.Errorf("number %v after %v", n, last)
		}
		last = n
	}
	leader := c.Leader()
	c.Agree()
	for i := range 3 {
		if got := texts(t, c.Store(i)); len(got) != 30 {
			t.Errorf("node %d has %d messages, want 30", i, len(got))
		}
		if i == leader {
			continue
		}
		if c.Node(i).LeaderID() != c.Node(leader).LeaderID() || c.Node(i).IsLeader() {
			t.Errorf("node %d sees %q lead", i, c.Node(i).LeaderID())
		}
		c.Eventually("the follower to be ready", func() bool { return c.Node(i).Ready() == nil })
	}
}

// An outcomes collects what proposers were told about their messages.
type outcomes struct {
	mu                   sync.Mutex
	acked, sure, unknown map[string]*store.Accept // guarded by mu; by text
}

func (o *outcomes) note(text string, cmd *store.Accept, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.acked[text] = cmd
	case errors.Is(err, store.ErrNotProposed):
		o.sure[text] = cmd
	default:
		o.unknown[text] = cmd
	}
}

// lanes proposes in eight lanes on one node, each until its first error. The returned functions wait
// for a number of acknowledgements, or until all lanes have ended, and for the end.
func (o *outcomes) lanes(ctx context.Context, node *cluster.Node) (warm func(acks int), wait func()) {
	var wg sync.WaitGroup
	acks := make(chan struct{}, 1000)
	for lane := range 8 {
		wg.Go(func() {
			for seq := uint64(1); ; seq++ {
				text := fmt.Sprintf("lane %d message %d", lane, seq)
				cmd := acceptCommand(fmt.Sprint("lane", lane), seq, text)
				_, err := node.Propose(ctx, cmd)
				o.note(text, cmd, err)
				if err != nil {
					return
				}
				select {
				case acks <- struct{}{}:
				default:
				}
			}
		})
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }() // ends with the lanes
	warm = func(n int) {
		for range n {
			select {
			case <-acks:
			case <-ended: // the lead was lost already
			}
		}
	}
	return warm, func() { <-ended }
}

// TestLeaderLossClassifiesOutcomes crashes the leader under proposals: what was acknowledged is on
// all nodes once, what was surely not proposed is nowhere, and only the rest is unknown, which the
// token settles.
func TestLeaderLossClassifiesOutcomes(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, nil)
	old := c.Leader()
	out := outcomes{acked: map[string]*store.Accept{}, sure: map[string]*store.Accept{}, unknown: map[string]*store.Accept{}}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	warm, wait := out.lanes(ctx, c.Node(old))
	warm(100)
	c.Crash(old)
	wait()
	t.Logf("%d acknowledged, %d surely not proposed, %d unknown", len(out.acked), len(out.sure), len(out.unknown))
	if len(out.acked) == 0 {
		t.Error("nothing was acknowledged")
	}
	for text, cmd := range out.unknown {
		number(t, c.Propose(cmd))
		out.acked[text] = cmd
	}
	c.Start(old)
	c.Agree()
	for i := range 3 {
		found := texts(t, c.Store(i))
		for text := range out.acked {
			if found[text] != 1 {
				t.Errorf("node %d has %q %d times, want once", i, text, found[text])
			}
		}
		for text := range out.sure {
			if found[text] != 0 {
				t.Errorf("node %d has %q, which was surely not proposed", i, text)
			}
		}
	}
}

// TestLeaderWorkMovesWithLeadership: the work of a leader has ended before that of the next begins
// on the same node, and runs on one node at a time when leaders stop in order.
func TestLeaderWorkMovesWithLeadership(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, nil)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	began := make(chan int, 16)
	ended := make(chan int, 16)
	for i := range 3 {
		n := c.Node(i)
		wg.Go(func() {
			err := n.Lead(ctx, func(ctx context.Context) error {
				began <- i
				<-ctx.Done()
				ended <- i
				return nil
			})
			if err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		})
	}
	first := <-began
	c.Crash(first)
	if got := <-ended; got != first {
		t.Errorf("the work of node %d ended, want that of %d", got, first)
	}
	if second := <-began; second == first {
		t.Errorf("node %d leads after its crash", second)
	}
}

// TestFollowerThatWasAwayGetsTheFile: the log was cut meanwhile, so it is sent a snapshot, which no
// node ever wrote; then it follows the log again, and starts from its own file.
func TestFollowerThatWasAwayGetsTheFile(t *testing.T) {
	c := clustertest.New(t, 3, func(cfg *cluster.Config) { cfg.SegmentBytes, cfg.MaxLogBytes = 64<<10, 512<<10 })
	away := (c.Leader() + 1) % 3
	filler := strings.Repeat("x", 16<<10)
	seq := uint64(0)
	add := func(n int) {
		for range n {
			seq++
			number(t, c.Propose(acceptCommand("x", seq, fmt.Sprint(seq, filler))))
		}
	}
	add(5)
	c.Stop(away)
	add(100)
	c.Eventually("the log to be cut", func() bool { return c.Node(c.Leader()).Figures().LogFirstIndex >= 20 })
	c.Start(away)
	c.Agree()
	c.Eventually("a snapshot restored", func() bool { return c.Node(away).Figures().SnapshotsReceived > 0 })
	add(10) // now by the log
	c.Agree()
	c.Stop(away)
	add(5)
	c.Start(away)
	c.Agree()
	if f := c.Node(away).Figures(); f.SnapshotsReceived != 0 {
		t.Errorf("%d snapshots were needed after a short absence", f.SnapshotsReceived)
	}
	if got := len(texts(t, c.Store(away))); got != int(seq) {
		t.Errorf("%d messages, want %d", got, seq)
	}
}
