package smpptrace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"smppbridge/smpp"
)

// Bounds of a trace.
const (
	DefaultTime = time.Minute
	MaxTime     = 10 * time.Minute
	DefaultSize = 64 << 20 // octets of the file

	queueOctets = 4 << 20
)

// Options are how long and how much is traced, and how openly. Zero values are the defaults.
type Options struct {
	Time     time.Duration // at most MaxTime
	Size     int64         // octets of the file, the default at most
	Unmasked bool          // write texts and whole numbers
}

var errOptions = fmt.Errorf("a trace takes more than nothing and at most %s and %d octets", MaxTime, DefaultSize)

func (o Options) withDefaults() (Options, error) {
	if o.Time == 0 {
		o.Time = DefaultTime
	}
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.Time < 0 || o.Time > MaxTime || o.Size < fileHeadLen+noteRoom || o.Size > DefaultSize {
		return o, errOptions
	}
	return o, nil
}

// A Reason is why a trace has ended.
type Reason string

// The reasons.
const (
	EndedTime    Reason = "time is up"
	EndedSize    Reason = "file is full"
	EndedStopped Reason = "stopped"
	EndedFailed  Reason = "file cannot be written"
)

// A Status is what a trace is doing or has done. The number in it is masked.
type Status struct {
	Running  bool      `json:"running"`
	File     string    `json:"file"`
	SystemID string    `json:"system_id,omitempty"`
	Number   string    `json:"number,omitempty"`
	Unmasked bool      `json:"unmasked"`
	Started  time.Time `json:"started"`
	Until    time.Time `json:"until"` // when it ends at the latest, or has ended
	Reason   Reason    `json:"reason,omitempty"`
	PDUs     uint64    `json:"pdus"`    // written
	Dropped  uint64    `json:"dropped"` // wanted, and not written: they came too fast
	Octets   int64     `json:"octets"`  // of the file
}

// A Trace writes the PDUs that its filter wants to a file and to the log, until its time or its file's size
// is used up. It is an smpp.Tracer while it runs.
type Trace struct {
	opts  Options
	log   *slog.Logger
	sel   *selector
	queue *queue
	over  atomic.Bool // want nothing more
	out   *bufio.Writer
	pcap  *pcap

	mu     sync.Mutex
	status Status // guarded by mu
}

// New returns a Trace that will write to w. The name of w is for Status.
func New(f Filter, o Options, w io.Writer, name string, log *slog.Logger) (*Trace, error) {
	o, err := o.withDefaults()
	if err = errors.Join(f.Check(), err); err != nil {
		return nil, err
	}
	out := bufio.NewWriterSize(w, 256<<10)
	p, err := newPcap(out, o.Size)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &Trace{
		opts: o, log: log, sel: newSelector(f), queue: newQueue(queueOctets), out: out, pcap: p,
		status: Status{
			Running: true, File: name, SystemID: f.SystemID, Number: masked(f.Number), Unmasked: o.Unmasked,
			Started: now, Until: now.Add(o.Time), Octets: p.size,
		},
	}, nil
}

// Status returns what the trace is doing or has done.
func (t *Trace) Status() Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.status
}

// PDU implements smpp.Tracer. It copies what is wanted and waits for nobody.
func (t *Trace) PDU(s *smpp.Session, sent bool, pdus []byte) {
	if t.over.Load() {
		return
	}
	p := peer{s.ID(), s.SystemID()}
	for len(pdus) >= smpp.HeaderLen {
		n := int(headerOf(pdus).Length)
		if n < smpp.HeaderLen || n > len(pdus) {
			return // a tracer is shown whole PDUs
		}
		wanted, lost := t.sel.wants(p, sent, pdus[:n])
		if wanted {
			t.queue.put(newRecord(p.id, s.RemoteAddr(), sent), pdus[:n])
		}
		if lost {
			t.queue.lose(1)
		}
		pdus = pdus[n:]
	}
}

