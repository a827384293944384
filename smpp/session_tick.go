package smpp

import "time"

// timers are a session's. They advance only in tick, so they need no clock.
//
// clock counts the time the session has listened: it stands still while the
// reader waits for a window slot or for the backend. What the ESME sent in that
// time lies unread in the socket, and may not be held against it.
type timers struct {
	clock        time.Duration
	nextDeadline time.Duration // no request of ours expires before this
	heardAt      time.Duration // clock when the ESME last sent something
	asked        int           // enquire_links unanswered since then
	askedAt      time.Duration // clock of the last of them

	reads, writes uint32        // progress seen by the last tick
	waited        time.Duration // since the connection was made, the ESME sent unbind, or the end began
	stalled       time.Duration // for which one Write has not returned
	unbindOver    bool          // the ESME's unbind has waited long enough
}

// tick is called for every session by the one goroutine that owns all timers.
func (s *Session) tick(elapsed time.Duration) {
	s.mu.Lock()
	s.tickWriteLocked(elapsed)
	switch s.state {
	case stateOpen, stateBinding:
		if s.overLocked(elapsed, s.srv.cfg.BindTimeout) {
			s.cutLocked(endBindTimeout, nil)
		}
	case stateBound:
		s.timers.waited = 0
		s.tickReadLocked(elapsed)
	case stateUnbinding:
		if s.overLocked(elapsed, s.opts.ResponseTimeout) {
			s.timers.unbindOver = true
			s.room.Signal()
		}
	case stateClosing:
		if s.overLocked(elapsed, lingerTimeout) {
			s.cutLocked(endNone, nil)
		}
	}
	expired := s.expiredLocked()
	s.unbindIfIdleLocked()
	s.mu.Unlock()
	for _, r := range expired {
		if r.done != nil {
			r.done(0, ErrTimeout)
		}
	}
}

func (s *Session) overLocked(elapsed, limit time.Duration) bool {
	s.timers.waited += elapsed
	return s.timers.waited > limit
}

// tickReadLocked advances the listening clock and asks a silent ESME whether it
// is alive. Anything it sends is a sign of life.
func (s *Session) tickReadLocked(elapsed time.Duration) {
	t := &s.timers
	reads := s.reads.n.Load()
	moved := reads != t.reads
	t.reads = reads
	if moved || inCall(reads) {
		t.clock += elapsed
	}
	if moved {
		t.heardAt, t.asked = t.clock, 0
		return
	}
	s.releaseLocked()
	if t.asked == 0 && t.clock-t.heardAt < s.opts.EnquireLink ||
		t.asked > 0 && t.clock-t.askedAt < s.opts.ResponseTimeout {
		return
	}
	if t.asked == 2 {
		s.cutLocked(endDead, ErrTimeout)
		return
	}
	t.asked++
	t.askedAt = t.clock
	s.requestLocked(&EnquireLink{}, nil)
}

// Silent is for how long the ESME has sent nothing although the session listened, counted in ticks.
// It stands still while the reader waits for a window slot or for the backend: such a session
// has heard nothing because it did not ask.
func (s *Session) Silent() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.reads.n.Load() != s.timers.reads {
		return 0 // it has sent something since the last tick
	}
	return s.timers.clock - s.timers.heardAt
}

// tickWriteLocked cuts an ESME that does not read.
func (s *Session) tickWriteLocked(elapsed time.Duration) {
	t := &s.timers
	writes := s.writes.n.Load()
	if writes != t.writes || !inCall(writes) {
		t.writes, t.stalled = writes, 0
		return
	}
	if t.stalled += elapsed; t.stalled > s.srv.cfg.WriteTimeout {
		s.cutLocked(endSlow, ErrTimeout)
	}
}

// releaseLocked gives back what a busy time left behind, once a tick brought nothing.
func (s *Session) releaseLocked() {
	s.spare = nil
	if len(s.out) == 0 {
		s.out = nil
	}
	if len(s.pending) == 0 {
		s.pending = nil
	}
}
