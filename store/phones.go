package store

import (
	"encoding/binary"
	"strings"
)

// keptSends is how long a charge on a phone is remembered, in ms: a day, as Alibaba Cloud counts
// it, and an hour for guards. Older ones count no more, purged or not, so that the time of a
// purge decides nothing.
const keptSends = 25 * 3600 * 1000

// A phone is the counter of one phone. It is not stored: the bucket sends is, in order of time,
// and the phones are rebuilt from it.
type phone struct {
	key     string
	charges []spent // ascending
}

// since returns the charges that still count at now.
func (p *phone) since(now int64) []spent {
	i := 0
	for i < len(p.charges) && p.charges[i].at <= now-keptSends {
		i++
	}
	return p.charges[i:]
}

func (p *phone) room(c *Charge, now int64) int64 {
	charges := p.since(now)
	t := now
	for i := range c.Rules {
		r := &c.Rules[i]
		if r.Kind == RuleRolling {
			t = max(t, rollingRoom(r, c.Amount, now, charges))
			continue
		}
		t = max(t, windowRoom(r, c.Amount, now, func(w int64) uint64 {
			var n uint64
			for j := range charges {
				if at := charges[j].at; r.window(at-r.guard()) <= w && w <= r.window(at+r.guard()) {
					n += uint64(charges[j].amount)
				}
			}
			return n
		}))
	}
	return t
}

func (p *phone) add(t *txn, c *Charge) {
	t.meta.nextSend++
	s := spent{at: t.at, seq: t.meta.nextSend, amount: c.Amount}
	p.charges = append(p.since(t.at), s)
	v := t.arena.empty(len(p.key) + 8)
	v = binary.AppendUvarint(v, uint64(c.Amount))
	v = append(v, p.key[len(PhoneKeyPrefix):]...)
	t.put(bktSends, sendKey(s.at, s.seq), v)
}

// decodeSend reads an entry of the bucket sends. The key lacks PhoneKeyPrefix.
func decodeSend(b []byte) (key []byte, amount uint32, err error) {
	d := decoder{b: b}
	amount = d.uint32()
	return d.take(d.left()), amount, d.end()
}

func isPhoneKey(key string) bool { return strings.HasPrefix(key, PhoneKeyPrefix) }

// phone returns the counter of the phone that key names.
func (m *machine) phone(key string) *phone {
	p := m.phones[key]
	if p == nil {
		p = &phone{key: strings.Clone(key)}
		m.phones[p.key] = p
	}
	return p
}

// giveBack undoes a charge on a phone, if it is still known.
func (t *txn) giveBack(at int64, seq uint64) {
	k := sendKey(at, seq)
	v := t.get(bktSends, k)
	if v == nil {
		return
	}
	key, _, err := decodeSend(v)
	if err != nil {
		t.fail(err)
		return
	}
	t.forgetSends(key, func(s spent) bool { return s.seq == seq })
	t.del(bktSends, k)
}

// forgetSends takes charges out of the memory of a phone; the phone goes with its last.
func (m *machine) forgetSends(key []byte, drop func(spent) bool) {
	buf := make([]byte, 0, 64)
	buf = append(append(buf, PhoneKeyPrefix...), key...)
	p := m.phones[string(buf)]
	if p == nil {
		return
	}
	kept := p.charges[:0]
	for _, s := range p.charges {
		if !drop(s) {
			kept = append(kept, s)
		}
	}
	p.charges = kept
	if len(kept) == 0 {
		delete(m.phones, p.key)
	}
}
