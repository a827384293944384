package smpp

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Errors that a backend branches on.
var (
	// ErrWindowFull is returned by DeliverSM when as many deliver_sm are
	// unanswered as the session may have, or when the ESME does not read what is
	// queued for it already. In the second case none need be unanswered: do not
	// wait for a done alone before trying again.
	ErrWindowFull = errors.New("deliver window full")
	// ErrClosed is returned by DeliverSM, and given to its done, when the
	// session has ended or is about to.
	ErrClosed = errors.New("session closed")
	// ErrTimeout is given to DeliverSM's done when the ESME did not answer in time.
	ErrTimeout = errors.New("no response in time")
	// ErrNotReceiver is returned by DeliverSM for a session bound as transmitter.
	ErrNotReceiver = errors.New("session is not bound as a receiver")
)

// A state is where a session is (SMPP 3.4, 2.2, and what leads out of it).
type state uint8

const (
	stateOpen      state = iota // connected, no bind yet
	stateBinding                // Backend.Bind is deciding
	stateBound                  //
	stateUnbinding              // the ESME sent unbind; submits in flight are still answered
	stateClosing                // what is queued is written, nothing else is done
	stateClosed                 // the connection is closed
)

// A Session is one connection of an ESME.
type Session struct {
	srv     *Server
	serving *serving
	conn    net.Conn
	raw     net.Conn // below conn's TLS and PROXY header, or conn: closing it never waits for the peer
	id      uint64
	since   time.Time
	backend Backend
	metrics *metrics
	log     *slog.Logger

	// Set by the reader before Backend.Bind is called, and never again.
	systemID string
	bindType BindType
	version  byte // interface_version

	frames     *Reader       // the reader's alone
	submit     SubmitSM      // the reader's alone; lent to Backend.SubmitSM
	writerDone chan struct{} // closed when the writer has returned

	reads   progress      // the reader's calls of conn.Read
	writes  progress      // the writer's calls of conn.Write
	written atomic.Uint64 // see Written

	mu       sync.Mutex
	state    state              // guarded by mu
	draining bool               // guarded by mu; the server drains: take no submits, unbind when idle
	unbound  bool               // guarded by mu; our unbind is queued
	bound    bool               // guarded by mu; Backend.Bind has succeeded
	opts     Options            // guarded by mu; set when bound
	end      endReason          // guarded by mu; why the session ended, the first reason given
	endErr   error              // guarded by mu; for the log
	cancel   context.CancelFunc // guarded by mu; ends Backend.Bind's context

	inflight      int       // guarded by mu; submit_sm and other requests not answered yet
	longestAnswer int       // guarded by mu; octets that the answer to one of them may have
	wakeAt        int       // guarded by mu; the reader waits until inflight is no more than this; -1: it does not wait
	room          sync.Cond // on mu; the reader waits here for a window slot or room in out

	out        []byte    // guarded by mu; encoded PDUs the writer has not taken yet
	writing    int       // guarded by mu; octets that the writer has taken
	spare      []byte    // guarded by mu; an empty buffer to put in out's place
	early      []byte    // guarded by mu; deliver_sm from before the bind_resp
	outMark    uint64    // guarded by mu; the highest mark of a response in out
	writerIdle bool      // guarded by mu; the writer waits on more
	more       sync.Cond // on mu; the writer waits here for octets or the end

	nextSeq    uint32             // guarded by mu
	pending    map[uint32]request // guarded by mu; our unanswered requests; nil while there never was one
	delivering int                // guarded by mu; the deliver_sm among them
	timers     timers             // guarded by mu
}

func newSession(v *serving, conn net.Conn) *Session {
	s := &Session{
		srv:        v.srv,
		serving:    v,
		conn:       conn,
		raw:        rawConn(conn),
		id:         v.srv.lastID.Add(1),
		since:      time.Now(),
		backend:    v.srv.backend,
		metrics:    v.srv.metrics,
		log:        v.srv.log,
		writerDone: make(chan struct{}),
		wakeAt:     -1,
		nextSeq:    firstSequence,

		longestAnswer: usualAnswer,
	}
	s.opts = Options{}.withDefaults(&v.srv.cfg)
	s.room.L, s.more.L = &s.mu, &s.mu
	s.frames = NewReader(sessionInput{s}, maxUnboundPDU)
	return s
}

