package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/raft-wal/fs"
	"github.com/hashicorp/raft-wal/metadb"
	walsegment "github.com/hashicorp/raft-wal/segment"
	"github.com/hashicorp/raft-wal/types"
)

// repairTail mends what raft-wal 0.4.2 does not: it seals a full segment with its last append, and
// notes that, and the next segment, in its meta store afterwards. A crash between leaves a tail that
// is sealed but goes as the tail, and each append to it fails, for ever. So does a crash within that
// last append, which leaves the seal of an append that never was.
//
// The tail's entries are written to a new file, which takes its place in the meta store in one
// transaction. A crash before that leaves a file that nobody knows of, which is removed here or when
// the log is opened. It says whether there was something to mend.
func repairTail(dir string) (mended bool, err error) {
	if _, err := os.Stat(filepath.Join(dir, metadb.FileName)); errors.Is(err, os.ErrNotExist) {
		return false, nil // a new log
	}
	db := &metadb.BoltMetaDB{}
	state, err := db.Load(dir)
	if err != nil {
		return false, fmt.Errorf("raft log: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	n := len(state.Segments)
	if n == 0 || !state.Segments[n-1].SealTime.IsZero() {
		return false, nil
	}
	filer := walsegment.NewFiler(dir, fs.New())
	tail, err := rewriteTail(filer, state.Segments[n-1], state.NextSegmentID)
	if err != nil {
		return false, fmt.Errorf("mend raft log: %w", err)
	}
	if len(tail) == 0 {
		return false, nil
	}
	state.Segments = append(slices.Clone(state.Segments[:n-1]), tail...)
	state.NextSegmentID += uint64(len(tail))
	if err := db.CommitState(state); err != nil {
		return false, fmt.Errorf("mend raft log: %w", err)
	}
	return true, nil
}

// rewriteTail returns the segments that take the place of old, numbered from id, if old cannot be
// appended to: its entries in a new file and, if that is full, the tail after it, whose file raft-wal
// makes when it does not find it.
func rewriteTail(filer *walsegment.Filer, old types.SegmentInfo, id uint64) ([]types.SegmentInfo, error) {
	w, err := filer.RecoverTail(old)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if sealed, _, err := w.Sealed(); err != nil || !sealed {
		return nil, err
	}
	entries, err := readEntries(w, old.MinIndex)
	if err != nil {
		return nil, err
	}
	info := old
	info.ID, info.BaseIndex, info.CreateTime = id, old.MinIndex, time.Now()
	if err := filer.Delete(info.BaseIndex, id); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if len(entries) == 0 {
		return []types.SegmentInfo{info}, nil
	}
	return writeSegment(filer, info, entries)
}

// writeSegment writes and syncs entries as the segment info.
func writeSegment(filer *walsegment.Filer, info types.SegmentInfo, entries []types.LogEntry) ([]types.SegmentInfo, error) {
	w, err := filer.Create(info)
	if err != nil {
		return nil, err
	}
	defer w.Close()
	if err := w.Append(entries); err != nil {
		return nil, err
	}
	sealed, indexStart, err := w.Sealed()
	if err != nil || !sealed {
		return []types.SegmentInfo{info}, err
	}
	next := info
	info.SealTime, info.MaxIndex, info.IndexStart = time.Now(), w.LastIndex(), indexStart
	next.ID++
	next.BaseIndex, next.MinIndex = info.MaxIndex+1, info.MaxIndex+1
	return []types.SegmentInfo{info, next}, nil
}

func readEntries(w types.SegmentWriter, from uint64) ([]types.LogEntry, error) {
	var entries []types.LogEntry
	for i := from; i <= w.LastIndex(); i++ {
		b, err := w.GetLog(i)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", i, err)
		}
		entries = append(entries, types.LogEntry{Index: i, Data: slices.Clone(b.Bs)})
		if err := b.Close(); err != nil {
			return nil, err
		}
	}
	return entries, nil
}
