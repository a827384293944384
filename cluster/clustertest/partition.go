package clustertest

import (
	"context"
	"fmt"
	"time"

	"smppbridge/store"
)

// Cut has what the nodes from send to the nodes to go lost. Reset breaks the connections of both
// directions.
func (c *Cluster) Cut(how Loss, from, to []int) { c.net.set(how, from, to) }

// Isolate cuts node i off from all others, both ways. With Drop that is how a frozen node looks to them.
func (c *Cluster) Isolate(i int, how Loss) {
	c.Cut(how, []int{i}, c.others(i))
	c.Cut(how, c.others(i), []int{i})
}

// Deafen has node i hear nothing of the others, who hear it.
func (c *Cluster) Deafen(i int) { c.Cut(Drop, c.others(i), []int{i}) }

// Mute has the others hear nothing of node i, which hears them.
func (c *Cluster) Mute(i int) { c.Cut(Drop, []int{i}, c.others(i)) }

// Heal undoes all cuts and lags.
func (c *Cluster) Heal() {
	c.net.change(func() {
		clear(c.net.losses)
		c.net.delay, c.net.stalls, c.net.stall = 0, 0, 0
	})
}

// Lag holds up whatever a node reads of another by d, and with a chance by stall besides: that is how TCP
// shows the loss of a packet. A connection reads one piece of at most some 64 KiB at a time, so Lag limits
// its throughput too.
func (c *Cluster) Lag(d time.Duration, chance float64, stall time.Duration) {
	c.net.change(func() { c.net.delay, c.net.stalls, c.net.stall = d, chance, stall })
}

func (c *Cluster) others(i int) []int {
	var others []int
	for j := range c.nodes {
		if j != i {
			others = append(others, j)
		}
	}
	return others
}

// ProposeOn proposes cmd on node i, again and again until it has a result.
func (c *Cluster) ProposeOn(i int, cmd store.Command) store.Result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		res, err := c.Node(i).Propose(ctx, cmd)
		if err == nil {
			return res
		}
		if ctx.Err() != nil {
			c.t.Fatalf("propose on node %d: %v", i, err)
		}
	}
}

// LeaderOf waits until one of the nodes named leads and the others of them follow it, and returns it.
func (c *Cluster) LeaderOf(nodes ...int) int {
	c.t.Helper()
	leader := -1
	c.Eventually(fmt.Sprintf("a leader of %v", nodes), func() bool {
		for _, i := range nodes {
			if c.Node(i).IsLeader() {
				leader = i
			}
		}
		for _, i := range nodes {
			if leader < 0 || c.Node(i).Ready() != nil || c.Node(i).LeaderID() != c.peers[leader].ID {
				return false
			}
		}
		return true
	})
	return leader
}
