//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// stopWithin is how long a node may take to end when it is asked to.
const stopWithin = time.Minute

// rollingRestart ends one node after the other in order, as an upgrade does.
func rollingRestart(ctx context.Context, r *round) error {
	for _, n := range r.cluster.nodes {
		r.strike(n)
		if err := n.proc.terminate(ctx, stopWithin); err != nil {
			return err
		}
		if err := n.proc.start(); err != nil {
			return err
		}
		if err := r.cluster.awaitReady(ctx, n); err != nil {
			return err
		}
		r.heal(n)
	}
	return nil
}

// transfer has the leadership handed over, twice.
func transfer(ctx context.Context, r *round) error {
	for range 2 {
		before, err := r.cluster.leader(ctx)
		if err != nil {
			return err
		}
		if r.struck.IsZero() {
			r.struck = time.Now()
		}
		if err := r.cluster.nodes[r.random.IntN(len(r.cluster.nodes))].smppctl(ctx, "cluster", "transfer"); err != nil {
			return err
		}
		after, err := r.cluster.leader(ctx)
		if err != nil {
			return err
		}
		if before == after {
			return errors.New("the leader is the same as before")
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
	}
	return nil
}

// joinAndLeave has a further node join under load, and leave.
func joinAndLeave(ctx context.Context, r *round) error {
	c := r.cluster
	size := len(c.nodes)
	r.struck = time.Now()
	n, err := c.add(ctx, size)
	if n == nil {
		return err
	}
	defer func() { // whatever became of it
		c.nodes = c.nodes[:size]
		c.lab.api.pushTo(c.nodes)
		n.close(ctx)
	}()
	if err == nil {
		err = pause(ctx, time.Second)
	}
	if err == nil {
		n.proc.expectEnd()
		err = n.smppctl(ctx, "cluster", "leave")
	}
	if err != nil {
		return err
	}
	left, err := c.leader(ctx, n)
	if err != nil {
		return err
	}
	s, err := left.clusterStatus(ctx)
	if err == nil && len(s.Members) != size {
		err = fmt.Errorf("%d members after one has left, want %d", len(s.Members), size)
	}
	return err
}

// replace loses a follower for good, and has an empty node take its place and name.
func replace(ctx context.Context, r *round) error {
	n, err := r.follower(ctx)
	if err != nil {
		return err
	}
	leader, err := r.cluster.leader(ctx)
	if err != nil {
		return err
	}
	r.strike(n)
	n.proc.kill()
	if err := leader.smppctl(ctx, "cluster", "remove", n.id); err != nil {
		return err
	}
	if err := n.wipe(); err != nil {
		return err
	}
	if err := n.proc.start(); err != nil {
		return err
	}
	return r.cluster.joinAt(ctx, leader, n)
}

// loseMajority loses all nodes but the one that leads, which has all that was answered, for good, and begins anew
// with that one.
func loseMajority(ctx context.Context, r *round) error {
	leader, err := r.cluster.leader(ctx)
	if err != nil {
		return err
	}
	others := without(r.cluster.nodes, leader)
	r.strike(r.cluster.nodes...)
	for _, n := range append(others, leader) {
		n.proc.kill()
	}
	for _, n := range others {
		err = errors.Join(err, n.wipe())
	}
	if err = errors.Join(err, leader.recover(ctx), leader.proc.start()); err != nil {
		return err
	}
	if err := r.cluster.awaitReady(ctx, leader); err != nil {
		return err
	}
	return rejoin(ctx, r, leader, others)
}

// rejoin starts empty nodes and has them join a node.
func rejoin(ctx context.Context, r *round, member *node, empty []*node) error {
	for _, n := range empty {
		if err := n.proc.start(); err != nil {
			return err
		}
		if err := r.cluster.joinAt(ctx, member, n); err != nil {
			return err
		}
	}
	return nil
}

// recoverTwo is loseMajority with a second node that is left and, by mistake, recovered too. Neither cluster takes the
// other one's node in; when the second is empty it joins. ESMEs and the API see nothing of the second: it would send
// what the first one sends.
func recoverTwo(ctx context.Context, r *round) error {
	leader, err := r.cluster.leader(ctx)
	if err != nil {
		return err
	}
	others := without(r.cluster.nodes, leader)
	second := others[0]
	r.strike(r.cluster.nodes...)
	for _, n := range append(others, leader) {
		n.proc.kill()
	}
	atEdge(r, second, condition{down: true})
	err = errors.Join(others[1].wipe(), leader.recover(ctx), second.recover(ctx), leader.proc.start(), second.proc.start())
	if err == nil {
		err = r.cluster.awaitReady(ctx, leader, second)
	}
	if err == nil {
		err = errors.Join(refuses(ctx, leader, second), refuses(ctx, second, leader))
	}
	second.proc.kill()
	if err = errors.Join(err, second.wipe()); err != nil {
		return err
	}
	atEdge(r, second, condition{})
	return rejoin(ctx, r, leader, others)
}

// refuses asks a node to join one that was recovered apart from it.
func refuses(ctx context.Context, member, n *node) error {
	err := member.smppctl(ctx, "cluster", "join", n.id, net.JoinHostPort(n.ip.String(), clusterPort))
	if err == nil || !strings.Contains(err.Error(), "each was recovered by itself") {
		return fmt.Errorf("%s joins %s, which has another history: %w", member.id, n.id, cmp.Or(err, errors.New("done")))
	}
	return nil
}

// unsoundAPI has the API fail in all its ways while the leader is killed.
func unsoundAPI(ctx context.Context, r *round) error {
	sim := r.cluster.lab.api.sim
	if err := sim.SetFaults(aliyunsim.Faults{
		{Kind: aliyunsim.FaultDrop, Executed: true, Probability: 0.03},
		{Kind: aliyunsim.FaultDrop, Probability: 0.03},
		{Kind: aliyunsim.FaultHang, Probability: 0.01, DelayMS: 2500},
		{Kind: aliyunsim.FaultHTML502, Executed: true, Probability: 0.02},
		{Kind: aliyunsim.FaultEmpty503, Probability: 0.02},
		{Kind: aliyunsim.FaultTruncated, Executed: true, Probability: 0.02},
		{Kind: aliyunsim.FaultThrottle, Probability: 0.03},
		{Kind: aliyunsim.FaultLatency, Probability: 0.2, DelayMS: 100, JitterMS: 300},
		{Kind: aliyunsim.FaultReportEarly, Probability: 0.1},
		{Kind: aliyunsim.FaultReportNoOutID, Probability: 0.05},
		{Kind: aliyunsim.FaultReportLate, Probability: 0.3, DelayMS: 4500}, // only a query tells in time
		{Kind: aliyunsim.FaultReportDuplicate, Probability: 0.1, DelayMS: 50},
	}); err != nil {
		return err
	}
	defer func() { _ = sim.SetFaults(nil) }() // no faults are never wrong
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	if err := onLeader(killed)(ctx, r); err != nil {
		return err
	}
	return pause(ctx, time.Second)
}
