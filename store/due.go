package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
)

// A DueItem is a message for which something is to be done.
type DueItem struct {
	Number  Number
	DueAt   int64
	Message Message
	Status  Status
}

// A DueCursor is a place in what is due: everything up to it, in order of time and number, was read. The
// zero DueCursor is the front.
type DueCursor struct {
	At     int64
	Number Number
}

// A DueAccount is an account with messages that wait for an action, now or later.
type DueAccount struct {
	Account string
	Count   int
}

// errByAccount says that a sending action was asked for without an account.
var errByAccount = errors.New("messages to be sent are read by account")

// Due returns the messages for which an action is due at until or before, the longest due first,
// limit at most. It is for actions that do not send: for those that do there is DueOf.
func (s *Store) Due(a Action, until int64, limit int) ([]DueItem, error) {
	if a.Sends() {
		return nil, fmt.Errorf("due messages: %w", errByAccount)
	}
	items, _, err := s.DueOf(a, "", DueCursor{}, until, limit)
	return items, err
}

// DueOf returns the messages of an account for which a sending action is due at until or before, the longest
// due first, limit at most, behind a place, and the place of the last one returned: who goes on from there reads
// none twice. What becomes due before that place meanwhile is seen from the front only.
func (s *Store) DueOf(a Action, account string, after DueCursor, until int64, limit int) ([]DueItem, DueCursor, error) {
	var items []DueItem
	next := after
	err := s.read(func(tx *bolt.Tx) error {
		messages := readMessages(tx)
		return walkDue(tx, duePrefix(a, account), after, func(at int64, n Number) (bool, error) {
			if at > until || len(items) >= limit {
				return false, nil
			}
			m, st, err := messages.read(n)
			if err != nil {
				return false, err
			}
			items = append(items, DueItem{Number: n, DueAt: at, Message: m, Status: st})
			next = DueCursor{At: at, Number: n}
			return true, nil
		})
	})
	if err != nil {
		return nil, after, fmt.Errorf("due messages: %w", err)
	}
	return items, next, nil
}

// walkDue passes what is due under a prefix behind a place to each, until that says no.
func walkDue(tx *bolt.Tx, prefix []byte, after DueCursor, each func(at int64, n Number) (bool, error)) error {
	c := bktDue.find(tx).Cursor()
	from := appendPlace(slices.Clone(prefix), after.At, after.Number)
	k, _ := c.Seek(from)
	if bytes.Equal(k, from) {
		k, _ = c.Next()
	}
	for ; dueUnder(k, prefix); k, _ = c.Next() {
		if more, err := each(parsePlace(k)); !more || err != nil {
			return err
		}
	}
	return nil
}

// dueUnder reports whether k is a key of the bucket due with a prefix.
func dueUnder(k, prefix []byte) bool {
	return len(k) == len(prefix)+duePlace && bytes.HasPrefix(k, prefix)
}

// DueAccounts returns the accounts that have messages to be sent by an action, now or later, in order of
// their names. It reads no file.
func (s *Store) DueAccounts(a Action) []DueAccount {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.view.due.of(a))
}

// NextDueOf returns the first time after a time (0: any) at which a message of an account is due to be sent by an
// action; ok is false when there is none.
func (s *Store) NextDueOf(a Action, account string, after int64) (at int64, ok bool, err error) {
	err = s.read(func(tx *bolt.Tx) error {
		at, ok = firstDue(bktDue.find(tx).Cursor(), duePrefix(a, account), after)
		return nil
	})
	return at, ok, err
}

// NextDue is NextDueOf for all accounts, and for actions that do not send: one seek for each account that has
// messages waiting for it.
func (s *Store) NextDue(a Action, after int64) (at int64, ok bool, err error) {
	accounts := []DueAccount{{}}
	if a.Sends() {
		accounts = s.DueAccounts(a)
	}
	err = s.read(func(tx *bolt.Tx) error {
		at, ok = firstDueOfAll(tx, a, accounts, after)
		return nil
	})
	return at, ok, err
}

func firstDueOfAll(tx *bolt.Tx, a Action, accounts []DueAccount, after int64) (first int64, ok bool) {
	c := bktDue.find(tx).Cursor()
	for i := range accounts {
		if at, has := firstDue(c, duePrefix(a, accounts[i].Account), after); has && (!ok || at < first) {
			first, ok = at, true
		}
	}
	return first, ok
}

// firstDue returns the first time after a time under a prefix of the bucket due.
func firstDue(c *bolt.Cursor, prefix []byte, after int64) (at int64, ok bool) {
	k, _ := c.Seek(appendPlace(slices.Clone(prefix), max(after+1, 0), 0))
	if !dueUnder(k, prefix) {
		return 0, false
	}
	at, _ = parsePlace(k)
	return at, true
}

// dueCounts counts entries of the bucket due by sending action and account, each list in order of account. In the
// view no count is 0; in the changes of a transaction they are differences.
type dueCounts [len(sendingActions)][]DueAccount

// sendingActions are the actions that begin attempts.
var sendingActions = [...]Action{ActionUrgent, ActionPrefer, ActionSend}

// of returns the list of an action; nil if it is not one that sends.
func (c *dueCounts) of(a Action) []DueAccount {
	if i := slices.Index(sendingActions[:], a); i >= 0 {
		return c[i]
	}
	return nil
}

// add changes the count of an account; it does nothing for other actions.
func (c *dueCounts) add(a Action, account string, by int) {
	which := slices.Index(sendingActions[:], a)
	if which < 0 {
		return
	}
	list := c[which]
	i, there := slices.BinarySearchFunc(list, account, func(d DueAccount, name string) int { return strings.Compare(d.Account, name) })
	if !there {
		list = slices.Insert(list, i, DueAccount{Account: strings.Clone(account)})
		c[which] = list
	}
	list[i].Count += by
}

// merge adds the differences that a transaction has made, and leaves out who has nothing left.
func (c *dueCounts) merge(diff *dueCounts) {
	gone := func(d DueAccount) bool { return d.Count <= 0 }
	for i, a := range sendingActions {
		for _, d := range diff[i] {
			c.add(a, d.Account, d.Count)
		}
		if slices.ContainsFunc(c[i], gone) {
			c[i] = slices.DeleteFunc(c[i], gone)
		}
	}
}

// loadDue counts what waits to be sent.
func (l *loaded) loadDue(tx *bolt.Tx) error {
	c := bktDue.find(tx).Cursor()
	for i, a := range sendingActions {
		list := &l.view.due[i]
		var prefix []byte // of the account that is being counted
		for k, _ := c.Seek([]byte{byte(a)}); len(k) > 0 && k[0] == byte(a); k, _ = c.Next() {
			if prefix == nil || !dueUnder(k, prefix) {
				d := decoder{b: k, off: 1}
				account := string(d.octets(maxString))
				prefix = duePrefix(a, account)
				if d.err != nil || !dueUnder(k, prefix) {
					return fmt.Errorf("bucket %s: key: %w", bktDue.name(), errCodec)
				}
				*list = append(*list, DueAccount{Account: account})
			}
			(*list)[len(*list)-1].Count++
		}
		slices.SortFunc(*list, func(a, b DueAccount) int { return strings.Compare(a.Account, b.Account) }) // the keys have the length first
	}
	return nil
}
