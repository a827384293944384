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
	t.Parallel()
	c := led(t, firstLeads)
	first := c.Node(c.Leader())
	awaitHeard(t, first)
	manyEntries(t, c, 1100) // more than a node may be behind
	c.Agree()
	for _, test := range tests {
		c.Node(1).AnswerPulse(test.pulse)
		var err error
		c.Eventually("n2 to answer within a second", func() bool { // in which the machine may have stood still
			err = first.Transfer(patient(t), "n2")
			return err == nil || !strings.Contains(err.Error(), "does not answer")
		})
		if !errors.Is(err, cluster.ErrRefused) || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: transfer to it: %v, want ErrRefused that says %q", test.name, err, test.says)
		}
		c.Node(2).AnswerPulse(func(p *cluster.Pulse) { p.Full = true })
		if err := first.Transfer(patient(t), ""); !errors.Is(err, cluster.ErrRefused) {
			t.Errorf("%s: transfer where nobody is fit: %v, want ErrRefused", test.name, err)
		}
		if c.Node(1).IsLeader() || c.Node(2).IsLeader() {
			t.Fatalf("%s: a node leads that is not fit", test.name)
		}
		c.Node(2).AnswerPulse(func(*cluster.Pulse) {})
		if err := first.StepDown(patient(t)); err != nil {
			t.Fatal(err)
		}
		if got := c.Leader(); got != 2 {
			t.Fatalf("%s: n%d leads, want n3", test.name, got+1)
		}
		c.Node(1).AnswerPulse(func(*cluster.Pulse) {})
		if handTo(t, c.Node(2), "n1"); c.Leader() != 0 {
			t.Fatal("the lead is not back")
		}
	}
}

// TestTheMostUpToDateIsHandedTheLead: the others would first have to be sent what it has.
func TestTheMostUpToDateIsHandedTheLead(t *testing.T) {
	for _, best := range []int{1, 2} {
		t.Run(fmt.Sprintf("n%d", best+1), func(t *testing.T) {
			t.Parallel()
			c := led(t, firstLeads)
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

// manyEntries has n entries committed, a hundred at a time.
func manyEntries(t *testing.T, c *clustertest.Cluster, n int) {
	t.Helper()
	const lanes = 100
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for i := range n / lanes {
				up := &store.NodeUp{Node: fmt.Sprint("lane", lane), Incarnation: uint64(i + 1)}
				for ctx := patient(t); ; {
					_, err := c.Node(0).Propose(ctx, up)
					if err == nil {
						break
					}
					if ctx.Err() != nil {
						t.Errorf("entry %d of lane %d: %v", i, lane, err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}
