package cluster

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestCutAt: what Raft wants deleted and what is.
func TestCutAt(t *testing.T) {
	// Segments of 100 octets that begin at 1, 11, 21, 31, 41; 200 octets are kept.
	const keep, limit = 200, 10_000
	tests := []struct {
		name              string
		to, applied, held uint64
		limit             int64
		want              uint64
		full              bool // the disk has no room beyond the limit
	}{
		{"keeps the octets asked for", 50, 50, 0, limit, 30, false},
		{"only whole segments", 27, 50, 0, limit, 20, false},
		{"not beyond the file", 50, 15, 0, limit, 10, false},
		{"nothing applied", 50, 0, 0, limit, 0, false},
		{"less than a segment", 9, 50, 0, limit, 0, false},
		{"held by a snapshot on its way", 50, 50, 25, limit, 20, false},
		{"held at a segment's begin", 50, 50, 21, limit, 20, false},
		{"held beyond the limit", 50, 50, 25, 400, 20, false},
		{"not held where the disk has no room for it", 50, 50, 25, 400, 30, true},
		{"held up to the limit whatever room there is", 50, 50, 25, limit, 20, true},
	}
	dir := t.TempDir()
	for i, base := range []int{1, 11, 21, 31, 41} {
		name := fmt.Sprintf("%020d-%016x.wal", base, i)
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range tests {
		l := &raftLog{
			dir: dir, keep: keep, limit: test.limit,
			applied: func() uint64 { return test.applied },
			held:    func(uint64, uint64) (uint64, bool) { return test.held, test.held > 0 },
			room:    func() bool { return !test.full },
		}
		got, err := l.cutAt(1, test.to)
		if err != nil || got != test.want {
			t.Errorf("%s: cut at %d, %v, want %d", test.name, got, err, test.want)
		}
	}
}

// TestLogIsBounded: far more is written than MaxLogBytes, and the files stay below it. Afterwards
// the node starts as before.
func TestLogIsBounded(t *testing.T) {
	s := newSite(t, func(c *Config) { c.SegmentBytes, c.MaxLogBytes = 64<<10, 1<<20 })
	s.start()
	const n, size = 300, 32 << 10
	filler := make([]byte, size)
	for i := range filler {
		filler[i] = 'x'
	}
	most := int64(0)
	for seq := uint64(1); seq <= n; seq++ {
		// The log is cut beside what is added to it, which a busy machine may put off.
		eventually(t, "room for a further segment", func() bool { return s.node.Figures().LogBytes <= 1<<20-64<<10 })
		s.accept(seq, text(seq)+string(filler))
		most = max(most, s.node.Figures().LogBytes)
	}
	f := s.node.Figures()
	t.Logf("%d octets in %d entries; log at most %d, now %d from index %d, cut %d times",
		f.AppendedBytes, f.AppendedEntries, most, f.LogBytes, f.LogFirstIndex, f.LogCuts)
	if most > 1<<20 {
		t.Errorf("the log's files came to %d octets, bound %d", most, 1<<20)
	}
	if f.LogCuts == 0 || f.LogFirstIndex < n/2 {
		t.Errorf("the log begins at %d after %d cuts", f.LogFirstIndex, f.LogCuts)
	}
	index, _ := s.store.Applied()
	s.stop()
	s.start()
	if got, _ := s.store.Applied(); got < index { // the new address may have been written down too
		t.Errorf("applied %d after the restart, want at least %d", got, index)
	}
	if got := count(t, s.store); len(got) != n {
		t.Errorf("%d messages after the restart, want %d", len(got), n)
	}
}

// TestUnknownSegmentIsAnError: the log is not cut by guesswork.
func TestUnknownSegmentIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "other.wal"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := listSegments(dir); err == nil {
		t.Errorf("segments %v, want an error", got)
	}
}
