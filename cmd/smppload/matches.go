package main

import (
	"fmt"
	"maps"
	"slices"
	"time"
)

// matches pairs accepted messages with their receipts one by one. message_ids
// ascend, so they are kept in pages of neighbours: five octets a message, whatever
// the order they come in, and 16 more where receipts are checked against what was
// submitted. A server whose ids are scattered costs a page for each.
type matches struct {
	tracking bool // keep the origins
	pages    map[uint64]*page
	last     *page // the page used last, numbered lastAt
	at       uint64
	other    map[string]*entry // by message_ids that are not numbers

	accepted  uint64 // distinct ids in submit_sm_resp
	receipted uint64 // distinct ids in receipts
	both      uint64 // ids in both
	repeated  uint64 // submit_sm_resp with an id that another had
	doubled   uint64 // receipts for an id that had one
}

const pageSize = 1024 // ids to a page

type page struct {
	marks   [pageSize]mark
	origins []origin // of the same ids; nil unless tracking
}

type entry struct {
	mark   mark
	origin origin
}

// A mark is what is known of one id: when its message was to leave, in units of
// tick and from 1 so that 0 is "not accepted", and in the highest bit whether a
// receipt has come.
type mark uint32

const (
	receiptMark = mark(1) << 31
	tick        = 10 * time.Microsecond // enough for six hours in 31 bits
)

// An origin is what was submitted and got the id, and the connection that brought
// its receipt last.
type origin struct {
	piece piece
	conn  uint32
}

func newMatches(tracking bool) matches {
	return matches{tracking: tracking, pages: make(map[uint64]*page), other: make(map[string]*entry)}
}

// find returns what is kept of id: zeros for one that is new, no origin unless
// tracking.
func (m *matches) find(id messageID) (*mark, *origin) {
	if !id.numeric {
		e, ok := m.other[id.text]
		if !ok {
			e = new(entry)
			m.other[id.text] = e
		}
		if !m.tracking {
			return &e.mark, nil
		}
		return &e.mark, &e.origin
	}
	if n := id.number / pageSize; m.last == nil || n != m.at {
		p, ok := m.pages[n]
		if !ok {
			p = new(page)
			if m.tracking {
				p.origins = make([]origin, pageSize)
			}
			m.pages[n] = p
		}
		m.last, m.at = p, n
	}
	i := id.number % pageSize
	if !m.tracking {
		return &m.last.marks[i], nil
	}
	return &m.last.marks[i], &m.last.origins[i]
}

// accept notes that id was in the submit_sm_resp of p, and reports whether its
// receipt is there already.
func (m *matches) accept(id messageID, at time.Duration, p piece) bool {
	k, from := m.find(id)
	if *k&^receiptMark != 0 {
		m.repeated++
		return false
	}
	*k |= mark(min(at/tick+1, time.Duration(receiptMark-1)))
	m.accepted++
	if from != nil {
		from.piece = p
	}
	if *k&receiptMark == 0 {
		return false
	}
	m.both++
	return true
}

// A match is what matches makes of a receipt.
type match uint8

const (
	matchFirst  match = iota // the first for a message that is accepted
	matchEarly               // the first for an id that no submit_sm_resp had until now
	matchRepeat              // not the first
)

// receive notes that a receipt on connection conn had id. It returns when the message
// was to leave, if it is accepted, and its origin as it was before, if tracking.
func (m *matches) receive(id messageID, conn uint32) (match, time.Duration, origin) {
	k, from := m.find(id)
	var before origin
	if from != nil {
		before, from.conn = *from, conn
	}
	if *k&receiptMark != 0 {
		m.doubled++
		return matchRepeat, 0, before
	}
	*k |= receiptMark
	m.receipted++
	sent := *k &^ receiptMark
	if sent == 0 {
		return matchEarly, 0, before
	}
	m.both++
	return matchFirst, time.Duration(sent-1) * tick, before
}

// missing is how many accepted messages have no receipt.
func (m *matches) missing() uint64 { return m.accepted - m.both }

// unknown is how many ids have a receipt and no submit_sm_resp.
func (m *matches) unknown() uint64 { return m.receipted - m.both }

// missingIDs are the lowest ids that are accepted and have no receipt, so many at
// most: somebody will ask the server what became of them.
func (m *matches) missingIDs(most int) []string {
	var ids []string
	open := func(k mark) bool { return k != 0 && k&receiptMark == 0 && len(ids) < most }
	for _, n := range slices.Sorted(maps.Keys(m.pages)) {
		for i, k := range m.pages[n].marks {
			if open(k) {
				ids = append(ids, fmt.Sprintf("%0*x", messageIDDigits, n*pageSize+uint64(i)))
			}
		}
	}
	for _, text := range slices.Sorted(maps.Keys(m.other)) {
		if open(m.other[text].mark) {
			ids = append(ids, text)
		}
	}
	return ids
}
