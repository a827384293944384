//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Times of a round.
const (
	flowWithin  = patience               // until every node has accepted something
	flowCount   = 15                     // that is so many messages
	goOn        = 800 * time.Millisecond // traffic after the fault is healed
	answerSlack = patience               // for the last answers; an ESME waits answerWithin for each
	drainWithin = 2 * patience           // for the last receipts

	responseTimeout = 2 * time.Second // of the nodes, for deliver_sm
)

// A round is one fault under traffic.
type round struct {
	cluster *cluster
	book    *book
	traffic *traffic
	random  *rand.Rand
	span    time.Duration // of a scene that lasts as long as the command line says
	number  int

	hurt     []disturbance
	struck   time.Time     // when the fault began
	deaths   bool          // nodes may end by themselves
	outage   time.Duration // the longest of a node that was not hurt
	outageAt time.Duration // when it began, after the fault
	stall    time.Duration // the longest of the machine itself
}

// A scene is a kind of fault.
type scene struct {
	name  string
	nodes int  // that it needs
	core  bool // is also played where there is time for few
	long  bool // takes more than some seconds a round
	quiet bool // ESMEs of nodes that are not hurt must notice nothing
	mixed bool // with traffic of its own, once, and to be drained for long: see mix.go
	play  func(ctx context.Context, r *round) error
}

// strike notes that nodes are being hurt from now on, and that this is when the fault begins.
func (r *round) strike(nodes ...*node) {
	now := time.Now()
	if r.struck.IsZero() {
		r.struck = now
	}
	for _, n := range nodes {
		r.hurt = append(r.hurt, disturbance{node: n.index, from: now})
	}
}

// heal notes that nothing hurts those nodes any more. Their sessions may notice for a while.
func (r *round) heal(nodes ...*node) {
	for i := range r.hurt {
		d := &r.hurt[i]
		if d.to.IsZero() && slices.ContainsFunc(nodes, func(n *node) bool { return n.index == d.node }) {
			d.to = time.Now().Add(closeBy)
		}
	}
}

// follower returns one of those that do not lead; in a cluster of one, the one that does.
func (r *round) follower(ctx context.Context) (*node, error) {
	leader, err := r.cluster.leader(ctx)
	if err != nil {
		return nil, err
	}
	others := without(r.cluster.nodes, leader)
	if len(others) == 0 {
		return leader, nil
	}
	return others[r.random.IntN(len(others))], nil
}

// play runs the round, and judges it.
func (r *round) play(ctx context.Context, s scene, load float64) (tally, error) {
	c := r.cluster
	if err := c.awaitReady(ctx, c.nodes...); err != nil {
		return tally{}, fmt.Errorf("before the fault: %w", err)
	}
	c.lab.probe.take()
	r.number = r.book.begin()
	since, limited := c.lab.api.mark(), c.lab.api.limitControls()
	r.traffic = startTraffic(ctx, c, r.book, s, load)
	defer r.traffic.close()
	err := r.flow(ctx)
	if err == nil {
		if err = s.play(ctx, r); err != nil {
			err = fmt.Errorf("the fault: %w", err)
		}
	}
	c.lab.fabric.clear()
	if err != nil { // what is missing now is missing because nobody waited for it
		return tally{}, err
	}
	if err := c.awaitReady(ctx, c.nodes...); err != nil {
		c.dump(ctx)
		return tally{}, fmt.Errorf("after the fault: %w", err)
	}
	err = r.settle(ctx, s)
	r.traffic.close()
	err = errors.Join(err, r.endings())
	entries := c.lab.api.entries(since)
	r.stall = c.lab.probe.take()
	r.book.stalled(r.stall)
	t := r.book.judge(r.number, byKey(entries), r.hurt)
	t.callsPerSecond = mostCalls(entries)
	if !s.mixed { // the faults are such refusals, too
		t.overPhone = c.lab.api.limitControls() - limited
	}
	if s.mixed && t.share() < mixLeast {
		err = errors.Join(err, fmt.Errorf("only %.1f%% was delivered", 100*t.share()))
	}
	r.measure()
	if r.stall >= responseTimeout { // the ESMEs' answers came too late
		t.extra, t.extraAllowed = 0, t.extraAllowed+t.extra
	}
	return t, err
}

// quiet reports whether ESMEs of nodes that were not hurt must have noticed nothing.
func (r *round) quiet(s scene) bool { return s.quiet && r.stall < stalled }

// flow waits until messages are accepted through every node.
func (r *round) flow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, flowWithin)
	defer cancel()
	began := time.Now()
	for _, n := range r.cluster.nodes {
		if err := until(ctx, func() error {
			if got := r.book.since(began, n.index); got < flowCount {
				return fmt.Errorf("%s has accepted %d messages", n.id, got)
			}
			return nil
		}); err != nil {
			return fmt.Errorf("before the fault: %w", err)
		}
	}
	return pause(ctx, time.Duration(r.random.IntN(300))*time.Millisecond)
}

// settle waits until everything that was accepted has its receipt.
func (r *round) settle(ctx context.Context, s scene) error {
	r.heal(r.cluster.nodes...)
	if err := pause(ctx, goOn); err != nil {
		return err
	}
	r.traffic.stop()
	if err := r.drained(ctx, answerSlack, func() error {
		if answers, _ := r.book.waiting(); answers > 0 {
			return fmt.Errorf("%d submit_sm without answer", answers)
		}
		return nil
	}); err != nil {
		return err
	}
	within := drainWithin
	if s.mixed {
		within = mixDrain
	}
	return r.drained(ctx, within, func() error {
		if _, receipts := r.book.waiting(); receipts > 0 {
			return fmt.Errorf("%d receipts missing", receipts)
		}
		if n := r.cluster.lab.api.unreported(); n > 0 {
			return fmt.Errorf("%d reports not pushed", n)
		}
		return nil
	})
}

// drained waits until f is content. That it is not in time is for the verdict to say, and in whose favour.
func (r *round) drained(ctx context.Context, within time.Duration, f func() error) error {
	wait, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	err := until(wait, f)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("not drained within %v: %w", within, err)
	}
	return nil
}

// endings are the nodes that ended by themselves although they had no reason to.
func (r *round) endings() error {
	var list []string
	for _, n := range r.cluster.nodes {
		for _, e := range n.proc.takeEndings() {
			list = append(list, fmt.Sprintf("%s at %s: %v", n.id, clock(e.at), e.err))
		}
	}
	if len(list) == 0 || r.deaths {
		return nil
	}
	return fmt.Errorf("ended by themselves: %s", strings.Join(list, "; "))
}

// measure finds how long the fault kept ESMEs waiting on nodes that were not hurt; where all were hurt at once, how long
// nobody accepted anything.
func (r *round) measure() {
	if r.struck.IsZero() {
		return
	}
	spared := func(n *node) bool { return !disturbed(r.hurt, n.index, r.struck, r.struck.Add(1)) }
	d, from := r.book.gap(r.struck)
	if slices.ContainsFunc(r.cluster.nodes, spared) {
		d, from = r.book.longestWait(r.number, r.hurt)
	}
	r.outage, r.outageAt = d, from.Sub(r.struck)
}
