package store

import "encoding/binary"

func appendIncoming(b []byte, c *Incoming) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Items)))
	for i := range c.Items {
		it := &c.Items[i]
		b = appendString(b, it.Account, maxString)
		b = append(b, it.Digest[:]...)
		b = appendTime(b, it.KeepFor)
		b = appendAddress(b, &it.Source)
		b = appendAddress(b, &it.Dest)
		b = appendString(b, it.ServiceType, maxString)
		b = appendString(b, it.Text, maxSubmitted)
		b = appendTime(b, it.At)
	}
	return b
}

func (d *decoder) incoming() *Incoming {
	c := &Incoming{}
	if n := d.count(27); n > 0 {
		c.Items = make([]IncomingItem, n)
	}
	for i := range c.Items {
		it := &c.Items[i]
		it.Account = d.string(maxString)
		copy(it.Digest[:], d.take(len(it.Digest)))
		it.KeepFor, it.Source, it.Dest = d.time(), d.address(), d.address()
		it.ServiceType, it.Text, it.At = d.string(maxString), d.string(maxSubmitted), d.time()
	}
	return c
}

// A heardMessage is the newest incoming message with a digest: its entry's seq. From until on it counts no more,
// forgotten or not, so that the time of forgetting decides nothing.
type heardMessage struct {
	seq   uint64
	until int64
}

// incoming applies an Incoming. It forgets up to twice as many messages as it takes, so that what is remembered is
// bounded by their rate, with or without a Purge.
func (t *txn) incoming(c *Incoming) *IncomingResult {
	r := &IncomingResult{Taken: make([]bool, len(c.Items))}
	for i := range c.Items {
		r.Taken[i] = t.hear(&c.Items[i])
	}
	t.dropHeard(2 * len(c.Items))
	return r
}

// hear puts an incoming message into its account's outbox, unless it has come before.
func (t *txn) hear(it *IncomingItem) bool {
	if h, ok := t.heard[it.Digest]; ok && h.until > t.at {
		return false
	}
	t.meta.nextReceipt++
	e := Receipt{
		Seq: t.meta.nextReceipt, Account: it.Account, Incoming: true, Source: it.Source, Dest: it.Dest,
		ServiceType: it.ServiceType, Text: it.Text, AcceptedAt: it.At, QueuedAt: t.at,
	}
	if until := min(t.at+it.KeepFor, maxTime); it.Digest != (digest{}) && until > t.at {
		t.heard[it.Digest] = heardMessage{seq: e.Seq, until: until}
		t.put(bktHeard, sendKey(until, e.Seq), append(t.arena.empty(len(it.Digest)), it.Digest[:]...))
	}
	t.put(bktOutbox, outboxKey(e.Account, e.Seq), appendReceipt(t.arena.empty(64+len(it.Text)), &e))
	t.view.queued(e.Account, 1, 1)
	return true
}

// dropHeard forgets up to looks incoming messages that count no more.
func (t *txn) dropHeard(looks int) (more bool) {
	return t.purgeFront(bktHeard, looks, func(k, raw []byte) bool {
		if int64(binary.BigEndian.Uint64(k)) > t.at {
			return false
		}
		var dig digest
		d := decoder{b: raw}
		copy(dig[:], d.take(len(dig)))
		t.fail(d.end())
		if h := t.heard[dig]; h.seq == binary.BigEndian.Uint64(k[8:]) {
			delete(t.heard, dig)
		}
		return true
	})
}
