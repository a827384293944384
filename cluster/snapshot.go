package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// fileID is the id of the one snapshot that a node always has: the store's file as it is now.
const fileID = "file"

// A snapshotStore shows Raft the store's file as its snapshot, so that cutting the log copies
// nothing, and takes in the snapshots that a leader sends.
type snapshotStore struct {
	store *store.Store
	dir   string // of received snapshots; whatever a crash leaves there is removed at the next start

	mu       sync.Mutex
	received map[string]*receivedSnapshot // guarded by mu; by id; complete and not yet restored
	holds    *holds
	step     func(place string)
	pace     func() *pacer // for one stream
	fail     func(error) error
	sent     atomic.Uint64
	next     atomic.Uint64 // numbers received snapshots
}

type receivedSnapshot struct {
	meta raft.SnapshotMeta
	path string
}

// newSnapshotStore empties dir: what is in it was never restored, and the leader sends again.
func newSnapshotStore(st *store.Store, dir string) (*snapshotStore, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, fmt.Errorf("received snapshots: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("received snapshots: %w", err)
	}
	return &snapshotStore{
		store:    st,
		dir:      dir,
		received: make(map[string]*receivedSnapshot),
		holds:    newHolds(),
		step:     func(string) {},
		fail:     func(err error) error { return err },
		pace:     func() *pacer { return newPacer(DefaultSnapshotRate, func() bool { return false }) },
	}, nil
}

// Create implements raft.SnapshotStore. Raft calls it for a snapshot of this node, whose sink stays
// empty, and for one that a leader sends.
func (s *snapshotStore) Create(version raft.SnapshotVersion, index, term uint64, conf raft.Configuration,
	confIndex uint64, _ raft.Transport) (raft.SnapshotSink, error) {
	id := fmt.Sprintf("received-%d-%d-%d", term, index, s.next.Add(1))
	return &snapshotSink{
		store: s,
		snapshot: receivedSnapshot{
			path: filepath.Join(s.dir, id),
			meta: raft.SnapshotMeta{
				Version: version, ID: id, Index: index, Term: term,
				Configuration: conf, ConfigurationIndex: confIndex,
			},
		},
	}, nil
}

// List implements raft.SnapshotStore: the file, once anything has been applied to it. Its index is
// the one in the file, so that Raft never gives the store an entry that it has.
func (s *snapshotStore) List() ([]*raft.SnapshotMeta, error) {
	index, term := s.store.Applied()
	if index == 0 {
		return nil, nil
	}
	confIndex, conf := s.store.Configuration()
	meta, err := fileMeta(index, term, confIndex, conf)
	if err != nil {
		return nil, err
	}
	return []*raft.SnapshotMeta{meta}, nil
}

// fileMeta describes the file. A file without a configuration would make a node that knows no
// cluster; every log begins with one, so this is not a file of ours.
func fileMeta(index, term, confIndex uint64, conf []byte) (*raft.SnapshotMeta, error) {
	if len(conf) == 0 {
		return nil, fmt.Errorf("store at index %d: no raft configuration", index)
	}
	return &raft.SnapshotMeta{
		Version: 1, ID: fileID, Index: index, Term: term,
		Configuration: raft.DecodeConfiguration(conf), ConfigurationIndex: confIndex,
	}, nil
}

// Open implements raft.SnapshotStore. Index, term, configuration and size of the file come out of
// the one read transaction that is streamed, because Apply goes on meanwhile.
func (s *snapshotStore) Open(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	if id != fileID {
		return s.openReceived(id)
	}
	src := &fileSource{store: s, pacer: s.pace()}
	// The log is held before the transaction begins: from an index that is not above its own.
	index, _ := s.store.Applied()
	s.holds.begin(src, index)
	snap, err := s.store.Snapshot()
	if err != nil {
		s.holds.end(src, false)
		return nil, nil, fmt.Errorf("open snapshot: %w", err)
	}
	meta, err := fileMeta(snap.Index, snap.Term, snap.ConfigurationIndex, snap.Configuration)
	if err != nil {
		_ = snap.Close()
		s.holds.end(src, false)
		return nil, nil, err
	}
	meta.Size = snap.Size
	src.start(snap)
	s.sent.Add(1)
	return meta, src, nil
}

func (s *snapshotStore) openReceived(id string) (*raft.SnapshotMeta, io.ReadCloser, error) {
	s.mu.Lock()
	r := s.received[id]
	delete(s.received, id)
	s.mu.Unlock()
	if r == nil {
		return nil, nil, fmt.Errorf("open snapshot %s: %w", id, os.ErrNotExist)
	}
	if r.path == "" {
		return &r.meta, &sameSource{meta: r.meta}, nil
	}
	f, err := os.Open(r.path)
	if err != nil {
		return nil, nil, fmt.Errorf("open snapshot: %w", err)
	}
	return &r.meta, &receivedSource{File: f, meta: r.meta}, nil
}

