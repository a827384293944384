package store

import (
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Errors that callers tell apart.
var (
	// ErrNotFound is wrapped when there is no such message, attempt or version.
	ErrNotFound = errors.New("not found")

	// ErrClosed is wrapped by what is called after Close.
	ErrClosed = errors.New("store is closed")

	// ErrLocked is wrapped by Open when another process has the file open.
	ErrLocked = errors.New("another process uses the file")
)

// Options are how a store is opened.
type Options struct {
	// ClusterID is part of every OutId, 1 to 8 of a to z and 0 to 9, until Genesis names the cluster,
	// whatever was here before. It is used when the file is made; afterwards the file's own counts. Empty:
	// nothing is begun before Genesis.
	ClusterID string

	// NoSync leaves out the fsync of every Apply: for tests and benchmarks only. After a power
	// loss such a file may be damaged, not only old.
	NoSync bool

	// MmapSize is the address space reserved for the file; 0 = defaultMmapSize. While the file fits into
	// it, a growing file makes no reader and no Apply wait.
	MmapSize int

	Log *slog.Logger // nil: discards
}

// defaultMmapSize is address space only, no memory: 64 GiB, or 1 GiB where that is too much.
const defaultMmapSize = 1 << (30 + 6*(bits.UintSize/64))

// lockTimeout is how long Open waits for another process to let go of the file.
const lockTimeout = 2 * time.Second

// A Store is the replicated state in its file.
//
// Apply, Stage, Commit and Restore take turns. Everything else may be called by any goroutine at any
// time: reads of the file use short read transactions, reads of memory take mu.
type Store struct {
	path    string
	options Options
	log     *slog.Logger

	turn    sync.Mutex // held to change the state
	machine *machine   // guarded by turn
	arena   arena      // guarded by turn; what staged has put
	staged  *txn       // guarded by turn; not committed yet; nil if nothing is
	failed  error      // guarded by turn; of a Stage or Commit: nothing is applied any more

	mu       sync.RWMutex
	file     *file                 // guarded by mu; changed by who has its turn only
	view     view                  // guarded by mu
	watchers map[*watcher]struct{} // guarded by mu
	closed   bool                  // guarded by mu

	registryVersion uint64 // guarded by mu
}

// A file is an open bbolt file with its readers. A Restore puts another in its place.
type file struct {
	db      *bolt.DB
	readers sync.WaitGroup // added to under Store.mu while the file is the current one
}

// close waits for the readers, then closes the file.
func (f *file) close() error {
	f.readers.Wait()
	return f.db.Close()
}

// Open opens the store in the file path, and makes it when it is not there. It reads what memory
// needs, not the messages.
func Open(path string, o Options) (*Store, error) {
	if o.ClusterID != "" && !validClusterID(o.ClusterID) {
		return nil, fmt.Errorf("open store: cluster id %q is not 1 to 8 of a-z and 0-9", o.ClusterID)
	}
	if o.MmapSize == 0 {
		o.MmapSize = defaultMmapSize
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{path: path, options: o, log: o.Log, watchers: map[*watcher]struct{}{}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) open() error {
	if err := removeLeftovers(s.path); err != nil {
		return err
	}
	switch _, err := os.Stat(s.path); {
	case errors.Is(err, os.ErrNotExist):
		if err := s.create(); err != nil {
			return fmt.Errorf("create: %w", err)
		}
	case err != nil:
		return err
	}
	l, err := s.load(s.path)
	if err != nil {
		return err
	}
	s.machine, s.file, s.view = l.machine, l.file, l.view
	s.log.Info("store opened", "index", s.view.meta.index, "term", s.view.meta.term)
	return nil
}

// create makes an empty store beside path and moves it there, so that a crash leaves no file or a
// whole one.
func (s *Store) create() error {
	temp := s.path + newSuffix
	db, err := openBolt(temp, s.boltOptions())
	if err != nil {
		return err
	}
	err = db.Update(func(tx *bolt.Tx) error { return initialise(tx, s.options.ClusterID) })
	if err := errors.Join(err, db.Sync(), db.Close()); err != nil {
		return err
	}
	return install(temp, s.path)
}

// The suffixes of files that are not in place yet.
const (
	newSuffix     = ".new"     // being created
	restoreSuffix = ".restore" // a snapshot being received
)

// removeLeftovers removes what a crash left of files that never came into place.
func removeLeftovers(path string) error {
	for _, suffix := range []string{newSuffix, restoreSuffix} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// install moves a complete, synced file into place. A crash before the rename is on disk leaves
// the old file, after it the new one.
func install(temp, path string) error {
	if err := os.Rename(temp, path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(path))
}

// SyncDir makes durable what a folder says of its files: those that were created in it, renamed or removed. What is in
// them is synced by who wrote it.
func SyncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

func (s *Store) boltOptions() bolt.Options {
	return bolt.Options{
		Timeout:         lockTimeout,
		NoFreelistSync:  true, // the freelist is rebuilt at Open instead
		FreelistType:    bolt.FreelistMapType,
		InitialMmapSize: s.options.MmapSize,
		NoSync:          s.options.NoSync,
		NoStatistics:    true,
	}
}

// openBolt opens a bbolt file.
func openBolt(path string, o bolt.Options) (db *bolt.DB, err error) {
	err = guard(func() error {
		db, err = bolt.Open(path, 0o600, &o)
		return err
	})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, ErrLocked
	}
	return db, err
}

// guard runs f and makes an error of a panic: that is how bbolt says that a page is damaged.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the file is damaged: %v", p)
		}
	}()
	return f()
}

// Close closes the file once its readers are done. What is staged and not committed is given up.
func (s *Store) Close() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	s.mu.Unlock()
	s.failed = ErrClosed
	var err error
	if s.staged != nil {
		err = s.staged.tx.Rollback() // bbolt waits for it
		s.staged = nil
	}
	return errors.Join(err, s.file.close())
}

// acquire returns the current file for reading; release it with readers.Done.
func (s *Store) acquire() (*file, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	s.file.readers.Add(1)
	return s.file, nil
}

// read runs f in a read transaction.
func (s *Store) read(f func(tx *bolt.Tx) error) error {
	file, err := s.acquire()
	if err != nil {
		return err
	}
	defer file.readers.Done()
	return file.db.View(f)
}

// Applied returns the index and term of the last entry applied.
func (s *Store) Applied() (index, term uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.index, s.view.meta.term
}

// Configuration returns Raft's last configuration and the index of its entry; nil if there was
// none.
func (s *Store) Configuration() (index uint64, conf []byte) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.confIndex, cloneOctets(s.view.configuration)
}

// Clock returns the state clock: the latest time of an applied entry, in Unix ms.
func (s *Store) Clock() int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.meta.clock
}
