package smpp

import (
	"net"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// boundSession is a session that nothing runs: what is queued stays in out.
func boundSession(t *testing.T) *Session {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close(); theirs.Close() })
	srv := NewServer(Config{}, atOnce{})
	s := newSession(&serving{srv: srv, sessions: map[*Session]struct{}{}}, theirs)
	s.bindType, s.state = Transceiver, stateBound
	return s
}

func TestOurSequenceNumbersWrap(t *testing.T) {
	s := boundSession(t)
	s.nextSeq = lastSequence - 1
	for range 3 {
		if err := s.DeliverSM(&DeliverSM{}, nil); err != nil {
			t.Fatal(err)
		}
	}
	for _, seq := range []uint32{lastSequence - 1, lastSequence, firstSequence} {
		if _, ok := s.pending[seq]; !ok {
			t.Errorf("0x%08X is not among %v", seq, s.pending)
		}
	}
}

// TestExpiredRequestsAreForgotten: of many deliver_sm only those whose time is
// over end, and their slots are free again.
func TestExpiredRequestsAreForgotten(t *testing.T) {
	s := boundSession(t)
	var ended int
	done := func(_ Status, err error) {
		if err == ErrTimeout {
			ended++
		}
	}
	for i := range DefaultDeliverWindow {
		s.timers.clock = time.Duration(i) * time.Second
		if err := s.DeliverSM(&DeliverSM{}, done); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.DeliverSM(&DeliverSM{}, done); err != ErrWindowFull {
		t.Errorf("over the window: %v", err)
	}
	s.timers.heardAt = s.timers.clock // no enquire_link now
	s.tick(0)
	if want := DefaultDeliverWindow - 10; ended != want || len(s.pending) != 10 || s.delivering != 10 {
		t.Errorf("%d ended, %d pending, %d delivering; want %d and 10", ended, len(s.pending), s.delivering, want)
	}
	if s.timers.nextDeadline != (DefaultDeliverWindow-9+10-1)*time.Second {
		t.Errorf("next deadline: %v", s.timers.nextDeadline)
	}
}

// TestOutputIsBounded: a session whose writer does not run takes no deliver_sm
// beyond the soft bound, and is cut at the hard one.
func TestOutputIsBounded(t *testing.T) {
	s := boundSession(t)
	s.opts.DeliverWindow = 1 << 30
	m := &DeliverSM{TLVs: TLVs("").With(TagMessagePayload, string(make([]byte, 60000)))}
	for range 100 {
		if err := s.DeliverSM(m, nil); err == ErrWindowFull {
			break
		}
	}
	if n := len(s.out); n < maxShare || n > maxShare+61000 {
		t.Errorf("%d octets queued by DeliverSM", n)
	}
	for s.state == stateBound && len(s.out) < 1<<24 {
		s.Respond(Request{SubmitSMID, 1}, StatusOK, "00000000ab", 1)
	}
	if s.state != stateClosed || s.end != endSlow || len(s.out) > s.hardOutputLocked()+100 {
		t.Errorf("state %d, reason %s, %d octets", s.state, s.end, len(s.out))
	}
	if err := s.DeliverSM(m, nil); err != ErrClosed {
		t.Errorf("DeliverSM after the cut: %v", err)
	}
}

func TestAccessors(t *testing.T) {
	s := boundSession(t)
	s.systemID = "test"
	if s.ID() == 0 || s.SystemID() != "test" || s.BindType() != Transceiver || s.RemoteAddr() == nil || s.Since().IsZero() {
		t.Error("an accessor is off")
	}
	if BindType(0).String() != "none" || Transmitter.String() != "transmitter" {
		t.Error("names of bind types")
	}
}

func TestStatusesInMetrics(t *testing.T) {
	m := newMetrics(prometheus.NewRegistry())
	for i, st := range countedStatuses {
		if m.status(st) != i {
			t.Errorf("%s: index %d, want %d", st, m.status(st), i)
		}
	}
	for _, st := range []Status{StatusInvSubRep, 0x400, 0xFFFFFFFF} {
		if m.status(st) != len(countedStatuses) {
			t.Errorf("%s is not other", st)
		}
	}
}

func TestConfigTick(t *testing.T) {
	for bind, want := range map[time.Duration]time.Duration{
		0: 250 * time.Millisecond, 40 * time.Millisecond: 10 * time.Millisecond, time.Millisecond: 5 * time.Millisecond,
	} {
		cfg := Config{BindTimeout: bind}.withDefaults()
		if got := cfg.tick(); got != want {
			t.Errorf("bind time-out %v: tick %v, want %v", bind, got, want)
		}
	}
}

func TestErrorBodies(t *testing.T) {
	for body, want := range map[ErrorBody]int{ErrorBodyUsual: HeaderLen, ErrorBodyNone: HeaderLen, ErrorBodyEmpty: HeaderLen + 1} {
		s := boundSession(t)
		s.srv.cfg.BindErrorBody = body
		s.bindError(1, &BindResp{Type: Receiver}, StatusBindFail)
		if len(s.out) != want {
			t.Errorf("receiver, %d: %d octets, want %d", body, len(s.out), want)
		}
	}
	for body, want := range map[ErrorBody]int{ErrorBodyUsual: HeaderLen + 1, ErrorBodyNone: HeaderLen, ErrorBodyEmpty: HeaderLen + 1} {
		s := boundSession(t)
		s.srv.cfg.BindErrorBody = body
		s.bindError(1, &BindResp{Type: Transceiver}, StatusBindFail)
		if len(s.out) != want {
			t.Errorf("transceiver, %d: %d octets, want %d", body, len(s.out), want)
		}
	}
}
