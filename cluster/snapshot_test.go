package cluster

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestFileIsTheSnapshot: what is streamed is the state of one moment, under the index it holds, while
// Apply goes on; another store takes it in.
func TestFileIsTheSnapshot(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 30)
	list, err := s.node.snaps.List()
	if err != nil || len(list) != 1 {
		t.Fatalf("list: %v, %v", list, err)
	}
	meta, src, err := s.node.snaps.Open(list[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	if held, ok := s.node.heldFrom(1, 0); !ok || held > meta.Index {
		t.Errorf("the log is held from %d, %v, want at most %d", held, ok, meta.Index)
	}
	s.accepts(31, 60)
	if i, _ := s.store.Applied(); i <= meta.Index {
		t.Fatalf("applied %d while the snapshot of %d is open", i, meta.Index)
	}
	to := newSite(t, nil)
	to.openStore()
	f := newFSM(to.store, newFault(nil), func(string) {})
	if err := install(f, to.dir, meta, src); err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if held, ok := s.node.snaps.holds.from(nil, 1, 0, time.Now().Add(holdLinger)); ok {
		t.Errorf("the log is held from %d long after the stream", held)
	}
	if index, term := to.store.Applied(); index != meta.Index || term != meta.Term {
		t.Errorf("installed %d of term %d, want %d of %d", index, term, meta.Index, meta.Term)
	}
	if got := count(t, to.store); len(got) != 30 {
		t.Errorf("%d messages installed, want the 30 of the snapshot's moment", len(got))
	}
}

// install passes a snapshot through a store of snapshots as Raft does.
func install(f *fsm, dir string, meta *raft.SnapshotMeta, src io.Reader) error {
	snaps, err := newSnapshotStore(f.store, filepath.Join(dir, "received"))
	if err != nil {
		return err
	}
	sink, err := snaps.Create(meta.Version, meta.Index, meta.Term, meta.Configuration, meta.ConfigurationIndex, nil)
	if err != nil {
		return err
	}
	n, err := io.Copy(sink, src)
	if err == nil && n != meta.Size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return errors.Join(err, sink.Cancel())
	}
	if err := sink.Close(); err != nil {
		return err
	}
	_, rc, err := snaps.Open(sink.ID())
	if err != nil {
		return err
	}
	defer rc.Close()
	return f.Restore(rc)
}

// TestOlderSnapshotIsRefused: the applied index is never lowered.
func TestOlderSnapshotIsRefused(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 5)
	meta, src, err := s.node.snaps.Open(fileID)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	s.accepts(6, 10)
	index, _ := s.store.Applied()
	if err := install(s.node.fsm, t.TempDir(), meta, src); !errors.Is(err, errOldSnapshot) {
		t.Errorf("install %d over %d: %v, want errOldSnapshot", meta.Index, index, err)
	}
	// It may also grow old between its reception and its installation.
	f, err := os.Create(filepath.Join(t.TempDir(), "received"))
	if err != nil {
		t.Fatal(err)
	}
	late := &receivedSource{File: f, meta: *meta}
	if err := s.node.fsm.Restore(late); !errors.Is(err, errOldSnapshot) {
		t.Errorf("restore %d over %d: %v, want errOldSnapshot", meta.Index, index, err)
	}
	if err := late.Close(); err != nil {
		t.Error(err)
	}
	if got, _ := s.store.Applied(); got != index || s.node.fault.get() != nil {
		t.Errorf("applied %d, want %d; fault %v", got, index, s.node.fault.get())
	}
}

// TestSameSnapshotIsConfirmed: a node that has died after it had installed a snapshot is sent it again. It confirms it,
// keeps the log that goes on after it, and installs nothing.
func TestSameSnapshotIsConfirmed(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 5)
	meta, src, err := s.node.snaps.Open(fileID)
	if err != nil {
		t.Fatal(err)
	}
	if err := install(s.node.fsm, t.TempDir(), meta, src); err != nil {
		t.Errorf("install what the file holds: %v", err)
	}
	if err := src.Close(); err != nil {
		t.Error(err)
	}
	first, _ := s.node.wal.FirstIndex()
	last, _ := s.node.wal.LastIndex()
	if err := s.node.wal.DeleteRange(first, last); err != nil { // as Raft does
		t.Fatal(err)
	}
	if got, _ := s.node.wal.LastIndex(); got != last || s.node.fsm.restores.Load() != 0 {
		t.Errorf("the log ends at %d, want %d; %d snapshots restored", got, last, s.node.fsm.restores.Load())
	}
	other := *meta
	other.Term++
	if err := s.node.fsm.Restore(&sameSource{meta: other}); !errors.Is(err, errOldSnapshot) {
		t.Errorf("confirm index %d of another term: %v, want errOldSnapshot", other.Index, err)
	}
	if err := s.node.fsm.Restore(&sameSource{meta: *meta}); err != nil {
		t.Error(err)
	}
	s.accept(6, text(6)) // the log goes on: now it may be emptied
	if s.node.wal.keepAll.Load() {
		t.Error("the log would be kept the next time")
	}
	s.check(1, 6)
}

// TestOwnFileRestoresToItself: Raft may restore the snapshot that the file is.
func TestOwnFileRestoresToItself(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 5)
	index, _ := s.store.Applied()
	_, src, err := s.node.snaps.Open(fileID)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.node.fsm.Restore(src); err != nil {
		t.Errorf("restore: %v", err)
	}
	if err := src.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	if got, _ := s.store.Applied(); got != index {
		t.Errorf("applied %d, want %d", got, index)
	}
	s.check(1, 5)
}

// TestDamagedSnapshotIsFatal: what was received is not a file of the store's.
func TestDamagedSnapshotIsFatal(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accepts(1, 5)
	meta, src, err := s.node.snaps.Open(fileID)
	if err != nil {
		t.Fatal(err)
	}
	if err := src.Close(); err != nil {
		t.Fatal(err)
	}
	to := newSite(t, nil)
	to.openStore()
	f := newFSM(to.store, newFault(nil), func(string) {})
	damaged := *meta
	if err := install(f, to.dir, &damaged, strings.NewReader(strings.Repeat("x", int(meta.Size)))); err == nil {
		t.Error("a damaged snapshot was installed")
	}
	if f.fault.get() == nil {
		t.Error("no fault after a damaged snapshot")
	}
	if _, err := f.Snapshot(); err == nil {
		t.Error("the state machine goes on")
	}
}

func TestEmptySnapshotIsRefused(t *testing.T) {
	s := newSite(t, nil)
	s.openStore()
	snaps, err := newSnapshotStore(s.store, filepath.Join(s.dir, "received"))
	if err != nil {
		t.Fatal(err)
	}
	if list, err := snaps.List(); err != nil || len(list) != 0 {
		t.Errorf("snapshots of an empty store: %v, %v", list, err)
	}
	sink, err := snaps.Create(1, 9, 2, raft.Configuration{}, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := sink.Close(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("close: %v, want io.ErrUnexpectedEOF", err)
	}
	if _, _, err := snaps.Open(sink.ID()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("open: %v, want os.ErrNotExist", err)
	}
}

// TestReceivedLeftoversAreRemoved: a crash while a snapshot came in.
func TestReceivedLeftoversAreRemoved(t *testing.T) {
	s := newSite(t, nil)
	dir := s.config().receivedDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "received-2-9-1"), []byte("half of it"))
	s.start()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the folder: %v, %v", left, err)
	}
}
