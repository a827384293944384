package smpp

// A Tracer sees PDUs as they are on the wire, passwords and texts included.
type Tracer interface {
	// PDU is called for each PDU that s receives, before it is handled, and for what is queued to
	// be sent, which may be several PDUs at once. pdu is valid during the call only. The
	// session's lock is held while sent is true: PDU must be quick and must not call s but for
	// its ID, SystemID, BindType and RemoteAddr.
	PDU(s *Session, sent bool, pdu []byte)
}

// SetTracer has t see the PDUs of all sessions from now on; nil ends it.
func (s *Server) SetTracer(t Tracer) {
	if t == nil {
		s.tracer.Store(nil)
		return
	}
	s.tracer.Store(&t)
}

// traceSent shows a tracer what was appended to out.
func (s *Session) traceSent(pdus []byte) {
	if t := s.srv.tracer.Load(); t != nil {
		(*t).PDU(s, true, pdus)
	}
}

// traceReceived shows a tracer a PDU of the ESME's.
func (s *Session) traceReceived(h *Header, body []byte) {
	if t := s.srv.tracer.Load(); t != nil {
		pdu := AppendHeader(make([]byte, 0, HeaderLen+len(body)), h.ID, h.Status, h.Sequence)
		(*t).PDU(s, false, setLength(append(pdu, body...), 0))
	}
}
