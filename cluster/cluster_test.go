package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

func accept(ctx context.Context, n *cluster.Node, node string, seq uint64, text string) (store.Number, error) {
	res, err := n.Propose(ctx, &store.Accept{
		Token:    store.Token{Node: node, Incarnation: 1, Seq: seq, Lowest: seq - min(seq-1, 64)},
		Messages: []store.Submission{{Message: store.Message{Account: "a", Phone: "13900000000", Text: text}, Charges: -1}},
	})
	if err != nil {
		return 0, err
	}
	got := res.(*store.AcceptResult).Items[0]
	if got.Code != store.AcceptOK {
		return 0, fmt.Errorf("code %d", got.Code)
	}
	return got.Number, nil
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
	c := clustertest.New(t, 3, nil)
	leader := c.Leader()
	var last store.Number
	for seq := uint64(1); seq <= 30; seq++ {
		n, err := accept(context.Background(), c.Node(leader), "x", seq, fmt.Sprint("message ", seq))
		if err != nil {
			t.Fatal(err)
		}
		if n <= last {
			t.Errorf("number %v after %v", n, last)
		}
		last = n
	}
	index, _ := c.Store(leader).Applied()
	c.Agree(index)
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
		_, err := accept(context.Background(), c.Node(i), "x", 31, "on a follower")
		if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, cluster.ErrNotLeader) {
			t.Errorf("propose on a follower: %v, want ErrNotProposed and ErrNotLeader", err)
		}
		if err := c.Node(i).Ready(); !errors.Is(err, cluster.ErrNotLeader) {
			t.Errorf("follower ready: %v, want ErrNotLeader", err)
		}
	}
}

// An outcomes collects what proposers were told about their messages.
type outcomes struct {
	mu                   sync.Mutex
	acked, sure, unknown map[string]bool
}

func (o *outcomes) note(text string, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case err == nil:
		o.acked[text] = true
	case errors.Is(err, store.ErrNotProposed):
		o.sure[text] = true
	default:
		o.unknown[text] = true
	}
}

// TestLeaderLossClassifiesOutcomes crashes the leader under proposals: what was acknowledged is on
// the others once, what was surely not proposed is nowhere, and only the rest is unknown.
func TestLeaderLossClassifiesOutcomes(t *testing.T) {
	c := clustertest.New(t, 3, nil)
	old := c.Leader()
	out := outcomes{acked: map[string]bool{}, sure: map[string]bool{}, unknown: map[string]bool{}}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var lanes sync.WaitGroup
	warm := make(chan struct{}, 1000)
	node := c.Node(old)
	for lane := range 8 {
		lanes.Go(func() {
			for seq := uint64(1); ; seq++ {
				text := fmt.Sprintf("lane %d message %d", lane, seq)
				_, err := accept(ctx, node, fmt.Sprint("lane", lane), seq, text)
				out.note(text, err)
				if err != nil {
					return
				}
				select {
				case warm <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 100 {
		<-warm
	}
	c.Crash(old)
	lanes.Wait()
	lost := time.Now()
	leader := c.Leader()
	t.Logf("%d acknowledged, %d surely not proposed, %d unknown; next leader after %v",
		len(out.acked), len(out.sure), len(out.unknown), time.Since(lost).Round(time.Millisecond))
	for text := range out.unknown { // the token settles what is unknown
		var lane int
		var seq uint64
		if _, err := fmt.Sscanf(text, "lane %d message %d", &lane, &seq); err != nil {
			t.Fatal(err)
		}
		if _, err := accept(ctx, c.Node(leader), fmt.Sprint("lane", lane), seq, text); err != nil {
			t.Errorf("%s again: %v", text, err)
		}
		out.acked[text] = true
	}
	c.Start(old)
	index, _ := c.Store(leader).Applied()
	c.Agree(index)
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
	leader := c.Leader()
	away := (leader + 1) % 3
	filler := strings.Repeat("x", 16<<10)
	seq := uint64(0)
	add := func(n int) {
		for range n {
			seq++
			if _, err := accept(context.Background(), c.Node(leader), "x", seq, fmt.Sprint(seq, filler)); err != nil {
				t.Fatal(err)
			}
		}
	}
	add(5)
	c.Stop(away)
	add(100)
	if first := c.Node(leader).Figures().LogFirstIndex; first < 20 {
		t.Fatalf("the log still begins at %d", first)
	}
	c.Start(away)
	index, _ := c.Store(leader).Applied()
	c.Agree(index)
	c.Eventually("a snapshot restored", func() bool { return c.Node(away).Figures().SnapshotsReceived > 0 })
	if f := c.Node(leader).Figures(); f.SnapshotsSent == 0 {
		t.Errorf("no snapshot was sent: %+v", f)
	}
	add(10) // now by the log
	index, _ = c.Store(leader).Applied()
	c.Agree(index)
	c.Stop(away)
	add(5)
	c.Start(away)
	index, _ = c.Store(leader).Applied()
	c.Agree(index)
	if f := c.Node(away).Figures(); f.SnapshotsReceived != 0 {
		t.Errorf("%d snapshots were needed after a short absence", f.SnapshotsReceived)
	}
	if got := len(texts(t, c.Store(away))); got != int(seq) {
		t.Errorf("%d messages, want %d", got, seq)
	}
}
