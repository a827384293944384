package store

import (
	"bytes"
	"os"
	"syscall"
	"testing"
)

// TestFileIsTheOwners: whatever the umask, nobody else reads the file, be it made here or received
// as a snapshot: texts and numbers are in it.
func TestFileIsTheOwners(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	h, follower := newHarness(t), newHarness(t)
	h.grow(1, 10)
	if err := follower.Restore(bytes.NewReader(h.snapshot())); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{"made": h.path, "restored": follower.path} {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the file %s has mode %v, want 0600", name, info.Mode())
		}
	}
}
