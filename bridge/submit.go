package bridge

import (
	"errors"
	"time"

	"smppbridge/bridge/template"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Why submits are refused.
var (
	errNoText   = errors.New("message has no text")
	errExpired  = errors.New("validity_period is over before the message may be sent")
	errLongPart = errors.New("part of a long message is longer than a message")
	errLongText = errors.New("text is longer than any template with its variables")
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

// take decides a submission and hands it to the batcher, or refuses it.
func (b *Bridge) take(sub *submission) {
	if b.decideSubmission(sub) {
		b.batcher.add(sub)
	}
}

// decideSubmission decides a submission under the policy in force. If it is not to be accepted it is
// answered, and the result is false.
func (b *Bridge) decideSubmission(sub *submission) bool {
	acct := b.policy.Load().accounts[sub.session.account]
	if acct == nil { // removed while bound
		b.refuse(sub, &smpp.StatusError{Status: smpp.StatusSubmitFail, Err: errUnknownAccount})
		return false
	}
	sub.account = acct
	if err := b.braked(BrakeAccount, acct.SystemID); err != nil {
		b.refuse(sub, err)
		return false
	}
	if sub.multi != nil {
		return b.decideMulti(sub)
	}
	err := acct.convert(&sub.message, &sub.pdu, sub.at)
	if err == nil {
		err = b.braked(BrakeTemplate, sub.message.TemplateCode)
	}
	if err == nil {
		err = b.optedOut(acct, sub.message.Class, sub.message.Phone)
	}
	if err != nil {
		b.refuse(sub, err)
		return false
	}
	sub.caps = acct.caps.over(&sub.message)
	return true
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
	b.content.refused(sub.session.account, err)
	b.log.Debug("submit refused", "system_id", sub.session.account, "status", status.String(), "err", err)
	sub.session.Respond(sub.request, status, "", 0)
}

// decide turns a submit_sm into the message that is to be accepted. A refusal is a *smpp.StatusError.
func (a *account) decide(m *smpp.SubmitSM, now time.Time) (msg store.Message, err error) {
	if err := a.convert(&msg, m, now); err != nil {
		return store.Message{}, err
	}
	return msg, nil
}

// convert is decide into msg, whatever it held before. It is the first of the two conversions of a
// message's life.
func (a *account) convert(msg *store.Message, m *smpp.SubmitSM, now time.Time) error {
	if err := a.content(msg, m, now); err != nil {
		return err
	}
	// What is answered after the API: not a part, which is never sent by itself, nor what is to be sent later.
	if a.Ack == ackSubmitted && msg.SendAt == 0 && msg.Segment.Total == 0 {
		msg.AnswerBy = now.Add(a.AckWithin.Std()).UnixMilli()
	}
	to := store.Address{TON: m.DestAddrTON, NPI: m.DestAddrNPI, Addr: m.DestinationAddr}
	return a.address(msg, to, m.ScheduleDeliveryTime)
}

// content is convert but for the destination.
func (a *account) content(msg *store.Message, m *smpp.SubmitSM, now time.Time) error {
	if err := a.checkFields(m); err != nil {
		return err
	}
	named, err := a.naming(m)
	if err != nil {
		return err
	}
	*msg = store.Message{
		Account:            a.SystemID,
		Source:             store.Address{TON: m.SourceAddrTON, NPI: m.SourceAddrNPI, Addr: m.SourceAddr},
		ServiceType:        m.ServiceType,
		ESMClass:           m.ESMClass,
		ProtocolID:         m.ProtocolID,
		Priority:           m.PriorityFlag,
		DataCoding:         m.DataCoding,
		RegisteredDelivery: m.RegisteredDelivery,
		Wants:              wants(m.RegisteredDelivery),
		KeepText:           a.KeepTexts,
		PolicyVersion:      a.version,
		Shape:              a.shape,
	}
	validity, err := a.fillText(msg, m, named)
	if err != nil {
		return err
	}
	msg.Preferred = m.PriorityFlag > 0 && a.Priority != priorityIgnore && !msg.Urgent
	if msg.Echo, err = echo(m.TLVs); err != nil {
		return err
	}
	return schedule(msg, m, now, validity)
}

// fillText sets what is made of the text, and returns for how long the message is worth sending.
func (a *account) fillText(msg *store.Message, m *smpp.SubmitSM, n naming) (time.Duration, error) {
	concat, payload, part, err := m.Segment()
	if err != nil {
		return 0, err
	}
	validity := a.Validity.Std()
	if part { // its class is not known yet
		msg.Segment = store.Segment{Ref: concat.Ref, Total: concat.Total, Seq: concat.Seq}
		return validity, a.fillPart(msg, payload, n)
	}
	t, err := a.fillWhole(msg, payload, n)
	if err != nil {
		return 0, err
	}
	if v := t.class.Validity.Std(); validity == 0 || v > 0 && v < validity {
		validity = v
	}
	return validity, nil
}

// address sets where msg goes, and what is known of it only then.
func (a *account) address(msg *store.Message, to store.Address, scheduled string) (err error) {
	msg.Dest = to
	var mainland bool
	if msg.Phone, mainland, err = readPhone(to.Addr, to.TON, a.CountryCode); err != nil {
		return err
	}
	if t := a.templates[msg.TemplateCode]; t != nil { // of a part it may not be known yet
		if err := t.numbers.check(msg.Phone, mainland); err != nil {
			return err
		}
	}
	if a.Dedupe > 0 {
		msg.Digest, msg.DedupeFor = digest(msg, scheduled), a.Dedupe.Std().Milliseconds()
	}
	return nil
}

// fillWhole sets what the API needs of a message that came in one piece.
func (a *account) fillWhole(msg *store.Message, payload string, n naming) (t *approved, err error) {
	if n.params != nil {
		t, err = a.fillParams(msg, n)
	} else {
		var text string
		if text, err = smpp.DecodeText(msg.DataCoding, a.alphabet, payload); err != nil {
			return nil, err
		}
		t, err = a.fill(msg, text, n)
	}
	if err != nil {
		return nil, err
	}
	return t, a.checkWithdrawn(t, msg.SignName)
}

// fillPart keeps the octets of a part, and what its ESME has named, until the message is joined.
func (a *account) fillPart(msg *store.Message, payload string, n naming) error {
	switch {
	case n.params != nil:
		return &smpp.StatusError{Status: smpp.StatusOptParNotAllwd, Err: errParamsPart}
	case len(payload) > maxPart:
		return &smpp.StatusError{Status: smpp.StatusInvMsgLen, Err: errLongPart}
	}
	// Refuse now what could not be read once the parts are joined.
	if err := smpp.CheckPart(msg.DataCoding, a.alphabet, payload); err != nil {
		return err
	}
	msg.Text, msg.TemplateCode, msg.SignName = payload, n.code, n.sign
	msg.OneReceipt = a.Receipt.Parts == receiptLast
	return nil
}

// fill sets what the API needs from a text: template, signature, parameters.
func (a *account) fill(msg *store.Message, text string, n naming) (*approved, error) {
	switch {
	case text == "" && n.code == "":
		return nil, &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: errNoText}
	case len(text) > a.longest:
		return nil, &smpp.StatusError{Status: smpp.StatusInvMsgLen, Err: errLongText}
	}
	match, err := a.find(text, n)
	if err != nil {
		return nil, &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: err}
	}
	if n.sign != "" && match.SignName != n.sign {
		return nil, &smpp.StatusError{Status: smpp.StatusInvOptParamVal, Err: errOtherSign}
	}
	t := a.templates[match.Code]
	msg.SignName, msg.TemplateCode, msg.Params = match.SignName, match.Code, match.Params
	msg.Class, msg.Text, msg.Urgent = t.Class, text, t.class.Urgent
	return t, nil
}

// find finds the template of a text: the one that was named, or the one that matches best, or the
// account's fallback.
func (a *account) find(text string, n naming) (template.Match, error) {
	opts := a.match
	if n.sign != "" {
		opts.Sign = n.sign
	}
	if n.code != "" {
		return a.set.Named(n.code, text, opts)
	}
	match, err := a.set.Match(text, opts)
	if err != nil && a.fallback != nil {
		return a.set.Fill(a.fallback.Code, text, opts)
	}
	return match, err
}

// schedule sets when msg may be sent and until when it is worth sending. The ESME may shorten
// the validity of the class and the account, not lengthen it: an old one-time code does harm.
func schedule(msg *store.Message, m *smpp.SubmitSM, now time.Time, validity time.Duration) error {
	start, err := sendAt(m, now)
	if err != nil {
		return err
	}
	if start.IsZero() {
		start = now
	} else {
		msg.SendAt = start.UnixMilli()
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
