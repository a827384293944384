package store

import (
	"bytes"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// A WaitCursor is where Waiting goes on. The zero WaitCursor is the beginning.
type WaitCursor struct {
	list int    // of what waits: for each sending action, then the sets of parts
	last string // the key there that was looked at last
}

// Waiting returns the messages of an account that wait to be sent or for their parts and that
// match; of a set of parts its first one stands for all, as in a Close. One call is one short read
// transaction that looks at up to looks messages behind after, at least one; more says that there may be
// others, behind next. What moves between two calls may be seen twice or not at all.
func (s *Store) Waiting(
	account string, after WaitCursor, looks int, match func(*Message) bool,
) (items []DueItem, next WaitCursor, more bool, err error) {
	next = after
	err = s.read(func(tx *bolt.Tx) error {
		messages := readMessages(tx)
		for left := max(looks, 1); next.list <= len(sendingActions); next = (WaitCursor{list: next.list + 1}) {
			numbers := next.read(tx, account, left)
			for _, n := range numbers {
				m, st, err := messages.read(n)
				if err != nil {
					return err
				}
				if match(&m) {
					items = append(items, DueItem{Number: n, DueAt: st.DueAt, Message: m, Status: st})
				}
			}
			if left -= len(numbers); left == 0 {
				more = true
				return nil
			}
		}
		return nil
	})
	if err != nil {
		return nil, after, false, fmt.Errorf("waiting messages: %w", err)
	}
	return items, next, more, nil
}

// read returns the messages of an account behind c in its list, limit at most, and moves c behind them. The keys of
// both buckets end with a message's number.
func (c *WaitCursor) read(tx *bolt.Tx, account string, limit int) (numbers []Number) {
	bucket, prefix := bktParts, named(account, 0)
	if c.list < len(sendingActions) {
		bucket, prefix = bktDue, duePrefix(sendingActions[c.list], account)
	}
	cur := bucket.find(tx).Cursor()
	k, _ := cur.Seek(slices.Concat(prefix, []byte(c.last)))
	for ; bytes.HasPrefix(k, prefix) && len(numbers) < limit; k, _ = cur.Next() {
		if rest := string(k[len(prefix):]); rest != c.last {
			numbers, c.last = append(numbers, setNumber(k)), rest
		}
	}
	return numbers
}
