package bridge

import (
	"context"
	"errors"
	"fmt"

	"smppbridge/smpp"
	"smppbridge/store"
)

// replaceTries is how often a message that changed between look-up and commit is looked at again.
const replaceTries = 5

// replaceSM carries out a replace_sm (SMPP 3.4, 4.10): text, times and registered_delivery of a message
// that still waits to be sent. The new text is decided under the policy in force, like a new message's.
func (b *Bridge) replaceSM(ctx context.Context, account string, r *smpp.ReplaceSM) error {
	named, err := b.own(account, r.MessageID, r.SourceAddr)
	if err != nil {
		return err
	}
	m := named.members[0]
	if len(named.members) > 1 || m.Segment.Total > 1 {
		return &smpp.StatusError{Status: smpp.StatusReplaceFail, Err: errNotReplaced}
	}
	var last store.Message
	for range replaceTries {
		done, err := b.replaceOnce(ctx, &m, r, &last)
		if _, refused := errors.AsType[*smpp.StatusError](err); done || refused {
			return err
		}
		// A commit of the dispatcher or of another replace_sm came between, or another policy, or nobody knows.
		if e := errors.Join(b.inHindsight(ctx), b.loadPolicy()); e != nil {
			return errors.Join(err, e)
		}
		now, e := b.stored(m.number)
		switch {
		case e != nil:
			return errReplaceLate()
		case now.says(&last):
			return nil // it was committed, and the answer was lost; whatever followed, the new text is the message's
		case err != nil && now.status.Revision == m.status.Revision:
			return err // it may yet be replaced
		case err != nil:
			return errReplaceLate()
		}
		m = now
	}
	return errReplaceLate()
}

func errReplaceLate() error {
	return &smpp.StatusError{Status: smpp.StatusReplaceFail, Err: errUnderWay}
}

// says reports whether m has what a replacement sets.
func (m *stored) says(r *store.Message) bool {
	return m.Text == r.Text && m.Params == r.Params && m.SignName == r.SignName && m.TemplateCode == r.TemplateCode &&
		m.RegisteredDelivery == r.RegisteredDelivery && m.SendAt == r.SendAt && m.Expires == r.Expires
}

// replaceOnce proposes m's replacement at its revision; done is false when something came between. What it has
// proposed is in msg.
func (b *Bridge) replaceOnce(ctx context.Context, m *stored, r *smpp.ReplaceSM, msg *store.Message) (done bool, err error) {
	if !m.status.Action.Sends() {
		return false, errReplaceLate()
	}
	acct := b.policy.Load().accounts[m.Account]
	if acct == nil {
		return false, &smpp.StatusError{Status: smpp.StatusReplaceFail, Err: errUnknownAccount}
	}
	if *msg, err = acct.replacement(m, r, b); err != nil {
		return false, err
	}
	res, err := b.settle(ctx, &store.Replace{Number: m.number, Revision: m.status.Revision, Message: *msg})
	if err != nil {
		return false, fmt.Errorf("replace message %s: %w", m.number, err)
	}
	result, ok := res.(*store.ReplaceResult)
	if !ok {
		return false, fmt.Errorf("replace message %s: result %T", m.number, res)
	}
	return result.Code == store.ReplaceOK, nil
}

// replacement decides the new text as if it were submitted now with the old message's fields. Times that
// replace_sm leaves out stay as they were (SMPP 3.4, 4.10.1); a new class can only shorten the validity. What a
// replacement does not change (origin, addresses, what its receipt repeats) the store keeps whatever is said here.
func (a *account) replacement(m *stored, r *smpp.ReplaceSM, b *Bridge) (store.Message, error) {
	msg, err := a.decide(&smpp.SubmitSM{
		ServiceType:   m.ServiceType,
		SourceAddrTON: m.Source.TON, SourceAddrNPI: m.Source.NPI, SourceAddr: m.Source.Addr,
		DestAddrTON: m.Dest.TON, DestAddrNPI: m.Dest.NPI, DestinationAddr: m.Dest.Addr,
		ESMClass: m.ESMClass &^ smpp.ESMClassUDHI, ProtocolID: m.ProtocolID, PriorityFlag: m.Priority,
		ScheduleDeliveryTime: r.ScheduleDeliveryTime, ValidityPeriod: r.ValidityPeriod,
		RegisteredDelivery: r.RegisteredDelivery, DataCoding: m.DataCoding,
		SMDefaultMsgID: r.SMDefaultMsgID, ShortMessage: r.ShortMessage, TLVs: r.TLVs,
	}, b.now())
	if err != nil {
		return store.Message{}, err
	}
	if r.ScheduleDeliveryTime == "" {
		msg.SendAt = m.SendAt
	}
	if r.ValidityPeriod == "" && m.Expires != 0 && (msg.Expires == 0 || m.Expires < msg.Expires) {
		msg.Expires = m.Expires
	}
	return msg, nil
}
