package store

import (
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// recover applies a Recover. It notes where the epoch ended as far as it is known here: what has numbers
// above that in it, others have sent.
func (t *txn) recover(c *Recover) None {
	m := &t.meta
	t.put(bktMeta, epochKey(m.epoch), append(key8(m.nextAttempt), key8(uint64(t.at))...))
	m.epoch, m.lineage = m.epoch+1, c.Lineage
	for _, next := range []*uint64{&m.nextNumber, &m.nextAttempt, &m.nextReceipt, &m.nextOrphan, &m.nextSend} {
		*next += c.Leap
	}
	t.forgetNodes()
	for _, n := range t.sendable() {
		t.hold(n, c.DueAt)
	}
	return None{}
}

// epochKey is where the bucket meta says how an epoch ended: its last attempt and the time.
func epochKey(epoch uint64) []byte {
	return binary.BigEndian.AppendUint64([]byte(metaEpoch), epoch)
}

// Recovered returns the time of the last Recover; 0 if there was none.
func (s *Store) Recovered() (at int64, err error) {
	err = s.read(func(tx *bolt.Tx) error {
		h, err := readHeader(tx)
		if v := bktMeta.find(tx).Get(epochKey(h.meta.epoch - 1)); len(v) == 16 {
			at = int64(binary.BigEndian.Uint64(v[8:]))
		}
		return err
	})
	return at, err
}

// LostOutID reports whether an OutId is of a call of this cluster that is not known here: of an epoch
// that a Recover ended, and later than all that was known of it. A message with Status.Held may have been
// sent by it.
func (s *Store) LostOutID(outID string) (lost bool, err error) {
	cluster, epoch, id, err := ParseOutID(outID)
	if err != nil {
		return false, nil // somebody else's
	}
	err = s.read(func(tx *bolt.Tx) error {
		b := bktMeta.find(tx)
		v := b.Get(epochKey(epoch))
		lost = string(b.Get([]byte(metaCluster))) == cluster && len(v) == 16 && uint64(id) > binary.BigEndian.Uint64(v)
		return nil
	})
	return lost, err
}

// forgetNodes drops every node with its tokens and binds: those that are left start anew.
func (t *txn) forgetNodes() {
	for k, _ := t.bucket(bktNodes).Cursor().First(); k != nil; k, _ = t.bucket(bktNodes).Cursor().First() {
		d := decode(k)
		node := d.string(maxString)
		t.fail(d.end())
		if t.err != nil {
			return
		}
		t.del(bktNodes, k)
		delete(t.nodes, node)
		t.view.nodeGone(node)
	}
	t.delAll(bktTokens)
	c := t.bucket(bktBinds).Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		v, err := decodeBind(raw)
		t.fail(err)
		delete(t.sessions, v.key())
		delete(t.binds, v.Account)
		t.view.bound(v.Account)
	}
	t.delAll(bktBinds)
}

// delAll empties a bucket.
func (t *txn) delAll(id bucketID) {
	var keys [][]byte
	c := t.bucket(id).Cursor()
	for k, _ := c.First(); k != nil; k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys {
		t.del(id, k)
	}
}

// sendable lists the messages that are not final and not parts: those that are sent, or have been.
func (t *txn) sendable() []Number {
	var numbers []Number
	c := t.bucket(bktStates).Cursor()
	for k, raw := c.First(); k != nil; k, raw = c.Next() {
		n := Number(binary.BigEndian.Uint64(k))
		s, err := decodeStatus(raw)
		if err != nil {
			t.fail(fmt.Errorf("status of message %s: %w", n, err))
			return nil
		}
		switch s.State {
		case StateFinal, StatePart, StateJoined:
		default:
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// hold makes a message uncertain. The lost nodes may have begun attempts for it that are not known here:
// one without any gets a record, of the new epoch and without a route, that says since when.
func (t *txn) hold(n Number, dueAt int64) {
	was, ok := t.status(n)
	_, v := t.message(n)
	if !ok || t.err != nil || v.sendAt > t.at+clockMargin {
		return
	}
	next := was
	next.State, next.Action, next.DueAt, next.Held = StateUncertain, ActionResolve, dueAt, true
	if next.Attempt == 0 {
		m, err := decodeMessage(t.get(bktMessages, key8(uint64(n))))
		t.fail(err)
		t.meta.nextAttempt++
		next.Attempt = AttemptID(t.meta.nextAttempt)
		a := attemptRecord{epoch: t.meta.epoch, begun: was.AcceptedAt, members: []memberRecord{{number: n, phone: m.Phone}}}
		t.put(bktAttempts, key8(t.meta.nextAttempt), a.encode(t.arena.empty(64)))
	}
	t.move(n, &was, next)
}

// clockMargin is by how much a lost leader's clock may have been ahead, in ms: what is not to be sent
// before then has not been sent.
const clockMargin = 60_000
