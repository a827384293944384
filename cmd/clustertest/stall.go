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
// what its ESMEs noticed.
const stalled = time.Second

// A probe watches the machine itself: how late a timer is, and how long a sync takes, on the disk that the nodes' disks
// lie on. On a machine that others use, both stop for seconds now and then.
type probe struct {
	mu    sync.Mutex
	worst time.Duration // guarded by mu; since the last call of take
	since time.Time     // guarded by mu; when the step that is under way began
}

// run watches until ctx ends.
func (p *probe) run(ctx context.Context, dir string) error {
	const every = 100 * time.Millisecond
	f, err := os.Create(filepath.Join(dir, "probe"))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for {
		p.begin()
		if pause(ctx, every) != nil {
			return nil
		}
		if _, err := f.WriteAt([]byte("probe"), 0); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
		p.end(every)
	}
}

func (p *probe) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.since = time.Now()
}

func (p *probe) end(usual time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.worst = max(p.worst, time.Since(p.since)-usual)
}

// take returns the longest stall since the last call.
func (p *probe) take() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	worst := p.worst
	p.worst = 0
	return worst
}
