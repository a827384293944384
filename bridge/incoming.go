package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"smppbridge/store"
)

// An IncomingMessage is a text that a phone has sent to one of our numbers (MO, SmsUp), as a source has it.
type IncomingMessage struct {
	Phone    string    // who sent it, as the source spells it
	DestCode string    // the number that it was sent to, extension included
	SignName string    // of the SMS that it answers, where the source says so
	Text     string    // the whole text; not for logs
	SentAt   time.Time // by the source; zero = it does not say
	ID       string    // the source's own (sequence_id); "" = none
}

// An Inbox takes incoming messages. *Bridge implements it.
type Inbox interface {
	// Incoming returns once the messages are committed, or surely are nobody's. An error means that they may not be: the source
	// must offer all of them again, and those that were committed are recognised.
	Incoming(ctx context.Context, messages []IncomingMessage) error
}

// A Sink takes all that sources bring: delivery reports and incoming messages. *Bridge implements it.
type Sink interface {
	Reporter
	Inbox
}

// The bounds of incoming messages.
const (
	heardFor        = 72 * time.Hour // how long one that comes again is recognised: no source comes again later
	maxIncomingText = 16 << 10       // octets; in parts of any alphabet that is no more than 255
	maxIncomingAddr = 20             // SMPP 3.4, 5.2.8
)

var errPolicyBehind = errors.New("the policy is not in force on this node yet")

// Incoming commits incoming messages to the outboxes of the accounts that own them. It implements Inbox.
func (b *Bridge) Incoming(ctx context.Context, messages []IncomingMessage) error {
	pol, err := b.policyOf(ctx, messages)
	if err != nil {
		return fmt.Errorf("%d incoming messages: %w", len(messages), err)
	}
	cmd := &store.Incoming{Items: make([]store.IncomingItem, 0, len(messages))}
	var choices []choice
	for i := range messages {
		m := &messages[i]
		if len(m.DestCode) == 0 || len(m.DestCode) > maxIncomingAddr || len(m.Text) > maxIncomingText || !isNumber(bareNumber(m.Phone)) {
			b.metrics.incoming.came(incomingBad, 1)
			b.log.WarnContext(ctx, "incoming message cannot be delivered by SMPP, dropped", "octets", len(m.Text))
			continue
		}
		a := pol.inboxes.owner(m.DestCode, m.SignName)
		if a == nil {
			b.metrics.incoming.came(incomingNobody, 1)
			b.log.WarnContext(ctx, "incoming message is no account's, dropped", "dest_code", m.DestCode, "phone", maskNumber(m.Phone))
			continue
		}
		cmd.Items = append(cmd.Items, a.incomingItem(m))
		if out, says := a.optOut.says(m.Text); says {
			choices = append(choices, choice{key: optOutKey(a.SystemID, bareNumber(m.Phone)), out: out, at: m.saidAt(b.now())})
		}
	}
	if len(cmd.Items) == 0 {
		return nil
	}
	// First who opts out: should the second commit fail, all come again, and choosing twice does nothing.
	if err := b.choose(ctx, choices); err != nil {
		return err
	}
	return b.commitIncoming(ctx, cmd)
}

// policyOf returns the policy that says whose messages are. Where some are nobody's, it is surely the newest one: it may give
// them to somebody.
func (b *Bridge) policyOf(ctx context.Context, messages []IncomingMessage) (*policy, error) {
	pol, ok := b.inForce()
	for i := range messages {
		ok = ok && pol.inboxes.owner(messages[i].DestCode, messages[i].SignName) != nil
	}
	if ok {
		return pol, nil
	}
	if err := b.current(ctx); err != nil {
		return nil, err
	}
	if err := b.loadPolicy(); err != nil {
		return nil, err
	}
	if pol, ok = b.inForce(); !ok || pol.version == 0 {
		return nil, errPolicyBehind
	}
	return pol, nil
}

// commitIncoming proposes incoming messages and counts what became of them.
func (b *Bridge) commitIncoming(ctx context.Context, cmd *store.Incoming) error {
	res, err := b.settle(ctx, cmd)
	if err != nil {
		return fmt.Errorf("commit %d incoming messages: %w", len(cmd.Items), err)
	}
	r, ok := res.(*store.IncomingResult)
	if !ok || len(r.Taken) != len(cmd.Items) {
		return fmt.Errorf("commit %d incoming messages: result %T", len(cmd.Items), res)
	}
	for _, taken := range r.Taken {
		if taken {
			b.metrics.incoming.came(incomingTaken, 1)
		} else {
			b.metrics.incoming.came(incomingRepeated, 1)
		}
	}
	return nil
}

// incomingItem makes the entry of a's outbox: the second conversion of an incoming message is its deliver_sm.
func (a *account) incomingItem(m *IncomingMessage) store.IncomingItem {
	it := store.IncomingItem{
		Account: a.SystemID, Digest: m.digest(), KeepFor: heardFor.Milliseconds(),
		Source: a.spelt(bareNumber(m.Phone)),
		Dest:   store.Address{Addr: m.DestCode},
		Text:   encodable(m.Text),
	}
	if !m.SentAt.IsZero() {
		it.At = m.SentAt.UnixMilli()
	}
	return it
}

// npiISDN is SMPP's numbering plan of telephone numbers, E.164 (SMPP 3.4, 5.2.6).
const npiISDN = 1

// spelt spells a number so that the account reaches it by submitting to it as it is (normalizePhone): a mainland
// number without country code where that is what its numbers without one are.
func (a *account) spelt(bare string) store.Address {
	switch mainland := isMainlandMobile(bare); {
	case mainland && a.CountryCode == "86":
		return store.Address{NPI: npiISDN, Addr: bare}
	case mainland:
		bare = "86" + bare
	}
	return store.Address{TON: tonInternational, NPI: npiISDN, Addr: bare}
}

// isNumber reports whether s is digits that fit an address with a country code before them.
func isNumber(s string) bool {
	return s != "" && len(s) <= maxIncomingAddr-2 && strings.Trim(s, "0123456789") == ""
}

// encodable is text without what no alphabet of SMPP can carry: octets that are not UTF-8, and the two characters that read as
// byte order marks.
func encodable(text string) string {
	return strings.Map(func(r rune) rune {
		switch r {
		case 0xFEFF:
			return -1
		case 0xFFFE:
			return 0xFFFD
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
}

// saidAt is when m was sent; now, where its source does not say.
func (m *IncomingMessage) saidAt(now time.Time) time.Time {
	if m.SentAt.IsZero() {
		return now
	}
	return m.SentAt
}

// digest is of what makes two the same message, offered twice. Each field goes in behind its length.
func (m *IncomingMessage) digest() [16]byte {
	b := make([]byte, 0, 256)
	if !m.SentAt.IsZero() {
		b = binary.BigEndian.AppendUint64(b, uint64(m.SentAt.UnixMilli()))
	}
	for _, field := range [...]string{m.DestCode, bareNumber(m.Phone), m.ID, m.Text} {
		b = binary.AppendUvarint(b, uint64(len(field)))
		b = append(b, field...)
	}
	sum := sha256.Sum256(b)
	return [16]byte(sum[:16])
}
