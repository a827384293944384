package smpptrace

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/smpp"
)

// TestOneAtATime: a second trace is refused with the status of the first, which goes on.
func TestOneAtATime(t *testing.T) {
	s := startSystem(t)
	if _, ok := s.Status(); ok {
		t.Error("a status before the first trace")
	}
	if _, err := s.Open(""); !errors.Is(err, ErrNoFile) {
		t.Errorf("Open before the first trace: %v", err)
	}
	s.Stop() // of none
	first := s.start(Filter{SystemID: "bank"}, Options{})
	st, err := s.Start(Filter{SystemID: "shop"}, Options{})
	if !errors.Is(err, ErrBusy) || st.SystemID != "bank" || !st.Running {
		t.Errorf("the second Start: %+v %v", st, err)
	}
	if _, err := s.Open(""); !errors.Is(err, ErrBusy) {
		t.Errorf("Open while it runs: %v", err)
	}
	if s.StopFile("trace-shop-20260102T030405.000.pcap") {
		t.Error("another trace was stopped")
	}
	if st, _ := s.Status(); !st.Running {
		t.Error("the first trace has ended")
	}
	if !s.StopFile(first.File) || s.StopFile(first.File) {
		t.Error("the first trace was not stopped once")
	}
	second := s.start(Filter{SystemID: "bank"}, Options{})
	if second.File == first.File {
		t.Error("two traces in one file")
	}
	f, err := s.Open(first.File)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
}

// TestInvalid: what cannot be traced makes no file.
func TestInvalid(t *testing.T) {
	s := startSystem(t)
	for name, tt := range map[string]struct {
		f Filter
		o Options
	}{
		"nothing":            {},
		"long system_id":     {f: Filter{SystemID: "0123456789abcdef"}},
		"no number":          {f: Filter{Number: "bank"}},
		"two digits":         {f: Filter{Number: "+00012"}},
		"account, no number": {f: Filter{SystemID: "bank", Number: "x"}},
		"too long":           {f: Filter{SystemID: "bank"}, o: Options{Time: MaxTime + 1}},
		"negative":           {f: Filter{SystemID: "bank"}, o: Options{Time: -1}},
		"too large":          {f: Filter{SystemID: "bank"}, o: Options{Size: DefaultSize + 1}},
		"too small":          {f: Filter{SystemID: "bank"}, o: Options{Size: 100}},
	} {
		if _, err := s.Start(tt.f, tt.o); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
	if files := s.files(); len(files) > 0 {
		t.Errorf("files %v", files)
	}
}

func (s *system) files() (names []string) {
	s.t.Helper()
	entries, err := os.ReadDir(s.dir)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestFiles: nobody else reads them, their names are safe, the newest 20 are kept, and for a day.
func TestFiles(t *testing.T) {
	s := startSystem(t)
	st := s.start(Filter{SystemID: "../b a\x00nk"}, Options{})
	if !strings.HasPrefix(st.File, "trace-___b_a_nk-") || filepath.Base(st.File) != st.File {
		t.Errorf("the file is called %q", st.File)
	}
	s.Stop()
	info, err := os.Stat(filepath.Join(s.dir, st.File))
	if err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	now := time.Now()
	for i := range 25 {
		s.touch(fmt.Sprintf("trace-x%02d-1.pcap", i), now.Add(-time.Duration(i)*time.Minute))
	}
	s.touch("notes.txt", now.Add(-100*time.Hour))
	s.touch("trace-mine.txt", now.Add(-100*time.Hour))
	st = s.start(Filter{Number: secretPhone}, Options{})
	files := s.files()
	if len(files) != mostFiles+2 {
		t.Errorf("%d files, want %d traces and two others: %v", len(files), mostFiles, files)
	}
	for name, want := range map[string]bool{st.File: true, "trace-x00-1.pcap": true, "trace-x18-1.pcap": false, "trace-x24-1.pcap": false} {
		if _, err := os.Stat(filepath.Join(s.dir, name)); (err == nil) != want {
			t.Errorf("%s is there: %v, want %v", name, err == nil, want)
		}
	}
	for _, name := range []string{"../harness_test.go", "notes.txt", "trace-x24-1.pcap", "trace-/../../x.pcap", "/etc/passwd", "trace-\x00.pcap"} {
		if f, err := s.Open(name); !errors.Is(err, ErrNoFile) {
			t.Errorf("Open(%q): %v %v", name, f, err)
		}
	}
}

func (s *system) touch(name string, at time.Time) {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		s.t.Fatal(err)
	}
}

// quiet is a server without sessions.
type quiet struct{ tracer smpp.Tracer }

func (q *quiet) SetTracer(t smpp.Tracer) { q.tracer = t }

// TestOldFilesGo: within the hour, also when nobody traces any more; and a recorder that stops ends its trace.
func TestOldFilesGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &system{t: t, dir: t.TempDir()}
		q := new(quiet)
		s.Recorder = NewRecorder(q, s.dir, slog.New(slog.DiscardHandler))
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		s.touch("trace-old-1.pcap", time.Now().Add(-23*time.Hour))
		s.touch("trace-new-1.pcap", time.Now().Add(-20*time.Hour))
		time.Sleep(sweepEvery + time.Second)
		synctest.Wait()
		if files := s.files(); len(files) != 2 {
			t.Errorf("after an hour: %v", files)
		}
		time.Sleep(sweepEvery)
		synctest.Wait()
		if files := s.files(); len(files) != 1 || files[0] != "trace-new-1.pcap" {
			t.Errorf("after two hours: %v", files)
		}
		s.start(Filter{SystemID: "bank"}, Options{Time: MaxTime})
		if q.tracer == nil {
			t.Error("nobody sees the PDUs")
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if st, _ := s.Status(); st.Running || st.Reason != EndedStopped || q.tracer != nil {
			t.Errorf("at the recorder's end: %+v", st)
		}
		if _, err := s.Start(Filter{SystemID: "bank"}, Options{}); !errors.Is(err, ErrClosed) {
			t.Errorf("after it: %v", err)
		}
	})
}

// TestNoFileNoTrace: a directory that cannot be written to.
func TestNoFileNoTrace(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	q := new(quiet)
	r := NewRecorder(q, filepath.Join(dir, "traces"), slog.New(slog.DiscardHandler))
	if _, err := r.Start(Filter{SystemID: "bank"}, Options{}); err == nil || errors.Is(err, ErrInvalid) || errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v", err)
	}
	if q.tracer != nil {
		t.Error("a trace runs without a file")
	}
}
