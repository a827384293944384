package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smppbridge/cluster"
	"smppbridge/store"
)

// How a node that starts waits for the others of its cluster.
const (
	awaitQuietly = time.Second      // nothing is said about a wait that is over within this time
	awaitSaid    = 30 * time.Second // and of a longer one so often
	awaitPause   = 20 * time.Millisecond
	syncWithin   = 5 * time.Second // one try to hold all that was committed
)

// aloneWithin is how long a node that is the only member of its cluster may be without a leader: it needs nobody
// else, so something is wrong with it that a restart may mend.
const aloneWithin = 30 * time.Second

// await tries until try returns nil, for as long as it takes: after a power cut the nodes of a cluster are started one
// by one, and a new one waits until somebody joins it. It gives up when ctx ends, when a part of the node fails, and when
// there is nobody to wait for. Log, systemd and /readyz are told what it waits for.
func (n *node) await(ctx context.Context, what string, try func(context.Context) error) error {
	defer n.waits.Store(nil)
	began := time.Now()
	said := began.Add(awaitQuietly - awaitSaid)
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		reason := fmt.Sprintf("waiting for %s: %v", what, err)
		n.waits.Store(&reason)
		if time.Since(said) >= awaitSaid {
			said = time.Now()
			n.log.WarnContext(ctx, "waiting", "for", what, "err", err)
			n.notifyReady(reason)
		}
		if n.alone() && time.Since(began) > aloneWithin {
			return fmt.Errorf("%s: %w", what, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-n.failed:
			return err
		case <-time.After(awaitPause):
		}
	}
}

// alone says whether this node is the only member of its cluster.
func (n *node) alone() bool {
	members := n.cluster.Members()
	return len(members) == 1 && members[0].ID == n.opts.NodeID
}

// awaitMembership waits until the node is a member with a vote, of a cluster that has a leader, and holds all that
// was committed until then: what starts after this reads the store.
func (n *node) awaitMembership(ctx context.Context) error {
	return n.await(ctx, "the cluster", func(ctx context.Context) error {
		member, voter := n.membership()
		err := n.cluster.Ready()
		switch {
		case err != nil && !member && !errors.Is(err, cluster.ErrRemoved):
			return fmt.Errorf("%w: at a member, `smppctl cluster join %s %s` makes it one", err, n.opts.NodeID, n.cluster.Addr())
		case err != nil && !errors.Is(err, store.ErrFull):
			return err // a node that has no room for new messages still sends what it has
		case !voter:
			return errors.New("this node has no vote yet: it catches up with the others")
		}
		ctx, cancel := context.WithTimeout(ctx, syncWithin)
		defer cancel()
		return n.cluster.Sync(ctx)
	})
}

// membership says whether this node is a member, and whether it has a vote.
func (n *node) membership() (member, voter bool) {
	for _, m := range n.cluster.Members() {
		if m.ID == n.opts.NodeID {
			return true, m.Voter
		}
	}
	return false, false
}
