package cluster

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// diskInterval is how often the free space is looked at. At 40 MB/s of log it misses less than the
// default MinFreeBytes keeps.
const diskInterval = time.Second

// freeBytes returns the space on dir's disk that this user may still fill.
func freeBytes(dir string) (int64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("free space: %w", err)
	}
	return int64(fs.Bavail) * int64(fs.Bsize), nil
}

// watchDisk keeps diskFree up to date until stop is closed.
func (n *Node) watchDisk(stop <-chan struct{}) {
	tick := time.NewTicker(diskInterval)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
			n.lookAtDisk()
		}
	}
}

// lookAtDisk logs when the threshold is crossed.
func (n *Node) lookAtDisk() {
	free, err := freeBytes(n.cfg.Dir)
	if err != nil {
		n.log.Error("free disk space unknown", "err", err)
		return
	}
	before := n.diskFree.Swap(free)
	switch low := n.cfg.MinFreeBytes; {
	case free < low && before >= low:
		n.log.Error("disk nearly full, nothing new is accepted", "free_bytes", free, "min_free_bytes", low)
	case free >= low && before < low:
		n.log.Info("disk has space again", "free_bytes", free)
	}
}

// diskLow says whether Accepts are refused for lack of space.
func (n *Node) diskLow() bool { return n.diskFree.Load() < n.cfg.MinFreeBytes }

// guardDisk is a duty of the leader: when its disk is nearly full it hands over to a node whose is not, because all that
// a leader refuses nobody accepts.
func (n *Node) guardDisk(_ context.Context, r *reign) error {
	if !n.diskLow() || !n.roomElsewhere() {
		return nil
	}
	if err := n.yield(r); err != nil {
		return err
	}
	n.diskYields.Add(1)
	n.log.Error("leadership handed over for lack of disk space", "node", n.cfg.NodeID, "free_bytes", n.diskFree.Load())
	return nil
}

// roomElsewhere says whether another voter that answers has space.
func (n *Node) roomElsewhere() bool {
	others, _ := n.otherVoters()
	for _, s := range others {
		if p := n.sightings.get(string(s.ID)); p.heardWithin(n.fresh()) && !p.pulse.full {
			return true
		}
	}
	return false
}
