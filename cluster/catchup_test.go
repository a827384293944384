package cluster_test

import (
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
)

// TestCatchUpUnderLoad: while the file is on its way to a node that was away, far more is added to the log than it is kept for.
// The log is held all the same, the node comes level under load, and the log is cut again.
func TestCatchUpUnderLoad(t *testing.T) {
	const limit = 512 << 10
	c := clustertest.New(t, 3, func(cfg *cluster.Config) {
		quick(cfg)
		cfg.SegmentBytes, cfg.MaxLogBytes, cfg.SnapshotRate = 64<<10, limit, 1<<20
	})
	leader := c.Leader()
	away := (leader + 1) % 3
	l := startLoad(t, 4, 16<<10, c.Node(leader), c.Node((leader+2)%3))
	l.more(t, 10)
	c.Stop(away)
	l.more(t, 150) // a file of some 2.5 MiB: it is sent for as many seconds
	cuts := c.Node(leader).Figures().LogCuts
	c.Start(away)
	most := int64(0)
	clustertest.Eventually(t, "the node that was away to be near the others", func() bool {
		most = max(most, c.Node(leader).Figures().LogBytes)
		have, _ := c.Store(away).Applied()
		want, _ := c.Store(leader).Applied()
		return have+50 > want
	})
	f := c.Node(away).Figures()
	t.Logf("the log had up to %d octets, %d cuts before; %d snapshots received", most, cuts, f.SnapshotsReceived)
	if f.SnapshotsReceived != 1 {
		t.Errorf("%d snapshots were needed, want 1", f.SnapshotsReceived)
	}
	if most <= limit {
		t.Errorf("the log had at most %d octets: the test shows nothing", most)
	}
	clustertest.Eventually(t, "the log to be cut again", func() bool { return c.Node(leader).Figures().LogBytes <= limit })
	l.end()
	l.wg.Wait()
	c.Agree()
	l.stop(t, c.Store(0), c.Store(1), c.Store(2))
}
