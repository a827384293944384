package cluster_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
)

// smallDisk mounts a disk in memory, where that is permitted.
func smallDisk(t *testing.T, octets int) string {
	t.Helper()
	dir := t.TempDir()
	err := syscall.Mount("smppbridge-test", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", octets))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		t.Skip("no file system may be mounted here:", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// onDisk gives node id's log a disk, and all nodes small segments.
func onDisk(id, dir string, minFree int64) func(*cluster.Config) {
	return func(cfg *cluster.Config) {
		quick(cfg)
		cfg.SegmentBytes, cfg.MaxLogBytes = 64<<10, 16<<20
		if cfg.NodeID == id {
			cfg.Dir, cfg.MinFreeBytes = dir, minFree
		}
	}
}

// TestFullDiskEndsOneNode: a node that cannot append to its log, follower or leader, ends with an error that says what
// and why; the others go on, nothing acknowledged is lost, and with
// more space the node goes on with what it has.
func TestFullDiskEndsOneNode(t *testing.T) {
	for _, role := range []string{"follower", "leader"} {
		t.Run(role, func(t *testing.T) {
			dir := smallDisk(t, 4<<20)
			c := clustertest.New(t, 3, onDisk("n3", dir, 1))
			if leads := c.Leader() == 2; leads != (role == "leader") {
				to := c.Peer(0).ID
				if role == "leader" {
					to = c.Peer(2).ID
				}
				handTo(t, c.Node(c.Leader()), to)
				c.Eventually("the leader wanted", func() bool { return (c.Leader() == 2) == (role == "leader") })
			}
			l := startLoad(t, 4, 16<<10, c.Node(0), c.Node(1), c.Node(2))
			var fatal error
			c.Eventually("the node's disk to be full", func() bool { fatal = c.Fatal(2); return fatal != nil })
			if !strings.Contains(fatal.Error(), "append to raft log in "+dir) || !strings.Contains(fatal.Error(), "bytes free") {
				t.Errorf("it ended with %v", fatal)
			}
			if err := c.Node(2).Ready(); err == nil {
				t.Error("it says that it is ready")
			}
			l.use(c.Node(0), c.Node(1))
			l.more(t, 50)
			l.end()
			l.wg.Wait()
			c.Stop(2)
			if err := syscall.Mount("", dir, "", syscall.MS_REMOUNT, "size=64m"); err != nil {
				t.Fatal(err)
			}
			c.Start(2) // on what it has
			c.Agree()
			l.stop(t, c.Store(0), c.Store(1), c.Store(2))
		})
	}
}

// TestSnapshotThatDoesNotFit ends the node that is sent it, once.
func TestSnapshotThatDoesNotFit(t *testing.T) {
	dir := smallDisk(t, 1<<20)
	tune := onDisk("n3", dir, 1)
	c := clustertest.New(t, 2, func(cfg *cluster.Config) { tune(cfg); cfg.MaxLogBytes = 512 << 10 })
	l := startLoad(t, 4, 16<<10, c.Node(0), c.Node(1))
	l.more(t, 150) // more than the log is kept for
	i := c.Add()
	if err := c.Node(c.Leader()).Join(patient(t), c.Peer(i).ID, c.Peer(i).Addr); err != nil {
		t.Fatal(err)
	}
	var fatal error
	c.Eventually("the snapshot not to fit", func() bool { fatal = c.Fatal(i); return fatal != nil })
	if !errors.Is(fatal, syscall.ENOSPC) || !strings.Contains(fatal.Error(), "receive snapshot") {
		t.Errorf("it ended with %v", fatal)
	}
	l.more(t, 50)
	l.end()
	l.wg.Wait()
	c.Stop(i)
	c.Agree()
	l.stop(t, c.Store(0), c.Store(1))
}

// TestLowDiskHandsOver: a leader whose disk is nearly full gives the lead to a node that has space, and does not get it
// back.
func TestLowDiskHandsOver(t *testing.T) {
	const low = 90 << 20 // what is written until the next look at the disk fits into it
	small := onDisk("n1", smallDisk(t, 96<<20), low)
	c := led(t, func(cfg *cluster.Config) { steady(cfg); small(cfg) })
	l := startLoad(t, 8, 32<<10, c.Node(0), c.Node(1), c.Node(2)) // much at a time: on a slow disk each sync takes long
	c.Eventually("another to lead", func() bool { return c.Leader() != 0 })
	l.more(t, 20)
	l.end()
	l.wg.Wait()
	c.Eventually("the hand-over to be counted", func() bool { return c.Node(0).Figures().DiskYields > 0 })
	if free := c.Node(0).Figures().DiskFree; free >= low {
		t.Errorf("handed over with %d octets free", free)
	}
	c.Eventually("the lead to be refused it", func() bool {
		err := c.Node(c.Leader()).Transfer(patient(t), "n1")
		if !errors.Is(err, cluster.ErrRefused) {
			t.Fatal("handed back:", err)
		}
		return strings.Contains(err.Error(), "disk") // else it did not answer in time
	})
	c.Agree()
	l.stop(t, c.Store(0), c.Store(1), c.Store(2))
}
