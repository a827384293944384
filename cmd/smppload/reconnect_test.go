package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// checkReconnected looks at what all runs with one broken connection have in common.
func checkReconnected(t *testing.T, c *centre, s *summary, connections int) {
	t.Helper()
	if s.Broken != connections || s.Remade != connections || s.SessionsLost != 0 || s.Unanswered != 0 {
		t.Errorf("%d broken, %d made again, %d lost, %d unanswered; want %d, %d, 0, 0",
			s.Broken, s.Remade, s.SessionsLost, s.Unanswered, connections, connections)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.binds != 4+connections {
		t.Errorf("%d binds, want %d", c.binds, 4+connections)
	}
}

func TestBrokenConnectionIsMadeAgain(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict { return verdict{hangUp: n == 500} }}
	o := optionsFor(c.serve(t))
	o.reconnect, o.strict = true, true
	s := mustLoad(t, t.Context(), o)
	checkReconnected(t, c, s, 1)
	if s.Submitted != 2000 || s.Unknown == 0 || s.Unknown > 20 || s.OK+s.Unknown != 2000 || s.Resubmitted != 0 {
		t.Errorf("%d submitted, %d accepted, %d unknown, %d again; want 2000 in the first two, at most a window unknown, none again",
			s.Submitted, s.OK, s.Unknown, s.Resubmitted)
	}
	if s.LostBecause == "" || s.failed() != nil {
		t.Errorf("because %q, failed: %v; want a reason and nil", s.LostBecause, s.failed())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.marked != 0 {
		t.Errorf("%d submit_sm are marked, want none", c.marked)
	}
	for phone, n := range c.phones {
		if n != 1 {
			t.Fatalf("%s was submitted to %d times", phone, n)
		}
	}
}

func TestResubmittingIsWantedAndMarked(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict { return verdict{hangUp: n == 500} }}
	o := optionsFor(c.serve(t))
	o.reconnect, o.resubmit, o.strict = true, true, true
	s := mustLoad(t, t.Context(), o)
	checkReconnected(t, c, s, 1)
	if s.OK != 2000 || s.Messages != 2000 || s.Unknown == 0 || s.Resubmitted != s.Unknown || s.Submitted != 2000+s.Unknown {
		t.Errorf("%d submitted of %d messages, %d accepted, %d unknown, %d again; want every message accepted and what is unknown again",
			s.Submitted, s.Messages, s.OK, s.Unknown, s.Resubmitted)
	}
	if err := s.failed(); err != nil {
		t.Errorf("failed: %v", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if uint64(c.marked) != s.Resubmitted || len(c.phones) != 2000 {
		t.Errorf("%d submit_sm marked, %d phones; want %d, 2000", c.marked, len(c.phones), s.Resubmitted)
	}
}

// TestReceiptOfALostAnswerIsNoUnknownID breaks a connection after a message is
// accepted: its receipt has an id that nobody was told.
func TestReceiptOfALostAnswerIsNoUnknownID(t *testing.T) {
	for name, reconnect := range map[string]bool{"made again": true, "lost": false} {
		t.Run(name, func(t *testing.T) {
			c := &centre{password: "secret", redeliver: true, judge: func(n int) verdict { return verdict{lost: n == 500} }}
			o := optionsFor(c.serve(t))
			o.reconnect = reconnect
			s := mustLoad(t, t.Context(), o)
			r := s.Receipts
			if r.OfUnanswered != 1 || r.Unknown != 0 || r.Missing != 0 || r.Received != s.OK {
				t.Errorf("receipts %+v, want one of an unanswered submit_sm and none unknown or missing", r)
			}
			if lost := s.failed() != nil; lost == reconnect {
				t.Errorf("failed: %v with reconnect %v", s.failed(), reconnect)
			}
		})
	}
}

// TestReceiptAfterABreakMayComeTwice has a receipt whose deliver_sm_resp cannot arrive.
func TestReceiptAfterABreakMayComeTwice(t *testing.T) {
	c := &centre{password: "secret", redeliver: true, judge: func(n int) verdict { return verdict{cut: n == 1000} }}
	o := optionsFor(c.serve(t))
	o.reconnect, o.strict = true, true
	s := mustLoad(t, t.Context(), o)
	r := s.Receipts
	if r.Redelivered == 0 || r.Duplicate != 0 || r.Missing != 0 || s.failed() != nil {
		t.Errorf("receipts %+v, failed: %v; want some delivered again, no duplicate", r, s.failed())
	}
}

func TestReconnectAfterUnbind(t *testing.T) {
	// Nobody listens where the server was: the fleet gives up when its patience ends.
	c, drained := &centre{password: "secret"}, make(chan error, 1)
	c.judge = func(n int) verdict {
		if n == 1000 {
			go func() { drained <- c.server.Drain(context.Background()) }()
		}
		return verdict{}
	}
	o := optionsFor(c.serve(t))
	o.schedule = schedule{} // no end of its own
	o.reconnect, o.patience = true, 3*time.Second
	s := mustLoad(t, t.Context(), o)
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if s.SessionsLost != 4 || s.Remade != 0 || s.LostBecause != errUnbound.Error() || s.failed() == nil {
		t.Errorf("%d lost, %d made again, because %q, failed: %v; want 4 unbound and not made again", s.SessionsLost, s.Remade, s.LostBecause, s.failed())
	}
}

func TestEveryConnectionBreaks(t *testing.T) {
	c := &centre{password: "secret", redeliver: true, judge: func(n int) verdict { return verdict{hangUp: n%300 == 0, lost: n%350 == 0} }}
	o := optionsFor(c.serve(t))
	o.reconnect, o.resubmit = true, true
	s := mustLoad(t, t.Context(), o)
	if s.OK != 2000 || s.SessionsLost != 0 || s.Unanswered != 0 || s.Receipts.Missing != 0 || s.Remade < 8 || s.Remade != s.Broken {
		t.Errorf("summary %+v, receipts %+v; want all 2000 accepted over many connections, none missing", s, s.Receipts)
	}
	if r := s.Receipts; r.Unknown != 0 || r.OfUnanswered == 0 || r.Duplicate != 0 || r.WrongAddresses != 0 || r.Early != 0 {
		t.Errorf("receipts %+v, want some of unanswered submit_sm and nothing wrong", r)
	}
}

// TestInterruptWhileReconnecting does not wait for a server that does not bind.
func TestInterruptWhileReconnecting(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- bindOnceThen(l, cancel) }()
	o := optionsFor(l.Addr().String())
	o.binds, o.reconnect, o.schedule = 1, true, schedule{rate: 1}
	s := mustLoad(t, ctx, o)
	if err := <-served; !errors.Is(err, io.EOF) {
		t.Errorf("the second connection ends with %v, want EOF", err)
	}
	if s.SessionsLost != 1 || s.Broken != 1 || s.Remade != 0 {
		t.Errorf("%d lost, %d broken, %d made again; want 1, 1, 0", s.SessionsLost, s.Broken, s.Remade)
	}
}

// bindOnceThen closes the first connection behind its bind_resp, and leaves the bind
// request of the second unanswered. Then it calls interrupt, and returns how the
// connection ends.
func bindOnceThen(l net.Listener, interrupt func()) error {
	for first := true; ; first = false {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		r := smpp.NewReader(conn, smpp.MaxPDU)
		h, _, err := r.Next()
		if err != nil {
			return err
		}
		if first {
			if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.BindResp{Type: smpp.Transceiver})); err != nil {
				return err
			}
			conn.Close()
			continue
		}
		interrupt()
		_, _, err = r.Next()
		conn.Close()
		return err
	}
}

