package smpp

import (
	"errors"
	"io"
	"time"
)

// An endReason is why a session ended: the closed list of the metric's label.
type endReason uint8

const (
	endNone        endReason = iota
	endUnbind                // the ESME sent unbind
	endDrained               // we sent unbind
	endPeerClosed            // the connection broke or was closed
	endRefused               // the bind was refused
	endBindTimeout           // no bind in time
	endDead                  // two enquire_links unanswered
	endSlow                  // the ESME did not read
	endProtocol              // the octets were not SMPP
	endBackend               // the backend closed it
	endServer                // the server stopped
	endProxy                 // the PROXY header was missing or wrong
	endHealthCheck           // a load balancer looked whether we are there
	endTLS                   // the TLS handshake failed
	endCrowd                 // too many unbound connections of its address, known from the PROXY header
	endBuffers               // it held most of what was too much for all together

	endReasons // how many there are
)

var endReasonNames = [endReasons]string{
	"none", "unbind", "drained", "disconnected", "bind_refused", "bind_timeout",
	"enquire_link_timeout", "slow_reader", "protocol_error", "closed", "server_stopped",
	"proxy_header", "health_check", "tls_handshake", "unbound_limit", "buffer_limit",
}

func (r endReason) String() string { return endReasonNames[r] }

// lingerTimeout is how long a session that is closing may take to write what is
// queued, and then waits for the ESME to close first. Closing at once, with octets
// unread, would make TCP throw away what the ESME has not read yet.
const lingerTimeout = 2 * time.Second

// finish ends the session in good order: what is queued is written, nothing else
// is read or taken, then the connection is closed.
func (s *Session) finish(why endReason, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.finishLocked(why, err)
}

func (s *Session) finishLocked(why endReason, err error) {
	if s.state >= stateClosing {
		return
	}
	s.endLocked(stateClosing, why, err)
	// The reader may be waiting for octets; a deadline in the past ends that.
	// A connection that cannot take a deadline is broken, and ends it too.
	_ = s.raw.SetReadDeadline(time.Unix(1, 0))
}

// cut closes the connection now, with what is queued unwritten.
func (s *Session) cut(why endReason, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cutLocked(why, err)
}

func (s *Session) cutLocked(why endReason, err error) {
	if s.state == stateClosed {
		return
	}
	s.endLocked(stateClosed, why, err)
	s.raw.Close()
}

// endLocked moves to a final state and wakes both goroutines. The first reason stays.
func (s *Session) endLocked(to state, why endReason, err error) {
	s.state = to
	s.timers.waited = 0
	if s.end == endNone {
		s.end, s.endErr = why, err
	}
	if s.cancel != nil {
		s.cancel()
	}
	s.more.Signal()
	s.room.Signal()
}

// Drain ends the session in good order, as Server.Drain ends them all: what is in flight is answered,
// new submits are refused, then the ESME is sent an unbind. It returns at once.
func (s *Session) Drain() { s.startDrain() }

// startDrain begins the session's part of Server.Drain.
func (s *Session) startDrain() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.draining = true
	s.room.Signal() // a submit_sm that waits for a slot is refused
	if s.state == stateOpen {
		s.finishLocked(endServer, nil)
		return
	}
	s.unbindIfIdleLocked() // a bind being decided is refused when it is
}

// unbindIfIdleLocked sends our unbind once nothing is left to be answered by either side.
func (s *Session) unbindIfIdleLocked() {
	if !s.draining || s.unbound || s.state != stateBound || s.inflight > 0 || s.delivering > 0 {
		return
	}
	s.unbound = true
	s.requestLocked(&Unbind{}, func(_ Status, err error) {
		if errors.Is(err, ErrTimeout) {
			s.finish(endDrained, err)
		}
	})
}

// linger reads and drops what the ESME still sends, until it closes or the ticker
// finds that it takes too long. The writer has closed our direction.
func (s *Session) linger() {
	s.mu.Lock()
	closing := s.state == stateClosing
	if closing {
		_ = s.raw.SetReadDeadline(time.Time{}) // a broken connection ends the copy at once
	}
	s.mu.Unlock()
	if closing {
		_, _ = io.Copy(io.Discard, readOnly{s.raw})
	}
	s.cut(endNone, nil)
}

// readOnly hides a connection's other methods, so that io.Copy uses a small buffer
// of its own and not a splice.
type readOnly struct{ r io.Reader }

func (r readOnly) Read(p []byte) (int, error) { return r.r.Read(p) }
