package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"smppbridge/smpp"
)

const (
	bindTimeout = 30 * time.Second // a node checks passwords one by one, on purpose slowly
	maxWrite    = 32 << 10         // octets of submit_sm gathered before they are written
)

// A bind is one session of the fleet; with run.reconnect, one session after the
// other. Its reader goroutine holds mu except while it waits for octets, so that all
// that one read brought is handled under one lock, and its answers leave in one write.
type bind struct {
	run    *run
	kind   smpp.BindType
	wake   chan struct{}  // tells the writer that something changed
	batch  batch          // the reader's alone
	deliv  smpp.DeliverSM // the reader's alone
	frames *smpp.Reader   // the reader's alone
	retry  backoff        // the reader's alone
	at     int            // the reader's alone; which of the addresses it connects to, counted on
	out    net.Conn       // the writer's alone; what it writes to

	idle  chan struct{} // closed when all is submitted and answered, or never will be
	ended chan struct{} // closed when the session is over

	mu          sync.Mutex
	conn        net.Conn  // guarded by mu; only the reader sets it
	ring        []request // guarded by mu; unanswered submit_sm by sequence_number
	unanswered  int       // guarded by mu
	seq         uint32    // guarded by mu; the last sequence_number used
	next        int64     // guarded by mu; the next message
	part        int       // guarded by mu; the next of its parts
	again       []request // guarded by mu; to be submitted before that, once more
	submitted   uint64    // guarded by mu; submit_sm
	messages    uint64    // guarded by mu; all of whose parts are submitted
	resubmitted uint64    // guarded by mu
	phase       phase     // guarded by mu
	down        bool      // guarded by mu; the connection broke and is being made again
	told        bool      // guarded by mu; the server sent unbind: no more submits on this connection
	replies     []byte    // guarded by mu; our responses, not written yet
	writerWaits bool      // guarded by mu; for more than its time: a wake is wanted
	broken      int       // guarded by mu; connections that broke
	remade      int       // guarded by mu; and were made again
	err         error     // guarded by mu; why the first connection ended that did; nil if none did
}

// A request is a submit_sm that is not answered; seq 0 is a free slot.
type request struct {
	seq   uint32
	late  uint32        // microseconds from at until it was written
	at    time.Duration // when it was to leave
	piece piece
}

// A phase is how far a session is.
type phase uint8

const (
	submitting phase = iota
	finishing        // no more new submits; answers and receipts are taken
	unbinding        // unbind is queued
	over             // unbound, lost or closed
)

// A run is what all binds share.
type run struct {
	dialer    *dialer
	request   smpp.Bind // but for its Type
	texts     *texts
	schedule  schedule
	window    int
	reconnect bool
	resubmit  bool
	backoff   time.Duration // the first wait before a connection is made again
	ledger    *ledger
	clock     func() time.Duration // since the start of the run
	conns     atomic.Uint32        // the number of the last connection
}

// dial connects and binds. turn is which of the submitting binds this one is; a bind
// with a negative turn does not submit. at is which of the addresses it connects to.
func dial(ctx context.Context, r *run, kind smpp.BindType, turn int64, at int) (*bind, error) {
	b := newBind(r, kind, turn)
	b.at = at
	if err := b.connectLocked(ctx); err != nil {
		return nil, err
	}
	return b, nil
}

// newBind returns a bind without a connection, locked: see input.
func newBind(r *run, kind smpp.BindType, turn int64) *bind {
	b := &bind{
		run: r, kind: kind,
		wake:  make(chan struct{}, 1),
		idle:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	b.mu.Lock()
	if turn < 0 {
		b.phase = finishing
		return b
	}
	b.next = r.schedule.first(turn)
	b.ring = make([]request, ringSize(r.window))
	return b
}

// ringSize leaves room for answers that are long overdue while others pass them.
func ringSize(window int) int { return 1 << bits.Len(uint(4*window)) }

// connectLocked makes a connection and binds on it. It lets the lock go while it waits.
func (b *bind) connectLocked(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	b.mu.Unlock()
	conn, err := b.run.dialer.dial(ctx, b.at)
	b.mu.Lock()
	if err != nil {
		return err
	}
	b.conn, b.seq = conn, 1 // the bind request is number 1
	b.batch.conn = b.run.conns.Add(1)
	b.frames = smpp.NewReader(input{b}, smpp.MaxPDU)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = b.handshakeLocked()
	if !stop() {
		err = context.Cause(ctx) // the connection is closed, or about to be
	}
	if err != nil {
		conn.Close()
	}
	return err
}

// handshakeLocked sends the bind request and reads its response.
func (b *bind) handshakeLocked() error {
	req := b.run.request
	req.Type = b.kind
	if _, err := b.conn.Write(smpp.Append(nil, smpp.StatusOK, b.seq, &req)); err != nil {
		return err
	}
	h, _, err := b.frames.Next()
	resp, _ := req.CommandID().Response()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("closed without a bind response")
	case err != nil:
		return err
	case h.Status != smpp.StatusOK:
		return &smpp.StatusError{Status: h.Status}
	case h.ID != resp:
		return fmt.Errorf("answered with %s", h.ID)
	}
	return nil
}

// start runs the session's goroutines. Both end when the session is over; ctx ends
// only the making of connections.
func (b *bind) start(ctx context.Context, wg *sync.WaitGroup) {
	wg.Go(func() { b.read(ctx) })
	wg.Go(b.write)
}

// stop ends submitting. idle is closed when what was submitted is answered.
func (b *bind) stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.again = nil
	b.advanceLocked(finishing)
	b.settleLocked()
}

// unbind ends the session in good order, if the server answers.
func (b *bind) unbind() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.advanceLocked(unbinding)
}

// advanceLocked takes the session to a later phase. The reader lets its caller in: it
// waits for octets without the lock.
func (b *bind) advanceLocked(to phase) {
	if b.phase >= to {
		return
	}
	b.phase = to
	switch {
	case to == unbinding && b.down:
		b.phase = over // there is nobody to say it to
	case to == unbinding:
		b.replies = smpp.Append(b.replies, smpp.StatusOK, b.nextSeqLocked(), &smpp.Unbind{})
	}
	b.settleLocked()
	b.wakeLocked()
}

// lostLocked reports whether the session did not last to the end of the run.
func (b *bind) lostLocked() bool {
	return b.err != nil && (b.down || b.told || !b.run.reconnect)
}

// close cuts the connection.
func (b *bind) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conn.Close()
}

// settleLocked tells the fleet how far the session is. The reader calls it after the
// ledger has its batch: who waits for idle then finds every answer there.
func (b *bind) settleLocked() {
	closeIf(b.idle, b.phase > submitting && b.unanswered == 0 && len(b.again) == 0 || b.phase == over)
	closeIf(b.ended, b.phase == over)
}

// closeIf closes c once.
func closeIf(c chan struct{}, when bool) {
	if !when {
		return
	}
	select {
	case <-c:
	default:
		close(c)
	}
}

// wakeLocked makes the writer look again.
func (b *bind) wakeLocked() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// nextSeqLocked returns the next sequence_number whose slot is free. One is: the
// ring is larger than the window.
func (b *bind) nextSeqLocked() uint32 {
	for {
		if b.seq++; b.seq > 0x7FFFFFFF {
			b.seq = 1
		}
		if len(b.ring) == 0 || b.slotLocked(b.seq).seq == 0 {
			return b.seq
		}
	}
}

func (b *bind) slotLocked(seq uint32) *request { return &b.ring[int(seq)&(len(b.ring)-1)] }
