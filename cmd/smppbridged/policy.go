package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"smppbridge/store"
)

// errPolicyRaced is returned when somebody else put a policy at the same moment.
var errPolicyRaced = errors.New("another version of the policy came between")

// seedPolicy gives an empty system its first policy, whichever node comes first, and a node that follows its file the
// file's.
//
// Several nodes may follow files. At a start a node puts its file only in place of a policy that it put itself: so a
// restart brings what was changed in the file meanwhile, and neither makes two nodes with different files take turns for
// ever, nor brings back an old policy with a node that was away. SIGHUP is somebody's wish, and puts the file in place
// of whatever is in force.
func (n *node) seedPolicy(ctx context.Context) error {
	return n.await(ctx, "a leader that takes the policy", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, syncWithin)
		defer cancel()
		if err := n.cluster.Sync(ctx); err != nil {
			return err
		}
		cur := n.store.Policy()
		switch {
		case n.opts.Policy == nil:
			return nil
		case cur.Version != 0 && !n.opts.Node.Policy.Follow:
			return nil
		case cur.Version != 0 && cur.Author != n.opts.NodeID:
			if !bytes.Equal(cur.Doc, n.opts.Policy) {
				n.log.Warn("the policy in force is not this node's file: it was put by another node; SIGHUP puts the file in its place",
					"version", cur.Version, "node", cur.Author)
			}
			return nil
		}
		return n.putPolicy(ctx, n.opts.Policy)
	})
}

// putPolicy makes doc the policy in force, unless it is already.
func (n *node) putPolicy(ctx context.Context, doc []byte) error {
	cur := n.store.Policy()
	if bytes.Equal(cur.Doc, doc) {
		return nil
	}
	res, err := n.cluster.Propose(ctx, &store.PutPolicy{Base: cur.Version, Doc: doc, Author: n.opts.NodeID})
	if err != nil {
		return fmt.Errorf("put policy: %w", err)
	}
	if r, ok := res.(*store.PolicyResult); !ok || !r.OK {
		return fmt.Errorf("put policy: %w", errPolicyRaced)
	}
	// Another node may have applied it before this one has.
	return n.cluster.Sync(ctx)
}
