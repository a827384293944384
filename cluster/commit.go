package cluster

import (
	"fmt"
	"time"
)

const (
	// commitGap is the time between two commits of the store while only Accepts, Reports and Delivereds are
	// applied and nobody waits to read them. A commit costs two syncs, on each node, and what is applied meanwhile waits for
	// it; at 10,000 submits a second a group of them is applied every few milliseconds.
	commitGap = 20 * time.Millisecond

	// maxStagedBytes bounds what a commit takes, and so what waits behind it.
	maxStagedBytes = 1 << 20
)

// commit puts what is staged into the store's file.
func (f *fsm) commit() error {
	if err := f.fault.get(); err != nil {
		return err
	}
	begin := time.Now()
	was, _ := f.store.Applied()
	if err := f.store.Commit(); err != nil {
		return f.fault.fail(fmt.Errorf("state file: %w", err))
	}
	if now, _ := f.store.Applied(); now != was {
		f.size.Store(0)
		f.commits.Add(1)
		f.applyTime.Add(int64(time.Since(begin)))
		f.progress.wake()
	}
	return nil
}

// commitLoop commits what ApplyBatch leaves staged, until stop is closed: at once, but not sooner than
// commitGap after the last time unless somebody waits for it.
func (f *fsm) commitLoop(stop <-chan struct{}) {
	gap := time.NewTimer(0)
	defer gap.Stop()
	for {
		select {
		case <-f.staged:
		case <-stop:
			return
		}
		gap.Reset(time.Until(f.committed.Add(commitGap)))
		for waiting := false; !waiting && f.progress.waiting.Load() == 0; {
			select {
			case <-gap.C:
				waiting = true
			case <-f.progress.hurry:
			case <-stop:
				return
			}
		}
		if f.commit() != nil {
			return
		}
		f.committed = time.Now()
	}
}
