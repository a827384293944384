package cluster

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// An fsm is the store as Raft's state machine. Raft calls it from one goroutine.
type fsm struct {
	store *store.Store
	fault *fault
	step  func(place string)

	keepLog func() // has the log outlive the next time that Raft empties it

	// synced returns when this node's disk has the log up to an index, or why it never will.
	synced func(index uint64) error

	// decided is told each result before the commit, and says whether somebody waits for the commit.
	decided func(l *raft.Log, r store.Result) (awaited bool)

	staged    chan struct{} // capacity 1: told when something waits for commitLoop
	size      atomic.Int64  // octets of commands staged since the last commit
	committed time.Time     // commitLoop's: when it last did
	progress  progress
	commits   atomic.Uint64
	entries   atomic.Uint64
	applyTime atomic.Int64 // ns
	restores  atomic.Uint64
}

func newFSM(st *store.Store, f *fault, step func(string)) *fsm {
	return &fsm{store: st, fault: f, step: step, staged: make(chan struct{}, 1), progress: progress{hurry: make(chan struct{}, 1)}}
}

// ApplyBatch implements raft.BatchingFSM: all of logs become part of the store's transaction. With a
// BatchingFSM Raft does not call StoreConfiguration, so configurations are taken from their log entries.
//
// What is applied is decided and in the synced logs of a majority: so Accepts, for which an ESME waits, Reports and
// Delivereds are answered at once (queue.decided), and the transaction may wait for commitLoop to be shared with the next
// ones. This node's other proposals are answered when readers of its store see what they did: a dispatcher that read
// again what it has just begun would begin it twice.
//
// A crash before the transaction's end leaves the file at an earlier entry, and the log gives the
// entries again; a crash after it leaves entries that the store skips. When the store refuses an
// entry nothing after it may be applied, so the fault stays; the proposers are told the error, which
// means to them that the outcome is unknown.
func (f *fsm) ApplyBatch(logs []*raft.Log) []any {
	answers := make([]any, len(logs))
	fail := func(err error) []any {
		for i := range answers {
			answers[i] = err
		}
		return answers
	}
	last := logs[len(logs)-1].Index
	if err := f.synced(last); err != nil {
		return fail(err)
	}
	if err := f.fault.get(); err != nil { // it may have been found meanwhile
		return fail(err)
	}
	results, err := f.stage(logs)
	if err != nil {
		return fail(f.fault.fail(fmt.Errorf("apply entries %d to %d: %w", logs[0].Index, last, err)))
	}
	wait := f.size.Load() < maxStagedBytes
	for i, r := range results {
		answers[i] = r
		if f.decided(logs[i], r) || logs[i].Type == raft.LogConfiguration {
			wait = false
		}
	}
	if wait {
		select {
		case f.staged <- struct{}{}:
		default:
		}
	} else if err := f.commit(); err != nil {
		return fail(err)
	}
	return answers
}

func (f *fsm) stage(logs []*raft.Log) ([]store.Result, error) {
	entries := make([]store.Entry, len(logs))
	size := 0
	for i, l := range logs {
		entries[i] = store.Entry{Index: l.Index, Term: l.Term}
		switch l.Type {
		case raft.LogCommand:
			entries[i].Command = l.Data
		case raft.LogConfiguration:
			entries[i].Configuration = l.Data
		default:
			return nil, fmt.Errorf("entry %d: unknown type %d", l.Index, l.Type)
		}
		size += len(l.Data)
	}
	begin := time.Now()
	defer func() { f.applyTime.Add(int64(time.Since(begin))) }()
	results, err := f.store.Stage(entries)
	if err == nil {
		f.size.Add(int64(size))
		f.entries.Add(uint64(len(logs)))
	}
	return results, err
}

// Apply implements raft.FSM.
func (f *fsm) Apply(l *raft.Log) any { return f.ApplyBatch([]*raft.Log{l})[0] }

// Snapshot implements raft.FSM. Raft notes the index of the last entry it applied; the file is
// already the snapshot, of that index or, as Apply goes on, of a later one.
func (f *fsm) Snapshot() (raft.FSMSnapshot, error) {
	if err := f.fault.get(); err != nil {
		return nil, err
	}
	if err := f.commit(); err != nil {
		return nil, err
	}
	return fileSnapshot{}, nil
}

// A fileSnapshot is the store's file as a snapshot: there is nothing to persist.
type fileSnapshot struct{}

// Persist implements raft.FSMSnapshot.
func (fileSnapshot) Persist(s raft.SnapshotSink) error {
	sink, ok := s.(*snapshotSink)
	if !ok {
		return fmt.Errorf("persist snapshot: sink %T is not ours", s)
	}
	sink.own = true
	return nil
}

// Release implements raft.FSMSnapshot.
func (fileSnapshot) Release() {}

// errOldSnapshot refuses a snapshot that would take the state back. Commands are not idempotent and
// results were given out, so the file's applied index is never lowered.
var errOldSnapshot = errors.New("the snapshot is not newer than the store's file")

// Restore implements raft.FSM: of the node's own file nothing is to be done, a received one takes
// the file's place.
//
// A crash before the store has renamed the new file leaves the old state, and the leader sends
// again; a crash after it, before Raft has cut its log, leaves a log that ends below the file or is
// of another history: checkState empties it at the next start.
func (f *fsm) Restore(rc io.ReadCloser) error {
	if err := f.fault.get(); err != nil {
		return err
	}
	var received *receivedSource
	switch src := unwrap(rc).(type) {
	case *receivedSource:
		received = src
	case *fileSource:
		return nil
	case *sameSource:
		return f.confirm(&src.meta)
	default:
		return fmt.Errorf("restore: source %T is not ours", src)
	}
	if err := f.commit(); err != nil {
		return err
	}
	want := received.meta
	if index, _ := f.store.Applied(); want.Index <= index {
		return fmt.Errorf("restore snapshot %d over %d: %w", want.Index, index, errOldSnapshot)
	}
	if err := f.install(received); err != nil {
		return f.fault.fail(fmt.Errorf("restore snapshot %d: %w", want.Index, err))
	}
	if index, term := f.store.Applied(); index != want.Index || term != want.Term {
		return f.fault.fail(fmt.Errorf("restored snapshot %d of term %d holds %d of term %d", want.Index, want.Term, index, term))
	}
	f.progress.wake()
	f.restores.Add(1)
	return nil
}

// confirm answers for a snapshot that the file held already. The leader sends one to a node that died
// between installing it and saying so; if it were refused the leader would send it again and again, and two
// nodes of three would stand still. Raft empties its log after a snapshot: this one's is of use.
func (f *fsm) confirm(meta *raft.SnapshotMeta) error {
	if index, term := f.store.Applied(); index != meta.Index || term != meta.Term {
		return fmt.Errorf("restore snapshot %d over %d: %w", meta.Index, index, errOldSnapshot)
	}
	f.keepLog()
	return nil
}

// install hands the received file over to the store.
func (f *fsm) install(received *receivedSource) error {
	f.step(stepRestore)
	err := f.store.RestoreFile(received.Name())
	if errors.Is(err, syscall.EXDEV) { // the log has a disk of its own: there the file is copied
		err = f.store.Restore(received)
	}
	f.step(stepRestored)
	return err
}

// unwrap finds our source under what Raft counts octets with.
func unwrap(rc io.ReadCloser) io.ReadCloser {
	for {
		w, ok := rc.(raft.ReadCloserWrapper)
		if !ok {
			return rc
		}
		rc = w.WrappedReadCloser()
	}
}
