package cluster

import (
	"errors"
	"time"

	"github.com/hashicorp/raft"
)

// compactInterval is how often a log that was held beyond its size is looked at, once nothing is added to it.
const compactInterval = 5 * time.Second

// compactLoop cuts the log when its files have grown to where a further two segments would reach
// the bound. It asks Raft for a snapshot, which costs nothing but names the index up to which
// raftLog.DeleteRange may cut. It ends when stop is closed.
func (n *Node) compactLoop(stop <-chan struct{}) {
	high := n.cfg.MaxLogBytes - 2*n.cfg.SegmentBytes
	tick := time.NewTicker(compactInterval)
	defer tick.Stop()
	for {
		select {
		case <-n.wal.grown:
		case <-tick.C:
		case <-stop:
			return
		}
		if n.wal.size() < high {
			continue
		}
		err := n.raft.Snapshot().Error()
		if err != nil && !errors.Is(err, raft.ErrNothingNewToSnapshot) && !errors.Is(err, raft.ErrRaftShutdown) {
			n.log.Warn("raft log not cut", "err", err)
		}
	}
}
