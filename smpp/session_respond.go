package smpp

// What answers are long. usualAnswer is the most that any has but for a submit_multi_resp: it
// is query_sm_resp's. A destination in a submit_multi_resp takes failedAnswer more.
const (
	usualAnswer  = HeaderLen + 65 + 17 + 2 + tlvHeaderLen + 1
	failedAnswer = 2 + 21 + 4
)

// Respond answers r, a submit_sm, data_sm or submit_multi with a message_id, or any
// request with an error, and frees its window slot. mark is 0, or an ascending number
// the backend gives to accepted submits of this session: once the response has been
// written to the socket, Written() >= mark. It never blocks and is cheap to call many
// times in a row. On a session that has ended it does nothing.
func (s *Session) Respond(r Request, st Status, messageID string, mark uint64) {
	id := r.Command | respBit
	s.sent(id, st, r.Sequence)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.freeSlotLocked() {
		return
	}
	start := len(s.out)
	if !hasMessageID(r.Command) || st != StatusOK && s.opts.ErrorBody == ErrorBodyNone {
		s.out = AppendHeader(s.out, id, st, r.Sequence)
	} else {
		s.out = appendMessageIDResp(s.out, id, st, r.Sequence, messageID)
	}
	s.answeredLocked(start, mark)
}

// RespondPDU is Respond for the responses that have a body of their own: those of
// submit_multi, query_sm, cancel_sm and replace_sm.
func (s *Session) RespondPDU(r Request, st Status, p PDU, mark uint64) {
	if s.speaks33() {
		p = withoutTLVs(p)
	}
	s.sent(p.CommandID(), st, r.Sequence)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.freeSlotLocked() {
		return
	}
	start := len(s.out)
	s.out = Append(s.out, st, r.Sequence, p)
	s.answeredLocked(start, mark)
}

// expectAnswer makes room for the answer to p, which may be a submit_multi.
func (s *Session) expectAnswer(p PDU) {
	if m, ok := p.(*SubmitMulti); ok {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.longestAnswer = max(s.longestAnswer, usualAnswer+failedAnswer*len(m.Destinations))
	}
}

// freeSlotLocked gives back a slot of the window, and reports whether the session still
// takes the answer.
func (s *Session) freeSlotLocked() bool {
	s.inflight = max(s.inflight-1, 0)
	if s.inflight <= s.wakeAt {
		s.room.Signal()
	}
	return s.state < stateClosing
}

// answeredLocked finishes the response that out has from start on.
func (s *Session) answeredLocked(start int, mark uint64) {
	if s.speaks5() && len(s.out)-start > HeaderLen {
		s.out = appendTLV(s.out, TagCongestionState, string([]byte{s.congestionLocked()}))
		setLength(s.out, start)
	}
	s.traceSent(s.out[start:])
	s.outMark = max(s.outMark, mark)
	s.queuedLocked()
	s.unbindIfIdleLocked()
}

// congestionLocked is what congestion_state tells (SMPP 5.0, 4.8.4.18), from 0, idle, to
// 100, congested: how much of its window the session uses, or how full the message centre
// is if that is more.
func (s *Session) congestionLocked() byte {
	load := s.inflight * 100 / s.opts.Window
	if centre := s.srv.cfg.Congestion; centre != nil {
		load = max(load, centre())
	}
	return byte(min(max(load, 0), 100))
}

// speaks33 reports whether the ESME bound as one of SMPP 3.3 or before, which knows no
// optional parameters and is sent none but sc_interface_version, behind a bind_resp that
// such clients read no further than the system_id (SMPP 3.4, 3.4). An interface_version
// of 0 is a field left out, and taken for 3.4.
func (s *Session) speaks33() bool { return s.version >= 0x01 && s.version <= 0x33 }

// speaks5 reports whether the ESME bound as one of SMPP 5.0 or later.
func (s *Session) speaks5() bool { return s.version >= 0x50 }

// withoutTLVs returns the response p without optional parameters.
func withoutTLVs(p PDU) PDU {
	switch m := p.(type) {
	case *SubmitMultiResp:
		return &SubmitMultiResp{MessageID: m.MessageID, Failed: m.Failed}
	case *QuerySMResp:
		short := *m
		short.TLVs = ""
		return &short
	}
	return p
}

// deliverable returns m as this session's ESME can read it. What 3.3 has no parameters for
// is left out, but the text moves to where there is room for it. The error is a
// *StatusError.
func (s *Session) deliverable(m *DeliverSM) (*DeliverSM, error) {
	if s.speaks33() && m.TLVs != "" {
		plain := *m
		plain.TLVs = ""
		if payload, ok := m.TLVs.Get(TagMessagePayload); ok && m.ShortMessage == "" {
			plain.ShortMessage = payload // Check refuses what is too long
		}
		m = &plain
	}
	return m, m.Check()
}
