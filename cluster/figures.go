package cluster

import (
	"strings"
	"time"
)

// Figures are what a node can be watched by. Times and counts only grow, but for the gauges.
type Figures struct {
	State       string // leader, candidate, follower, shutdown
	Term        uint64
	LastIndex   uint64        // of the log
	CommitIndex uint64        // committed, as far as this node knows
	Applied     uint64        // in the store's file
	LastContact time.Duration // gauge: since the leader was heard; 0 on the leader, -1 if never
	Reigns      uint64        // elections won

	LogFirstIndex uint64
	LogBytes      int64 // gauge: of the log's files
	LogCuts       uint64
	DiskFree      int64  // gauge
	DiskYields    uint64 // times that leadership was handed over for lack of disk space

	Waiting      int64 // gauge: proposals without an outcome
	WaitingBytes int64 // gauge
	Proposed     uint64
	Forwarded    uint64 // commands that another node was asked to propose
	Refused      uint64 // surely not proposed, before Raft was asked
	Unknown      uint64 // the proposer gave up waiting

	Appends         uint64 // synced appends to the log
	AppendedEntries uint64
	AppendedBytes   uint64
	AppendTime      time.Duration

	Batches      uint64 // transactions of the store
	BatchEntries uint64
	ApplyTime    time.Duration

	ClusterVersion uint64        // gauge: in force
	Supported      uint64        // gauge: the highest cluster version this node takes part in
	Members        int           // gauge: of Raft's configuration
	Voters         int           // gauge: of them
	Heard          int           // gauge: members that answered lately, this node among them
	ClockOffset    time.Duration // gauge: by how much this node's clock is ahead of the other voters'
	Diverged       int64         // gauge: members whose state differed at the last comparison; on the leader
	Undecided      uint64        // comparisons in which no majority agreed
	Reaped         uint64        // times that the binds of a node that was gone were removed

	SnapshotsSent     uint64 // begun to be sent
	SnapshotsReceived uint64 // restored
}

// Figures returns the node's figures of now.
func (n *Node) Figures() Figures {
	applied, _ := n.store.Applied()
	first, _ := n.wal.FirstIndex()
	f := Figures{
		State:         strings.ToLower(n.raft.State().String()),
		Term:          n.raft.CurrentTerm(),
		LastIndex:     n.raft.LastIndex(),
		CommitIndex:   n.committed(),
		Applied:       applied,
		Reigns:        n.lead.count(),
		LogFirstIndex: first,
		LogBytes:      n.wal.size(),
		LogCuts:       n.wal.cuts.Load(),
		DiskFree:      n.diskFree.Load(),
		DiskYields:    n.diskYields.Load(),
		Waiting:       n.queue.waiting.Load(),
		WaitingBytes:  n.queue.waitingBytes.Load(),
		Proposed:      n.queue.taken.Load(),
		Forwarded:     n.forwarded.Load(),
		Refused:       n.queue.refused.Load(),
		Unknown:       n.queue.unknown.Load(),

		Appends:         n.wal.appends.Load(),
		AppendedEntries: n.wal.entries.Load(),
		AppendedBytes:   n.wal.bytes.Load(),
		AppendTime:      time.Duration(n.wal.appendTime.Load()),

		Batches:      n.fsm.commits.Load(),
		BatchEntries: n.fsm.entries.Load(),
		ApplyTime:    time.Duration(n.fsm.applyTime.Load()),

		SnapshotsSent:     n.snaps.sent.Load(),
		SnapshotsReceived: n.fsm.restores.Load(),
	}
	n.memberFigures(&f)
	if n.lead.current() == nil {
		f.LastContact = -1
		if at := n.raft.LastContact(); !at.IsZero() {
			f.LastContact = time.Since(at)
		}
	}
	return f
}
