package store

import (
	"encoding/binary"
	"fmt"
)

// accept applies an Accept. Its messages are not decoded: their octets are stored as they came.
func (t *txn) accept(body []byte) (Result, error) {
	r := readAccept(body)
	if r.d.err != nil {
		return nil, fmt.Errorf("accept: %w", r.d.err)
	}
	if r.token.Seq > 0 {
		if known, err := t.known(&r.token, r.n); known != nil || err != nil {
			return known, err
		}
	}
	result := &AcceptResult{Items: make([]AcceptItem, r.n)}
	sets := t.resolve(r.charges)
	counted := openSets(r.charges)
	var multi run
	for i := range result.Items {
		raw, index := r.next()
		if r.d.err != nil {
			break
		}
		v, err := viewMessage(raw)
		if err != nil {
			return nil, fmt.Errorf("message %d of an accept: %w", i, err)
		}
		var set *chargeSet
		var open bool
		if index >= 0 {
			set, open = &sets[index], counted[index] == string(v.account) && counted[index] != ""
		}
		if v.flags&flagGrouped == 0 {
			multi.end(t)
		}
		result.Items[i] = t.acceptMessage(raw, &v, set, open)
		multi.add(&result.Items[i])
	}
	multi.end(t)
	t.dropRecent(2 * t.noted)
	t.noted = 0
	if err := r.d.end(); err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	if r.token.Seq > 0 {
		t.remember(&r.token, result)
	}
	return result, nil
}

// openSets tells for each set the account whose level of open messages it charges.
func openSets(sets [][]Charge) []string {
	accounts := make([]string, len(sets))
	for i, set := range sets {
		for j := range set {
			if account, ok := openAccount(set[j].Key); ok {
				accounts[i] = account
			}
		}
	}
	return accounts
}

// acceptMessage accepts or refuses one message.
func (t *txn) acceptMessage(raw []byte, v *messageView, set *chargeSet, counted bool) AcceptItem {
	if v.policy != 0 && v.policy != t.meta.policy {
		return AcceptItem{Code: AcceptStalePolicy}
	}
	if v.digest != nil {
		if first := t.duplicate(v); first != 0 {
			return AcceptItem{Code: AcceptDuplicate, Number: first}
		}
	}
	if set != nil {
		if limit, _ := set.room(t.at); limit >= 0 {
			return AcceptItem{Code: AcceptOverLimit, Limit: uint8(limit)}
		}
		set.add(t)
	}
	n := t.number(v.shape())
	t.put(bktMessages, key8(uint64(n)), raw)
	if v.digest != nil {
		t.note(n, v)
	}
	if v.concatenated() {
		t.acceptPart(n, raw, v, counted)
	} else {
		t.create(n, string(v.account), Status{State: StateAccepted, Action: v.send(), DueAt: sendDue(t.at, v), Counted: counted})
	}
	return AcceptItem{Code: AcceptOK, Number: n}
}

// number gives a number. One whose spelling in a short shape is that of a message that exists is
// left out, so that a message_id names one message; that takes more messages than the shape has
// spellings, and costs nothing before.
func (t *txn) number(s Shape) Number {
	t.meta.nextNumber++
	if m := s.modulus(); m > 0 {
		for t.meta.nextNumber > m && t.spelt(t.meta.nextNumber, m) {
			t.meta.nextNumber++
		}
	}
	return Number(t.meta.nextNumber)
}

// spelt reports whether there is a message, or a group whose head was deleted, with a number that
// is n modulo m.
func (t *txn) spelt(n, m uint64) bool {
	oldest := uint64(oldestNumber(t.bucket(bktStates).Cursor(), t.bucket(bktGroups).Cursor()))
	for n > m && n-m >= oldest {
		n -= m
		if t.get(bktStates, key8(n)) != nil || t.get(bktGroups, headKey(Number(n))) != nil {
			return true
		}
	}
	return false
}

// sendDue is when a message is due to be sent, or, if it has expired by then, to be closed.
func sendDue(at int64, v *messageView) int64 {
	at = max(at, v.sendAt)
	if v.expires > 0 {
		at = min(at, v.expires)
	}
	return at
}

// known answers a token that has been answered before, or that is too old to be answered; nil
// when it is new.
func (t *txn) known(token *Token, n int) (Result, error) {
	if v := t.get(bktTokens, tokenKey(token.Node, token.Incarnation, token.Seq)); v != nil {
		r, err := decodeAcceptResult(v)
		if err != nil {
			return nil, fmt.Errorf("result of a token: %w", err)
		}
		return r, nil
	}
	current, up := t.nodes[token.Node]
	if up && current != token.Incarnation || token.Seq < t.lowest(token) {
		r := &AcceptResult{Items: make([]AcceptItem, n)}
		for i := range r.Items {
			r.Items[i].Code = AcceptTokenGone
		}
		return r, nil
	}
	return nil, nil
}

// lowest is the lowest seq that the token's node has not given up.
func (t *txn) lowest(token *Token) uint64 {
	v := t.get(bktTokens, tokenKey(token.Node, token.Incarnation, 0))
	if len(v) != 8 {
		return 0
	}
	return binary.BigEndian.Uint64(v)
}

// remember keeps the result of a token and forgets those that its node does not wait for any
// more: they are few, for a node has at most two proposals open.
func (t *txn) remember(token *Token, r *AcceptResult) {
	lowest := min(token.Lowest, token.Seq)
	if known := t.lowest(token); lowest > known {
		v := binary.BigEndian.AppendUint64(t.arena.empty(8), lowest)
		t.put(bktTokens, tokenKey(token.Node, token.Incarnation, 0), v)
		from := tokenKey(token.Node, token.Incarnation, 1)
		to := tokenKey(token.Node, token.Incarnation, lowest)
		t.delRange(bktTokens, from, to)
	}
	v := appendAcceptResult(t.arena.empty(8+3*len(r.Items)), r)
	t.put(bktTokens, tokenKey(token.Node, token.Incarnation, token.Seq), v)
}
