package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"sync"
	"time"

	"smppbridge/smpp"
)

const (
	bindTimeout  = 30 * time.Second // a node checks passwords one by one, on purpose slowly
	maxWrite     = 32 << 10         // octets of submit_sm gathered before they are written
	interfaceVer = 0x34
)

// A bind is one transceiver session of the fleet. Its reader goroutine holds mu
// except while it waits for octets, so that all that one read brought is handled
// under one lock, and its answers leave in one write.
type bind struct {
	conn   net.Conn
	frames *smpp.Reader
	run    *run
	wake   chan struct{}  // tells the writer that something changed
	batch  batch          // the reader's alone
	deliv  smpp.DeliverSM // the reader's alone

	idle  chan struct{} // closed when all is submitted and answered, or never will be
	ended chan struct{} // closed when the session is over

	mu          sync.Mutex
	ring        []request // guarded by mu; unanswered submit_sm by sequence_number
	unanswered  int       // guarded by mu
	seq         uint32    // guarded by mu; the last sequence_number used
	next        int64     // guarded by mu; the next message
	submitted   uint64    // guarded by mu
	phase       phase     // guarded by mu
	replies     []byte    // guarded by mu; our responses, not written yet
	writerWaits bool      // guarded by mu; for more than its time: a wake is wanted
	err         error     // guarded by mu; why the session was lost; nil if it was not
}

// A request is a submit_sm that is not answered; seq 0 is a free slot.
type request struct {
	seq  uint32
	late uint32        // microseconds from at until it was written
	at   time.Duration // when it was to leave
}

// A phase is how far a session is.
type phase uint8

const (
	submitting phase = iota
	finishing        // no more submits; answers and receipts are taken
	unbinding        // unbind is queued
	over             // unbound, lost or closed
)

// A run is what all binds share.
type run struct {
	message  *message
	schedule schedule
	window   int
	first    int64 // number of the first message
	ledger   *ledger
	clock    func() time.Duration // since the start of the run
}

// dial connects and binds.
func dial(ctx context.Context, addr string, req *smpp.Bind, r *run, turn int64) (*bind, error) {
	ctx, cancel := context.WithTimeout(ctx, bindTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	b := newBind(conn, r, turn)
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	err = b.handshake(req)
	if !stop() {
		err = context.Cause(ctx) // the connection is closed, or about to be
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return b, nil
}

func newBind(conn net.Conn, r *run, turn int64) *bind {
	b := &bind{
		conn: conn, run: r, next: r.schedule.first(turn), seq: 1, // the bind request is number 1
		wake:  make(chan struct{}, 1),
		idle:  make(chan struct{}),
		ended: make(chan struct{}),
		ring:  make([]request, ringSize(r.window)),
	}
	b.frames = smpp.NewReader(input{b}, smpp.MaxPDU)
	b.mu.Lock() // the reader's; see input
	return b
}

// ringSize leaves room for answers that are long overdue while others pass them.
func ringSize(window int) int { return 1 << bits.Len(uint(4*window)) }

// handshake sends the bind request and reads its response.
func (b *bind) handshake(req *smpp.Bind) error {
	if _, err := b.conn.Write(smpp.Append(nil, smpp.StatusOK, b.seq, req)); err != nil {
		return err
	}
	h, _, err := b.frames.Next()
	switch {
	case errors.Is(err, io.EOF):
		return errors.New("closed without a bind response")
	case err != nil:
		return err
	case h.Status != smpp.StatusOK:
		return &smpp.StatusError{Status: h.Status}
	case h.ID != smpp.BindTransceiverRespID:
		return fmt.Errorf("answered with %s", h.ID)
	}
	return nil
}

// start runs the session's goroutines. Both end when the session is over.
func (b *bind) start(wg *sync.WaitGroup) {
	wg.Go(b.read)
	wg.Go(b.write)
}

// stop ends submitting. idle is closed when what was submitted is answered.
func (b *bind) stop() { b.advance(finishing) }

// unbind ends the session in good order, if the server answers.
func (b *bind) unbind() { b.advance(unbinding) }

// advance takes the session to a later phase. The reader lets it in: it waits for
// octets without the lock.
func (b *bind) advance(to phase) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.phase >= to {
		return
	}
	b.phase = to
	if to == unbinding {
		b.replies = smpp.Append(b.replies, smpp.StatusOK, b.nextSeqLocked(), &smpp.Unbind{})
	}
	b.settleLocked()
	b.wakeLocked()
}

// endLocked ends the session. What is unanswered stays so. After our unbind nothing
// that happens to the connection is a loss.
func (b *bind) endLocked(err error) {
	if b.phase < unbinding && b.err == nil {
		b.err = err
	}
	b.phase = over
	b.conn.Close()
	b.settleLocked()
	b.wakeLocked()
}

// settleLocked tells the fleet how far the session is. The reader calls it after the
// ledger has its batch: who waits for idle then finds every answer there.
func (b *bind) settleLocked() {
	closeIf(b.idle, b.phase > submitting && b.unanswered == 0 || b.phase == over)
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
		if b.slotLocked(b.seq).seq == 0 {
			return b.seq
		}
	}
}

func (b *bind) slotLocked(seq uint32) *request { return &b.ring[int(seq)&(len(b.ring)-1)] }