// A snapshotSink takes in one snapshot.
type snapshotSink struct {
	store    *snapshotStore
	snapshot receivedSnapshot
	own      bool // set by fileSnapshot.Persist: nothing will be written
	same     bool // it is what the store's file holds already: nothing is kept of it
	file     *os.File
	unsynced int // octets written since the last sync
}

// ID implements raft.SnapshotSink.
func (s *snapshotSink) ID() string {
	if s.own {
		return fileID
	}
	return s.snapshot.meta.ID
}

// syncEvery is how many octets of a received snapshot are written between two syncs: one sync of all of it would
// hold up those of the log on the same disk.
const syncEvery = 8 << 20

// Write implements io.Writer for a snapshot that a leader sends. A disk that does not take it ends the node:
// the leader would send all of it again, for ever.
func (s *snapshotSink) Write(b []byte) (int, error) {
	if s.file == nil && !s.same {
		index, term := s.store.store.Applied()
		s.same = s.snapshot.meta.Index == index && s.snapshot.meta.Term == term
		if s.own || s.snapshot.meta.Index <= index && !s.same {
			return 0, fmt.Errorf("receive snapshot %d over %d: %w", s.snapshot.meta.Index, index, errOldSnapshot)
		}
	}
	if s.same {
		s.snapshot.meta.Size += int64(len(b))
		return len(b), nil
	}
	if s.file == nil {
		f, err := os.OpenFile(s.snapshot.path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if err != nil {
			return 0, s.store.fail(fmt.Errorf("receive snapshot: %w", err))
		}
		s.file = f
	}
	n, err := s.file.Write(b)
	s.snapshot.meta.Size += int64(n)
	if s.unsynced += n; err == nil && s.unsynced >= syncEvery {
		s.unsynced = 0
		err = s.file.Sync()
	}
	if err != nil {
		return n, s.store.fail(fmt.Errorf("receive snapshot: %w", err))
	}
	s.store.step(stepPartReceived)
	return n, nil
}

// Close implements raft.SnapshotSink. The file is complete and synced then; until the store has moved it
// into place a crash leaves the old state, and the leader sends again.
func (s *snapshotSink) Close() error {
	if s.own {
		return nil
	}
	switch {
	case s.same:
		s.snapshot.path = ""
	case s.file == nil:
		return fmt.Errorf("receive snapshot %s: %w", s.snapshot.meta.ID, io.ErrUnexpectedEOF)
	default:
		s.store.step(stepReceived)
		if err := errors.Join(s.file.Sync(), s.file.Close()); err != nil {
			return s.store.fail(fmt.Errorf("receive snapshot: %w", err))
		}
		s.store.step(stepSynced)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.received[s.snapshot.meta.ID] = &s.snapshot
	return nil
}

// Cancel implements raft.SnapshotSink.
func (s *snapshotSink) Cancel() error {
	if s.file == nil {
		return nil
	}
	_ = s.file.Close()
	return os.Remove(s.snapshot.path)
}

// A fileSource streams the store's file.
type fileSource struct {
	*io.PipeReader
	store *snapshotStore
	pacer *pacer
	snap  *store.Snapshot
	done  chan struct{} // closed when the writing goroutine has ended
	once  sync.Once
}

// start begins to write; the goroutine ends with the stream or at Close.
func (f *fileSource) start(snap *store.Snapshot) {
	r, w := io.Pipe()
	f.PipeReader, f.snap, f.done = r, snap, make(chan struct{})
	go func() {
		defer close(f.done)
		_, err := snap.WriteTo(w)
		w.CloseWithError(err)
	}()
}

// Read implements io.Reader, at its pace.
func (f *fileSource) Read(b []byte) (int, error) {
	n, err := f.PipeReader.Read(b)
	f.pacer.sent(n)
	return n, err
}

// Close implements io.Closer: it ends the read transaction and lets the log be cut again.
func (f *fileSource) Close() (err error) {
	f.once.Do(func() {
		_ = f.PipeReader.Close()
		<-f.done
		err = f.snap.Close()
		f.store.holds.end(f, true)
	})
	return err
}

// A sameSource stands for a received snapshot that is what the store's file held already.
type sameSource struct{ meta raft.SnapshotMeta }

// Read implements io.Reader.
func (*sameSource) Read([]byte) (int, error) { return 0, io.EOF }

// Close implements io.Closer.
func (*sameSource) Close() error { return nil }

// A receivedSource is a received snapshot, which is gone once it is closed: the store has taken the file, or
// it is of no use.
type receivedSource struct {
	*os.File
	meta raft.SnapshotMeta
}

// Close implements io.Closer.
func (r *receivedSource) Close() error {
	err := r.File.Close()
	if rerr := os.Remove(r.Name()); !errors.Is(rerr, os.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	return err
}
