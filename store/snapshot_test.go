package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
)

// grow applies random commands.
func (h *harness) grow(seed uint64, steps int) {
	h.t.Helper()
	d := &driver{h: h, rnd: rand.New(rand.NewPCG(seed, 9)), inc: seed, seq: h.index}
	for range steps {
		h.apply(d.next())
	}
}

// snapshot returns the octets of a snapshot taken now.
func (h *harness) snapshot() []byte {
	h.t.Helper()
	n, err := h.Snapshot()
	if err != nil {
		h.t.Fatal(err)
	}
	defer n.Close()
	return h.written(n)
}

func (h *harness) written(n *Snapshot) []byte {
	h.t.Helper()
	var b bytes.Buffer
	if size, err := n.WriteTo(&b); err != nil || size != n.Size || int64(b.Len()) != n.Size {
		h.t.Fatalf("snapshot of %d octets, %d written, announced %d: %v", b.Len(), size, n.Size, err)
	}
	return b.Bytes()
}

func TestSnapshotIsTheStateAtItsIndex(t *testing.T) {
	h := newHarness(t)
	h.grow(1, 100)
	h.index++
	if _, err := h.Apply([]Entry{{Index: h.index, Term: 3, Configuration: []byte("conf")}}); err != nil {
		t.Fatal(err)
	}
	n, err := h.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	want, index := h.sum(), h.index
	h.grow(2, 200) // the state goes on while the snapshot is open
	if n.Index != index || n.Term != 3 || n.ConfigurationIndex != index || string(n.Configuration) != "conf" {
		t.Errorf("snapshot %+v, want index %d", n, index)
	}
	raw := h.written(n)
	if err := errors.Join(n.Close(), n.Close()); err != nil {
		t.Fatal(err)
	}
	other := newHarness(t)
	other.Store.Close()
	if err := os.WriteFile(other.path, raw, 0o600); err != nil {
		t.Fatal(err)
	}
	other.open()
	if other.sum() != want {
		t.Error("the snapshot is not the state at its index")
	}
	if i, term := other.Applied(); i != index || term != 3 {
		t.Errorf("applied %d of term %d, want %d of 3", i, term, index)
	}
	if i, conf := other.Configuration(); i != index || string(conf) != "conf" {
		t.Errorf("configuration %q at %d", conf, i)
	}
}

func TestRestore(t *testing.T) {
	h := newHarness(t)
	h.grow(1, 300)
	raw, want, figures := h.snapshot(), h.sum(), h.Figures()

	follower := newHarness(t)
	follower.grow(3, 20)
	old, err := follower.Snapshot() // a reader of the old file, which Restore waits for
	if err != nil {
		t.Fatal(err)
	}
	wake, cancel := follower.Watch(WatchSend)
	defer cancel()
	outcome, cancel2 := follower.Watch(WatchOutcome)
	defer cancel2()
	done := make(chan error)
	go func() { done <- follower.Restore(bytes.NewReader(raw)) }()
	<-wake // the new file is in place
	if i, _ := follower.Applied(); i != h.index {
		t.Errorf("applied %d, want %d", i, h.index)
	}
	if i := old.Index; i != 20 || len(follower.written(old)) == 0 {
		t.Errorf("the old reader is at %d", i)
	}
	old.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	select {
	case <-outcome:
	default:
		t.Error("who waits for an outcome was not told to look again")
	}
	if follower.sum() != want || !sameFigures(follower.Figures(), figures) {
		t.Errorf("restored: %+v, want %+v", follower.Figures(), figures)
	}
	// Memory was rebuilt: what is applied now comes out the same on both.
	follower.index, follower.now = h.index, h.now
	h.grow(4, 200)
	follower.grow(4, 200)
	if h.sum() != follower.sum() {
		t.Error("after the restore the nodes went different ways")
	}
	follower.restart()
	if h.sum() != follower.sum() {
		t.Error("after a restart the restored file is another")
	}
}

