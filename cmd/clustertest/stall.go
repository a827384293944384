//go:build linux

package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// stalled is how long the machine may hold a program or a sync up before it, and not the nodes, is to blame for
// what its ESMEs noticed. A submit waits two seconds for a leader, and an election syncs half a dozen times in a row.
const stalled = 400 * time.Millisecond

// A probe watches the machine itself: how late a timer is, and how long a sync takes, on the disk that the nodes' disks
// lie on. On a machine that others use, both stop for seconds now and then.
type probe struct {
	mu    sync.Mutex
	worst time.Duration // guarded by mu; since the last call of take
	since time.Time     // guarded by mu; when the step that is under way began
}

// probeEvery is how long a step takes where nothing holds it up.
const probeEvery = 100 * time.Millisecond

// run watches until ctx ends.
func (p *probe) run(ctx context.Context, dir string) error {
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for {
		p.begin()
		if pause(ctx, probeEvery) != nil {
			return nil
		}
		if _, err := f.WriteAt([]byte("probe"), 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		p.end()
	}
}

func (p *probe) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

func (p *probe) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worst = max(p.worst, time.Since(p.since)-probeEvery)
}

// take returns the longest stall since the last call, one that lasts still among them.
func (p *probe) take() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	worst := p.worst
	if !p.since.IsZero() {
		worst = max(worst, time.Since(p.since)-probeEvery)
	}
	p.worst = 0
	return worst
}
