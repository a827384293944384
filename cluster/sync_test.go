package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster/clustertest"
)

// TestSyncSeesWhatWasAnswered: what one node was told is there on any other that syncs afterwards.
func TestSyncSeesWhatWasAnswered(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, nil)
	c.LeaderOf(0, 1, 2)
	old := c.Leader()
	c.Crash(old)
	c.LeaderOf((old+1)%3, (old+2)%3)
	c.Start(old)
	for i := range 3 {
		if err := c.Node(i).Sync(patient(t)); err != nil { // the log ends with Raft's own entries
			t.Errorf("n%d: %v", i+1, err)
		}
	}
	c.Lag(2*time.Millisecond, 0, 0)
	var wg sync.WaitGroup
	for i := range 3 {
		for lane := range 4 {
			wg.Go(func() {
				name := fmt.Sprintf("n%d lane %d", i+1, lane)
				for seq := uint64(1); seq <= 15; seq++ {
					text := fmt.Sprintf("%s message %d", name, seq)
					n := number(t, c.ProposeOn(i, acceptCommand(name, seq, text)))
					j := (i + int(seq)) % 3
					if err := c.Node(j).Sync(patient(t)); err != nil {
						t.Errorf("sync on n%d: %v", j+1, err)
						return
					}
					if m, _, err := c.Store(j).Lookup(n); err != nil || m.Text != text {
						t.Errorf("n%d has %q, %v after a sync, want %q", j+1, m.Text, err, text)
					}
				}
			})
		}
	}
	wg.Wait()
}

// TestOnlyWhoAnswersIsInTouch: a node reaches the leader, which does not reach the node. The leader takes it for dead and
// gives its receipts to others, so before that the node has to know.
func TestOnlyWhoAnswersIsInTouch(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, quick)
	leader := c.LeaderOf(0, 1, 2)
	deaf := (leader + 1) % 3
	openBind(c, c.Peer(deaf).ID)
	clustertest.Eventually(t, "the node to be in touch", c.Node(deaf).InTouch)
	c.Node(deaf).Answer("pulse", func(context.Context, string, []byte) ([]byte, error) {
		return nil, errors.New("not asked") // nor reached at all: the answer is not heard
	})
	clustertest.Eventually(t, "its binds to be removed", func() bool {
		gone := len(c.Store(leader).NodeBinds(c.Peer(deaf).ID)) == 0
		if gone && c.Node(deaf).InTouch() { // looked at after the binds: it is out of touch before they are gone, and stays so
			t.Error("its binds are gone, and it believes that it is in touch")
		}
		return gone
	})
}

// TestSyncNeedsAMajority: a leader that is cut off may not know it yet. What it holds may be old.
func TestSyncNeedsAMajority(t *testing.T) {
	t.Parallel()
	c := clustertest.New(t, 3, nil)
	old := c.LeaderOf(0, 1, 2)
	c.Isolate(old, clustertest.Drop)
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	if err := c.Node(old).Sync(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("sync on a leader that is cut off: %v, want that it waits", err)
	}
	leader := c.LeaderOf((old+1)%3, (old+2)%3)
	n := number(t, c.ProposeOn(leader, acceptCommand("x", 1, "later")))
	ctx, cancel = context.WithTimeout(context.Background(), patience)
	defer cancel()
	synced := make(chan error, 1)
	go func() { synced <- c.Node(old).Sync(ctx) }()
	c.Heal()
	if err := <-synced; err != nil {
		t.Fatalf("sync after the heal: %v", err)
	}
	if m, _, err := c.Store(old).Lookup(n); err != nil || m.Text != "later" {
		t.Errorf("after the sync: %q, %v", m.Text, err)
	}
}
