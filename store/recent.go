package store

import "encoding/binary"

// A digest is a Message.Digest.
type digest [16]byte

// A recentMessage is the newest message of its account with a digest. From until on it counts no
// more, forgotten or not, so that the time of forgetting decides nothing.
type recentMessage struct {
	number Number
	until  int64
}

// duplicate returns the number by which the message goes whose duplicate v is; 0 when v is none.
func (t *txn) duplicate(v *messageView) Number {
	first, ok := t.recent[string(v.account)][digest(v.digest)]
	if !ok || first.until <= t.at {
		return 0
	}
	return t.head(first.number)
}

// note remembers an accepted message, in memory and in the bucket recent.
func (t *txn) note(n Number, v *messageView) {
	until := min(t.at+v.dedupeFor, maxTime)
	t.setRecent(v.account, digest(v.digest), recentMessage{number: n, until: until})
	record := append(t.arena.empty(len(digest{})+3+len(v.account)), v.digest...)
	t.put(bktRecent, recentKey(until, n), appendOctets(record, v.account, maxString))
	t.noted++
}

// recent reads what note wrote.
func (d *decoder) recent() (dig digest, account []byte) {
	copy(dig[:], d.take(len(dig)))
	return dig, d.octets(maxString)
}

func (m *machine) setRecent(account []byte, dig digest, r recentMessage) {
	byDigest := m.recent[string(account)]
	if byDigest == nil {
		byDigest = map[digest]recentMessage{}
		m.recent[string(account)] = byDigest
	}
	byDigest[dig] = r
}

// dropMemory forgets message n, if no later one has its place.
func (m *machine) dropMemory(account []byte, dig digest, n Number) {
	byDigest := m.recent[string(account)]
	r, ok := byDigest[dig]
	if !ok || r.number != n {
		return
	}
	delete(byDigest, dig)
	if len(byDigest) == 0 {
		delete(m.recent, string(account))
	}
}

// forget lets the message come again that v was, which was accepted at that time. Its record goes whether or not it was in
// memory: a later one may have its place there, and on a node that has started anew it may have it back, but nodes must not
// differ in what they delete.
func (t *txn) forget(n Number, v *messageView, accepted int64) {
	t.dropMemory(v.account, digest(v.digest), n)
	t.del(bktRecent, recentKey(min(accepted+v.dedupeFor, maxTime), n))
}

// dropRecent forgets up to looks entries that count no more. Every Accept forgets twice as many as
// it remembers, so that what is remembered is bounded by the rate of messages and their DedupeFor,
// with or without a Purge.
func (t *txn) dropRecent(looks int) (more bool) {
	return t.purgeFront(bktRecent, looks, func(k, raw []byte) bool {
		if int64(binary.BigEndian.Uint64(k)) > t.at {
			return false
		}
		d := decoder{b: raw}
		dig, account := d.recent()
		t.fail(d.end())
		t.dropMemory(account, dig, Number(binary.BigEndian.Uint64(k[8:])))
		return true
	})
}
