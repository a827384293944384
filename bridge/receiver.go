package bridge

import (
	"errors"

	"smppbridge/smpp"
)

// silentMost is how many deliver_sm in a row a receiver may leave unanswered. Then it is served last,
// and with one at a time, until it answers.
const silentMost = 3

// receiver is a session that takes receipts, as its mailbox sees it. Only the mailbox's goroutine
// touches the counts.
type receiver struct {
	*session
	inFlight int // deliver_sm without an answer
	silent   int // that were not answered in time, in a row
}

// suspect reports whether the receiver does not seem to answer. Its ESME may be stuck while its
// connection is alive: each receipt it gets is late by a response time-out.
func (r *receiver) suspect() bool { return r.silent >= silentMost }

// answered takes note of how a deliver_sm ended. Any answer is a sign of life, a refusal too.
func (r *receiver) answered(err error) {
	r.inFlight--
	switch {
	case err == nil:
		r.silent = 0
	case errors.Is(err, smpp.ErrTimeout):
		r.silent++
	}
}

// An offering is how a receipt fared that was offered to an account's receivers.
type offering uint8

const (
	taken   offering = iota
	full             // no receiver has room: an answer will wake the mailbox
	blocked          // a receiver has nothing to answer and no room: it does not read
	busy             // its own receiver has no room
)

// offer gives p to a receiver that has room: to those that answer, in turn, before those that do not.
func (m *mailbox) offer(receivers []*receiver, form forms, p *parcel) offering {
	how, bound := full, p.bound(receivers)
	if bound {
		how = busy
	}
	var pdu *smpp.DeliverSM
	var made forms
	for _, suspects := range [...]bool{false, true} {
		for range receivers {
			m.next = (m.next + 1) % len(receivers)
			to := receivers[m.next]
			if to.suspect() != suspects || suspects && to.inFlight > 0 || bound && to != p.to {
				continue
			}
			if f := form.on(to.InterfaceVersion()); pdu == nil || f != made {
				pdu, made = f.deliverSM(p), f
			}
			err := to.DeliverSM(pdu, func(st smpp.Status, err error) {
				m.take(delivered{p, to, st, err})
			})
			var se *smpp.StatusError
			switch {
			case err == nil:
				to.inFlight++
				m.inFlight++
				p.stage = flying
				return taken
			case errors.As(err, &se): // it does not fit a deliver_sm, whoever receives it
				m.discard(p, se.Status)
				return taken
			case errors.Is(err, smpp.ErrWindowFull) && to.inFlight == 0 && !bound:
				how = blocked
			}
		}
	}
	return how
}
