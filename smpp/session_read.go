package smpp

import (
	"context"
	"errors"
)

// maxUnboundPDU is the longest PDU taken before a bind: any bind request fits.
const maxUnboundPDU = 1 << 10

// interfaceVersion is what we say we speak, in sc_interface_version.
const interfaceVersion = 0x34

// sessionInput is the connection as the frame reader sees it: the ticker sees the reads.
type sessionInput struct{ s *Session }

func (in sessionInput) Read(p []byte) (int, error) {
	in.s.reads.enter()
	defer in.s.reads.leave()
	return in.s.conn.Read(p)
}

// read handles PDUs until the session ends. Whatever it returns for, the session
// is then closing or closed.
func (s *Session) read(ctx context.Context) {
	for {
		s.frames.readAtOnce(int(s.srv.share.Load()) / 4)
		h, body, err := s.frames.Next()
		if err != nil {
			s.readFailed(&h, err)
			return
		}
		s.received(&h)
		s.traceReceived(&h, body)
		if !s.mayHandle() {
			return
		}
		s.handle(ctx, &h, body)
	}
}

// handle is one PDU. Which bind may send what is decided where a slot is taken.
func (s *Session) handle(ctx context.Context, h *Header, body []byte) {
	switch h.ID {
	case SubmitSMID:
		s.submitSM(h, body)
	case DataSMID:
		s.dataSM(h, body)
	case SubmitMultiID, QuerySMID, CancelSMID, ReplaceSMID:
		s.operation(h, body)
	case BindTransmitterID, BindReceiverID, BindTransceiverID:
		s.bind(ctx, h, body)
	case EnquireLinkID:
		s.respond(EnquireLinkRespID, StatusOK, h.Sequence)
	case UnbindID:
		s.unbind(h)
	default:
		if h.ID.IsResponse() {
			s.response(h)
			return
		}
		s.unsupported(h)
	}
}

// mayHandle reports whether the session goes on, having waited for the ESME to
// read what it was sent if that is much. The reader stops at half of the session's
// share: the other half is DeliverSM's, or a flood of submits would starve receipts.
func (s *Session) mayHandle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for int64(s.heldLocked()) > s.srv.share.Load()/2 && s.state < stateClosing {
		s.room.Wait()
	}
	return s.state < stateClosing
}

// readFailed ends the session after a read that brought no PDU.
func (s *Session) readFailed(h *Header, err error) {
	if !errors.Is(err, ErrFrame) {
		s.cutUnlessClosing(err)
		return
	}
	// A TLS hello, HTTP or a port scan gets no answer; a peer that speaks SMPP
	// but garbles a length is told (SMPP 3.4, 4.3).
	if h.Length < notSMPP || !s.isOpen() {
		s.respond(GenericNackID, StatusInvCmdLen, h.Sequence)
	}
	s.finish(endProtocol, err)
}

// cutUnlessClosing keeps the writer going when it was finish that ended the read.
func (s *Session) cutUnlessClosing(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state < stateClosing {
		s.cutLocked(endPeerClosed, err)
	}
}

// unbind answers once the submits in flight are answered, so that the ESME knows
// of each what became of it (SMPP 3.4, 4.2).
func (s *Session) unbind(h *Header) {
	if s.isOpen() {
		s.respond(UnbindRespID, StatusInvBndSts, h.Sequence)
		return
	}
	s.awaitAnswers()
	s.respond(UnbindRespID, StatusOK, h.Sequence)
	s.finish(endUnbind, nil)
}

// awaitAnswers takes no requests any more, and returns when those in flight are
// answered or the response time-out is over.
func (s *Session) awaitAnswers() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state != stateBound {
		return // it has ended meanwhile
	}
	s.state = stateUnbinding
	s.wakeAt = 0
	for s.inflight > 0 && s.state == stateUnbinding && !s.timers.unbindOver {
		s.room.Wait()
	}
}

// unsupported answers a request that there is no case for: deliver_sm, which goes to
// ESMEs and never comes from one, in its own response; outbind, alert_notification, which
// have none, and unknown ones by a generic_nack (SMPP 3.4, 2.3 and 4.3). The session goes
// on: clients probe for operations.
func (s *Session) unsupported(h *Header) {
	id, known := h.ID.Response()
	switch {
	case !known:
		s.respond(GenericNackID, StatusInvCmdID, h.Sequence)
	case s.isOpen():
		s.respond(id, StatusInvBndSts, h.Sequence)
	default:
		s.respond(id, StatusInvCmdID, h.Sequence)
	}
}

func (s *Session) isOpen() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.state == stateOpen
}
