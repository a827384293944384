//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// scenes are all faults.
func scenes() []scene {
	return []scene{
		{name: "nothing", nodes: 1, quiet: true, play: nothing},
		{name: "kill -9 leader", nodes: 1, quiet: true, play: onLeader(killed)},
		{name: "kill -9 follower", nodes: 3, quiet: true, play: onFollower(killed)},
		{name: "kill -9 all", nodes: 1, play: killAll},
		{name: "power loss leader", nodes: 1, quiet: true, play: onLeader(powerLoss)},
		{name: "power loss follower", nodes: 3, quiet: true, play: onFollower(powerLoss)},
		{name: "power loss all", nodes: 1, play: powerLossAll},
		{name: "freeze leader 2s", nodes: 1, play: onLeader(frozen(2 * time.Second))},
		{name: "freeze leader 6s", nodes: 1, play: onLeader(frozen(6 * time.Second))},
		{name: "freeze while calling", nodes: 1, play: freezeCalling},
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

func killAll(ctx context.Context, r *round) error {
	r.strike(r.cluster.nodes...)
	for _, n := range r.cluster.nodes {
		n.proc.signal(9, true)
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
	f.set(ctx, n.ip, apiIP(), condition{delay: 150 * time.Millisecond, jitter: 100 * time.Millisecond})
	if err := pause(ctx, time.Second); err != nil {
		return err
	}
	return frozen(6*time.Second)(ctx, r, n)
}
