package smpp

// submitSM takes a window slot and hands the message to the backend. The slot is
// freed by Respond.
func (s *Session) submitSM(h *Header, body []byte) {
	if st := s.takeSlot(h.ID); st != StatusOK {
		s.refuse(st, h)
		return
	}
	if err := s.submit.Decode(body); err != nil {
		s.Respond(Request{h.ID, h.Sequence}, StatusOf(err, StatusSysErr), "", 0)
		return
	}
	s.backend.SubmitSM(s, Request{h.ID, h.Sequence}, &s.submit)
	if len(body) > 2*MaxShortMessage {
		s.submit = SubmitSM{} // an idle session keeps no long text alive
	}
}

// dataSM is submitSM for a data_sm, which the backend is given as a submit_sm.
func (s *Session) dataSM(h *Header, body []byte) {
	if st := s.takeSlot(h.ID); st != StatusOK {
		s.refuse(st, h)
		return
	}
	var data DataSM
	err := data.decode(string(body))
	var m SubmitSM
	if err == nil {
		m, err = data.Submit()
	}
	if err != nil {
		s.Respond(Request{h.ID, h.Sequence}, StatusOf(err, StatusSysErr), "", 0)
		return
	}
	s.backend.SubmitSM(s, Request{h.ID, h.Sequence}, &m)
}

// operation is submitSM for what Backend.Handle takes.
func (s *Session) operation(h *Header, body []byte) {
	if st := s.takeSlot(h.ID); st != StatusOK {
		s.refuse(st, h)
		return
	}
	p, err := Decode(*h, body)
	if err != nil {
		s.Respond(Request{h.ID, h.Sequence}, StatusOf(err, StatusSysErr), "", 0)
		return
	}
	s.expectAnswer(p)
	s.backend.Handle(s, Request{h.ID, h.Sequence}, p)
}

// takeSlot waits for a free slot of the window for a request, and reports why there is
// none to be had: every operation but deliver_sm needs a bind that may transmit (SMPP 3.4,
// 2.3; its table forgets transceivers for replace_sm). While draining only query_sm is
// taken: it changes nothing. A reader that had to wait goes on when a sixteenth of the
// window is free: it would otherwise wake up for every single answer.
func (s *Session) takeSlot(id CommandID) Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inflight >= s.opts.Window && s.state == stateBound {
		s.metrics.windowWaits.Inc()
		s.wakeAt = s.opts.Window - max(1, s.opts.Window/16)
		for s.inflight > s.wakeAt && s.state == stateBound && (!s.draining || id == QuerySMID) {
			s.room.Wait()
		}
		s.wakeAt = -1
	}
	switch {
	case s.state != stateBound || s.bindType == Receiver:
		return StatusInvBndSts
	case s.draining && id != QuerySMID:
		return StatusThrottled
	}
	s.inflight++
	return StatusOK
}

// refuse answers a request that took no slot.
func (s *Session) refuse(st Status, h *Header) {
	s.mu.Lock()
	s.inflight++ // Respond gives it back
	s.mu.Unlock()
	s.Respond(Request{h.ID, h.Sequence}, st, "", 0)
}
