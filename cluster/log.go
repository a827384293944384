package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	walsegment "github.com/hashicorp/raft-wal/segment"
)

// A raftLog is Raft's log and stable store: a write-ahead log whose every append is synced, a leader's
// beside its followers' (tail). It adds what Raft leaves to its storage: a failed write ends the node, and the log is cut
// by bytes, not by entries, and never beyond what the store's file and the snapshots on their way out allow.
type raftLog struct {
	*wal.WAL
	tail    *tail
	files   *segmentFiles
	dir     string
	fault   *fault
	keep    int64         // bytes of files that a cut leaves
	limit   int64         // bytes of files up to which a cut is held for others, whatever space there is
	grown   chan struct{} // capacity 1: told when grownBy more octets were appended
	grownBy int64
	applied func() uint64 // what the store's file holds
	sends   func() bool   // whether this node leads and has followers; nil while Raft does not run

	// held returns the lowest index that others need, of a log that begins with first and would be cut at cut.
	held func(first, cut uint64) (index uint64, ok bool)

	room func() bool // whether the disk has space for more than the limit
	step func(place string)

	// keepAll has the next DeleteRange of everything do nothing; an append takes that back.
	keepAll atomic.Bool

	since      int64 // octets since grown was last told; only write uses it
	appends    atomic.Uint64
	entries    atomic.Uint64
	bytes      atomic.Uint64
	appendTime atomic.Int64 // ns
	cuts       atomic.Uint64
}

// openLog opens the log in cfg's directory, or begins one.
func openLog(cfg Config, f *fault, log hclog.Logger) (*raftLog, error) {
	dir := cfg.walDir()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("raft log: %w", err)
	}
	if mended, err := repairTail(dir); err != nil {
		return nil, err
	} else if mended {
		cfg.Log.Warn("raft log mended: the last crash fell between two segments")
	}
	files, err := openSegmentFiles(dir, cfg.SegmentBytes, cfg.Log)
	if err != nil {
		return nil, err
	}
	w, err := wal.Open(dir, wal.WithSegmentSize(int(cfg.SegmentBytes)), wal.WithLogger(log),
		wal.WithSegmentFiler(walsegment.NewFiler(dir, files)))
	if err != nil {
		files.close()
		return nil, fmt.Errorf("raft log in %s: %w", filepath.Base(dir), err)
	}
	l := &raftLog{
		WAL:     w,
		files:   files,
		dir:     dir,
		fault:   f,
		keep:    cfg.MaxLogBytes / 2,
		limit:   cfg.MaxLogBytes,
		grown:   make(chan struct{}, 1),
		grownBy: cfg.SegmentBytes / 2,
		step:    cfg.step,
	}
	l.tail = newTail(l.write)
	return l, nil
}

// Close ends the log's use.
func (l *raftLog) Close() error {
	l.tail.close()
	l.files.close()
	return l.WAL.Close()
}

// StoreLog implements raft.LogStore.
func (l *raftLog) StoreLog(e *raft.Log) error { return l.StoreLogs([]*raft.Log{e}) }

// StoreLogs implements raft.LogStore. What a leader with followers adds is written behind its back (tail), all else
// before it returns. A crash here leaves a log with some of the entries or none: none was acknowledged, Raft settles which
// of them live on, and tokens tell a proposer that tries again.
func (l *raftLog) StoreLogs(es []*raft.Log) error {
	if err := l.fault.get(); err != nil {
		return err
	}
	l.keepAll.Store(false)
	if l.sends != nil && l.sends() && !slices.ContainsFunc(es, isNoCommand) {
		l.tail.add(es)
		return nil
	}
	if err := l.tail.settle(); err != nil {
		return err
	}
	return l.write(es)
}

func isNoCommand(e *raft.Log) bool { return e.Type != raft.LogCommand }

// write appends es to the files and syncs them.
func (l *raftLog) write(es []*raft.Log) error {
	l.step(stepAppend)
	begin := time.Now()
	if err := l.WAL.StoreLogs(es); err != nil {
		return l.fault.fail(l.appendError(err))
	}
	l.appendTime.Add(int64(time.Since(begin)))
	var size int64
	for _, e := range es {
		size += int64(len(e.Data))
	}
	l.appends.Add(1)
	l.entries.Add(uint64(len(es)))
	l.bytes.Add(uint64(size))
	if l.since += size; l.since >= l.grownBy {
		l.since = 0
		l.files.want()
		select {
		case l.grown <- struct{}{}:
		default:
		}
	}
	return nil
}

// appendError adds what the log does not say: that it could not begin a new segment because the disk is full is
// the error of whoever appends next, and reads "segment is sealed".
func (l *raftLog) appendError(err error) error {
	free, ferr := freeBytes(l.dir)
	if ferr != nil {
		return fmt.Errorf("append to raft log in %s: %w; %w", l.dir, err, ferr)
	}
	return fmt.Errorf("append to raft log in %s, whose disk has %d bytes free: %w", l.dir, free, err)
}

// GetLog implements raft.LogStore.
func (l *raftLog) GetLog(index uint64, e *raft.Log) error {
	if l.tail.get(index, e) {
		return nil
	}
	return l.WAL.GetLog(index, e)
}

