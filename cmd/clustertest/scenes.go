//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// scenes are all faults, the plain ones first.
func scenes() []scene {
	const second = time.Second
	return []scene{
		{name: "nothing", core: true, nodes: 1, quiet: true, play: nothing},
		{name: "kill -9 leader", core: true, nodes: 1, quiet: true, play: onLeader(killed)},
		{name: "kill -9 follower", nodes: 3, quiet: true, play: onFollower(killed)},
		{name: "kill -9 leader twice", nodes: 3, play: killTwice},
		{name: "kill -9 all", nodes: 1, play: killAll},
		{name: "power loss leader", core: true, nodes: 1, quiet: true, play: onLeader(powerLoss)},
		{name: "power loss follower", nodes: 3, quiet: true, play: onFollower(powerLoss)},
		{name: "power loss all", nodes: 1, play: powerLossAll},
		{name: "power loss all, leader away", core: true, nodes: 3, play: powerLossLeaderLast},
		{name: "disk errors leader", nodes: 1, quiet: true, play: onLeader(diskErrors)},
		{name: "disk errors follower", nodes: 3, quiet: true, play: onFollower(diskErrors)},
		{name: "disk full leader", nodes: 3, play: onLeader(diskFull)},
		{name: "disk full follower", nodes: 3, quiet: true, play: onFollower(diskFull)},
		{name: "freeze leader 2s", nodes: 1, quiet: true, play: onLeader(frozen(2 * second))},
		{name: "freeze leader 6s", nodes: 1, play: onLeader(frozen(6 * second))},
		{name: "freeze leader 40s", nodes: 1, long: true, play: onLeader(frozen(40 * second))},
		{name: "freeze follower 3s", nodes: 3, quiet: true, play: onFollower(frozen(3 * second))},
		{name: "freeze while calling", core: true, nodes: 1, play: freezeCalling},
		{name: "partition leader", core: true, nodes: 3, quiet: true, play: onLeader(wires(3*second, both()))},
		{name: "partition follower", nodes: 3, quiet: true, play: onFollower(wires(3*second, both()))},
		{name: "leader cannot send", core: true, nodes: 3, quiet: true, play: onLeader(wires(3*second, sending()))},
		{name: "leader cannot receive", nodes: 3, quiet: true, play: onLeader(wires(3*second, receiving()))},
		{name: "follower cannot send", nodes: 3, quiet: true, play: onFollower(wires(3*second, sending()))},
		{name: "follower cannot receive", nodes: 3, quiet: true, play: onFollower(wires(3*second, receiving()))},
		{name: "leader's cable pulled", nodes: 3, quiet: true, play: onLeader(unplugged)},
		{name: "flapping link", core: true, nodes: 3, play: onLeader(flapping)},
		{name: "loss 10%", nodes: 3, play: between(4*second, condition{loss: 0.1})},
		{name: "loss 30%", nodes: 3, play: between(4*second, condition{loss: 0.3})},
		{name: "delay 100±50ms", nodes: 3, play: between(4*second, condition{delay: 100 * time.Millisecond, jitter: 50 * time.Millisecond})},
		{name: "unsound API, kill leader", core: true, nodes: 1, play: unsoundAPI},
		{name: "mix", core: true, nodes: 1, quiet: true, mixed: true, play: mix},
		{name: "rolling restart", core: true, nodes: 1, quiet: true, play: rollingRestart},
		{name: "transfer", nodes: 3, quiet: true, play: transfer},
		{name: "join and leave", nodes: 3, quiet: true, play: joinAndLeave},
		{name: "replace a dead node", nodes: 3, quiet: true, play: replace},
		{name: "majority lost", core: true, nodes: 3, play: loseMajority},
		{name: "majority lost, two recovered", nodes: 3, play: recoverTwo},
	}
}

// nothing happens: what is counted here is counted always.
func nothing(ctx context.Context, _ *round) error { return pause(ctx, 2*time.Second) }

// onLeader has a fault befall the leader.
func onLeader(f func(context.Context, *round, *node) error) func(context.Context, *round) error {
	return func(ctx context.Context, r *round) error {
		n, err := r.cluster.leader(ctx)
		if err != nil {
			return err
		}
		return f(ctx, r, n)
	}
}

// onFollower has a fault befall one that does not lead.
func onFollower(f func(context.Context, *round, *node) error) func(context.Context, *round) error {
	return func(ctx context.Context, r *round) error {
		n, err := r.follower(ctx)
		if err != nil {
			return err
		}
		return f(ctx, r, n)
	}
}

// killed ends a node at once, and starts it again a moment later.
func killed(ctx context.Context, r *round, n *node) error {
	r.strike(n)
	n.proc.kill()
	if err := pause(ctx, time.Duration(500+r.random.IntN(1500))*time.Millisecond); err != nil {
		return err
	}
	return n.proc.start()
}

