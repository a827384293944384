package store

import (
	"encoding/binary"
	"fmt"
	"math"
)

// resultFormat is the first octet of an encoded result, its kind is the second.
const resultFormat = 1

// The kinds of results. They travel between nodes: append, never reuse.
const (
	resultNone      = 1
	resultAccept    = 2
	resultBegin     = 3
	resultFinish    = 4
	resultReport    = 5
	resultFound     = 6
	resultClose     = 7
	resultDelivered = 8
	resultReplace   = 9
	resultBind      = 10
	resultNodeUp    = 11
	resultPolicy    = 12
	resultPurge     = 13
	resultPut       = 14
	resultIncoming  = 15
)

// EncodeResult makes the octets by which a leader answers the node that proposed. It panics for a result
// that Apply does not make.
func EncodeResult(r Result) []byte {
	n := 32
	switch r := r.(type) {
	case *AcceptResult:
		n += 4 * len(r.Items)
	case *BeginResult:
		n += 40 * len(r.Attempts)
	case *ReportResult:
		n += len(r.Codes)
	}
	return appendResult(make([]byte, 0, n), r)
}

func appendResult(b []byte, r Result) []byte {
	head := func(kind byte) []byte { return append(b, resultFormat, kind) }
	switch r := r.(type) {
	case None:
		return head(resultNone)
	case *AcceptResult:
		return appendAcceptResult(head(resultAccept), r)
	case *BeginResult:
		return appendBeginResult(head(resultBegin), r)
	case *FinishResult:
		return appendCount(appendCount(head(resultFinish), r.Applied), r.Late)
	case *ReportResult:
		b = appendCount(head(resultReport), len(r.Codes))
		for _, c := range r.Codes {
			b = append(b, byte(c))
		}
		return b
	case *FoundResult:
		return appendCount(head(resultFound), r.Applied)
	case *CloseResult:
		return appendCount(head(resultClose), r.Applied)
	case *DeliveredResult:
		return appendCount(head(resultDelivered), r.Applied)
	case *ReplaceResult:
		return append(head(resultReplace), byte(r.Code))
	case *BindResult:
		return appendCount(appendBool(head(resultBind), r.OK), r.Binds)
	case *NodeUpResult:
		return binary.AppendUvarint(appendBool(head(resultNodeUp), r.OK), r.Incarnation)
	case *PolicyResult:
		return binary.AppendUvarint(appendBool(head(resultPolicy), r.OK), r.Version)
	case *PurgeResult:
		return appendBool(appendCount(head(resultPurge), r.Messages), r.More)
	case *PutResult:
		return appendBools(head(resultPut), r.Changed)
	case *IncomingResult:
		return appendBools(head(resultIncoming), r.Taken)
	}
	panic(fmt.Sprintf("store: EncodeResult: %T", r))
}

func appendCount(b []byte, n int) []byte { return binary.AppendUvarint(b, uint64(n)) }

func appendBools(b []byte, list []bool) []byte {
	b = appendCount(b, len(list))
	for _, v := range list {
		b = appendBool(b, v)
	}
	return b
}

func (d *decoder) bools() []bool {
	list := make([]bool, d.count(1))
	for i := range list {
		list[i] = d.bool()
	}
	return list
}

func appendBeginResult(b []byte, r *BeginResult) []byte {
	b = appendCount(b, len(r.Attempts))
	for i := range r.Attempts {
		a := &r.Attempts[i]
		b = binary.AppendUvarint(b, uint64(a.ID))
		b = appendString(b, a.OutID, maxString)
		b = appendCount(b, len(a.Members))
		for _, m := range a.Members {
			b = appendBool(b, m.Granted)
			b = append(b, byte(m.Limit))
			b = appendTime(b, m.DueAt)
		}
		b = append(b, byte(a.Limit))
		b = appendTime(b, a.Again)
	}
	return b
}

// DecodeResult reads what EncodeResult wrote, and nothing else. What it needs of memory is bounded by
// the octets.
func DecodeResult(b []byte) (Result, error) {
	d := decode(b)
	if f := d.octet(); d.err == nil && f != resultFormat {
		return nil, fmt.Errorf("result of unknown format %d: %w", f, errCodec)
	}
	kind := d.octet()
	r := d.result(kind)
	if r == nil && d.err == nil {
		return nil, fmt.Errorf("result of unknown kind %d: %w", kind, errCodec)
	}
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("result of kind %d: %w", kind, err)
	}
	return r, nil
}

func (d *decoder) result(kind byte) Result {
	switch kind {
	case resultNone:
		return None{}
	case resultAccept:
		return d.acceptResult()
	case resultBegin:
		return d.beginResult()
	case resultFinish:
		return &FinishResult{Applied: d.int(), Late: d.int()}
	case resultReport:
		return d.reportResult()
	case resultFound:
		return &FoundResult{Applied: d.int()}
	case resultClose:
		return &CloseResult{Applied: d.int()}
	case resultDelivered:
		return &DeliveredResult{Applied: d.int()}
	case resultReplace:
		return &ReplaceResult{Code: ReplaceCode(d.code(byte(ReplaceStalePolicy)))}
	case resultBind:
		return &BindResult{OK: d.bool(), Binds: d.int()}
	case resultNodeUp:
		return &NodeUpResult{OK: d.bool(), Incarnation: d.uvarint()}
	case resultPolicy:
		return &PolicyResult{OK: d.bool(), Version: d.uvarint()}
	case resultPurge:
		return &PurgeResult{Messages: d.int(), More: d.bool()}
	case resultPut:
		return &PutResult{Changed: d.bools()}
	case resultIncoming:
		return &IncomingResult{Taken: d.bools()}
	}
	return nil
}

func (d *decoder) int() int { return int(d.upTo(math.MaxInt32)) }

// code reads a code from 1 to last.
func (d *decoder) code(last byte) byte {
	c := d.octet()
	if c < 1 || c > last {
		d.fail("code")
	}
	return c
}

func (d *decoder) reportResult() *ReportResult {
	r := &ReportResult{Codes: make([]ReportCode, d.count(1))}
	for i := range r.Codes {
		r.Codes[i] = ReportCode(d.code(byte(ReportMismatch)))
	}
	return r
}

func (d *decoder) beginResult() *BeginResult {
	r := &BeginResult{Attempts: make([]BegunAttempt, d.count(5))}
	for i := range r.Attempts {
		a := &r.Attempts[i]
		a.ID, a.OutID = AttemptID(d.uvarint()), d.string(maxString)
		a.Members = make([]BegunMember, d.count(3))
		for j := range a.Members {
			a.Members[j] = BegunMember{Granted: d.bool(), Limit: d.limit(), DueAt: d.time()}
		}
		a.Limit, a.Again = d.limit(), d.time()
	}
	return r
}

// limit reads the index of a charge, or -1.
func (d *decoder) limit() int8 {
	v := int8(d.octet())
	if v < -1 {
		d.fail("limit")
	}
	return v
}
