package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"
	"testing"

	"smppbridge/smpp"
)

// TestFilesAreTheOwners: whatever the umask, nobody else reads the data directory's files: texts and
// numbers are in them. A file is closed by its own mode or by that of a directory below the data
// directory, which itself may be of the operator's making (promise 7).
func TestFilesAreTheOwners(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	s := startSystem(t)
	c := s.bind("test", smpp.Transceiver)
	c.receipt(c.mustSubmit(phone, "private"))
	open := func(d fs.DirEntry) bool {
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) { // the node works meanwhile; what is gone nobody reads
			return false
		}
		return err != nil || info.Mode().Perm()&0o077 != 0
	}
	seen := 0
	err := filepath.WalkDir(s.opts.DataDir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path == s.opts.DataDir:
			return nil
		case d.IsDir() && !open(d):
			seen++
			return fs.SkipDir
		case !d.IsDir():
			seen++
			if open(d) {
				t.Errorf("%s may be read by others", filepath.Base(path))
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 2 {
		t.Errorf("%d files and closed directories, want the state's and the log's", seen)
	}
}
