package smpptrace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// How many files are kept, and for how long: they show who talks to whom.
const (
	mostFiles = 20
	mostAge   = 24 * time.Hour
)

// ErrNoFile is returned when there is no such trace, or it is gone already.
var ErrNoFile = errors.New("no such trace")

// A folder keeps the files of traces. It touches no others.
type folder struct{ dir string }

// create makes the file of a new trace of whom, which nobody else may read, and room for it.
func (d folder) create(whom string, now time.Time) (*os.File, error) {
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return nil, err
	}
	if err := d.prune(now, mostFiles-1); err != nil {
		return nil, err
	}
	base := filepath.Join(d.dir, "trace-"+fileWord(whom)+"-"+now.UTC().Format("20060102T150405"))
	f, err := createNew(base + ".pcap")
	for n := 2; errors.Is(err, fs.ErrExist) && n <= mostFiles; n++ { // more than one within a second
		f, err = createNew(fmt.Sprintf("%s-%d.pcap", base, n))
	}
	if err != nil {
		return nil, err
	}
	if err := f.Chmod(0o600); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func createNew(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// fileWord makes of a system_id what any file system takes for a name.
func fileWord(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return '_'
	}, s)
}

func isTrace(name string) bool {
	return strings.HasPrefix(name, "trace-") && strings.HasSuffix(name, ".pcap")
}

// open opens the file of a trace for reading. name may come from anywhere.
func (d folder) open(name string) (*os.File, error) {
	if !isTrace(name) {
		return nil, ErrNoFile
	}
	f, err := os.OpenInRoot(d.dir, name)
	if err != nil {
		return nil, errors.Join(ErrNoFile, err)
	}
	return f, nil
}

// prune removes the files that are too old, and the oldest beyond so many.
func (d folder) prune(now time.Time, most int) error {
	entries, err := os.ReadDir(d.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var traces []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && isTrace(e.Name()) && info.Mode().IsRegular() {
			traces = append(traces, info)
		}
	}
	slices.SortFunc(traces, func(a, b fs.FileInfo) int { return b.ModTime().Compare(a.ModTime()) })
	var errs []error
	for i, info := range traces {
		if i >= most || now.Sub(info.ModTime()) > mostAge {
			errs = append(errs, os.Remove(filepath.Join(d.dir, info.Name())))
		}
	}
	return errors.Join(errs...)
}
