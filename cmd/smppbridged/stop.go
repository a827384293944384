package main

import (
	"context"
	"errors"
	"os/signal"
	"syscall"
	"time"

	"smppbridge/cluster"
)

// How long the steps of stopping may take, after the drain's drain_time. With it they add up to less than the unit's
// TimeoutStopSec; stopBudget is what the unit leaves for them.
const (
	stepDownWithin = 3 * time.Second  // handing leadership over
	httpWithin     = 2 * time.Second  // requests under way, of each HTTP listener
	bridgeWithin   = 10 * time.Second // the API's last calls, and what came of them
	leaveWithin    = 8 * time.Second  // leaving the cluster, where asked for
	raftWithin     = 3 * time.Second  // proposals under way; then Raft has teardownWithin
	teardownWithin = 5 * time.Second
	closeWithin    = time.Second // the store, whose readers may need a few more, and what is quick
	readersWithin  = 4 * time.Second
	stopBudget     = 45 * time.Second
	faultWithin    = 5 * time.Second // everything, when the node cannot go on: its ESMEs are to bind elsewhere soon
)

// wait runs until ctx ends, a part fails, or the node leaves its cluster or was removed from it. Then it stops.
func (n *node) wait(ctx context.Context) error {
	if err := n.awaitEnd(ctx); err != nil {
		n.stopWithin(faultWithin)
		return err
	}
	n.stop()
	if n.leaveErr != nil {
		return n.leaveErr
	}
	n.log.Info("node stopped")
	return nil
}

// How a node notices that it was removed.
const (
	removedLook  = time.Second
	removedLooks = 3 // in a row
)

// awaitEnd returns nil when the node is to stop, and an error when it cannot go on. One that was removed from its cluster
// cannot: its ESMEs are to bind elsewhere.
func (n *node) awaitEnd(ctx context.Context) error {
	look := time.NewTicker(removedLook)
	defer look.Stop()
	for removed := 0; removed < removedLooks; {
		select {
		case <-ctx.Done():
			return nil
		case <-n.leaving:
			return nil
		case err := <-n.failed:
			return err
		case <-look.C:
		}
		if errors.Is(n.cluster.Ready(), cluster.ErrRemoved) {
			removed++
		} else {
			removed = 0
		}
	}
	return cluster.ErrRemoved
}

// stop ends a node that has started, or has not got through it. Leadership goes to another node, so that messages are sent while
// this one waits for its sessions: no new binds, what is in flight is answered, sessions are unbound. Then the other parts
// in the reverse order of their start. Receipts are kept. Each step is bounded; SIGTERM or SIGINT, once more, cuts them short.
func (n *node) stop() { n.stopWithin(n.opts.DrainTime.Std() + stopBudget) }

// stopWithin is stop with so much time for all steps together.
func (n *node) stopWithin(most time.Duration) {
	ctx, end := context.WithTimeout(context.Background(), most)
	defer end()
	hurry, cancel := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	n.draining.Store(true)
	close(n.ending)
	n.notifyStopping()
	n.undo.run(hurry)
}

// unlessStopped is a start's error, unless it is that somebody stopped the node before it had got through: it may have waited for others.
func unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return nil
	}
	return err
}

// errLeave is wrapped by the error of a node that was asked to leave its cluster and is still a member.
var errLeave = errors.New("this node is still a member of its cluster, and will be at its next start: take it out by `smppctl cluster remove` at another node")