// LastIndex implements raft.LogStore. FirstIndex is the files' own: a reign's first entry is there before its tail.
func (l *raftLog) LastIndex() (uint64, error) {
	if last := l.tail.last(); last != 0 {
		return last, nil
	}
	return l.WAL.LastIndex()
}

// Set implements raft.StableStore: the node's votes.
func (l *raftLog) Set(key, value []byte) error {
	if err := l.fault.get(); err != nil {
		return err
	}
	if err := l.WAL.Set(key, value); err != nil {
		return l.fault.fail(fmt.Errorf("write raft's stable store: %w", err))
	}
	return nil
}

// SetUint64 implements raft.StableStore: the node's term.
func (l *raftLog) SetUint64(key []byte, value uint64) error {
	if err := l.fault.get(); err != nil {
		return err
	}
	if err := l.WAL.SetUint64(key, value); err != nil {
		return l.fault.fail(fmt.Errorf("write raft's stable store: %w", err))
	}
	return nil
}

// runningStable is the stable store of a Raft that runs, which panics where it cannot write a term. After a fault, as that
// is one, Raft is about to be stopped (faultGrace), and until then goes on with a term that the disk does not have:
// nothing it promises rests on that, for votes (Set) and entries (StoreLogs) still fail, and after a restart the node is
// one that had not heard of the term.
type runningStable struct{ *raftLog }

// SetUint64 implements raft.StableStore.
func (s runningStable) SetUint64(key []byte, value uint64) error {
	_ = s.raftLog.SetUint64(key, value) // its error is the node's fault
	return nil
}

// DeleteRange implements raft.LogStore. Raft calls it for three purposes, which differ in the range:
// to drop entries that another leader's replaced (a suffix), to start over after a received snapshot
// (everything), and to cut what a snapshot covers (a prefix). Only the last is ours to limit.
func (l *raftLog) DeleteRange(from, to uint64) error {
	if err := l.fault.get(); err != nil {
		return err
	}
	if err := l.tail.settle(); err != nil {
		return err
	}
	first, err := l.FirstIndex()
	if err != nil {
		return err
	}
	last, err := l.LastIndex()
	if err != nil {
		return err
	}
	if from <= first && to < last {
		if to, err = l.cutAt(first, to); err != nil {
			return err
		}
		if to < first {
			return nil
		}
		l.cuts.Add(1)
	}
	if from <= first && to >= last && l.keepAll.Swap(false) {
		return nil
	}
	l.step(stepCut)
	if err := l.WAL.DeleteRange(from, to); err != nil {
		return l.fault.fail(fmt.Errorf("cut raft log: %w", err))
	}
	l.step(stepCutDone)
	return nil
}

// cutAt lowers to, the last entry that Raft would delete, to one that may go: the file holds it
// (Raft counts barriers that the file never sees), nobody who is catching up needs it, and enough octets remain
// for a follower that is a little behind. For who is catching up the log may become larger than its limit
// while the disk has room: else under load each file that is sent would be too old when it has arrived. A
// cut ends at a segment's end, because only whole segments give space back.
func (l *raftLog) cutAt(first, to uint64) (uint64, error) {
	segments, err := listSegments(l.dir)
	if err != nil {
		return 0, err
	}
	cut := l.segmentEnd(segments, min(to, l.applied()))
	if held, ok := l.held(first, cut); ok && held <= cut && (total(segments) < l.limit || l.room()) {
		cut = l.segmentEnd(segments, held-1)
	}
	return cut, nil
}

// segmentEnd returns the last index up to to that ends a segment behind which enough octets remain.
func (l *raftLog) segmentEnd(segments []segment, to uint64) uint64 {
	var kept int64
	for i := len(segments) - 1; i >= 0; i-- {
		base := segments[i].base
		if kept += segments[i].size; kept >= l.keep && base-1 <= to {
			return base - 1
		}
	}
	return 0
}

// size returns the octets of the log's files.
func (l *raftLog) size() int64 {
	segments, err := listSegments(l.dir)
	if err != nil {
		return 0
	}
	return total(segments)
}

// A segment is one file of the log.
type segment struct {
	base uint64 // index of its first entry
	size int64
}

// listSegments reads the log's folder. The names are raft-wal's: base index and id. They are the
// only place where it tells which entries share a file.
func listSegments(dir string) ([]segment, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.wal"))
	if err != nil {
		return nil, err
	}
	segments := make([]segment, 0, len(names))
	for _, name := range names {
		var s segment
		var id uint64
		if _, err := fmt.Sscanf(filepath.Base(name), "%020d-%016x.wal", &s.base, &id); err != nil {
			return nil, fmt.Errorf("segment %s of raft's log: unknown name: %w", filepath.Base(name), err)
		}
		info, err := os.Stat(name)
		if os.IsNotExist(err) {
			continue // cut meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("raft log: %w", err)
		}
		s.size = info.Size()
		segments = append(segments, s)
	}
	return segments, nil // Glob sorts, and the base index comes first with leading zeros
}

func total(segments []segment) int64 {
	var n int64
	for _, s := range segments {
		n += s.size
	}
	return n
}
