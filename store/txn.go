package store

import (
	"bytes"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// A machine is what who applies commands knows by heart: what is in it is in the file too once it is
// committed, and is read from there at Open. Nobody else touches it. After a Stage that failed it is
// ahead of the file for good; then nothing is applied any more.
type machine struct {
	cluster  string
	meta     meta
	meters   map[string]*meter
	phones   map[string]*phone
	nodes    map[string]uint64 // current incarnation by node
	binds    map[string][]Bind // by account, in order of sessionKey
	sessions map[sessionKey]string
	recent   map[string]map[digest]recentMessage // by account
	heard    map[digest]heardMessage
	days     map[dayKey]*dayCount
	encoded  []byte // a result, while it is hashed
}

// A sessionKey names a session of the cluster.
type sessionKey struct {
	node                 string
	incarnation, session uint64
}

// A txn is one transaction over all entries that are staged until a Commit.
//
// Its first error sticks: what is done after it is done to a transaction that will not be
// committed, so its methods need not return errors.
type txn struct {
	*machine
	tx      *bolt.Tx
	buckets [bucketCount]*bolt.Bucket
	cursors [bucketCount]*bolt.Cursor
	at      int64 // the time of the entry that is being applied
	arena   *arena
	err     error

	dirty     []*meter    // to be written before the commit
	dirtyDays []*dayCount // too
	lastDay   *dayCount   // that was changed last
	newPhones []*phone    // of which no charge may have been made
	noted     int         // messages with a digest that the entry has accepted so far
	view      changes     // what readers see after the commit
}

func (t *txn) fail(err error) {
	if t.err == nil && err != nil {
		t.err = err
	}
}

func (t *txn) bucket(id bucketID) *bolt.Bucket {
	if t.buckets[id] == nil {
		t.buckets[id] = id.find(t.tx)
	}
	return t.buckets[id]
}

// seek moves the bucket's cursor to a key, or the first behind it. One cursor serves all reads and
// deletions: bbolt's own Get and Delete make a new one each time.
func (t *txn) seek(id bucketID, key []byte) (c *bolt.Cursor, k, v []byte) {
	if t.cursors[id] == nil {
		t.cursors[id] = t.bucket(id).Cursor()
	}
	c = t.cursors[id]
	k, v = c.Seek(key)
	return c, k, v
}

// get returns the value of a key, nil if there is none. It is the transaction's, not to be
// changed.
func (t *txn) get(id bucketID, key []byte) []byte {
	if _, k, v := t.seek(id, key); bytes.Equal(k, key) {
		return v
	}
	return nil
}

// put sets a key to a value, which must not change before the commit. bbolt copies keys.
func (t *txn) put(id bucketID, key, value []byte) {
	t.hashChange(hashPut, id, key, value)
	t.set(id, key, value)
}

// set is put for what is not the doing of one entry, and so is not hashed.
func (t *txn) set(id bucketID, key, value []byte) {
	if err := t.bucket(id).Put(key, value); err != nil {
		t.fail(fmt.Errorf("put in %s: %w", id.name(), err))
	}
}

func (t *txn) del(id bucketID, key []byte) {
	c, k, _ := t.seek(id, key)
	if !bytes.Equal(k, key) {
		return
	}
	t.hashChange(hashDel, id, key, nil)
	if err := c.Delete(); err != nil {
		t.fail(fmt.Errorf("delete in %s: %w", id.name(), err))
	}
}

// delRange deletes the keys from (included) to (excluded).
func (t *txn) delRange(id bucketID, from, to []byte) {
	var keys [][]byte
	c := t.bucket(id).Cursor()
	for k, _ := c.Seek(from); k != nil && bytes.Compare(k, to) < 0; k, _ = c.Next() {
		keys = append(keys, k)
	}
	for _, k := range keys { // not while the cursor walks: a deletion moves it
		t.del(id, k)
	}
}

// status reads a message's status; false when there is no such message.
func (t *txn) status(n Number) (Status, bool) {
	v := t.get(bktStates, key8(uint64(n)))
	if v == nil {
		return Status{}, false
	}
	s, err := decodeStatus(v)
	if err != nil {
		t.fail(fmt.Errorf("status of message %s: %w", n, err))
		return Status{}, false
	}
	return s, true
}

// create writes the first status of a message of an account.
func (t *txn) create(n Number, account string, s Status) {
	s.Revision, s.AcceptedAt, s.ChangedAt = 1, t.at, t.at
	t.meta.states[s.State]++
	if s.Action != 0 {
		t.setDue(n, account, s.Action, s.DueAt)
	}
	t.writeStatus(n, &s)
}

// move writes s over the status was of message n. Revision, ChangedAt and the entry in due
// follow.
func (t *txn) move(n Number, was *Status, s Status) {
	account := ""
	if moves(was, &s) && (was.Action.Sends() || s.Action.Sends()) {
		_, v := t.message(n)
		account = string(v.account)
	}
	t.moveOf(n, account, was, s)
}

// moves reports whether the entry in due changes with the status.
func moves(was, s *Status) bool {
	return was.Action != s.Action || was.DueAt != s.DueAt && s.Action != 0
}

// moveOf is move for who knows the message's account.
func (t *txn) moveOf(n Number, account string, was *Status, s Status) {
	s.Revision, s.ChangedAt = was.Revision+1, t.at
	if s.Action == 0 {
		s.DueAt = 0
	}
	s.Held = s.Held && s.State == StateUncertain
	if moves(was, &s) {
		if was.Action != 0 {
			t.del(bktDue, dueKey(was.Action, account, was.DueAt, n))
			t.meta.due[was.Action]--
			t.view.due.add(was.Action, account, -1)
		}
		if s.Action != 0 {
			t.setDue(n, account, s.Action, s.DueAt)
		}
	}
	t.meta.states[was.State]--
	t.meta.states[s.State]++
	t.writeStatus(n, &s)
}

func (t *txn) setDue(n Number, account string, a Action, at int64) {
	t.put(bktDue, dueKey(a, account, at, n), nil)
	t.meta.due[a]++
	t.view.due.add(a, account, 1)
	switch {
	case a.Sends():
		t.view.touch(WatchSend)
	case a == ActionResolve:
		t.view.touch(WatchResolve)
	}
}

func (t *txn) writeStatus(n Number, s *Status) {
	t.put(bktStates, key8(uint64(n)), appendStatus(t.arena.empty(statusSize), s))
}

// message reads the octets of a message and what Apply needs of them.
func (t *txn) message(n Number) ([]byte, messageView) {
	raw := t.get(bktMessages, key8(uint64(n)))
	if raw == nil {
		t.fail(fmt.Errorf("message %s has a status and no octets: %w", n, errCodec))
		return nil, messageView{}
	}
	d := decoder{b: raw}
	v := d.view()
	if d.err != nil {
		t.fail(fmt.Errorf("message %s: %w", n, d.err))
	}
	return raw, v
}

// attempt reads the record of an attempt; false when there is none.
func (t *txn) attempt(id AttemptID) (attemptRecord, bool) {
	v := t.get(bktAttempts, key8(uint64(id)))
	if v == nil {
		return attemptRecord{}, false
	}
	a, err := decodeAttempt(v)
	if err != nil {
		t.fail(fmt.Errorf("attempt %d: %w", id, err))
		return attemptRecord{}, false
	}
	a.id = id
	return a, true
}

// counter returns the counter that a charge's key names.
func (t *txn) counter(key string) counter {
	if isPhoneKey(key) {
		p := t.phone(key)
		if len(p.charges) == 0 {
			t.newPhones = append(t.newPhones, p)
		}
		return p
	}
	return t.meter(key)
}

// A chargeSet is a set of charges with its counters.
type chargeSet struct {
	charges  []Charge
	counters []counter
}

// resolve finds the counters of the sets of a command.
func (t *txn) resolve(sets [][]Charge) []chargeSet {
	r := make([]chargeSet, len(sets))
	for i, set := range sets {
		r[i] = chargeSet{charges: set, counters: make([]counter, len(set))}
		for j := range set {
			r[i].counters[j] = t.counter(set[j].Key)
		}
	}
	return r
}

// room returns the index of the first charge that does not fit now and the first time at which
// all may fit; -1 and now when all do.
func (s *chargeSet) room(now int64) (limit int, at int64) {
	limit, at = -1, now
	for i, c := range s.counters {
		if fits := c.room(&s.charges[i], now); fits > now {
			if limit < 0 {
				limit = i
			}
			at = max(at, fits)
		}
	}
	return limit, at
}

// add makes all the charges.
func (s *chargeSet) add(t *txn) {
	for i, c := range s.counters {
		c.add(t, &s.charges[i])
	}
}

// flush writes what is written once for all entries.
func (t *txn) flush() {
	t.flushMeters()
	t.flushDays()
	for _, p := range t.newPhones {
		// A charge given back takes its phone out of the map; another may have its place by now.
		if len(p.charges) == 0 && t.phones[p.key] == p {
			delete(t.phones, p.key)
		}
	}
	t.set(bktMeta, []byte(metaState), t.meta.encode(nil))
}

func (t *txn) flushMeters() {
	for _, m := range t.dirty {
		m.dirty = false
		t.set(bktMeters, []byte(m.key), m.encode(nil))
	}
	t.dirty = t.dirty[:0]
}
