package cluster_test

import (
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

// TestUnfitNodesAreNotHandedTheLead: a node that says so of itself is neither given the lead by name nor chosen, even if it
// is the most up to date; and if nobody else is left, the leader leads on.
func TestUnfitNodesAreNotHandedTheLead(t *testing.T) {
	tests := []struct {
		name, says string
		pulse      func(p *cluster.Pulse)
	}{
		{"far behind", "behind", func(p *cluster.Pulse) { p.Applied = 1 }},
		{"its disk is nearly full", "disk", func(p *cluster.Pulse) { p.Full = true; p.Applied += 1000 }},
		{"its clock is off", "clock", func(p *cluster.Pulse) { p.Clock += int64(time.Hour); p.Applied += 1000 }},
		{"its clock is off the other way", "clock", func(p *cluster.Pulse) { p.Clock -= int64(time.Hour); p.Applied += 1000 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := clustertest.New(t, 3, firstLeads)
			first := c.Node(c.Leader())
			awaitHeard(t, first)
			manyEntries(t, first, 1100) // more than a node may be behind
			c.Agree()
			c.Node(1).AnswerPulse(test.pulse)
			if err := first.Transfer(patient(t), "n2"); !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("transfer to it: %v, want ErrRefused that says %q", err, test.says)
			}
			c.Node(2).AnswerPulse(func(p *cluster.Pulse) { p.Full = true })
			if err := first.Transfer(patient(t), ""); !errors.Is(err, cluster.ErrRefused) || !first.IsLeader() {
				t.Errorf("transfer where nobody is fit: %v, leads %t, want ErrRefused and true", err, first.IsLeader())
			}
			c.Node(2).AnswerPulse(func(*cluster.Pulse) {})
			if err := first.StepDown(patient(t)); err != nil {
				t.Fatal(err)
			}
			if got := first.LeaderID(); got != "n3" {
				t.Errorf("%s leads, want n3", got)
			}
		})
	}
}

// TestTheMostUpToDateIsHandedTheLead: the others would first have to be sent what it has.
func TestTheMostUpToDateIsHandedTheLead(t *testing.T) {
	for _, best := range []int{1, 2} {
		t.Run(fmt.Sprintf("n%d", best+1), func(t *testing.T) {
			t.Parallel()
			c := clustertest.New(t, 3, firstLeads)
			first := c.Node(c.Leader())
			awaitHeard(t, first)
			c.Node(best).AnswerPulse(func(p *cluster.Pulse) { p.Applied += 500 })
			c.Eventually(c.Peer(best).ID+" to be handed the lead", func() bool {
				if err := first.StepDown(patient(t)); err != nil {
					t.Fatal(err)
				}
				heir := c.Leader()
				if heir != best { // who answers much later than another is not waited for
					c.Eventually("the lead to be back", func() bool {
						_ = c.Node(heir).Transfer(patient(t), c.Peer(0).ID)
						return c.Leader() == 0
					})
				}
				return heir == best
			})
		})
	}
}

// manyEntries has n entries committed.
func manyEntries(t *testing.T, node *cluster.Node, n int) {
	t.Helper()
	const lanes = 100
	ctx := patient(t)
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for i := range n / lanes {
				if _, err := node.Propose(ctx, &store.NodeUp{Node: fmt.Sprint("lane", lane), Incarnation: uint64(i + 1)}); err != nil {
					t.Errorf("entry %d of lane %d: %v", i, lane, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
