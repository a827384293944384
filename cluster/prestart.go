package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hashicorp/raft"
)

// currentTermKey is where Raft keeps its term in the stable store.
const currentTermKey = "CurrentTerm"

// A state is what the node's disk held when it started.
type state struct {
	first, last          uint64 // of the log; 0 = empty
	term                 uint64 // of the stable store
	applied, appliedTerm uint64 // of the store's file
}

// fresh says that the node has never taken part in a cluster.
func (s state) fresh() bool { return s.last == 0 && s.term == 0 && s.applied == 0 }

// checkState makes sure that log and file belong together before Raft starts, and repairs what a
// crash can leave.
func checkState(l *raftLog, applied func() (index, term uint64), log *slog.Logger) (state, error) {
	s, err := readState(l, applied)
	if err != nil {
		return s, err
	}
	switch {
	case s.applied > 0 && s.term < s.appliedTerm:
		return s, fmt.Errorf("%w: the file holds index %d of term %d, but the log knows only term %d; "+
			"put back the log's folder that belongs to the file", ErrLogLost, s.applied, s.appliedTerm, s.term)
	case s.last > 0 && s.first > s.applied+1:
		return s, fmt.Errorf("%w: the file ends at index %d and the log begins at %d; "+
			"put back the file that belongs to the log, or remove both and join again", ErrLogLost, s.applied, s.first)
	}
	stale, err := staleLog(l, s)
	if err != nil || !stale {
		return s, err
	}
	// A crash between installing a received snapshot and cutting the log leaves this. Everything the
	// log still has to give is in the file, and raft-wal would refuse each append that leaves a gap.
	log.Warn("raft log emptied: the store's file is newer", "index", s.applied, "term", s.appliedTerm,
		"log_first", s.first, "log_last", s.last)
	if err := l.WAL.DeleteRange(s.first, s.last); err != nil {
		return s, fmt.Errorf("empty raft log: %w", err)
	}
	s.first, s.last = 0, 0
	return s, nil
}

// staleLog says whether the log ends below the file's applied index, or has another entry there:
// then it is not the history that the file went on with, and nothing in it was committed but what
// the file holds.
func staleLog(l *raftLog, s state) (bool, error) {
	if s.last == 0 || s.applied == 0 {
		return false, nil
	}
	if s.last < s.applied {
		return true, nil
	}
	if s.first > s.applied {
		return false, nil // it begins right after the file
	}
	var e raft.Log
	if err := l.GetLog(s.applied, &e); err != nil {
		return false, fmt.Errorf("raft log entry %d: %w", s.applied, err)
	}
	return e.Term != s.appliedTerm, nil
}

func readState(l *raftLog, applied func() (index, term uint64)) (s state, err error) {
	s.applied, s.appliedTerm = applied()
	if s.first, err = l.FirstIndex(); err != nil {
		return s, fmt.Errorf("raft log: %w", err)
	}
	if s.last, err = l.LastIndex(); err != nil {
		return s, fmt.Errorf("raft log: %w", err)
	}
	if s.term, err = l.GetUint64([]byte(currentTermKey)); err != nil {
		return s, fmt.Errorf("raft's stable store: %w", err)
	}
	return s, nil
}

// errInUse is returned when another process has the directory: raft-wal would wait for it for ever.
var errInUse = errors.New("another process uses this directory")

// lockDir creates dir and takes it for this process until the returned file is closed.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cluster directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cluster directory: %w", err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	_ = f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = errInUse
	}
	return nil, fmt.Errorf("lock cluster directory: %w", err)
}
