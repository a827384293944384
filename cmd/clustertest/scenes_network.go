//go:build linux

package main

import (
	"context"
	"net"
	"time"
)

// A cut is which packets between a node and the other ones are lost.
type cut struct{ out, in bool }

func both() cut      { return cut{out: true, in: true} }
func sending() cut   { return cut{out: true} }
func receiving() cut { return cut{in: true} }

// apply makes the wires between a node and the others as c says. Those to the ESMEs and the API stay: a node that
// is cut off from its peers can still talk, which is worse.
func (c cut) apply(r *round, n *node) {
	for _, o := range without(r.cluster.nodes, n) {
		r.cluster.lab.fabric.set(n.ip, o.ip, condition{down: c.out})
		r.cluster.lab.fabric.set(o.ip, n.ip, condition{down: c.in})
	}
}

// wires cuts a node off for a while.
func wires(d time.Duration, c cut) func(context.Context, *round, *node) error {
	return func(ctx context.Context, r *round, n *node) error {
		r.strike(n)
		c.apply(r, n)
		err := pause(ctx, d)
		cut{}.apply(r, n)
		return err
	}
}

// unplugged cuts a node off from everybody, for less than an attempt may be uncertain: what it has written to the API
// its kernel repeats until somebody answers.
func unplugged(ctx context.Context, r *round, n *node) error {
	r.strike(n)
	set := func(down bool) {
		cut{out: down, in: down}.apply(r, n)
		atEdge(r, n, condition{down: down})
	}
	set(true)
	err := pause(ctx, 2*time.Second)
	set(false)
	return err
}

// atEdge makes the wires between a node and the ESMEs and the API as c says.
func atEdge(r *round, n *node, c condition) {
	for _, ip := range []net.IP{esmeIP(), apiIP()} {
		r.cluster.lab.fabric.set(n.ip, ip, c)
		r.cluster.lab.fabric.set(ip, n.ip, c)
	}
}

// flapping cuts a node off and back again, many times, each time before or after somebody is elected.
func flapping(ctx context.Context, r *round, n *node) error {
	r.strike(r.cluster.nodes...)
	for range 8 {
		both().apply(r, n)
		if err := pause(ctx, time.Duration(100+r.random.IntN(900))*time.Millisecond); err != nil {
			return err
		}
		cut{}.apply(r, n)
		if err := pause(ctx, time.Duration(50+r.random.IntN(400))*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// between makes all wires between nodes bad for a while. No node is hurt more than another one.
func between(d time.Duration, c condition) func(context.Context, *round) error {
	return func(ctx context.Context, r *round) error {
		r.strike(r.cluster.nodes...)
		set := func(c condition) {
			for _, a := range r.cluster.nodes {
				for _, b := range without(r.cluster.nodes, a) {
					r.cluster.lab.fabric.set(a.ip, b.ip, c)
				}
			}
		}
		set(c)
		err := pause(ctx, d)
		set(condition{})
		return err
	}
}
