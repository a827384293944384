package bridge

import (
	"errors"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// Why submits are refused.
var (
	errNoText   = errors.New("message has no text")
	errExpired  = errors.New("validity_period is over before the message may be sent")
	errLongPart = errors.New("part of a long message is longer than a message")
)

// maxPart is how many octets one part of a long message may have. Real parts have some 140, or a few
// hundred in message_payload; 255 parts of 64 KiB would be one message of 16 MiB.
const maxPart = 1024

// SubmitSM takes a submit_sm from a session's reader goroutine: it decides what the message is
// and leaves the rest to the batcher. It implements smpp.Backend.
func (b *Bridge) SubmitSM(s *smpp.Session, r smpp.Request, m *smpp.SubmitSM) {
	v, ok := b.sessions.Load(s.ID())
	if !ok { // a bound session is always there until Closed
		s.Close(errStopping)
		return
	}
	b.take(&submission{session: v.(*session), request: r, pdu: *m, at: b.now()})
}

// take decides a submission under the policy in force and hands it to the batcher, or refuses it.
func (b *Bridge) take(sub *submission) {
	acct := b.policy.Load().accounts[sub.session.account]
	if acct == nil { // removed while bound
		b.refuse(sub, &smpp.StatusError{Status: smpp.StatusSubmitFail, Err: errUnknownAccount})
		return
	}
	sub.account = acct
	msg, err := acct.decide(&sub.pdu, sub.at)
	if err != nil {
		b.refuse(sub, err)
		return
	}
	sub.message = msg
	b.batcher.add(sub)
}

// refuse answers a submission that does not enter the store.
func (b *Bridge) refuse(sub *submission, err error) {
	status := smpp.StatusSysErr
	var se *smpp.StatusError
	if errors.As(err, &se) {
		status = se.Status
	}
	sub.session.marks.drop(sub.message.Origin.Mark)
	b.metrics.refusedSubmit(sub.session.account, status)
	sub.session.Respond(sub.request, status, "", 0)
}

// decide turns a submit_sm into the message that is to be accepted. It is the first of the two
// conversions of a message's life. A refusal is a *smpp.StatusError.
func (a *account) decide(m *smpp.SubmitSM, now time.Time) (store.Message, error) {
	phone, err := normalizePhone(m.DestinationAddr, m.DestAddrTON, a.CountryCode)
	if err != nil {
		return store.Message{}, err
	}
	msg := store.Message{
		Account:            a.SystemID,
		Source:             store.Address{TON: m.SourceAddrTON, NPI: m.SourceAddrNPI, Addr: m.SourceAddr},
		Dest:               store.Address{TON: m.DestAddrTON, NPI: m.DestAddrNPI, Addr: m.DestinationAddr},
		ServiceType:        m.ServiceType,
		ESMClass:           m.ESMClass,
		ProtocolID:         m.ProtocolID,
		Priority:           m.PriorityFlag,
		DataCoding:         m.DataCoding,
		RegisteredDelivery: m.RegisteredDelivery,
		Phone:              phone,
		Wants:              wants(m.RegisteredDelivery),
		KeepText:           a.KeepTexts,
		PolicyVersion:      a.version,
	}
	concat, payload, part, err := m.Segment()
	if err != nil {
		return store.Message{}, err
	}
	validity := a.Validity.Std()
	if !part {
		text, err := smpp.DecodeText(m.DataCoding, a.alphabet, payload)
		if err != nil {
			return store.Message{}, err
		}
		t, err := a.fill(&msg, text)
		if err != nil {
			return store.Message{}, err
		}
		if v := t.class.Validity.Std(); validity == 0 || v > 0 && v < validity {
			validity = v
		}
	} else {
		if len(payload) > maxPart {
			return store.Message{}, &smpp.StatusError{Status: smpp.StatusInvMsgLen, Err: errLongPart}
		}
		// Refuse a coding that could not be read once the parts are joined.
		if _, err := smpp.DecodeText(m.DataCoding, a.alphabet, ""); err != nil {
			return store.Message{}, err
		}
		msg.Text = payload
		msg.Segment = store.Segment{Ref: concat.Ref, Total: concat.Total, Seq: concat.Seq}
	}
	return msg, a.schedule(&msg, m, now, validity)
}

// fill sets what the API needs from a text: template, signature, parameters.
func (a *account) fill(msg *store.Message, text string) (*approved, error) {
	if text == "" {
		return nil, &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: errNoText}
	}
	match, err := a.set.Match(text, a.match)
	if err != nil {
		if a.fallback == nil {
			return nil, &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: err}
		}
		if match, err = a.set.Fill(a.fallback.Code, text, a.match); err != nil {
			return nil, &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: err}
		}
	}
	t := a.templates[match.Code]
	msg.SignName, msg.TemplateCode, msg.Params = match.SignName, match.Code, match.Params
	msg.Class, msg.Text, msg.Urgent = t.Class, text, t.class.Urgent
	return t, nil
}

// schedule sets when msg may be sent and until when it is worth sending. The ESME may shorten
// the validity of the class and the account, not lengthen it: an old one-time code does harm.
func (a *account) schedule(msg *store.Message, m *smpp.SubmitSM, now time.Time, validity time.Duration) error {
	start, err := m.Schedule(now)
	if err != nil {
		return err
	}
	if start.After(now) {
		msg.SendAt = start.UnixMilli()
	} else {
		start = now
	}
	if validity > 0 {
		msg.Expires = start.Add(validity).UnixMilli()
	}
	until, err := m.Expiry(now)
	switch {
	case err != nil:
		return err
	case until.IsZero():
	case !until.After(start):
		return &smpp.StatusError{Status: smpp.StatusInvExpiry, Err: errExpired}
	case msg.Expires == 0 || until.UnixMilli() < msg.Expires:
		msg.Expires = until.UnixMilli()
	}
	return nil
}

// wants translates registered_delivery.
func wants(registeredDelivery uint8) store.Wants {
	switch registeredDelivery & smpp.RegisteredDeliveryMask {
	case smpp.RegisteredDeliveryAlways:
		return store.WantsSuccess | store.WantsFailure
	case smpp.RegisteredDeliveryFailure:
		return store.WantsFailure
	case smpp.RegisteredDeliverySuccess:
		return store.WantsSuccess
	}
	return 0
}
