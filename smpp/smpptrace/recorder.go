package smpptrace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"smppbridge/smpp"
)

// Errors that a caller of Recorder branches on.
var (
	// ErrBusy is returned by Start while a trace runs, and by Open for the file of that one.
	ErrBusy = errors.New("a trace is running")
	// ErrInvalid is returned by Start for a filter that chooses nothing, or for a time or size out of bounds.
	ErrInvalid = errors.New("cannot be traced")
	// ErrClosed is returned by Start when the recorder is about to stop.
	ErrClosed = errors.New("the recorder has stopped")
)

// A Server shows the PDUs of its sessions to a tracer. *smpp.Server implements it.
type Server interface {
	// SetTracer has t see all PDUs from now on; nil ends it.
	SetTracer(t smpp.Tracer)
}

// A Recorder makes traces, one at a time.
type Recorder struct {
	server Server
	folder folder
	log    *slog.Logger
	now    func() time.Time // for the files' age

	mu      sync.Mutex
	closed  bool               // guarded by mu
	last    *Trace             // guarded by mu; that runs, or ran last
	cancel  context.CancelFunc // guarded by mu; ends last
	hasDone chan struct{}      // guarded by mu; closed when last has ended and its file is closed
}

// NewRecorder returns a Recorder of a server's sessions, which keeps its files in dir.
func NewRecorder(server Server, dir string, log *slog.Logger) *Recorder {
	done := make(chan struct{})
	close(done)
	return &Recorder{server: server, folder: folder{dir}, log: log, now: time.Now, cancel: func() {}, hasDone: done}
}

// sweepEvery is how often files that are too old are looked for.
const sweepEvery = time.Hour

// Run removes old files until ctx ends, and then ends the trace that runs.
func (r *Recorder) Run(ctx context.Context) error {
	sweep := time.NewTicker(sweepEvery)
	defer sweep.Stop()
	for ctx.Err() == nil {
		if err := r.folder.prune(r.now(), mostFiles); err != nil {
			r.log.WarnContext(ctx, "remove old traces", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-sweep.C:
		}
	}
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.Stop()
	return nil
}

// Start starts a trace and returns its status; with ErrBusy, that of the one that runs.
func (r *Recorder) Start(f Filter, o Options) (Status, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.closed:
		return Status{}, ErrClosed
	case r.runsLocked():
		return r.last.Status(), ErrBusy
	}
	if _, err := o.withDefaults(); errors.Join(f.Check(), err) != nil {
		return Status{}, fmt.Errorf("%w: %w", ErrInvalid, errors.Join(f.Check(), err))
	}
	whom := f.SystemID
	if whom == "" {
		whom = "number"
	}
	file, err := r.folder.create(whom, r.now())
	if err != nil {
		return Status{}, fmt.Errorf("make a file for the trace: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return Status{}, fmt.Errorf("make a file for the trace: %w", err)
	}
	t, err := New(f, o, file, info.Name(), r.log)
	if err != nil {
		file.Close()
		return Status{}, fmt.Errorf("start trace: %w", err)
	}
	r.startLocked(t, file)
	return t.Status(), nil
}

func (r *Recorder) startLocked(t *Trace, file *os.File) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	r.last, r.cancel, r.hasDone = t, cancel, done
	s := t.Status()
	level := slog.LevelInfo
	if s.Unmasked {
		level = slog.LevelWarn // texts and numbers are about to be on the disk
	}
	r.log.Log(ctx, level, "trace started", "file", s.File, "system_id", s.SystemID, "number", s.Number,
		"unmasked", s.Unmasked, "until", s.Until)
	r.server.SetTracer(t)
	go func() { // ends with ctx, or when the trace's time or file is used up
		defer close(done)
		defer cancel()
		err := t.Run(ctx)
		r.server.SetTracer(nil)
		if err = errors.Join(err, file.Close()); err != nil {
			r.log.Error("trace", "file", s.File, "err", err)
		}
	}()
}

// runsLocked reports whether there is a trace that has not ended.
func (r *Recorder) runsLocked() bool {
	select {
	case <-r.hasDone:
		return false
	default:
		return true
	}
}

// Stop ends the trace that runs, if one does, and waits until its file is whole.
func (r *Recorder) Stop() {
	r.mu.Lock()
	cancel, done := r.cancel, r.hasDone
	r.mu.Unlock()
	cancel()
	<-done
}

// StopFile is Stop if the trace that runs is that of the file; it reports whether.
func (r *Recorder) StopFile(name string) bool {
	r.mu.Lock()
	ours := r.runsLocked() && r.last.Status().File == name
	cancel, done := r.cancel, r.hasDone
	r.mu.Unlock()
	if ours {
		cancel()
		<-done
	}
	return ours
}

// Status returns the status of the trace that runs or ran last; ok is false if there was none.
func (r *Recorder) Status() (s Status, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last == nil {
		return Status{}, false
	}
	s = r.last.Status()
	s.Running = r.runsLocked() // until its file is whole
	return s, true
}

// Open opens the file of a trace that has ended: the last one's if name is empty.
func (r *Recorder) Open(name string) (*os.File, error) {
	s, ok := r.Status()
	switch {
	case name == "" && !ok:
		return nil, ErrNoFile
	case name == "":
		name = s.File
	}
	if s.Running && s.File == name {
		return nil, ErrBusy
	}
	return r.folder.open(name)
}
