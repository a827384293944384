package smpp

import "context"

// bind asks the backend, and binds or refuses and closes. A refused ESME may
// connect again: nothing is gained by letting it try passwords on one connection.
func (s *Session) bind(ctx context.Context, h *Header, body []byte) {
	resp := &BindResp{Type: bindTypeOf(h.ID)}
	if !s.isOpen() {
		s.bindError(h.Sequence, resp, StatusAlyBnd)
		return
	}
	req := Bind{Type: resp.Type}
	if err := req.decode(string(body)); err != nil {
		s.refuseBind(h.Sequence, resp, err)
		return
	}
	s.systemID, s.bindType, s.version = req.SystemID, req.Type, req.InterfaceVersion
	if !s.startBinding() {
		s.refuseBind(h.Sequence, resp, &StatusError{Status: StatusSysErr, Err: ErrServerClosed})
		return
	}
	opts, err := s.backend.Bind(ctx, s, &req)
	if err != nil {
		s.refuseBind(h.Sequence, resp, err)
		return
	}
	s.srv.bound(s)
	s.finishBind(h.Sequence, resp, opts.withDefaults(&s.srv.cfg))
}

func (s *Session) startBinding() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining || s.state != stateOpen {
		return false
	}
	s.state = stateBinding
	return true
}

// finishBind makes the session bound, unless it ended while the backend decided
// or the server has begun to drain.
func (s *Session) finishBind(seq uint32, resp *BindResp, opts Options) {
	s.frames.SetMax(MaxPDU)
	resp.SystemID = opts.SystemID
	resp.TLVs = resp.TLVs.WithByte(TagSCInterfaceVersion, interfaceVersion)
	s.mu.Lock()
	s.bound = true
	draining, ended := s.draining, s.state >= stateClosing
	if !draining && !ended {
		s.opts, s.state = opts, stateBound
		start := len(s.out)
		s.out = Append(s.out, StatusOK, seq, resp)
		s.out = append(s.out, s.early...)
		s.traceSent(s.out[start:])
		s.early = nil
		s.queuedLocked()
	}
	s.mu.Unlock()
	switch {
	case ended:
		return
	case draining:
		s.bindError(seq, &BindResp{Type: resp.Type}, StatusSysErr)
		s.finish(endServer, nil)
		return
	}
	s.sent(resp.CommandID(), StatusOK, seq)
	s.logBound()
}

func (s *Session) refuseBind(seq uint32, resp *BindResp, err error) {
	st := StatusOf(err, StatusBindFail)
	s.logRefused(st, err)
	s.bindError(seq, resp, st)
	s.finish(endRefused, err)
}

// bindError answers a bind request with an error. What follows the header is a
// quirk of clients: see ErrorBody.
func (s *Session) bindError(seq uint32, resp *BindResp, st Status) {
	body := s.srv.cfg.BindErrorBody
	if body == ErrorBodyEmpty || body == ErrorBodyUsual && resp.Type == Transceiver {
		s.respondPDU(st, seq, resp)
		return
	}
	s.respond(resp.CommandID(), st, seq)
}
