package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestMarksOfLateAnswers: once a session has an answer that comes late, its marks are kept one by one, and only
// until the answers are written.
func TestMarksOfLateAnswers(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		pass(time.Second)
		var s *session
		r.sessions.Range(func(_, v any) bool { s = v.(*session); return false })
		respond := func(seq uint32) func(uint64) {
			return func(wire uint64) {
				s.Respond(smpp.Request{Command: smpp.SubmitSMID, Sequence: seq}, smpp.StatusOK, "id", wire)
			}
		}
		expect := func(when string, want map[uint64]bool) {
			t.Helper()
			pass(time.Millisecond)
			for mark, wrote := range want {
				if got := s.wrote(mark); got != wrote {
					t.Errorf("%s: mark %d written is %v, want %v", when, mark, got, wrote)
				}
			}
		}
		for range 5 { // as long as there is no late one
			s.answer(respond(9), s.marks.next(false))
			e.Expect(smpp.SubmitSMRespID)
		}
		early, late, dropped, next := s.marks.next(false), s.marks.next(true), s.marks.next(false), s.marks.next(false)
		s.answer(respond(1), early)
		e.Expect(smpp.SubmitSMRespID)
		expect("one answered", map[uint64]bool{early: true, late: false, dropped: false, next: false})
		s.marks.drop(dropped)
		s.answer(respond(2), next)
		expect("queued, not read", map[uint64]bool{late: false, next: false})
		e.Expect(smpp.SubmitSMRespID)
		expect("a later one first", map[uint64]bool{early: true, late: false, next: true})
		if got := s.wroteUpTo(); got < 5 || got >= late {
			t.Errorf("all up to %d are said to be written, mark %d is not", got, late)
		}
		s.answer(respond(3), late)
		expect("the late one queued", map[uint64]bool{late: false, next: true})
		e.Expect(smpp.SubmitSMRespID)
		expect("all", map[uint64]bool{early: true, late: true, next: true})
		s.marks.mu.Lock()
		defer s.marks.mu.Unlock()
		if len(s.marks.open) != 0 || len(s.marks.queue) != 0 {
			t.Errorf("%d marks and %d answers are still kept", len(s.marks.open), len(s.marks.queue))
		}
	})
}

// TestMarksInFlightWhenLateOnesBegin: submissions that were in flight when the session got its first late answer are
// answered one after the other, and none of them is written because one before it is.
func TestMarksInFlightWhenLateOnesBegin(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		pass(time.Second)
		var s *session
		r.sessions.Range(func(_, v any) bool { s = v.(*session); return false })
		first, second, late := s.marks.next(false), s.marks.next(false), s.marks.next(true)
		for i, mark := range []uint64{first, second, late} {
			if s.wrote(mark) {
				t.Errorf("answer %d is written before it is queued", i+1)
			}
			s.answer(func(wire uint64) {
				s.Respond(smpp.Request{Command: smpp.SubmitSMID, Sequence: uint32(i)}, smpp.StatusOK, "id", wire)
			}, mark)
			e.Expect(smpp.SubmitSMRespID)
			pass(time.Millisecond)
			if !s.wrote(mark) {
				t.Errorf("answer %d is not written when it was read", i+1)
			}
		}
	})
}
