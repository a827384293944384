package cluster

import "github.com/hashicorp/raft"

// SetHeartbeatHandler implements raft.Transport: Raft has heartbeats handled at once, beside its main loop.
//
// There (1.7.3, issue 695) one of a later term makes a leader a follower of that term while the main loop is adding
// entries as a leader: they get the other leader's term, and what two nodes have committed can differ. So heartbeats change
// nothing here: a node that they would is told the same by the entries, or the notice (tellAgain), that their leader sends it
// too, and by those in the main loop.
func (t pipelines) SetHeartbeatHandler(handle func(raft.RPC)) {
	t.NetworkTransport.SetHeartbeatHandler(func(rpc raft.RPC) {
		term, follows := t.standing()
		if beat, ok := rpc.Command.(*raft.AppendEntriesRequest); ok && (!follows || beat.Term > term) {
			rpc.Respond(&raft.AppendEntriesResponse{Term: term}, nil)
			return
		}
		handle(rpc)
	})
}

// standing returns Raft's term, and whether it is a follower.
func (n *Node) standing() (term uint64, follows bool) {
	r := n.book.raft.Load()
	if r == nil {
		return 0, false
	}
	return r.CurrentTerm(), r.State() == raft.Follower
}
