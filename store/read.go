package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// Lookup returns a message and where it stands. The error wraps ErrNotFound when there is no
// such message, or not any more.
func (s *Store) Lookup(n Number) (m Message, st Status, err error) {
	err = s.read(func(tx *bolt.Tx) error {
		m, st, err = readMessages(tx).read(n)
		return err
	})
	return m, st, err
}

// A messageReader reads messages and where they stand, those with successive numbers without a search for each.
type messageReader struct{ messages, states walker }

func readMessages(tx *bolt.Tx) *messageReader {
	return &messageReader{walker{cursor: bktMessages.find(tx).Cursor()}, walker{cursor: bktStates.find(tx).Cursor()}}
}

// read wraps ErrNotFound when there is no such message.
func (r *messageReader) read(n Number) (Message, Status, error) {
	k := key8(uint64(n))
	raw := r.states.get(k)
	if raw == nil {
		return Message{}, Status{}, fmt.Errorf("message %s: %w", n, ErrNotFound)
	}
	st, err := decodeStatus(raw)
	if err != nil {
		return Message{}, Status{}, fmt.Errorf("status of message %s: %w", n, err)
	}
	m, err := decodeMessage(r.messages.get(k))
	if err != nil {
		return Message{}, Status{}, fmt.Errorf("message %s: %w", n, err)
	}
	return m, st, nil
}

// A walker reads keys of a bucket, in a transaction that changes nothing.
type walker struct {
	cursor *bolt.Cursor
	placed bool // at a key
}

// get returns the value of a key, nil if there is none. The key behind the last one is found without a search.
func (w *walker) get(key []byte) []byte {
	if w.placed {
		if k, v := w.cursor.Next(); bytes.Equal(k, key) {
			return v
		}
	}
	w.placed = true
	if k, v := w.cursor.Seek(key); bytes.Equal(k, key) {
		return v
	}
	return nil
}

// Attempt returns a call of the API. The error wraps ErrNotFound when there is none.
func (s *Store) Attempt(id AttemptID) (Attempt, error) {
	var a Attempt
	err := s.read(func(tx *bolt.Tx) error {
		raw := bktAttempts.find(tx).Get(key8(uint64(id)))
		if raw == nil {
			return fmt.Errorf("attempt %d: %w", id, ErrNotFound)
		}
		r, err := decodeAttempt(raw)
		if err != nil {
			return fmt.Errorf("attempt %d: %w", id, err)
		}
		cluster := string(bktMeta.find(tx).Get([]byte(metaCluster)))
		a = Attempt{ID: id, OutID: outID(cluster, r.epoch, id), Route: r.route, Begun: r.begun, BizID: r.bizID}
		a.Members = make([]Member, len(r.members))
		for i := range r.members {
			a.Members[i] = Member{Number: r.members[i].number, Phone: r.members[i].phone}
		}
		return nil
	})
	return a, err
}

// AttemptByOutID returns the call that was made with an OutId. The error wraps ErrNotFound when
// the OutId is not one of this cluster's calls, or of one that was purged.
func (s *Store) AttemptByOutID(outID string) (Attempt, error) {
	_, _, id, err := ParseOutID(outID)
	if err != nil {
		return Attempt{}, fmt.Errorf("attempt by OutId: %w", ErrNotFound)
	}
	a, err := s.Attempt(id)
	if err == nil && a.OutID != outID { // of another cluster or epoch
		return Attempt{}, fmt.Errorf("attempt by OutId: %w", ErrNotFound)
	}
	return a, err
}

// AttemptByBizID returns the call that was answered with a BizID. Only calls of which messages
// are open are found; the error wraps ErrNotFound for others.
func (s *Store) AttemptByBizID(bizID string) (Attempt, error) {
	s.mu.RLock()
	e, ok := s.view.biz[bizID]
	s.mu.RUnlock()
	if !ok {
		return Attempt{}, fmt.Errorf("attempt by BizId: %w", ErrNotFound)
	}
	return s.Attempt(e.attempt)
}

