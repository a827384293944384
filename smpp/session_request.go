package smpp

import "time"

// Our own sequence_numbers start high: some clients mistake a deliver_sm whose
// number equals that of an unanswered request of theirs for its answer. They
// stay within the standard's range (SMPP 3.4, 3.2).
const (
	firstSequence = 0x10000000
	lastSequence  = 0x7FFFFFFE
)

// A request is one of ours that the ESME has not answered yet.
type request struct {
	resp     CommandID           // what answers it; generic_nack does too
	done     func(Status, error) // may be nil
	deadline time.Duration       // on the session's listening clock
}

// requestLocked queues a request without fields.
func (s *Session) requestLocked(p PDU, done func(Status, error)) {
	resp, _ := p.CommandID().Response()
	seq := s.expectLocked(resp, done)
	start := len(s.out)
	s.out = Append(s.out, StatusOK, seq, p)
	s.traceSent(s.out[start:])
	s.queuedLocked()
	s.sent(p.CommandID(), StatusOK, seq)
}

// expectLocked notes that a response will come and returns the request's number.
func (s *Session) expectLocked(resp CommandID, done func(Status, error)) uint32 {
	seq := s.nextSeq
	s.nextSeq++
	if s.nextSeq > lastSequence {
		s.nextSeq = firstSequence
	}
	if s.pending == nil {
		s.pending = make(map[uint32]request)
	}
	deadline := s.timers.clock + s.opts.ResponseTimeout
	if len(s.pending) == 0 {
		s.timers.nextDeadline = deadline
	}
	s.pending[seq] = request{resp: resp, done: done, deadline: deadline}
	if resp == DeliverSMRespID {
		s.delivering++
	}
	return seq
}

// response handles what the ESME sends as an answer. Only the header matters:
// nothing depends on a body, so a malformed one does no harm.
func (s *Session) response(h *Header) {
	s.mu.Lock()
	r, ok := s.pending[h.Sequence]
	if !ok || r.resp != h.ID && h.ID != GenericNackID {
		s.mu.Unlock()
		s.metrics.unexpected.Inc()
		return
	}
	s.forgetLocked(h.Sequence, r)
	unbound := r.resp == UnbindRespID
	s.unbindIfIdleLocked()
	s.mu.Unlock()

	st := h.Status
	if h.ID == GenericNackID && st == StatusOK {
		st = StatusUnknownErr // a generic_nack is a refusal whatever it says
	}
	if r.done != nil {
		r.done(st, nil)
	}
	if unbound {
		s.finish(endDrained, nil)
	}
}

func (s *Session) forgetLocked(seq uint32, r request) {
	delete(s.pending, seq)
	if r.resp == DeliverSMRespID {
		s.delivering--
	}
}

// expiredLocked takes the requests out whose time is over. While it is not over
// for any it costs one comparison.
func (s *Session) expiredLocked() []request {
	if len(s.pending) == 0 || s.timers.clock < s.timers.nextDeadline {
		return nil
	}
	var expired []request
	next := time.Duration(1<<63 - 1)
	for seq, r := range s.pending {
		if r.deadline > s.timers.clock {
			next = min(next, r.deadline)
			continue
		}
		s.forgetLocked(seq, r)
		expired = append(expired, r)
	}
	s.timers.nextDeadline = next
	return expired
}

// failPending ends what the ESME will not answer any more. The state no longer
// lets a request in.
func (s *Session) failPending() {
	s.mu.Lock()
	pending := s.pending
	s.pending, s.delivering = nil, 0
	s.mu.Unlock()
	for _, r := range pending {
		if r.done != nil {
			r.done(0, ErrClosed)
		}
	}
}
