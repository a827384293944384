package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// A WaitCursor is where Waiting goes on. The zero WaitCursor is the beginning.
type WaitCursor struct{ last string } // key of the bucket due that was looked at last

// waits reports whether a message with an action waits to be sent or, as the first part of a set, for the others.
func (a Action) waits() bool { return a.Sends() || a == ActionParts }

// Waiting returns the messages of an account that wait to be sent or for their parts and that
// match; of a set of parts its first one stands for all, as in a Close. One call is one short read
// transaction that looks at up to looks entries behind after, of any account, at least one; more
// says that there are others, behind next. What moves between two calls may be seen twice or not
// at all.
func (s *Store) Waiting(
	account string, after WaitCursor, looks int, match func(*Message) bool,
) (items []DueItem, next WaitCursor, more bool, err error) {
	next = after
	err = s.read(func(tx *bolt.Tx) error {
		w := waitReader{account: account, match: match, messages: bktMessages.find(tx), states: bktStates.find(tx)}
		c := bktDue.find(tx).Cursor()
		k, _ := c.Seek([]byte(after.last))
		if string(k) == after.last && k != nil {
			k, _ = c.Next()
		}
		for left := max(looks, 1); len(k) == dueKeySize; {
			a, at, n := parseDueKey(k)
			if !a.waits() {
				k, _ = c.Seek([]byte{byte(a) + 1})
				continue
			}
			if left == 0 {
				more = true
				break
			}
			left--
			next.last = string(k)
			if err := w.look(n, at); err != nil {
				return err
			}
			k, _ = c.Next()
		}
		items = w.items
		return nil
	})
	if err != nil {
		return nil, after, false, fmt.Errorf("waiting messages: %w", err)
	}
	return items, next, more, nil
}

// A waitReader collects what Waiting returns.
type waitReader struct {
	account          string
	match            func(*Message) bool
	messages, states *bolt.Bucket
	items            []DueItem
}

// look decodes message n only when it is the account's.
func (w *waitReader) look(n Number, at int64) error {
	d := decoder{b: w.messages.Get(key8(uint64(n)))}
	if v := d.view(); d.err != nil {
		return fmt.Errorf("message %s: %w", n, d.err)
	} else if string(v.account) != w.account {
		return nil
	}
	m, st, err := lookup(w.messages, w.states, n)
	if err != nil {
		return err
	}
	if w.match(&m) {
		w.items = append(w.items, DueItem{Number: n, DueAt: at, Message: m, Status: st})
	}
	return nil
}

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
		m, st, err := lookup(bktMessages.find(tx), bktStates.find(tx), part)
		if err != nil {
			return err
		}
		if st.State == StatePart {
			first = findSet(bktParts.find(tx).Cursor(), &m, part)
		}
		if first == 0 {
			return fmt.Errorf("set of part %s: %w", part, ErrNotFound)
		}
		return nil
	})
	return first, err
}

// findSet looks for a part among the sets of its reference that were begun with it or before, the
// newest first; 0 when none has it.
func findSet(c *bolt.Cursor, m *Message, part Number) Number {
	from := partsKey(m, part)
	k, v := c.Seek(from)
	switch {
	case k == nil:
		k, v = c.Last()
	case !bytes.Equal(k, from):
		k, v = c.Prev()
	}
	prefix := from[:len(from)-8]
	for ; len(k) == len(from) && bytes.HasPrefix(k, prefix); k, v = c.Prev() {
		if set := partSet(v); int(m.Segment.Seq) <= set.total() && set.number(m.Segment.Seq) == part {
			return setNumber(k)
		}
	}
	return 0
}
