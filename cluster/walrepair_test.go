package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
	"github.com/hashicorp/raft-wal/types"
)

// errNoRotation stands for the crash: what the meta store was to note of a rotation is not noted.
var errNoRotation = errors.New("the process died here")

// A dyingMeta is a meta store that the process does not live to write to once it is dead.
type dyingMeta struct {
	metadb.BoltMetaDB
	dead bool
}

func (d *dyingMeta) CommitState(s types.PersistentState) error {
	if d.dead {
		return errNoRotation
	}
	return d.BoltMetaDB.CommitState(s)
}

const walSegment = 64 << 10

func openWAL(t *testing.T, dir string, m types.MetaStore) *wal.WAL {
	t.Helper()
	quiet := newRaftLogger(Config{}.withDefaults().Log)
	w, err := wal.Open(dir, wal.WithSegmentSize(walSegment), wal.WithLogger(quiet), wal.WithMetaStore(m))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func walEntry(i uint64) *raft.Log {
	return &raft.Log{Index: i, Term: 3, Type: raft.LogCommand, Data: fmt.Appendf(nil, "entry %d %s", i, bytes.Repeat([]byte{'x'}, 900))}
}

// sealedTail makes a log whose last append filled a segment and whose process died before the
// rotation was noted. It returns the index of the last entry and the segment's file.
func sealedTail(t *testing.T, dir string, cut bool) (last uint64, file string) {
	t.Helper()
	meta := &dyingMeta{}
	w := openWAL(t, dir, meta)
	add := func() {
		last++
		if err := w.StoreLog(walEntry(last)); err != nil {
			t.Fatal(err)
		}
	}
	segments := func() int {
		s, err := listSegments(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(s)
	}
	for segments() < 3 {
		add()
	}
	add() // the rotation before is over: two files are sealed, the third is the tail
	if cut {
		if err := w.DeleteRange(1, last-1); err != nil { // the tail's first entries are not its minimum
			t.Fatal(err)
		}
	}
	meta.dead = true
	s, err := listSegments(dir)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(dir, fmt.Sprintf("%020d-%016x.wal", s[len(s)-1].base, 2))
	for i := s[len(s)-1].base; ; i++ {
		if i > last {
			if err := w.StoreLog(walEntry(i)); err != nil {
				break // the one after the segment's last
			}
			last = i
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return last, file
}

// TestCrashBetweenSegments: the node can append again and has lost nothing that was synced.
func TestCrashBetweenSegments(t *testing.T) {
	tests := []struct {
		name   string
		cut    bool
		damage func(b []byte) // of the file, up to the end of what was written to it
		lost   uint64         // entries whose append the crash did not let finish
	}{
		{"after the seal", false, func([]byte) {}, 0},
		{"after the seal, the log was cut", true, func([]byte) {}, 0},
		{"within the last append, its end is missing", false, func(b []byte) { clear(b[len(b)-16:]) }, 1},
		{"within the last append, a block is missing", false, func(b []byte) { clear(b[len(b)-900 : len(b)-400]) }, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			last, file := sealedTail(t, dir, test.cut)
			b := readFile(t, file)
			test.damage(b[:len(bytes.TrimRight(b, "\x00"))])
			writeFile(t, file, b)
			last -= test.lost

			w := openWAL(t, dir, &metadb.BoltMetaDB{})
			if err := w.StoreLog(walEntry(last + 1)); !errors.Is(err, wal.ErrSealed) {
				t.Fatalf("append before the repair: %v, want ErrSealed: the case is not what it should be", err)
			}
			first, err := w.FirstIndex()
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			if mended, err := repairTail(dir); err != nil || !mended {
				t.Fatalf("repair: %v, %v", mended, err)
			}
			checkWAL(t, dir, first, last)
			if mended, err := repairTail(dir); err != nil || mended {
				t.Errorf("a second repair: %v, %v, want nothing to mend", mended, err)
			}
			checkWAL(t, dir, first, last+10)
		})
	}
}

// checkWAL opens the log, expects the entries first to last, and appends ten.
func checkWAL(t *testing.T, dir string, first, last uint64) {
	t.Helper()
	w := openWAL(t, dir, &metadb.BoltMetaDB{})
	defer w.Close()
	gotFirst, err1 := w.FirstIndex()
	gotLast, err2 := w.LastIndex()
	if err := errors.Join(err1, err2); err != nil || gotFirst != first || gotLast != last {
		t.Fatalf("the log holds %d to %d, %v, want %d to %d", gotFirst, gotLast, err, first, last)
	}
	for i := max(first, 1); i <= last+10; i++ {
		if i > last {
			if err := w.StoreLog(walEntry(i)); err != nil {
				t.Fatalf("append %d: %v", i, err)
			}
		}
		var got raft.Log
		if err := w.GetLog(i, &got); err != nil || !bytes.Equal(got.Data, walEntry(i).Data) || got.Index != i {
			t.Fatalf("entry %d: %v %.20q", i, err, got.Data)
		}
	}
}

// TestInterruptedRepair: the crash comes again, after the new file was written.
func TestInterruptedRepair(t *testing.T) {
	dir := t.TempDir()
	last, file := sealedTail(t, dir, false)
	leftover := filepath.Join(dir, fmt.Sprintf("%s-%016x.wal", filepath.Base(file)[:20], 3))
	if err := os.WriteFile(leftover, []byte("half of it"), 0o600); err != nil {
		t.Fatal(err)
	}
	if mended, err := repairTail(dir); err != nil || !mended {
		t.Fatalf("repair: %v, %v", mended, err)
	}
	checkWAL(t, dir, 1, last)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the old file is still there: %v", err)
	}
}

func TestNothingToMend(t *testing.T) {
	dir := t.TempDir()
	if mended, err := repairTail(dir); err != nil || mended {
		t.Errorf("no log: %v, %v", mended, err)
	}
	w := openWAL(t, dir, &metadb.BoltMetaDB{})
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if mended, err := repairTail(dir); err != nil || mended {
		t.Errorf("empty log: %v, %v", mended, err)
	}
	checkWAL(t, dir, 0, 0)
}
