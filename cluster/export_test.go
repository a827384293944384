package cluster

import "github.com/hashicorp/raft"

// ForceTransfer hands leadership to a node without asking it first.
func (n *Node) ForceTransfer(id, addr string) error {
	return n.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(addr)).Error()
}

// Stand has n ask for votes at once, as a node does that is handed the lead.
func (n *Node) Stand() error {
	id, addr := raft.ServerID(n.cfg.NodeID), n.trans.LocalAddr()
	req := &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(id), Addr: n.trans.EncodePeer(id, addr),
	}}
	return n.trans.TimeoutNow(id, addr, req, &raft.TimeoutNowResponse{})
}

// WhileReceiving has f called after each piece of a snapshot that the node that cfg is for is sent.
func (c *Config) WhileReceiving(f func()) {
	c.step = func(place string) {
		if place == stepPartReceived {
			f()
		}
	}
}

// BeforeAppend has f called before entries are added to the log of the node that cfg is for.
func (c *Config) BeforeAppend(f func()) {
	c.step = func(place string) {
		if place == stepAppend {
			f()
		}
	}
}

// BreakLog has all that is added to n's log from now on fail.
func (n *Node) BreakLog() error { return n.wal.WAL.Close() }

// Heartbeat sends another node a heartbeat of a term that is so much later than n's own, and says whether it was heeded.
func (n *Node) Heartbeat(id, addr string, later uint64) (heeded bool, err error) {
	req := raft.AppendEntriesRequest{Term: n.raft.CurrentTerm() + later, RPCHeader: raft.RPCHeader{
		ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(n.cfg.NodeID), Addr: n.trans.EncodePeer(raft.ServerID(n.cfg.NodeID), n.trans.LocalAddr()),
	}}
	var resp raft.AppendEntriesResponse
	err = n.trans.AppendEntries(raft.ServerID(id), raft.ServerAddress(addr), &req, &resp)
	return resp.Success, err
}
