package bridge

import (
	"errors"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// Why destinations of a submit_multi are refused.
var (
	errList     = errors.New("there are no distribution lists")
	errRepeated = errors.New("destination is named twice")
)

// multi is what a submit_multi has beyond a submit_sm (SMPP 3.4, 4.5.1). Each destination is a message of
// its own, accepted or refused by itself; all go into one Accept, side by side, as one group of the
// store: their receipts carry the message_id of the first that was accepted.
type multi struct {
	pdu      *smpp.SubmitMulti
	messages []store.Message // of the destinations that are not refused yet
	of       []int           // indexes of their destinations
	caps     []uint64        // that count them
	statuses []smpp.Status   // by destination; ESME_ROK: not refused
}

// submitMulti takes a submit_multi from a session's reader goroutine, as SubmitSM does a submit_sm.
func (b *Bridge) submitMulti(s *session, r smpp.Request, m *smpp.SubmitMulti) {
	b.take(&submission{session: s, request: r, multi: &multi{pdu: m}, at: b.now()})
}

// octets is what a multi holds in memory.
func (m *multi) octets() int64 {
	n := 1024*len(m.messages) + 64*len(m.pdu.Destinations) + len(m.pdu.Message.ShortMessage) + len(m.pdu.Message.TLVs)
	if len(m.messages) > 0 { // the texts are shared
		n += len(m.messages[0].Text) + len(m.messages[0].Params)
	}
	return int64(n)
}

// encoded is about how many octets m adds to an Accept, where each message has its own text.
func (m *multi) encoded() int {
	if len(m.messages) == 0 {
		return 0
	}
	return len(m.messages) * (200 + len(m.messages[0].Text) + len(m.messages[0].Params))
}

// appendTo appends m's messages to those of an Accept. charges finds the set of those that caps count.
func (m *multi) appendTo(list []store.Submission, charges func(caps uint64) int, from store.Origin) []store.Submission {
	for i := range m.messages {
		m.messages[i].Origin = from
		list = append(list, store.Submission{Message: m.messages[i], Charges: charges(m.caps[i])})
	}
	return list
}

// decideMulti decides a submit_multi. A field that is wrong refuses it all; a destination that is wrong
// only itself. The result is false when it has been answered. It is never answered after the API:
// there is one answer, and as many outcomes as destinations.
func (b *Bridge) decideMulti(sub *submission) bool {
	m, acct := sub.multi, sub.account
	if m.pdu.Message.ESMClass&esmMode == esmTransaction {
		b.refuse(sub, &smpp.StatusError{Status: smpp.StatusInvEsmClass, Err: errTransaction})
		return false
	}
	var content store.Message
	if err := acct.content(&content, &m.pdu.Message, sub.at); err != nil {
		b.refuse(sub, err)
		return false
	}
	if err := b.braked(BrakeTemplate, content.TemplateCode); err != nil {
		b.refuse(sub, err)
		return false
	}
	n := len(m.pdu.Destinations)
	m.messages, m.of, m.statuses = make([]store.Message, 0, n), make([]int, 0, n), make([]smpp.Status, n)
	m.caps = make([]uint64, 0, n)
	seen := make(map[string]bool, n)
	for i := range m.pdu.Destinations {
		msg, err := m.decide(acct, content, i, seen)
		if err == nil {
			err = b.optedOut(acct, msg.Class, msg.Phone)
		}
		if err != nil {
			m.statuses[i] = smpp.StatusOf(err, smpp.StatusSysErr)
			continue
		}
		msg.Grouped = len(m.messages) > 0
		m.messages, m.of, m.caps = append(m.messages, msg), append(m.of, i), append(m.caps, acct.caps.over(&msg))
	}
	if len(m.messages) == 0 {
		b.refuseMulti(sub)
		return false
	}
	return true
}

// decide makes the message to destination i of content. A number that was there before would get the
// same text twice, a one-time code too: it is refused, however it is spelt.
func (m *multi) decide(a *account, content store.Message, i int, seen map[string]bool) (store.Message, error) {
	d := &m.pdu.Destinations[i]
	if d.List != "" {
		return store.Message{}, &smpp.StatusError{Status: smpp.StatusCntSubDL, Err: errList}
	}
	to := store.Address{TON: d.TON, NPI: d.NPI, Addr: d.Addr}
	if err := a.address(&content, to, m.pdu.Message.ScheduleDeliveryTime); err != nil {
		return store.Message{}, err
	}
	if seen[content.Phone] {
		return store.Message{}, &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errRepeated}
	}
	seen[content.Phone] = true
	return content, nil
}

