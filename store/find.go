package store

import (
	"bytes"
	"encoding/binary"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// LastNumber returns the newest number that was given: what Shape.Parse reads a message_id against.
func (s *Store) LastNumber() Number {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return Number(s.view.meta.nextNumber)
}

// SetOf returns the first part of the set of a part that waits for others: the one that a Close of
// the set names. The error wraps ErrNotFound when the message is no such part.
func (s *Store) SetOf(part Number) (first Number, err error) {
	err = s.read(func(tx *bolt.Tx) error {
		m, st, err := readMessages(tx).read(part)
		if err != nil {
			return err
		}
		if st.State == StatePart {
			first = setOf(bktParts.find(tx).Cursor(), &m, part)
		}
		if first == 0 {
			return fmt.Errorf("set of part %s: %w", part, ErrNotFound)
		}
		return nil
	})
	return first, err
}

// setOf returns the first part of the set that a waiting part m is in: the newest of its reference
// that was begun with it or before, for that was the one open to it. 0 when there is none.
func setOf(c *bolt.Cursor, m *Message, part Number) Number {
	key := partsKey(m, part)
	k, _ := c.Seek(key)
	switch {
	case k == nil:
		k, _ = c.Last()
	case !bytes.Equal(k, key):
		k, _ = c.Prev()
	}
	if len(k) != len(key) || !bytes.HasPrefix(k, key[:len(key)-8]) {
		return 0
	}
	return setNumber(k)
}

// ByMessageID returns the newest message of an account whose message_id is spelt id in a shape. It
// is the first of a submit_multi's also when that is deleted and others of its group are there. The
// error wraps ErrNotFound when there is none.
func (s *Store) ByMessageID(account string, shape Shape, id string) (n Number, err error) {
	n, err = shape.Parse(id, s.LastNumber())
	if err != nil {
		return 0, fmt.Errorf("%w: %w", err, ErrNotFound)
	}
	err = s.read(func(tx *bolt.Tx) error {
		messages, groups := bktMessages.find(tx), bktGroups.find(tx)
		oldest := oldestNumber(messages.Cursor(), groups.Cursor())
		// Others than the account's, whose message_ids are longer, may have the newest of the numbers.
		for m := Number(shape.modulus()); ; n -= m {
			raw := messages.Get(key8(uint64(n)))
			if list := groups.Get(headKey(n)); raw == nil && len(list) > 0 {
				raw = messages.Get(list[:8])
			}
			d := decoder{b: raw}
			if v := d.view(); raw != nil && string(v.account) == account {
				return d.err
			}
			if m == 0 || n <= m || n-m < oldest {
				return fmt.Errorf("message_id %s: %w", id, ErrNotFound)
			}
		}
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// oldestNumber is the lowest number of a message or of a group's head; the highest when there are
// none. The cursors are of the buckets messages, or states, and groups.
func oldestNumber(messages, groups *bolt.Cursor) Number {
	oldest := ^Number(0)
	if k, _ := messages.First(); len(k) == 8 {
		oldest = Number(binary.BigEndian.Uint64(k))
	}
	if k, _ := groups.Seek(headKey(0)); len(k) == 9 {
		oldest = min(oldest, Number(binary.BigEndian.Uint64(k[1:])))
	}
	return oldest
}
