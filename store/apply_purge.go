package store

import (
	"encoding/binary"
	"fmt"
)

// What one Purge looks at is bounded, so that it does not hold up the entries beside it: for
// every message it may delete it passes over up to purgeLooks others, and where it stopped the
// next one goes on.
const (
	purgeLooks   = 4
	purgeAtLeast = 256
	purgeMost    = 10_000 // messages deleted by one Purge, whatever its Limit
)

// purge applies a Purge.
func (t *txn) purge(c *Purge) *PurgeResult {
	limit := int(min(c.Limit, purgeMost))
	if limit == 0 {
		limit = purgeMost
	}
	looks := purgeLooks * max(limit, purgeAtLeast)
	r := &PurgeResult{}
	r.Messages, r.More = t.purgeMessages(c.Before, limit, looks)
	r.More = t.purgeAttempts(c.Before, looks) || r.More
	r.More = t.purgeSends(looks) || r.More
	r.More = t.purgeOrphans(looks) || r.More
	r.More = t.dropRecent(looks) || r.More
	r.More = t.dropHeard(looks) || r.More
	r.More = t.purgeDays(looks) || r.More
	return r
}

// purgeMessages deletes messages that have been final since before a time and whose receipt is
// not waiting. It ends at a message accepted since; the next purge begins at the front again.
func (t *txn) purgeMessages(before int64, limit, looks int) (deleted int, more bool) {
	var gone []Number
	c := t.bucket(bktStates).Cursor()
	k, raw := c.Seek(key8(t.meta.purgeMessage))
	for ; k != nil; k, raw = c.Next() {
		n := Number(binary.BigEndian.Uint64(k))
		s, err := decodeStatus(raw)
		if err != nil {
			t.fail(fmt.Errorf("status of message %s: %w", n, err))
			break
		}
		if s.AcceptedAt >= before {
			k = nil
			break
		}
		if len(gone) == limit || looks == 0 {
			t.meta.purgeMessage, more = uint64(n), true
			break
		}
		looks--
		if s.State == StateFinal && s.ChangedAt < before && !t.receiptWaits(n, &s) {
			gone = append(gone, n)
		}
	}
	if k == nil {
		t.meta.purgeMessage = 0
	}
	for _, n := range gone {
		t.leave(n)
		t.del(bktStates, key8(uint64(n)))
		t.del(bktMessages, key8(uint64(n)))
		t.meta.states[StateFinal]--
	}
	return len(gone), more
}

// receiptWaits reports whether the receipt of a final message is still in the outbox.
func (t *txn) receiptWaits(n Number, s *Status) bool {
	if s.Receipt == 0 {
		return false
	}
	_, v := t.message(n)
	return t.get(bktOutbox, outboxKey(string(v.account), s.Receipt)) != nil
}

// purgeAttempts deletes attempts begun before a time of which no message is open, or was since.
func (t *txn) purgeAttempts(before int64, looks int) (more bool) {
	var gone []AttemptID
	c := t.bucket(bktAttempts).Cursor()
	k, raw := c.Seek(key8(t.meta.purgeAttempt))
	for ; k != nil; k, raw = c.Next() {
		id := AttemptID(binary.BigEndian.Uint64(k))
		a, err := decodeAttempt(raw)
		if err != nil {
			t.fail(fmt.Errorf("attempt %d: %w", id, err))
			break
		}
		if a.begun >= before {
			k = nil
			break
		}
		if looks <= 0 {
			t.meta.purgeAttempt, more = uint64(id), true
			break
		}
		looks -= len(a.members)
		if t.allEnded(&a, before) {
			gone = append(gone, id)
			if a.bizID != "" {
				t.view.bizGone(a.bizID, id)
			}
		}
	}
	if k == nil {
		t.meta.purgeAttempt = 0
	}
	for _, id := range gone {
		t.del(bktAttempts, key8(uint64(id)))
	}
	return more
}

// allEnded reports whether every member of an attempt is gone or has been final since before a
// time.
func (t *txn) allEnded(a *attemptRecord, before int64) bool {
	for i := range a.members {
		s, ok := t.status(a.members[i].number)
		if ok && (s.State != StateFinal || s.ChangedAt >= before) {
			return false
		}
	}
	return true
}

// purgeSends forgets charges on phones that count no more.
func (t *txn) purgeSends(looks int) (more bool) {
	old := t.meta.clock - keptSends
	return t.purgeFront(bktSends, looks, func(k, raw []byte) bool {
		if int64(binary.BigEndian.Uint64(k)) > old {
			return false
		}
		key, _, err := decodeSend(raw)
		t.fail(err)
		t.forgetSends(key, func(s spent) bool { return s.at <= old })
		return true
	})
}

// purgeOrphans forgets reports that nothing has matched for keptOrphans.
func (t *txn) purgeOrphans(looks int) (more bool) {
	return t.purgeFront(bktOrphans, looks, func(k, raw []byte) bool {
		r, at, err := decodeOrphan(raw)
		t.fail(err)
		if at > t.meta.clock-keptOrphans {
			return false
		}
		t.view.orphanGone(r.BizID, binary.BigEndian.Uint64(k))
		return true
	})
}

// purgeFront deletes entries from the front of a bucket until one is not gone, at most looks of
// them.
func (t *txn) purgeFront(id bucketID, looks int, gone func(k, raw []byte) bool) (more bool) {
	if looks <= 0 {
		return false
	}
	var keys [][]byte
	c := t.bucket(id).Cursor()
	for k, raw := c.First(); k != nil && gone(k, raw); k, raw = c.Next() {
		keys = append(keys, k)
		if len(keys) == looks {
			more = true
			break
		}
	}
	for _, k := range keys {
		t.del(id, k)
	}
	return more
}
