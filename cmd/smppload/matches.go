package main

import "time"

// matches pairs accepted messages with their receipts one by one. message_ids
// ascend, so they are kept in pages of neighbours: five octets a message, whatever
// the order they come in. A server whose ids are scattered costs a page for each.
type matches struct {
	pages map[uint64]*page
	last  *page // the page used last, numbered lastAt
	at    uint64
	other map[string]*mark // by message_ids that are not numbers

	accepted  uint64 // distinct ids in submit_sm_resp
	receipted uint64 // distinct ids in receipts
	both      uint64 // ids in both
	repeated  uint64 // submit_sm_resp with an id that another had
	doubled   uint64 // receipts for an id that had one
	early     uint64 // receipts that came before their submit_sm_resp
}

const pageSize = 1024 // ids to a page

type page [pageSize]mark

// A mark is what is known of one id: when its message was to leave, in units of
// tick and from 1 so that 0 is "not accepted", and in the highest bit whether a
// receipt has come.
type mark uint32

const (
	receiptMark = mark(1) << 31
	tick        = 10 * time.Microsecond // enough for six hours in 31 bits
)

func newMatches() matches {
	return matches{pages: make(map[uint64]*page), other: make(map[string]*mark)}
}

// find returns the mark of id, which is 0 for one that is new.
func (m *matches) find(id messageID) *mark {
	if !id.numeric {
		k, ok := m.other[id.text]
		if !ok {
			k = new(mark)
			m.other[id.text] = k
		}
		return k
	}
	if n := id.number / pageSize; m.last == nil || n != m.at {
		p, ok := m.pages[n]
		if !ok {
			p = new(page)
			m.pages[n] = p
		}
		m.last, m.at = p, n
	}
	return &m.last[id.number%pageSize]
}

// accept notes that id was in a submit_sm_resp, and reports whether its receipt
// is there already.
func (m *matches) accept(id messageID, at time.Duration) bool {
	k := m.find(id)
	if *k&^receiptMark != 0 {
		m.repeated++
		return false
	}
	*k |= mark(min(at/tick+1, time.Duration(receiptMark-1)))
	m.accepted++
	if *k&receiptMark == 0 {
		return false
	}
	m.both++
	m.early++
	return true
}

// receive notes that id was in a receipt, and returns when its message was to
// leave if that message is known and this is its first.
func (m *matches) receive(id messageID) (time.Duration, bool) {
	k := m.find(id)
	if *k&receiptMark != 0 {
		m.doubled++
		return 0, false
	}
	*k |= receiptMark
	m.receipted++
	sent := *k &^ receiptMark
	if sent == 0 {
		return 0, false
	}
	m.both++
	return time.Duration(sent-1) * tick, true
}

// missing is how many accepted messages have no receipt.
func (m *matches) missing() uint64 { return m.accepted - m.both }

// unknown is how many ids have a receipt and no submit_sm_resp.
func (m *matches) unknown() uint64 { return m.receipted - m.both }
