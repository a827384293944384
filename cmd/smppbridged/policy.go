package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"smppbridge/configs"
	"smppbridge/store"
)

// errRouteInUse is returned for a policy that gives the name of a route to another one while messages have gone by the first
// of which nobody knows whether they were sent.
var errRouteInUse = errors.New("the name of a route that is in use goes to another")

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
		err := n.putPolicy(ctx, n.opts.Policy)
		if errors.Is(err, errRouteInUse) { // a node that does not start answers no one either
			n.log.Error("the policy in force stays: the file's is refused", "version", cur.Version, "err", err)
			return nil
		}
		return err
	})
}

// putPolicy makes doc the policy in force, unless it is already.
func (n *node) putPolicy(ctx context.Context, doc []byte) error {
	cur := n.store.Policy()
	if bytes.Equal(cur.Doc, doc) {
		return nil
	}
	if err := n.checkRoutes(ctx, cur.Doc, doc); err != nil {
		return fmt.Errorf("put policy: %w", err)
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

// checkRoutes returns errRouteInUse if a route of policy next is of another kind or account than that of the same name in
// cur, and messages went by that one that are uncertain, or whose calls are under way. The new one would be asked about
// them, and say rightly that it never had them: so they would be sent again.
func (n *node) checkRoutes(ctx context.Context, cur, next []byte) error {
	before, err := configs.ParsePolicy("policy in force", cur)
	if err != nil {
		return nil // the first policy, or one of a version that read it otherwise
	}
	after, err := configs.ParsePolicy("policy", next)
	if err != nil {
		return err
	}
	others := before.Replaced(after)
	if len(others) == 0 {
		return nil
	}
	if err := n.cluster.Sync(ctx); err != nil {
		return err
	}
	open, err := n.store.OpenByRoute()
	if err != nil {
		return err
	}
	for _, name := range others {
		if open[name] > 0 {
			return fmt.Errorf("%w: nobody knows yet what became of %d messages that went by %s, and the new %s has another kind or account; "+
				"give it another name, or wait until `smppctl uncertain` lists none", errRouteInUse, open[name], name, name)
		}
	}
	return nil
}