// Outbox returns the entries of an account's outbox behind afterSeq, in ascending order of Seq,
// limit at most.
func (s *Store) Outbox(account string, afterSeq uint64, limit int) ([]Receipt, error) {
	var receipts []Receipt
	err := s.read(func(tx *bolt.Tx) error {
		if afterSeq == 1<<64-1 {
			return nil
		}
		prefix := named(account, 0)
		c := bktOutbox.find(tx).Cursor()
		k, v := c.Seek(outboxKey(account, afterSeq+1))
		for ; bytes.HasPrefix(k, prefix) && len(receipts) < limit; k, v = c.Next() {
			r, err := decodeReceipt(account, binary.BigEndian.Uint64(k[len(prefix):]), v)
			if err != nil {
				return err
			}
			receipts = append(receipts, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	return receipts, nil
}

// OutboxAccounts returns the accounts for which something waits, in order.
func (s *Store) OutboxAccounts() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	accounts := make([]string, 0, len(s.view.outbox))
	for account := range s.view.outbox {
		accounts = append(accounts, account)
	}
	slices.Sort(accounts)
	return accounts
}

// Orphans returns the reports with a BizID that matched nothing when they came, with Orphan set:
// to be tried again when a call is answered with that BizID.
func (s *Store) Orphans(bizID string) ([]DeliveryReport, error) {
	var ids []uint64
	s.mu.RLock()
	ids = append(ids, s.view.orphans[bizID]...)
	s.mu.RUnlock()
	if len(ids) == 0 {
		return nil, nil
	}
	var reports []DeliveryReport
	err := s.read(func(tx *bolt.Tx) error {
		b := bktOrphans.find(tx)
		for _, id := range ids {
			raw := b.Get(key8(id))
			if raw == nil {
				continue // it has applied meanwhile
			}
			r, _, err := decodeOrphan(raw)
			if err != nil {
				return err
			}
			r.Orphan = id
			reports = append(reports, r)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("orphans: %w", err)
	}
	return reports, nil
}

// Policy returns the policy in force; its Version is 0 when there is none yet. Doc must not be
// changed.
func (s *Store) Policy() Policy {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.policy
}

// PolicyVersion returns a version of the policy. The error wraps ErrNotFound when there is none.
func (s *Store) PolicyVersion(version uint64) (Policy, error) {
	var p Policy
	err := s.read(func(tx *bolt.Tx) error {
		raw := bktPolicy.find(tx).Get(key8(version))
		if raw == nil {
			return fmt.Errorf("policy %d: %w", version, ErrNotFound)
		}
		var err error
		p, err = decodePolicy(version, raw)
		return err
	})
	return p, err
}

// Binds returns the binds of an account on all nodes, in order of node, incarnation and session.
// The slice must not be changed.
func (s *Store) Binds(account string) []Bind {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.binds[account]
}

// AllBinds returns the binds of all accounts, account by account.
func (s *Store) AllBinds() []Bind {
	s.mu.RLock()
	defer s.mu.RUnlock()
	accounts := make([]string, 0, len(s.view.binds))
	for account := range s.view.binds {
		accounts = append(accounts, account)
	}
	slices.Sort(accounts)
	binds := make([]Bind, 0, s.view.bindCount)
	for _, account := range accounts {
		binds = append(binds, s.view.binds[account]...)
	}
	return binds
}

// NodeBinds returns the binds of a node, of all its incarnations, in order of incarnation and session.
func (s *Store) NodeBinds(node string) []Bind {
	var binds []Bind
	for _, b := range s.AllBinds() {
		if b.Node == node {
			binds = append(binds, b)
		}
	}
	slices.SortFunc(binds, func(a, b Bind) int { return a.key().compare(b.key()) })
	return binds
}

// Nodes returns the current incarnation of each node that was ever up, but for those before a Recover.
func (s *Store) Nodes() map[string]uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	nodes := make(map[string]uint64, len(s.view.nodes))
	for node, incarnation := range s.view.nodes {
		nodes[node] = incarnation
	}
	return nodes
}

// Incarnation returns the incarnation of a node that its last NodeUp named; 0 when there was
// none.
func (s *Store) Incarnation(node string) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.view.nodes[node]
}
