package upstream

import (
	"context"
	"strings"
	"time"

	"smppbridge/bridge"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// partsWithin is how much longer than its Timeout a route may take for a text in parts. The bridge waits for 10 s before
// it takes an attempt for uncertain.
const partsWithin = 8 * time.Second

// Addresses as the standard has them (SMPP 3.4, 5.2.5 and 5.2.6).
const (
	tonInternational = 1
	tonAlphanumeric  = 5
	npiISDN          = 1
)

// send submits the parts of a message one after the other, each when the one before was accepted: so a refusal of the first
// says that nothing was sent. Only the last one asks for a receipt, and the message goes by its message_id.
func (r *route) send(ctx context.Context, call *bridge.Call) bridge.Answer {
	if len(call.Recipients) != 1 || call.Recipients[0].Original == nil {
		return answers[codeUnsupported]
	}
	parts, err := r.parts(&call.Recipients[0])
	if err != nil {
		return answers[codeUnsupported]
	}
	l, no := r.bound(ctx, call.Before)
	if l == nil {
		return no
	}
	defer l.release()
	start := time.Now()
	defer func() { r.c.metrics.observe(r.Name, time.Since(start)) }()
	if len(parts) == 1 {
		return r.single(l, parts[0], call)
	}
	return r.inParts(l, parts, call)
}

// single submits a text in one piece.
func (r *route) single(l *link, m *smpp.SubmitSM, call *bridge.Call) bridge.Answer {
	resp, code := l.exchange(m, request{before: call.Before, within: r.Timeout, late: l.lateness(call.OutID, r.judge)})
	if code != "" {
		return answers[code]
	}
	return r.judge(resp)
}

// inParts submits a text in several. What is refused after some of it was accepted has ended: it cannot be sent again.
func (r *route) inParts(l *link, parts []*smpp.SubmitSM, call *bridge.Call) bridge.Answer {
	until := time.Now().Add(r.Timeout + partsWithin)
	before := call.Before
	for i, m := range parts {
		if i > 0 {
			before = until
			l.pause(min(r.pacer.reserve(time.Now()), time.Until(until)))
		}
		q := request{before: before, within: min(r.Timeout, time.Until(until))}
		switch {
		case i == 0:
			q.late = l.lateness(call.OutID, r.judgeFirst)
		case i == len(parts)-1:
			q.late = l.lateness(call.OutID, r.judgeRest)
		}
		resp, code := l.exchange(m, q)
		switch {
		case code != "" && i == 0, code == codeLost, code == codeTimeout:
			return answers[code]
		case code != "":
			return answers[codePartial]
		case i == 0 && resp.status != smpp.StatusOK:
			return r.judge(resp)
		case i == len(parts)-1 || resp.status != smpp.StatusOK:
			return r.judgeRest(resp)
		}
	}
	return answers[codeUnsupported] // there are always parts
}

// pause waits for d, or for the end of the connection.
func (l *link) pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-l.ended:
	}
}

// judge is what an answer says of a whole message.
func (r *route) judge(resp response) bridge.Answer {
	if resp.status != smpp.StatusOK {
		return refusal(resp.status)
	}
	return accepted(r.bizID(resp.id, r.answerBase()))
}

// judgeFirst is what an answer to the first of several parts says, when it comes too late for the others to follow.
func (r *route) judgeFirst(resp response) bridge.Answer {
	if resp.status != smpp.StatusOK {
		return refusal(resp.status)
	}
	return answers[codePartial]
}

// judgeRest is what an answer to the last part says, or a refusal of one that is not the first.
func (r *route) judgeRest(resp response) bridge.Answer {
	a := r.judge(resp)
	if a.Kind == store.OutcomeRetry {
		a = rejected(a.Code, a.Err)
	}
	return a
}

// parts makes the submit_sm of a message: several where its text is too long for one.
func (r *route) parts(to *bridge.Recipient) ([]*smpp.SubmitSM, error) {
	o := to.Original
	text := o.Text
	if r.SMPP.Signature == configs.SignatureFront && to.SignName != "" && !signed(text) {
		text = "【" + to.SignName + "】" + text
	}
	coding, octets, err := encode(o.DataCoding, r.alphabet, text)
	if err != nil {
		return nil, err
	}
	head := smpp.SubmitSM{
		ServiceType: o.ServiceType, SourceAddrTON: o.Source.TON, SourceAddrNPI: o.Source.NPI, SourceAddr: o.Source.Addr,
		DestAddrTON: tonInternational, DestAddrNPI: npiISDN, DestinationAddr: o.International,
		ProtocolID: o.ProtocolID, PriorityFlag: o.Priority, DataCoding: coding,
		RegisteredDelivery: smpp.RegisteredDeliveryAlways,
	}
	if addr := r.SMPP.SourceAddr; addr != "" {
		head.SourceAddr = addr
		head.SourceAddrTON, head.SourceAddrNPI = typeOf(addr)
	}
	if !o.Expires.IsZero() {
		head.ValidityPeriod = smpp.FormatTime(o.Expires)
	}
	return r.cut(&head, octets)
}

// signed reports whether a text has a signature of its own, at either end.
func signed(text string) bool {
	text = strings.TrimSpace(text)
	return strings.HasPrefix(text, "【") || strings.HasSuffix(text, "】")
}

// typeOf is the type of number and the plan of an address that the policy names.
func typeOf(addr string) (ton, npi byte) {
	if strings.Trim(addr, "0123456789") != "" {
		return tonAlphanumeric, 0
	}
	return 0, npiISDN
}
