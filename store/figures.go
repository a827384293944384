package store

import (
	"bytes"
	"errors"

	bolt "go.etcd.io/bbolt"
)

// Figures are what an operator watches. They are cheap: counted as commands are applied.
type Figures struct {
	Messages [stateCount]uint64  // by State
	Due      [actionCount]uint64 // messages that wait for an Action, now or later

	OldestSend   int64 // Unix ms since which the first message is due to be sent; 0 = none, may lie ahead
	Outbox       int   // receipts that wait
	Incoming     int   // incoming messages that wait
	OldestOutbox int64 // QueuedAt of the one of either that waits longest; 0 = none
	Orphans      int
	OpenAttempts int // calls with a BizID of which messages are open
	Binds        int

	Index, Term uint64 // applied
	Clock       int64
	NextNumber  Number // the number the next message gets
	Policy      uint64 // version in force
	FileSize    int64  // octets in use, free pages between them included
}

// Figures returns the figures of now. What has to be looked up in the file (the oldest ones, its
// size) is 0 when the store is closed.
func (s *Store) Figures() Figures {
	s.mu.RLock()
	v := &s.view
	f := Figures{
		Messages: v.meta.states, Due: v.meta.due, Orphans: len(v.orphans), OpenAttempts: len(v.biz), Binds: v.bindCount,
		Index: v.meta.index, Term: v.meta.term, Clock: v.meta.clock, NextNumber: Number(v.meta.nextNumber + 1), Policy: v.meta.policy,
	}
	for _, n := range v.outbox {
		f.Outbox += n
	}
	f.Incoming = v.incoming
	f.Outbox -= f.Incoming
	s.mu.RUnlock()
	err := s.read(func(tx *bolt.Tx) error {
		f.FileSize = tx.Size()
		for _, a := range sendingActions {
			if at, ok := firstDueOfAll(tx, a, s.DueAccounts(a), 0); ok && (f.OldestSend == 0 || at < f.OldestSend) {
				f.OldestSend = at
			}
		}
		var err error
		f.OldestOutbox, err = oldestReceipt(tx, s.OutboxAccounts())
		return err
	})
	if err != nil && !errors.Is(err, ErrClosed) {
		s.log.Error("reading figures", "err", err)
	}
	return f
}

// oldestReceipt returns when the receipt that waits longest was queued, looking at the first of
// each account.
func oldestReceipt(tx *bolt.Tx, accounts []string) (int64, error) {
	var oldest int64
	c := bktOutbox.find(tx).Cursor()
	for _, account := range accounts {
		prefix := named(account, 0)
		k, raw := c.Seek(prefix)
		if !bytes.HasPrefix(k, prefix) {
			continue // delivered meanwhile
		}
		r, err := decodeReceipt(account, 0, raw)
		if err != nil {
			return 0, err
		}
		if oldest == 0 || r.QueuedAt < oldest {
			oldest = r.QueuedAt
		}
	}
	return oldest, nil
}
