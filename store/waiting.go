package store

import (
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