// TestBreakKeepsTheOrder breaks a connection whose submit_sm lie in the ring the
// other way round, after the last new message: they are still to be sent.
func TestBreakKeepsTheOrder(t *testing.T) {
	var now time.Duration
	b := clockedBind(t, &now)
	b.run.reconnect, b.run.resubmit = true, true
	here, there := net.Pipe()
	defer there.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.conn, b.phase, b.unanswered = here, finishing, 3
	for i := range 3 {
		*b.slotLocked(uint32(10 + i)) = request{seq: uint32(10 + i), piece: newPiece(int64(9-i), 0)}
	}
	b.breakLocked(here, io.EOF)
	b.breakLocked(here, io.ErrUnexpectedEOF) // the other goroutine notices too
	closed := func() bool {
		select {
		case <-b.idle:
			return true
		default:
			return false
		}
	}
	if closed() || !b.down || b.broken != 1 || !errors.Is(b.err, io.EOF) || b.run.ledger.unknown != 3 {
		t.Fatalf("idle %v, down %v, %d broken by %v, %d unknown; want one break and three to send again", closed(), b.down, b.broken, b.err, b.run.ledger.unknown)
	}
	b.conn, b.down = nil, false // made again
	out, _ := b.submitLocked(nil)
	if got, want := strings.Join(destinations(t, out), " "), "13800000007 13800000008 13800000009"; got != want {
		t.Errorf("sent again to %s, want %s", got, want)
	}
	b.settleLocked()
	if closed() || b.unanswered != 3 || b.resubmitted != 3 {
		t.Errorf("idle %v, %d unanswered, %d sent again; want three not answered yet", closed(), b.unanswered, b.resubmitted)
	}
}

// destinations are those of the submit_sm in out, in their order.
func destinations(t *testing.T, out []byte) []string {
	t.Helper()
	var order []string
	for r := smpp.NewReader(bytes.NewReader(out), smpp.MaxPDU); ; {
		_, body, err := r.Next()
		if errors.Is(err, io.EOF) {
			return order
		}
		var sm smpp.SubmitSM
		if err := errors.Join(err, sm.Decode(body)); err != nil {
			t.Fatal(err)
		}
		order = append(order, sm.DestinationAddr)
	}
}

func TestBackoffGrowsAndForgets(t *testing.T) {
	var r backoff
	between := func(got, least, most time.Duration) {
		t.Helper()
		if got < least || got >= most {
			t.Errorf("waits %v, want from %v to %v", got, least, most)
		}
	}
	const first = 100 * time.Millisecond
	between(r.next(first, 0), 50*time.Millisecond, 150*time.Millisecond)
	between(r.next(first, 0), 100*time.Millisecond, 300*time.Millisecond)
	for range 10 {
		r.next(first, 0)
	}
	between(r.next(first, 0), 2500*time.Millisecond, 7500*time.Millisecond)
	r.since = time.Minute
	between(r.next(first, time.Minute+time.Second), 2500*time.Millisecond, 7500*time.Millisecond) // it broke soon
	between(r.next(first, 2*time.Minute), 50*time.Millisecond, 150*time.Millisecond)
}
