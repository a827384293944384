package cluster

import (
	"context"
	"time"
)

// A Member is a node of the cluster as this node sees it.
type Member struct {
	ID      string        `json:"node"`
	Addr    string        `json:"addr"`
	Voter   bool          `json:"voter"`
	Leader  bool          `json:"leader"`
	Heard   time.Duration `json:"heard"`   // since it last answered this node; -1 = never
	Applied uint64        `json:"applied"` // index in its store's file, when it last answered
	Version uint64        `json:"version"` // the highest cluster version it takes part in
	Clock   time.Duration `json:"clock"`   // by how much its clock is ahead of this node's
}

// Members returns the members of Raft's configuration, this node among them if it is one.
func (n *Node) Members() []Member { return nil }

// Join makes a node a member: first without a vote, and with one when it has caught up. The node runs
// already, without Bootstrap. It returns when the first step is committed; Members tells of the second. Any
// node may be asked.
func (n *Node) Join(ctx context.Context, id, addr string) error { return errNoMesh }

// Remove takes a member out, dead or alive.
func (n *Node) Remove(ctx context.Context, id string) error { return errNoMesh }

// Transfer hands leadership to a voter, or with an empty id to the one that is most up to date.
func (n *Node) Transfer(ctx context.Context, id string) error { return errNoMesh }