// run is the session's reader goroutine and its whole life.
func (s *Session) run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.mu.Lock()
	s.cancel = cancel
	s.mu.Unlock()

	go s.write() // ends before run does
	if s.open() {
		s.read(ctx)
	}
	<-s.writerDone
	s.failPending()
	s.mu.Lock()
	bound := s.bound
	s.mu.Unlock()
	if bound {
		s.backend.Closed(s)
	}
	s.linger()
	s.logEnd(bound)
	s.serving.remove(s, bound)
}

// ID is unique within the process and ascends.
func (s *Session) ID() uint64 { return s.id }

// SystemID is the ESME's, as its bind request named it.
func (s *Session) SystemID() string { return s.systemID }

// BindType is the bind request's.
func (s *Session) BindType() BindType { return s.bindType }

// InterfaceVersion is the bind request's interface_version: 0x34 for SMPP 3.4, 0x50 for
// 5.0; 0x33, 0x00 and others occur.
func (s *Session) InterfaceVersion() byte { return s.version }

// TLS returns the state of the connection's TLS; ok is false for a plain connection.
func (s *Session) TLS() (state tls.ConnectionState, ok bool) {
	c, ok := s.conn.(interface{ ConnectionState() tls.ConnectionState })
	if !ok {
		return tls.ConnectionState{}, false
	}
	return c.ConnectionState(), true
}

// RemoteAddr is the ESME's address.
func (s *Session) RemoteAddr() net.Addr { return s.conn.RemoteAddr() }

// Since is when the connection was accepted.
func (s *Session) Since() time.Time { return s.since }

// CanReceive reports whether the session takes deliver_sm.
func (s *Session) CanReceive() bool { return s.bindType == Receiver || s.bindType == Transceiver }

// Written is the highest mark of a submit_sm_resp that has been written to the
// socket. A backend that calls Respond in the order of its marks may
// read it as "all up to this one".
func (s *Session) Written() uint64 { return s.written.Load() }

// DeliverSM queues a deliver_sm. It returns ErrWindowFull, ErrClosed or
// ErrNotReceiver at once, a *StatusError if a field of m does not fit the wire,
// or nil. done is called exactly once if and only if nil was returned: with the
// response's status, or with ErrTimeout or ErrClosed. done must not block; it may
// call the session. m is not kept.
func (s *Session) DeliverSM(m *DeliverSM, done func(Status, error)) error {
	if !s.CanReceive() {
		return ErrNotReceiver
	}
	m, err := s.deliverable(m)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.state != stateBound && s.state != stateBinding, s.draining:
		return ErrClosed
	case s.delivering >= s.opts.DeliverWindow, s.overShareLocked():
		return ErrWindowFull
	}
	seq := s.expectLocked(DeliverSMRespID, done)
	if s.state == stateBinding {
		// The backend knows the session before its ESME has the bind_resp.
		s.early = Append(s.early, StatusOK, seq, m)
	} else {
		start := len(s.out)
		s.out = Append(s.out, StatusOK, seq, m)
		s.traceSent(s.out[start:])
		s.queuedLocked()
	}
	s.sent(DeliverSMID, StatusOK, seq)
	return nil
}

// Probe sends an enquire_link and returns nil when the ESME answers it, ErrClosed
// when the session ends, or ctx's error. A backend whose bind limit is reached
// finds the dead sessions among the idle ones with it.
func (s *Session) Probe(ctx context.Context) error {
	answer := make(chan error, 1)
	s.mu.Lock()
	if s.state != stateBound {
		s.mu.Unlock()
		return ErrClosed
	}
	s.requestLocked(&EnquireLink{}, func(_ Status, err error) { answer <- err })
	s.mu.Unlock()
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close ends the session at once, leaving its requests unanswered: it is for
// outcomes that are unknown and may not be answered. What was queued before is
// still written if the ESME takes it without delay.
func (s *Session) Close(reason error) { s.finish(endBackend, reason) }
