package store

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
)

// keptParts is how long the parts of a set that does not complete wait when they do not expire
// before, in ms.
const keptParts = 24 * 3600 * 1000

// A set of parts is a record of the bucket parts: for each part its number in 8 octets, 0 while
// it has not come.
type partSet []byte

func (s partSet) number(seq uint8) Number { return Number(binary.BigEndian.Uint64(s[8*(int(seq)-1):])) }

func (s partSet) set(seq uint8, n Number) {
	binary.BigEndian.PutUint64(s[8*(int(seq)-1):], uint64(n))
}

// setNumber is the number of a set's first part, from the set's key.
func setNumber(key []byte) Number { return Number(binary.BigEndian.Uint64(key[len(key)-8:])) }

func (s partSet) total() int { return len(s) / 8 }

// numbers returns the numbers of the parts that have come, in order of Seq.
func (s partSet) numbers() []Number {
	var numbers []Number
	for i := range s.total() {
		if n := s.number(uint8(i + 1)); n != 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// acceptPart records part n and joins its set when it was the last that lacked. Only the newest
// set of a reference is open to it, and a part whose place is taken begins a new one: clients
// use a reference again soon.
func (t *txn) acceptPart(n Number, raw []byte, v *messageView, counted bool) {
	m, err := decodeMessage(raw)
	if err != nil {
		t.fail(err)
		return
	}
	status := Status{State: StatePart, Counted: counted}
	key, set := t.newestSet(&m)
	if set == nil || set.number(m.Segment.Seq) != 0 {
		key, set = partsKey(&m, n), make(partSet, 8*int(m.Segment.Total))
		status.Action, status.DueAt = ActionParts, t.at+keptParts
		if v.expires > 0 {
			status.DueAt = v.expires
		}
	}
	set.set(m.Segment.Seq, n)
	t.create(n, m.Account, status)
	if numbers := set.numbers(); len(numbers) == set.total() {
		t.del(bktParts, key)
		t.join(numbers)
		return
	}
	t.put(bktParts, key, set)
}

// newestSet returns the newest set that m could belong to, as a copy; nil when there is none.
func (t *txn) newestSet(m *Message) (key []byte, set partSet) {
	last := partsKey(m, 1<<64-1)
	c := t.bucket(bktParts).Cursor()
	var v []byte
	k, _ := c.Seek(last) // no set has this number, so this is behind them all
	if k == nil {
		k, v = c.Last()
	} else {
		k, v = c.Prev()
	}
	if len(k) != len(last) || !bytes.Equal(k[:len(k)-8], last[:len(k)-8]) {
		return nil, nil
	}
	if len(v) != 8*int(m.Segment.Total) {
		t.fail(fmt.Errorf("set of parts of %d octets: %w", len(v), errCodec))
		return nil, nil
	}
	return bytes.Clone(k), bytes.Clone(v)
}

// join makes one message of a complete set. Its other fields are the first part's; it is sent
// when the last of its parts may be, and expires with the first.
func (t *txn) join(numbers []Number) {
	var m Message
	var text strings.Builder
	for i, n := range numbers {
		part, err := decodeMessage(t.get(bktMessages, key8(uint64(n))))
		if err != nil {
			t.fail(fmt.Errorf("part %s: %w", n, err))
			return
		}
		text.WriteString(part.Text)
		if i == 0 {
			m = part
			continue
		}
		m.SendAt = max(m.SendAt, part.SendAt)
		if part.Expires > 0 && (m.Expires == 0 || part.Expires < m.Expires) {
			m.Expires = part.Expires
		}
	}
	m.Text, m.Wants, m.Segment, m.Parts = text.String(), 0, Segment{}, numbers
	m.OneReceipt, m.Grouped, m.AnswerBy, m.Digest, m.DedupeFor, m.Echo = false, false, 0, [16]byte{}, 0, "" // the parts'
	whole := t.number(m.Shape)
	t.put(bktMessages, key8(uint64(whole)), appendMessage(nil, &m))
	v := messageView{flags: messageFlags(&m), sendAt: m.SendAt, expires: m.Expires}
	t.create(whole, m.Account, Status{State: StateAccepted, Action: v.send(), DueAt: sendDue(t.at, &v)})
	for _, n := range numbers {
		was, ok := t.status(n)
		if !ok {
			t.fail(fmt.Errorf("part %s has no status: %w", n, errCodec))
			return
		}
		next := was
		next.State, next.Whole, next.Action = StateJoined, whole, 0
		t.move(n, &was, next)
	}
}

// endSet ends all parts of the set whose first part is first.
func (t *txn) endSet(first Number, e end) {
	raw, _ := t.message(first)
	if t.err != nil {
		return
	}
	m, err := decodeMessage(raw)
	if err != nil {
		t.fail(err)
		return
	}
	key := partsKey(&m, first)
	var set partSet
	set = append(set, t.get(bktParts, key)...)
	if len(set) != 8*int(m.Segment.Total) {
		t.fail(fmt.Errorf("message %s began no set of parts: %w", first, errCodec))
		return
	}
	t.del(bktParts, key)
	t.endTogether(set.numbers(), e)
}
