package cluster

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func openTestSegments(t *testing.T, dir string, size int64) *segmentFiles {
	t.Helper()
	f, err := openSegmentFiles(dir, size, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	return f
}

// written reports whether all of a file is on blocks that were written: of one that was only allocated its file system
// has yet to note that, block by block.
func written(t *testing.T, path string) bool {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	hole, err := file.Seek(0, 4) // SEEK_HOLE: what is allocated and not written counts as one
	if errors.Is(err, syscall.EINVAL) {
		t.Skip("the file system does not tell")
	}
	if err != nil {
		t.Fatal(err)
	}
	return hole == info.Size()
}

// TestSegmentsArePrepared: a log's first segment, and each that was wanted in time, is of zeros that were
// written; one that was not is allocated. All have their size, and none has what another had.
func TestSegmentsArePrepared(t *testing.T) {
	const size = 1<<20 + 7
	dir := t.TempDir()
	f := openTestSegments(t, dir, size)
	create := func(name string, prepared bool) {
		t.Helper()
		w, err := f.Create(dir, name, size)
		if err != nil {
			t.Fatal(err)
		}
		if prepared && !written(t, filepath.Join(dir, name)) { // before it is read: what is in memory counts as written
			t.Errorf("%s was not prepared", name)
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || len(b) != size || len(bytes.Trim(b, "\x00")) != 0 {
			t.Errorf("%s has %d octets, %v, or is not of zeros", name, len(b), err)
		}
		if _, err := w.WriteAt([]byte("entries"), size-7); err != nil {
			t.Error(err)
		}
		if err := errors.Join(w.Sync(), w.Sync(), w.Close()); err != nil {
			t.Error(err)
		}
	}
	create("1.wal", true)
	f.want()
	f.want()
	eventually(t, "a spare", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.ready })
	create("2.wal", true)
	create("3.wal", false) // sooner than wanted
	if _, err := f.Create(dir, "3.wal", size); !errors.Is(err, os.ErrExist) {
		t.Errorf("a segment that is there was created: %v", err)
	}
	f.want()
	eventually(t, "a spare", func() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.ready })
	if _, err := f.Create(dir, "3.wal", size); !errors.Is(err, os.ErrExist) {
		t.Errorf("a segment that is there was created from the spare: %v", err)
	}
	if w, err := f.Create(dir, "4.wal", 2*size); err != nil {
		t.Error(err)
	} else if info, err := os.Stat(filepath.Join(dir, "4.wal")); err != nil || info.Size() != 2*size {
		t.Errorf("a segment of another size has %v, %v", info.Size(), err)
	} else {
		w.Close()
	}
}

// TestSpareOfACrashIsNotUsed: it may be half written, or have been a segment whose name was lost.
func TestSpareOfACrashIsNotUsed(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{spareName, "00000000000000000001-0000000000000001.wal"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(strings.Repeat("entries", 100)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f := openTestSegments(t, dir, 700)
	if _, err := os.Stat(filepath.Join(dir, spareName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the spare is still there: %v", err)
	}
	w, err := f.Create(dir, "2.wal", 700)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	b := make([]byte, 700)
	if _, err := w.ReadAt(b, 0); err != nil || len(bytes.Trim(b, "\x00")) != 0 {
		t.Errorf("the new segment begins with %q, %v", b[:7], err)
	}
}

// TestLogGoesOnWithoutASpare: nothing stays of one that cannot be made, and the segment is allocated.
func TestLogGoesOnWithoutASpare(t *testing.T) {
	dir := t.TempDir()
	f := openTestSegments(t, dir, 64<<10)
	spare := filepath.Join(dir, spareName)
	for _, name := range []string{"1.wal", "2.wal"} {
		w, err := f.Create(dir, name, 64<<10)
		if err != nil {
			t.Fatal(err)
		}
		w.Close()
		if err := os.Mkdir(spare, 0o700); err != nil {
			t.Fatal(err)
		}
		f.want()
		eventually(t, "nothing of the spare", func() bool { _, err := os.Stat(spare); return errors.Is(err, os.ErrNotExist) })
	}
}

// TestLogWantsItsNextSegment: half through one the log has the next made, and Close does not wait for it.
func TestLogWantsItsNextSegment(t *testing.T) {
	s := newSite(t, func(c *Config) { c.SegmentBytes, c.MaxLogBytes = 8<<20, 64<<20 })
	s.start()
	spare := filepath.Join(s.config().withDefaults().walDir(), spareName)
	text := strings.Repeat("x", 100<<10)
	for i := uint64(1); i <= 45; i++ { // more than half of it
		s.accept(i, text)
	}
	eventually(t, "a spare", func() bool { _, err := os.Stat(spare); return err == nil })
	begin := time.Now()
	s.stop() // fails the test if it takes long
	t.Logf("stopped after %v", time.Since(begin))
	s.start()
	if n := len(count(t, s.store)); n != 1 {
		t.Errorf("%d texts are in the store", n)
	}
}