// killTwice kills the leader, and the next one as soon as there is one and the first is back.
func killTwice(ctx context.Context, r *round) error {
	for range 2 {
		n, err := r.cluster.leader(ctx)
		if err != nil {
			return err
		}
		r.strike(n)
		n.proc.kill()
		if err := n.proc.start(); err != nil {
			return err
		}
		if err := r.cluster.awaitReady(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func killAll(ctx context.Context, r *round) error {
	r.strike(r.cluster.nodes...)
	for _, n := range r.cluster.nodes {
		n.proc.signal(syscall.SIGKILL, true)
	}
	for _, n := range r.cluster.nodes {
		n.proc.kill()
	}
	var err error
	for _, n := range r.cluster.nodes {
		err = errors.Join(err, n.proc.start())
	}
	return err
}

// powerLoss ends a node and makes its disk forget what was not synced. It is frozen first: what a real one would
// not have lived to say, it does not say either.
func powerLoss(ctx context.Context, r *round, n *node) error {
	r.strike(n)
	if err := unplug(n); err != nil {
		return err
	}
	if err := pause(ctx, time.Duration(200+r.random.IntN(1000))*time.Millisecond); err != nil {
		return err
	}
	return plug(ctx, n)
}

var errRunning = errors.New("it runs on")

// diskErrors has a running node's disk fail everything from one moment on. It must end by itself, having said
// nothing that is not so.
func diskErrors(ctx context.Context, r *round, n *node) error {
	r.strike(n)
	r.deaths = true
	if err := n.disk.powerOff(); err != nil {
		return err
	}
	wait, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	if until(wait, func() error {
		if n.proc.takeEndings() == nil {
			return errRunning
		}
		return nil
	}) != nil {
		return fmt.Errorf("%s: its disk is gone: %w", n.id, errRunning)
	}
	n.proc.kill() // as systemd does, it is started again
	return plug(ctx, n)
}

// diskFull takes a node's disk space for a while. Whether it ends or refuses what it cannot take is its own affair;
// that it is started again until it has space is systemd's.
func diskFull(ctx context.Context, r *round, n *node) error {
	r.strike(n)
	r.deaths = true
	if err := n.disk.fill(); err != nil {
		return err
	}
	err := pause(ctx, 3*time.Second)
	return errors.Join(err, n.disk.free())
}

func powerLossAll(ctx context.Context, r *round) error {
	r.strike(r.cluster.nodes...)
	for _, n := range r.cluster.nodes {
		n.proc.freeze()
	}
	for _, n := range r.cluster.nodes {
		if err := unplug(n); err != nil {
			return err
		}
	}
	for _, n := range r.cluster.nodes {
		if err := plug(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// powerLossLeaderLast has the others come back without the one that led: what it has answered they must have on
// their own disks.
func powerLossLeaderLast(ctx context.Context, r *round) error {
	leader, err := r.cluster.leader(ctx)
	if err != nil {
		return err
	}
	r.strike(r.cluster.nodes...)
	for _, n := range r.cluster.nodes {
		n.proc.freeze()
	}
	for _, n := range r.cluster.nodes {
		err = errors.Join(err, unplug(n))
	}
	others := without(r.cluster.nodes, leader)
	for _, n := range others {
		err = errors.Join(err, plug(ctx, n))
	}
	if err == nil {
		err = r.cluster.awaitReady(ctx, others...)
	}
	if err == nil {
		err = pause(ctx, time.Second)
	}
	return errors.Join(err, plug(ctx, leader))
}

func unplug(n *node) error {
	n.proc.freeze()
	err := n.disk.powerOff()
	n.proc.kill()
	return err
}

func plug(ctx context.Context, n *node) error {
	if err := n.disk.powerOn(ctx); err != nil {
		return err
	}
	return n.proc.start()
}

// frozen stops a node's process for a while; the kernel goes on taking connections and data for it.
func frozen(d time.Duration) func(context.Context, *round, *node) error {
	return func(ctx context.Context, r *round, n *node) error {
		r.strike(n)
		n.proc.freeze()
		defer n.proc.thaw()
		return pause(ctx, d)
	}
}

// freezeCalling freezes the leader for longer than an attempt may be uncertain, while it takes long to reach the
// API: calls are between their Begin and their request.
func freezeCalling(ctx context.Context, r *round) error {
	n, err := r.cluster.leader(ctx)
	if err != nil {
		return err
	}
	f := r.cluster.lab.fabric
	f.set(n.ip, apiIP(), condition{delay: 150 * time.Millisecond, jitter: 100 * time.Millisecond})
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	return frozen(6*time.Second)(ctx, r, n)
}