// errFull ends a trace whose file has no room for the next PDU.
var errFull = errors.New("the file is full")

// Run writes what is seen, until ctx ends or the trace does by itself. It returns what went wrong with the
// file.
func (t *Trace) Run(ctx context.Context) error {
	timer := time.NewTimer(time.Until(t.Status().Until))
	defer timer.Stop()
	reason, err := t.run(ctx, timer.C)
	t.over.Store(true)
	t.queue.close()
	if err == nil {
		err = t.writeWaiting(nil)
	}
	if errors.Is(err, errFull) {
		reason, err = EndedSize, nil
	}
	s := t.finish(reason)
	if err == nil {
		err = t.pcap.note(s.Until, s.note())
	}
	err = errors.Join(err, t.out.Flush())
	if err != nil {
		s = t.finish(EndedFailed)
	}
	t.end(&s)
	if err != nil {
		return fmt.Errorf("write trace: %w", err)
	}
	return nil
}

// run writes until there is a reason to end. It rests for as long as it worked, so that it never takes more than
// half a processor from the sessions: rather, PDUs are dropped.
func (t *Trace) run(ctx context.Context, timeUp <-chan time.Time) (Reason, error) {
	var spare batch
	rest := time.NewTimer(0)
	defer rest.Stop()
	var wake <-chan struct{} // nil while it rests
	for {
		select {
		case <-ctx.Done():
			return EndedStopped, nil
		case <-timeUp:
			return EndedTime, nil
		case <-rest.C:
			wake = t.queue.wake
		case <-wake:
			began := time.Now()
			if err := t.writeWaiting(&spare); err != nil {
				return "", err
			}
			rest.Reset(time.Since(began))
			wake = nil
		}
	}
}

// yieldEvery is how many PDUs are written at a stretch, in some 50 µs.
const yieldEvery = 16

// writeWaiting writes what waits in the queue. spare is the batch before, whose memory is used again.
func (t *Trace) writeWaiting(spare *batch) error {
	if spare == nil {
		spare = new(batch)
	}
	full, dropped := t.queue.take(*spare)
	*spare = full
	octets := full.octets
	var written uint64
	var err error
	for i := range full.records {
		r := &full.records[i]
		if err = t.write(r, octets[:r.octets:r.octets]); err != nil {
			dropped += uint64(len(full.records) - i)
			break
		}
		written++
		octets = octets[r.octets:]
		if i%yieldEvery == yieldEvery-1 {
			runtime.Gosched() // a session must not wait for the 10 ms that the scheduler lets anyone run
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.PDUs += written
	t.status.Dropped = dropped
	t.status.Octets = t.pcap.size
	return err
}

// write masks, writes and logs one PDU.
func (t *Trace) write(r *record, pdu []byte) error {
	h := headerOf(pdu)
	pdu = mask(pdu, r.sent, t.opts.Unmasked)
	ok, err := t.pcap.write(r, pdu)
	if err == nil && !ok {
		err = errFull
	}
	if err == nil {
		logPDU(t.log, r, h, pdu[smpp.HeaderLen:])
	}
	return err
}

// finish notes the end.
func (t *Trace) finish(why Reason) Status {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Reason = why
	t.status.Until = time.Now()
	return t.status
}

// end lets the end be seen.
func (t *Trace) end(s *Status) {
	t.log.Info("trace ended", "file", s.File, "reason", string(s.Reason), "pdus", s.PDUs, "dropped", s.Dropped)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.status.Running = false
	t.status.Octets = t.pcap.size
}

// note is what the file says of itself in its last packet.
func (s *Status) note() string {
	masking := "masked"
	if s.Unmasked {
		masking = "not masked"
	}
	return fmt.Sprintf("smppbridge trace of system_id=%q number=%q, %s: %s, %d PDUs, %d more dropped",
		s.SystemID, s.Number, masking, s.Reason, s.PDUs, s.Dropped)
}
