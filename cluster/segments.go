package cluster

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/types"

	"smppbridge/store"
)

// segmentFiles are the files of raft-wal's segments, made so that appending to one syncs data and nothing else. A
// file that was only allocated has its file system note, at each sync, which blocks have been written: on ext4 that
// is a transaction of its journal and costs as much again. So the next segment is filled with zeros beforehand,
// beside the log and slowly, and syncs are fdatasync. One that is needed sooner is allocated as raft-wal does it.
type segmentFiles struct {
	*fs.FS
	dir  string
	size int64
	log  *slog.Logger

	wanted   chan struct{} // capacity 1: the log is half through its segment
	stopping chan struct{}
	stopped  chan struct{}

	mu    sync.Mutex
	ready bool // guarded by mu; the spare is complete and nobody has it
}

// spareName is not a segment's, so that raft-wal does not take it for one.
const spareName = "next-segment"

// The zeros are written in pieces, each synced by itself, at 16 MiB/s at most: appends go before.
const (
	zeroPiece = 256 << 10
	zeroRest  = 15 * time.Millisecond
)

// openSegmentFiles is for a log in dir, which nobody else has open. What a crash has left of a spare is no spare: it
// may have anything in it. A log that begins gets its first segment at once.
func openSegmentFiles(dir string, size int64, log *slog.Logger) (*segmentFiles, error) {
	f := &segmentFiles{FS: fs.New(), dir: dir, size: size, log: log,
		wanted: make(chan struct{}, 1), stopping: make(chan struct{}), stopped: make(chan struct{})}
	if err := os.Remove(f.spare()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("raft log: %w", err)
	}
	segments, err := listSegments(dir)
	if err != nil {
		return nil, err
	}
	if len(segments) == 0 {
		f.prepare(0)
	}
	go f.run()
	return f, nil
}

func (f *segmentFiles) spare() string { return filepath.Join(f.dir, spareName) }

// want has a spare made, if there is none.
func (f *segmentFiles) want() {
	select {
	case f.wanted <- struct{}{}:
	default:
	}
}

// run makes spares until close.
func (f *segmentFiles) run() {
	defer close(f.stopped)
	for {
		select {
		case <-f.wanted:
			f.prepare(zeroRest)
		case <-f.stopping:
			return
		}
	}
}

func (f *segmentFiles) close() {
	close(f.stopping)
	<-f.stopped
}

// prepare makes a spare unless there is one. Without it the log goes on as well: that the disk is full, or fails, whoever
// appends will find.
func (f *segmentFiles) prepare(rest time.Duration) {
	f.mu.Lock()
	ready := f.ready
	f.mu.Unlock()
	if ready {
		return
	}
	if err := f.fill(rest); err != nil {
		os.Remove(f.spare())
		if !errors.Is(err, ErrShutdown) {
			f.log.Info("no segment of raft's log prepared", "err", err)
		}
		return
	}
	f.mu.Lock()
	f.ready = true
	f.mu.Unlock()
}

// fill writes the spare, with a rest after each piece.
func (f *segmentFiles) fill(rest time.Duration) (err error) {
	file, err := os.OpenFile(f.spare(), os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	zeros := make([]byte, zeroPiece)
	for left := f.size; left > 0; left -= zeroPiece {
		if _, err := file.Write(zeros[:min(left, zeroPiece)]); err != nil {
			return err
		}
		if rest == 0 {
			continue
		}
		if err := file.Sync(); err != nil {
			return err
		}
		select {
		case <-time.After(rest):
		case <-f.stopping:
			return ErrShutdown
		}
	}
	return file.Sync()
}

// Create implements types.VFS.
func (f *segmentFiles) Create(dir, name string, size uint64) (types.WritableFile, error) {
	path := filepath.Join(dir, name)
	if file, err := f.take(path, int64(size)); file != nil || err != nil {
		return file, err
	}
	created, err := f.FS.Create(dir, name, size)
	if err != nil {
		return nil, err
	}
	if err := created.Close(); err != nil {
		return nil, err
	}
	return openSegmentFile(dir, path)
}

// take makes the spare the segment of that path and size; nil if there is none.
func (f *segmentFiles) take(path string, size int64) (types.WritableFile, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ready || size != f.size {
		return nil, nil
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("create %s: %w", filepath.Base(path), os.ErrExist), err)
	}
	if err := os.Rename(f.spare(), path); err != nil {
		return nil, err
	}
	f.ready = false
	return openSegmentFile(filepath.Dir(path), path)
}

// OpenWriter implements types.VFS.
func (f *segmentFiles) OpenWriter(dir, name string) (types.WritableFile, error) {
	return openSegmentFile(dir, filepath.Join(dir, name))
}

// A segmentFile is one that is being appended to.
type segmentFile struct {
	*os.File
	dir   string
	named bool // its name is on the disk; only Sync uses it
}

func openSegmentFile(dir, path string) (types.WritableFile, error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &segmentFile{File: file, dir: dir}, nil
}

// Sync has all that was written on the disk: the first time with the file's name, after which only its data, and
// where they are, change.
func (f *segmentFile) Sync() error {
	if f.named {
		return fdatasync(f.File)
	}
	if err := f.File.Sync(); err != nil {
		return err
	}
	if err := store.SyncDir(f.dir); err != nil {
		return err
	}
	f.named = true
	return nil
}

func fdatasync(f *os.File) error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if !errors.Is(err, syscall.EINTR) {
			return os.NewSyscallError("fdatasync", err)
		}
	}
}
