package store

import (
	"encoding/binary"
)

// statusSize is the size of a record of the bucket states: always the same, so that rewriting one
// leaves its page as it is.
const statusSize = 9 + 7*8 + 1 + maxErr

// The flags of a status.
const (
	statusCounted = 1 << 0
	statusRefused = 1 << 1
	statusHeld    = 1 << 2
	statusAlone   = 1 << 3
	statusBooked  = 1 << 4
	statusFlags   = 1<<5 - 1
)

// appendStatus appends s.
func appendStatus(b []byte, s *Status) []byte {
	b = append(b, byte(s.State), byte(s.Action), byte(s.Ending), s.Tries)
	var flags byte
	if s.Counted {
		flags |= statusCounted
	}
	if s.Refused {
		flags |= statusRefused
	}
	if s.Held {
		flags |= statusHeld
	}
	if s.Alone {
		flags |= statusAlone
	}
	if s.Booked {
		flags |= statusBooked
	}
	b = append(b, flags)
	b = binary.BigEndian.AppendUint32(b, s.Revision)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Attempt))
	b = binary.BigEndian.AppendUint64(b, uint64(s.Whole))
	b = binary.BigEndian.AppendUint64(b, s.Receipt)
	b = binary.BigEndian.AppendUint64(b, uint64(s.AcceptedAt))
	b = binary.BigEndian.AppendUint64(b, uint64(s.ChangedAt))
	b = binary.BigEndian.AppendUint64(b, uint64(s.DueAt))
	b = binary.BigEndian.AppendUint64(b, uint64(s.DoneAt))
	n := min(len(s.Err), maxErr)
	b = append(b, byte(n))
	b = append(b, s.Err[:n]...)
	return append(b, make([]byte, maxErr-n)...)
}

func decodeStatus(b []byte) (Status, error) {
	d := decoder{b: b}
	if len(b) != statusSize {
		d.fail("status size")
	}
	s := Status{
		State: State(d.octet()), Action: Action(d.octet()), Ending: Ending(d.octet()), Tries: d.octet(),
	}
	flags := d.octet()
	s.Counted, s.Refused = flags&statusCounted != 0, flags&statusRefused != 0
	s.Held, s.Alone, s.Booked = flags&statusHeld != 0, flags&statusAlone != 0, flags&statusBooked != 0
	if flags&^statusFlags != 0 {
		d.fail("flags")
	}
	if v := d.take(4); v != nil {
		s.Revision = binary.BigEndian.Uint32(v)
	}
	s.Attempt, s.Whole, s.Receipt = AttemptID(d.uint64()), Number(d.uint64()), d.uint64()
	s.AcceptedAt, s.ChangedAt = int64(d.uint64()), int64(d.uint64())
	s.DueAt, s.DoneAt = int64(d.uint64()), int64(d.uint64())
	n := int(d.octet())
	if v := d.take(maxErr); v != nil && n <= maxErr {
		s.Err = string(v[:n])
	} else {
		d.fail("err")
	}
	if int(s.State) >= stateCount || s.State == 0 || int(s.Action) >= actionCount {
		d.fail("state")
	}
	return s, d.end()
}

// An attemptRecord is an Attempt as it is stored. The members go last, so that a BizID can be
// written before them without reading them.
type attemptRecord struct {
	id       AttemptID // its key; only set by txn.attempt
	epoch    uint64
	begun    int64
	route    string
	template string
	bizID    string
	members  []memberRecord
}

// A memberRecord is a message of an attempt and what its phone was charged: sends entries with
// the attempt's time and ascending numbers from firstSend on.
type memberRecord struct {
	number    Number
	phone     string
	segments  uint8
	sends     uint64
	firstSend uint64 // when sends > 0
}

func (a *attemptRecord) encode(b []byte) []byte {
	b = a.encodeHead(b)
	b = binary.AppendUvarint(b, uint64(len(a.members)))
	for i := range a.members {
		m := &a.members[i]
		b = binary.AppendUvarint(b, uint64(m.number))
		b = appendString(b, m.phone, maxString)
		b = append(b, m.segments)
		b = binary.AppendUvarint(b, m.sends)
		if m.sends > 0 {
			b = binary.AppendUvarint(b, m.firstSend)
		}
	}
	return b
}

