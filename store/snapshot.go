package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	bolt "go.etcd.io/bbolt"
)

// A Snapshot is the state at one index, while Apply goes on. It is one read transaction: as long
// as it is open, the file's freed pages are not used again and the file grows, so close it soon.
type Snapshot struct {
	Index, Term        uint64 // applied
	ConfigurationIndex uint64
	Configuration      []byte
	Size               int64 // exactly what WriteTo writes

	tx   *bolt.Tx
	file *file
}

// Snapshot begins a snapshot.
func (s *Store) Snapshot() (*Snapshot, error) {
	f, err := s.acquire()
	if err != nil {
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	tx, err := f.db.Begin(false)
	if err != nil {
		f.readers.Done()
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	h, err := readHeader(tx)
	if err != nil {
		err = rollback(tx, err)
		f.readers.Done()
		return nil, fmt.Errorf("snapshot: %w", err)
	}
	return &Snapshot{
		Index: h.meta.index, Term: h.meta.term,
		ConfigurationIndex: h.meta.confIndex, Configuration: h.configuration,
		Size: tx.Size(), tx: tx, file: f,
	}, nil
}

// WriteTo writes the file as it stood when the snapshot was begun.
func (n *Snapshot) WriteTo(w io.Writer) (int64, error) {
	if n.tx == nil {
		return 0, fmt.Errorf("write snapshot: %w", ErrClosed)
	}
	return n.tx.WriteTo(w)
}

// Close ends the snapshot.
func (n *Snapshot) Close() error {
	if n.tx == nil {
		return nil
	}
	err := n.tx.Rollback()
	n.tx = nil
	n.file.readers.Done()
	return err
}

// Restore replaces the state by a snapshot that another node wrote, and waits for the readers of
// the old file. A snapshot of this cluster at or below Applied is of our own past: it changes
// nothing, for the applied index never goes back.
//
// A crash or an error before the received file is renamed leaves the old state, and what was
// received is removed at the next Open; after it, the new state is in place. So no other mark of
// progress is needed.
func (s *Store) Restore(r io.Reader) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.commit(); err != nil {
		return err
	}
	temp := s.path + restoreSuffix
	err := receive(r, temp)
	if err == nil {
		err = s.takeOver(temp)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", errors.Join(err, removeLeftovers(s.path)))
	}
	return nil
}

// RestoreFile is Restore for a snapshot that is complete in a file on the same disk: it is moved, not
// copied. The file is gone when RestoreFile returns nil. With an error, or after a crash before the
// rename, it is where it was; after the rename it is the state.
func (s *Store) RestoreFile(path string) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.commit(); err != nil {
		return err
	}
	err := syncFile(path)
	if err == nil {
		err = s.takeOver(path)
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}

// syncFile makes sure that a file's octets are on the disk before its name says that they are.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Sync(), f.Close())
}

// takeOver makes a complete, synced file the state, if it is a sound one of this cluster; one that is not
// ahead of the state is removed.
func (s *Store) takeOver(path string) error {
	h, err := s.inspect(path, true)
	switch {
	case err != nil:
		return err
	case s.foreign(&h):
		return fmt.Errorf("the snapshot is of cluster %q, this node of %q", h.cluster, s.machine.cluster)
	case s.otherLineage(&h):
		return fmt.Errorf("the snapshot is of epoch %d, lineage %s, at index %d, this node of epoch %d, lineage %s, at %d: they parted at a recovery, "+
			"one of the two is to be given up: empty its data directory and join it again",
			h.meta.epoch, h.meta.lineage, h.meta.index, s.machine.meta.epoch, s.machine.meta.lineage, s.machine.meta.index)
	case h.meta.index <= s.machine.meta.index:
		s.log.Info("snapshot is not ahead of the state, kept the state", "index", h.meta.index)
		return os.Remove(path)
	}
	l, err := s.load(path)
	if err != nil {
		return err
	}
	if err := install(path, s.path); err != nil {
		if _, gone := os.Stat(path); gone != nil {
			// Whether the rename will outlive a crash is not known: only a new start can tell.
			s.failed = fmt.Errorf("restore: %w", err)
		}
		return errors.Join(err, l.file.close())
	}
	return s.swap(l)
}

// foreign reports whether a file is of another cluster. A node that has not seen its Genesis has its
// cluster's id from its first snapshot.
func (s *Store) foreign(h *header) bool {
	m := &s.machine.meta
	if h.cluster == s.machine.cluster || m.index == 0 {
		return false
	}
	return m.named != 0 || h.meta.named == 0
}

// receive writes r to a file and syncs it.
func receive(r io.Reader, path string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return errors.Join(fmt.Errorf("receive: %w", err), f.Close())
	}
	return errors.Join(f.Sync(), f.Close())
}

// swap puts a loaded file in the place of the current one and closes that when its readers are
// done.
func (s *Store) swap(l *loaded) error {
	s.mu.Lock()
	old := s.file
	s.machine, s.file, s.view = l.machine, l.file, l.view
	s.registryVersion++
	s.wake(1<<WatchSend | 1<<WatchOutbox | 1<<WatchPolicy | 1<<WatchResolve | 1<<WatchOutcome | 1<<WatchRegistry)
	s.mu.Unlock()
	s.log.Info("state restored from a snapshot", "index", l.view.meta.index, "term", l.view.meta.term)
	return old.close()
}