func TestRestoreOfOwnPastChangesNothing(t *testing.T) {
	h := newNamed(t)
	h.grow(1, 50)
	raw := h.snapshot()
	h.grow(2, 50)
	want := h.sum()
	if err := h.Restore(bytes.NewReader(raw)); err != nil {
		t.Fatal(err)
	}
	if i, _ := h.Applied(); i != h.index || h.sum() != want {
		t.Errorf("applied went from %d to %d", h.index, i)
	}
	h.grow(3, 10)
}

// TestRestoreThatFails: whatever comes over the network, the old state stays and goes on.
func TestRestoreThatFails(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 300)
	raw := source.snapshot()
	foreign := newHarness(t)
	foreign.Store.Close()
	os.Remove(foreign.path)
	s, err := Open(foreign.path, Options{ClusterID: "other", NoSync: true, MmapSize: testMmap})
	if err != nil {
		t.Fatal(err)
	}
	foreign.Store = s
	for range 50 { // not by chance: a Genesis would name it as the others
		foreign.accept(message("shop"))
	}
	damaged := bytes.Clone(raw)
	for i := 2 * 4096; i < len(damaged); i++ {
		damaged[i] = 0xff
	}
	tests := map[string]io.Reader{
		"broken off":         io.MultiReader(bytes.NewReader(raw[:len(raw)/2]), iotest.ErrReader(io.ErrUnexpectedEOF)),
		"cut short":          bytes.NewReader(raw[:len(raw)/2]),
		"cut within a page":  bytes.NewReader(raw[:len(raw)-100]),
		"nothing":            strings.NewReader(""),
		"not a store":        strings.NewReader(strings.Repeat("x", 1<<15)),
		"damaged":            bytes.NewReader(damaged),
		"of another cluster": bytes.NewReader(foreign.snapshot()),
	}
	for name, r := range tests {
		h := newHarness(t)
		h.grow(5, 20)
		want := h.sum()
		if err := h.Restore(r); err == nil {
			t.Errorf("%s: no error", name)
		}
		if h.sum() != want {
			t.Errorf("%s: the state has changed", name)
		}
		if _, err := os.Stat(h.path + restoreSuffix); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: the received file was left: %v", name, err)
		}
		h.grow(6, 5)
	}
	for name, octets := range map[string][]byte{
		"cut short": raw[:len(raw)/2], "nothing": {}, "damaged": damaged, "not a store": []byte(strings.Repeat("x", 1<<15)),
	} {
		h := newHarness(t)
		h.grow(5, 20)
		want, path := h.sum(), h.received(octets)
		if err := h.RestoreFile(path); err == nil || h.sum() != want {
			t.Errorf("file %s: %v", name, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("file %s: it is gone: %v", name, err)
		}
		h.grow(6, 5)
	}
}

// TestRestoreLooksAtEveryPage: one damaged page, wherever it is, is found before the file is the state, not
// when a message on it is read.
func TestRestoreLooksAtEveryPage(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 60)
	for range 30 {
		source.accept(message("shop"), message("bank"), message("shop")) // several pages of messages
	}
	raw, want := source.snapshot(), source.sum()
	page, refused := os.Getpagesize(), 0
	for at := 2 * page; at < len(raw); at += page {
		damaged := bytes.Clone(raw)
		for i := range page {
			damaged[at+i] = 0xff
		}
		h := newHarness(t)
		if err := h.Restore(bytes.NewReader(damaged)); err != nil {
			refused++
		} else if err := guard(func() error {
			if h.sum() != want {
				return errCodec
			}
			return nil
		}); err != nil {
			t.Errorf("page %d: taken, and then: %v", at/page, err)
		}
		h.Store.Close()
	}
	if refused < int(bucketCount)/2 {
		t.Errorf("%d pages of %d matter", refused, len(raw)/page)
	}
}

// TestRestoreFileThatCannotBeMoved: a rename that did not happen leaves the node as it was.
func TestRestoreFileThatCannotBeMoved(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 50)
	h := newHarness(t)
	h.grow(3, 20)
	want, path := h.sum(), h.received(source.snapshot())
	own := h.Store.path
	h.Store.path = filepath.Join(filepath.Dir(own), "not there", "state")
	if err := h.RestoreFile(path); !errors.Is(err, os.ErrNotExist) || h.sum() != want {
		t.Errorf("moved into a folder that is not there: %v", err)
	}
	h.Store.path = own
	h.grow(4, 5)
	if err := h.RestoreFile(path); err != nil {
		t.Errorf("at the second try: %v", err)
	}
	if h.sum() != source.sum() {
		t.Error("another state")
	}
}