func (a *attemptRecord) encodeHead(b []byte) []byte {
	b = binary.AppendUvarint(b, a.epoch)
	b = appendTime(b, a.begun)
	b = appendString(b, a.route, maxString)
	b = appendString(b, a.template, maxString)
	return appendString(b, a.bizID, maxString)
}

// head reads what encodeHead wrote.
func (d *decoder) attemptHead() attemptRecord {
	return attemptRecord{
		epoch: d.uvarint(), begun: d.time(), route: d.string(maxString), template: d.string(maxString), bizID: d.string(maxString),
	}
}

func decodeAttempt(b []byte) (attemptRecord, error) {
	d := decode(b)
	a := d.attemptHead()
	a.members = make([]memberRecord, d.count(4))
	for i := range a.members {
		m := &a.members[i]
		m.number, m.phone, m.segments, m.sends = d.number(), d.string(maxString), d.octet(), d.uvarint()
		if m.sends > 0 {
			m.firstSend = d.uvarint()
		}
	}
	return a, d.end()
}

// member returns the record of message n; nil if it is no member.
func (a *attemptRecord) member(n Number) *memberRecord {
	for i := range a.members {
		if a.members[i].number == n {
			return &a.members[i]
		}
	}
	return nil
}

// hasPhone reports whether a member has a phone.
func (a *attemptRecord) hasPhone(phone string) bool {
	for i := range a.members {
		if a.members[i].phone == phone {
			return true
		}
	}
	return false
}

// appendOrphan appends a report that matched nothing, and when it came.
func appendOrphan(b []byte, r *DeliveryReport, at int64) []byte {
	b = appendTime(b, at)
	return appendDeliveryReport(b, r)
}

func decodeOrphan(b []byte) (r DeliveryReport, at int64, err error) {
	d := decode(b)
	at = d.time()
	r = d.deliveryReport()
	return r, at, d.end()
}

func appendPolicy(b []byte, p *Policy) []byte {
	b = appendTime(b, p.At)
	b = appendString(b, p.Author, maxString)
	return appendOctets(b, p.Doc, maxDocument)
}

func decodePolicy(version uint64, b []byte) (Policy, error) {
	d := decoder{b: b}
	p := Policy{Version: version, At: d.time(), Author: d.string(maxString)}
	p.Doc = cloneOctets(d.octets(maxDocument))
	return p, d.end()
}

func decodeBind(b []byte) (Bind, error) {
	d := decode(b)
	v := d.bind()
	return v, d.end()
}

// appendAcceptResult appends the result that a token is answered with again. Numbers are written
// as what they are above the one before: mostly 1.
func appendAcceptResult(b []byte, r *AcceptResult) []byte {
	b = binary.AppendUvarint(b, uint64(len(r.Items)))
	var last Number
	for i := range r.Items {
		it := &r.Items[i]
		b = append(b, byte(it.Code))
		switch it.Code {
		case AcceptOK:
			b = binary.AppendUvarint(b, uint64(it.Number-last))
			last = it.Number
		case AcceptDuplicate: // of an earlier one, as it is
			b = binary.AppendUvarint(b, uint64(it.Number))
		case AcceptOverLimit:
			b = append(b, it.Limit)
		}
	}
	return b
}

func decodeAcceptResult(b []byte) (*AcceptResult, error) {
	d := decoder{b: b}
	r := d.acceptResult()
	return r, d.end()
}

func (d *decoder) acceptResult() *AcceptResult {
	r := &AcceptResult{Items: make([]AcceptItem, d.count(1))}
	var last Number
	for i := range r.Items {
		it := &r.Items[i]
		it.Code = AcceptCode(d.octet())
		switch it.Code {
		case AcceptOK:
			last += d.number()
			it.Number = last
		case AcceptDuplicate:
			it.Number = d.number()
		case AcceptOverLimit:
			it.Limit = d.octet()
		case AcceptStalePolicy, AcceptTokenGone:
		default:
			d.fail("code")
		}
	}
	return r
}
