package cluster_test

import (
	"sync"
	"testing"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
)

// TestCatchUpUnderLoad: while the file is on its way to a node that was away, far more is added to the log than it is kept for.
// The log is held all the same, the node comes level under load, and the log is cut again.
func TestCatchUpUnderLoad(t *testing.T) {
	const limit = 512 << 10
	grown := make(chan struct{}) // closed when the log is far longer than it is kept for, however slow the load
	goOn := sync.OnceFunc(func() { close(grown) })
	defer goOn()
	c := led(t, func(cfg *cluster.Config) {
		steady(cfg)
		cfg.SegmentBytes, cfg.MaxLogBytes = 64<<10, limit
		cfg.WhileReceiving(func() { <-grown })
	})
	leader := c.Leader()
	away := (leader + 1) % 3
	l := startLoad(t, 4, 16<<10, c.Node(leader), c.Node((leader+2)%3))
	l.more(t, 10)
	c.Stop(away)
	l.more(t, 150) // more than the log is kept for
	cuts := c.Node(leader).Figures().LogCuts
	c.Start(away)
	most := int64(0)
	clustertest.Eventually(t, "the log to be held, and the node that was away to come near the others", func() bool {
		if most = max(most, c.Node(leader).Figures().LogBytes); most > 2*limit {
			goOn()
		}
		have, _ := c.Store(away).Applied()
		want, _ := c.Store(leader).Applied()
		return have+50 > want
	})
	clustertest.Eventually(t, "the snapshot to be counted", func() bool { return c.Node(away).Figures().SnapshotsReceived > 0 })
	f := c.Node(away).Figures()
	t.Logf("the log had up to %d octets, %d cuts before; %d snapshots received", most, cuts, f.SnapshotsReceived)
	if f.SnapshotsReceived != 1 {
		t.Errorf("%d snapshots were needed, want 1", f.SnapshotsReceived)
	}
	clustertest.Eventually(t, "the log to be cut again", func() bool { return c.Node(leader).Figures().LogBytes <= limit })
	l.end()
	l.wg.Wait()
	c.Agree()
	l.stop(t, c.Store(0), c.Store(1), c.Store(2))
}
