package cluster

import (
	"math"
	"sync"

	"github.com/hashicorp/raft"
)

// A tail is the end of a leader's log that is not on its disk yet.
//
// A leader that syncs its log before it sends the entries adds its disk's time to its followers'. So the log takes a
// leader's commands at once, Raft sends them, and the disks work side by side (Raft's dissertation, 10.2.1). Raft counts
// the leader for the majority when its log returns; therefore, until the leader's disk has an entry,
//
//   - its store does not apply it (fsm.ApplyBatch), so that nobody is answered, and Sync does not ask for it,
//   - no follower is told that it is committed (pipelines.safeCommit).
//
// So what anybody acts on is on the disks of a majority, as ever, and what a crash takes with the tail nobody has acted on.
//
// Whatever else is added (a reign's first entry, barriers, members, all that a follower is sent) is on the disk when the
// log returns, and with it all before. So the next leader does not count what is in the tail of one that was deposed: a
// leader counts from its reign's first entry on (Raft's dissertation, 3.6.2), which is behind the tail or replaces it.
// Votes are given and asked for by a log with its tail: as long as the process lives it is as good as on the disk.
//
// It is not long: Raft has roundsInFlight rounds at a time, and before a reign's first entry what is left of the last one
// is written.
type tail struct {
	write func([]*raft.Log) error
	ended chan struct{} // closed when nothing is written any more

	mu      sync.Mutex
	entries []*raft.Log // guarded by mu; ascending, without gaps
	err     error       // guarded by mu; of write: what entries holds will never be on the disk
	closed  bool        // guarded by mu
	more    sync.Cond   // on mu; the writer waits here for entries
	fewer   sync.Cond   // on mu; others wait here for the writer
}

// newTail begins to write. close ends it.
func newTail(write func([]*raft.Log) error) *tail {
	t := &tail{write: write, ended: make(chan struct{})}
	t.more.L, t.fewer.L = &t.mu, &t.mu
	go t.run()
	return t
}

// run writes what there is, all at a time, until close or an error.
func (t *tail) run() {
	defer close(t.ended)
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		for len(t.entries) == 0 && !t.closed {
			t.more.Wait()
		}
		if len(t.entries) == 0 {
			return
		}
		es := t.entries
		t.mu.Unlock()
		err := t.write(es)
		t.mu.Lock()
		t.fewer.Broadcast()
		if err != nil {
			t.err = err
			return
		}
		if t.entries = t.entries[len(es):]; len(t.entries) == 0 {
			t.entries = nil
		}
	}
}

// close writes what is left and returns when nothing is written any more.
func (t *tail) close() {
	t.mu.Lock()
	t.closed = true
	t.more.Signal()
	t.mu.Unlock()
	<-t.ended
}

func (t *tail) add(es []*raft.Log) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.entries = append(t.entries, es...)
	t.more.Signal()
}

// get copies the entry of an index out, if it is in the tail.
func (t *tail) get(index uint64, out *raft.Log) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) == 0 || index < t.entries[0].Index || index > t.entries[len(t.entries)-1].Index {
		return false
	}
	*out = *t.entries[index-t.entries[0].Index]
	return true
}

// last returns the index of the last entry, 0 if there is none.
func (t *tail) last() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lastLocked()
}

func (t *tail) lastLocked() uint64 {
	if len(t.entries) == 0 {
		return 0
	}
	return t.entries[len(t.entries)-1].Index
}

// synced returns the index up to which nothing is in the tail: what the log has up to there is on the disk.
func (t *tail) synced() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.entries) == 0 {
		return math.MaxUint64
	}
	return t.entries[0].Index - 1
}

// await returns nil when nothing up to index is in the tail any more, or why that will never be.
func (t *tail) await(index uint64) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.awaitLocked(index)
}

// settle is await for all that is in the tail when it is called.
func (t *tail) settle() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.awaitLocked(t.lastLocked())
}

func (t *tail) awaitLocked(index uint64) error {
	for len(t.entries) > 0 && t.entries[0].Index <= index {
		if t.err != nil {
			return t.err
		}
		t.fewer.Wait()
	}
	return nil
}