// answerMulti tells a session what became of its submit_multi; items are those of its messages.
func (b *Bridge) answerMulti(sub *submission, items []store.AcceptItem, now time.Time) {
	switch items[0].Code { // these two are the whole Accept's
	case store.AcceptStalePolicy:
		b.again(sub)
		return
	case store.AcceptTokenGone:
		sub.session.Close(errUnsettled)
		signal(b.succeeded)
		return
	}
	var id, repeated store.Number
	for i, item := range items {
		switch item.Code {
		case store.AcceptOK:
			b.metrics.accepted(sub.account.SystemID, now.Sub(sub.at))
			if id == 0 {
				id = item.Number
			}
		case store.AcceptDuplicate:
			b.metrics.duplicate(sub.account.SystemID)
			b.metrics.accepted(sub.account.SystemID, now.Sub(sub.at))
			if repeated == 0 {
				repeated = item.Number
			}
		default: // AcceptOverLimit
			sub.multi.statuses[sub.multi.of[i]] = b.overLimit(sub.account, sub.multi.caps[i], item.Limit).Status
		}
	}
	if id == 0 {
		id = repeated
	}
	if id == 0 {
		b.refuseMulti(sub)
		return
	}
	resp := &smpp.SubmitMultiResp{MessageID: sub.account.shape.Spell(id), Failed: b.failed(sub)}
	sub.session.answer(func(wire uint64) {
		sub.session.RespondPDU(sub.request, smpp.StatusOK, resp, wire)
	}, sub.message.Origin.Mark)
}

// failed lists the destinations that were refused (SMPP 3.4, 4.5.2.1), and counts them.
func (b *Bridge) failed(sub *submission) (list []smpp.Unsuccess) {
	for i, st := range sub.multi.statuses {
		if st == smpp.StatusOK {
			continue
		}
		b.metrics.refusedSubmit(sub.session.account, st)
		d := &sub.multi.pdu.Destinations[i]
		u := smpp.Unsuccess{TON: d.TON, NPI: d.NPI, Addr: d.Addr, Status: st}
		if d.List != "" {
			u.Addr = d.List
		}
		list = append(list, u)
	}
	return list
}

// refuseMulti answers a submit_multi of which no destination was accepted: with an error, so that
// nobody takes it for accepted, and with the status of each behind it, where the account's ESMEs take
// an error with a body. The standard leaves open which error (SMPP 3.4, 4.5.2).
func (b *Bridge) refuseMulti(sub *submission) {
	sub.session.marks.drop(sub.message.Origin.Mark)
	st, failed := overall(sub.multi.statuses), b.failed(sub)
	if sub.account.ErrorBody == errorBodyNone {
		sub.session.Respond(sub.request, st, "", 0)
		return
	}
	sub.session.RespondPDU(sub.request, st, &smpp.SubmitMultiResp{Failed: failed}, 0)
}

// overall is the one status for many refused destinations: theirs, if they have one; one that asks to
// try again, if any does, because an ESME drops what was refused for good; else ESME_RSUBMITFAIL.
func overall(statuses []smpp.Status) smpp.Status {
	same := true
	for _, st := range statuses {
		switch st {
		case smpp.StatusThrottled, smpp.StatusMsgQFul, smpp.StatusSysErr:
			return st
		}
		same = same && st == statuses[0]
	}
	if same {
		return statuses[0]
	}
	return smpp.StatusSubmitFail
}
