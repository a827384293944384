package cluster

import "github.com/hashicorp/raft"

// ForceTransfer hands leadership to a node without asking it first.
func (n *Node) ForceTransfer(id, addr string) error {
	return n.raft.LeadershipTransferToServer(raft.ServerID(id), raft.ServerAddress(addr)).Error()
}