// received writes octets to a file in the store's own folder.
func (h *harness) received(octets []byte) (path string) {
	h.t.Helper()
	path = filepath.Join(filepath.Dir(h.path), "received")
	if err := os.WriteFile(path, octets, 0o644); err != nil {
		h.t.Fatal(err)
	}
	return path
}

// TestRestoreFileMoves: the file becomes the state without being copied, and is the owner's alone.
func TestRestoreFileMoves(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 300)
	h := newHarness(t)
	h.grow(3, 20)
	path := h.received(source.snapshot())
	moved, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.RestoreFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if is, err := os.Stat(h.path); err != nil || !os.SameFile(is, moved) || is.Mode().Perm() != 0o600 {
		t.Errorf("the state is %v, %v", is, err)
	}
	if h.sum() != source.sum() {
		t.Error("another state")
	}
	h.index, h.now = source.index, source.now
	for range 2 {
		source.grow(4, 50)
		h.grow(4, 50)
		if h.sum() != source.sum() {
			t.Error("after the restore the nodes went different ways")
		}
		h.restart()
	}
	want := h.sum()
	path = h.received(source.snapshot()) // of our own past
	if err := h.RestoreFile(path); err != nil || h.sum() != want {
		t.Errorf("our own past: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("our own past is still there: %v", err)
	}
	if err := h.RestoreFile(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	h.grow(5, 5)
}

// TestCrashWhileRestoring puts on disk what a crash at each step of a Restore leaves.
func TestCrashWhileRestoring(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 100)
	raw := source.snapshot()
	tests := []struct {
		name     string
		temp     []byte // received so far
		replaced bool   // the rename is on disk
	}{
		{"while receiving", raw[:len(raw)/3], false},
		{"before the rename", raw, false},
		{"after the rename", nil, true},
	}
	for _, tt := range tests {
		h := newHarness(t)
		h.grow(5, 20)
		want := h.sum()
		h.Store.Close()
		if tt.temp != nil {
			if err := os.WriteFile(h.path+restoreSuffix, tt.temp, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if tt.replaced {
			want = source.sum()
			if err := os.WriteFile(h.path, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		h.open()
		if h.sum() != want {
			t.Errorf("%s: the state is neither the old nor the new one", tt.name)
		}
		if left, _ := filepath.Glob(h.path + ".*"); len(left) > 0 {
			t.Errorf("%s: left behind: %v", tt.name, left)
		}
	}
}

// TestCrashWhileMoving is the same for RestoreFile: the received file is where it was until it is the state.
func TestCrashWhileMoving(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 100)
	raw := source.snapshot()
	for _, moved := range []bool{false, true} {
		h := newHarness(t)
		h.grow(5, 20)
		want := h.sum()
		h.Store.Close() // before the rename nothing else has been written
		path := h.received(raw)
		if moved {
			if err := os.Rename(path, h.path); err != nil {
				t.Fatal(err)
			}
			want = source.sum()
		}
		h.open()
		if h.sum() != want {
			t.Errorf("moved %t: the state is neither the old nor the new one", moved)
		}
		if moved {
			continue
		}
		if err := h.RestoreFile(path); err != nil || h.sum() != source.sum() {
			t.Errorf("again after the crash: %v", err)
		}
	}
}

// TestJoiningNodeTakesClusterID: a node that has applied nothing has its cluster's id from its
// first snapshot.
func TestJoiningNodeTakesClusterID(t *testing.T) {
	source := newHarness(t)
	source.grow(1, 10)
	s, err := Open(filepath.Join(t.TempDir(), "state"), Options{ClusterID: "new", NoSync: true, MmapSize: testMmap})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Restore(bytes.NewReader(source.snapshot())); err != nil {
		t.Fatal(err)
	}
	if got := s.OutID(10); got != "test-1-a" {
		t.Errorf("OutID %s", got)
	}
}
