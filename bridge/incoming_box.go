package bridge

import (
	"slices"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// forms are how an account wants what is in its outbox.
type forms struct {
	receipt  receiptForm
	incoming incomingForm
}

// forms are the account's by the policy in force.
func (m *mailbox) forms() forms {
	if a := m.b.policy.Load().accounts[m.account]; a != nil {
		return forms{receipt: a.quirks, incoming: a.incoming}
	}
	return forms{receipt: receiptForm{text: true, tlvs: true}}
}

// on are the forms for a session that was bound with an interface_version.
func (f forms) on(version byte) forms {
	return forms{receipt: f.receipt.on(version), incoming: f.incoming.on(version)}
}

// deliverSM makes the deliver_sm that is p's turn.
func (f forms) deliverSM(p *parcel) *smpp.DeliverSM {
	if !p.Incoming {
		return f.receipt.deliverSM(&p.Receipt)
	}
	m, of := f.incoming.deliverSM(&p.Receipt, p.part)
	p.parts = of
	return m
}

// ownKey is the number by which an entry is owned: its message's, or of an incoming message, which belongs to none, its place
// in the outbox.
func ownKey(r *store.Receipt) store.Number {
	if r.Incoming {
		return store.Number(r.Seq)
	}
	return r.Number
}

// keeps is how long an entry is kept in its outbox.
func (b *Bridge) keeps(r *store.Receipt) time.Duration {
	if r.Incoming {
		if a := b.policy.Load().accounts[r.Account]; a != nil {
			return a.Incoming.Keep.Std()
		}
	}
	return receiptKept
}

// The parts of a long incoming message go one after the other to one receiver, which joins them. Should that one go, or not answer
// any more, all of them go to another one: what the first had may be gone with it.

// bound reports whether p, of which a part was delivered, must wait for its receiver, and not go to any of the others.
// Without that receiver p begins anew.
func (p *parcel) bound(receivers []*receiver) bool {
	if p.part > 0 && (!slices.Contains(receivers, p.to) || p.to.suspect()) {
		p.restart()
	}
	return p.part > 0
}

// restart has all parts delivered again.
func (p *parcel) restart() { p.part, p.to = 0, nil }

// accepted takes the answer that p, or a part of it, has been taken.
func (m *mailbox) accepted(p *parcel, to *receiver, now time.Time) {
	lag := now.Sub(store.FromMillis(p.QueuedAt))
	if !p.Incoming {
		m.b.metrics.receipt("delivered", lag)
		m.finish(p)
		return
	}
	m.b.metrics.incoming.ended("delivered")
	if p.part++; p.part < p.parts {
		p.to, p.tries = to, 0
		m.hold(p)
		return
	}
	m.b.metrics.incoming.delivered(lag)
	m.finish(p)
}

// ended counts a deliver_sm that was not taken.
func (m *mailbox) ended(p *parcel, result string) {
	if p.Incoming {
		m.b.metrics.incoming.ended(result)
		return
	}
	m.b.metrics.receipt(result, 0)
}
