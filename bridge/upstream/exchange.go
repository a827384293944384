package upstream

import (
	"errors"
	"time"

	"smppbridge/smpp"
)

// request says how a PDU is to be sent.
type request struct {
	before time.Time      // not later; zero = whenever
	within time.Duration  // in which it is to be answered
	late   func(response) // takes an answer that comes later; nil: it is dropped
}

// exchange sends a request and waits for its answer. code is empty when there is one; otherwise it says whether the centre
// surely has not got the request (codeTooLate, codeNotBound) or may have (codeLost, codeTimeout).
func (l *link) exchange(p smpp.PDU, q request) (resp response, code string) {
	wait := &pending{answered: make(chan response, 1)}
	seq := l.expect(wait)
	switch err := l.write(q.before, smpp.Append(nil, smpp.StatusOK, seq, p)); {
	case err == nil:
	case errors.Is(err, errTooLate):
		l.forget(seq)
		return response{}, codeTooLate
	case errors.As(err, new(errUnwritten)):
		l.forget(seq)
		return response{}, codeNotBound
	} // any other error: it may have been written, and its answer may be here already
	timer := time.NewTimer(q.within)
	defer timer.Stop()
	select {
	case resp := <-wait.answered:
		return resp, ""
	case <-l.ended:
		code = codeLost
	case <-timer.C:
		code = codeTimeout
	}
	return l.giveUp(seq, wait, q.late, code)
}

// expect registers a request, and returns its sequence_number.
func (l *link) expect(wait *pending) uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	seq := l.nextLocked()
	l.pending[seq] = wait
	return seq
}

// next returns a sequence_number for what needs no answer.
func (l *link) next() uint32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.nextLocked()
}

// nextLocked returns a sequence_number that no request waits with (SMPP 3.4, 3.2: 1 to 0x7FFFFFFF).
func (l *link) nextLocked() uint32 {
	for {
		if l.seq++; l.seq > lastSequence {
			l.seq = 1
		}
		if l.pending[l.seq] == nil {
			return l.seq
		}
	}
}

// giveUp leaves an answer to late, unless it has come meanwhile.
func (l *link) giveUp(seq uint32, wait *pending, late func(response), code string) (response, string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case resp := <-wait.answered:
		return resp, ""
	default:
	}
	if late == nil || l.late >= lateMost {
		delete(l.pending, seq)
	} else {
		wait.late = late
		l.late++
	}
	return response{}, code
}

// forget removes a request that was not sent.
func (l *link) forget(seq uint32) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pending, seq)
}

// read takes PDUs until the connection ends. Each is answered, or is an answer.
func (l *link) read() error {
	for {
		h, body, err := l.frames.Next()
		if err != nil {
			return err
		}
		l.heard.Store(time.Now().UnixNano())
		if h.ID.IsResponse() {
			l.answered(h, body)
			continue
		}
		if err := l.request(h, body); err != nil {
			return err
		}
	}
}

// answered passes an answer on to who waits for it. The answer to a request is one of its kind, or a generic_nack; anything
// else with its number is some mistake, and no answer.
func (l *link) answered(h smpp.Header, body []byte) {
	resp := response{status: h.Status}
	switch h.ID {
	case smpp.SubmitSMRespID:
		if p, err := smpp.Decode(h, body); err == nil {
			resp.id = p.(*smpp.SubmitSMResp).MessageID
		}
	case smpp.GenericNackID, smpp.UnbindRespID:
		if h.ID == smpp.GenericNackID && h.Status == smpp.StatusOK {
			resp.status = smpp.StatusUnknownErr
		}
	default: // enquire_link_resp: that it was heard is all that matters
		return
	}
	l.mu.Lock()
	wait := l.pending[h.Sequence]
	if wait == nil {
		l.mu.Unlock()
		return
	}
	delete(l.pending, h.Sequence)
	late := wait.late
	if late != nil {
		l.late--
	} else {
		wait.answered <- resp // capacity 1, and the only one
	}
	l.mu.Unlock()
	if late != nil {
		late(resp)
	}
}

// request answers what the centre asks. The error says why the connection is to be closed.
func (l *link) request(h smpp.Header, body []byte) error {
	p, err := smpp.Decode(h, body)
	if err != nil {
		return l.refuse(h, smpp.StatusOf(err, smpp.StatusSysErr))
	}
	switch p := p.(type) {
	case *smpp.EnquireLink:
		return l.respond(h, smpp.StatusOK, new(smpp.EnquireLinkResp))
	case *smpp.DeliverSM:
		return l.delivered(h, p)
	case *smpp.Unbind:
		l.leave()
		return l.respond(h, smpp.StatusOK, new(smpp.UnbindResp))
	case *smpp.AlertNotification, *smpp.Outbind: // have no answer
		return nil
	}
	return l.refuse(h, smpp.StatusInvCmdID)
}

func (l *link) respond(h smpp.Header, st smpp.Status, p smpp.PDU) error {
	return l.write(time.Time{}, smpp.Append(nil, st, h.Sequence, p))
}

// refuse answers what cannot be read or is not known: with its own response where it has one.
func (l *link) refuse(h smpp.Header, st smpp.Status) error {
	id, ok := h.ID.Response()
	if !ok || smpp.NewPDU(id) == nil || st == smpp.StatusInvCmdID {
		return l.respond(h, st, new(smpp.GenericNack))
	}
	return l.respond(h, st, smpp.NewPDU(id))
}
