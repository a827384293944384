package store

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The limits of what is encoded. Encode cuts what is longer, because an entry that cannot be
// decoded would stop every node, at every start; Decode refuses it. All are far above what SMPP
// and the policy let through.
const (
	maxErr       = 8                  // a receipt's err
	maxCode      = 64                 // what the API said
	maxString    = 4096               // names, addresses, keys
	maxSubmitted = 1 << 18            // a submitted text: 65,535 octets of GSM 7-bit as UTF-8 fit
	maxText      = 255 * maxSubmitted // a joined text
	maxDocument  = 1 << 26            // a policy document
	maxLeap      = 1 << 40            // of a Recover: far more than is ever lost, and room for 2^23 recoveries
	maxTime      = 1 << 47            // Unix ms; the year 6429
)

// errCodec is wrapped by every error of decoding.
var errCodec = errors.New("malformed")

// appendString appends s, cut at limit octets, after its length.
func appendString(b []byte, s string, limit int) []byte {
	if len(s) > limit {
		s = s[:limit]
	}
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendOctets is appendString for octets.
func appendOctets(b, s []byte, limit int) []byte {
	if len(s) > limit {
		s = s[:limit]
	}
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// appendTime appends a time or duration in ms, brought into [0, maxTime].
func appendTime(b []byte, ms int64) []byte {
	return binary.AppendUvarint(b, uint64(min(max(ms, 0), maxTime)))
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// A decoder reads what the append functions wrote and accepts only that: numbers in their
// shortest form, booleans 0 or 1, counts that the octets left can hold, and nothing behind the
// end. Its first error sticks; after it, it reads zeros.
type decoder struct {
	b   []byte
	off int
	err error

	// s, when it is not empty, holds the octets of b. Strings are then cut from it, so that
	// decoding a record costs one allocation for all its strings.
	s string
}

// decode returns a decoder whose strings share one copy of b.
func decode(b []byte) *decoder { return &decoder{b: b, s: string(b)} }

func (d *decoder) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s at octet %d of %d", errCodec, what, d.off, len(d.b))
	}
	d.off = len(d.b)
}

// end returns the first error; octets left over are one.
func (d *decoder) end() error {
	if d.err == nil && d.off != len(d.b) {
		d.fail("octets behind the end")
	}
	return d.err
}

func (d *decoder) left() int { return len(d.b) - d.off }

func (d *decoder) octet() uint8 {
	if d.off >= len(d.b) {
		d.fail("end of octets")
		return 0
	}
	v := d.b[d.off]
	d.off++
	return v
}

func (d *decoder) bool() bool {
	v := d.octet()
	if v > 1 {
		d.fail("boolean")
	}
	return v == 1
}

func (d *decoder) uvarint() uint64 {
	if d.off < len(d.b) && d.b[d.off] < 0x80 { // the usual case
		d.off++
		return uint64(d.b[d.off-1])
	}
	v, n := binary.Uvarint(d.b[d.off:])
	if n <= 0 {
		d.fail("number")
		return 0
	}
	if d.b[d.off+n-1] == 0 { // a shorter form exists
		d.fail("overlong number")
		return 0
	}
	d.off += n
	return v
}

// upTo reads a number of at most limit.
func (d *decoder) upTo(limit uint64) uint64 {
	v := d.uvarint()
	if v > limit {
		d.fail("number out of range")
		return 0
	}
	return v
}

func (d *decoder) uint32() uint32 { return uint32(d.upTo(1<<32 - 1)) }
func (d *decoder) time() int64    { return int64(d.upTo(maxTime)) }
func (d *decoder) number() Number { return Number(d.uvarint()) }

func (d *decoder) varint() int64 {
	v := d.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

// count reads the number of elements that follow, each of at least size octets.
func (d *decoder) count(size int) int {
	v := d.uvarint()
	if v > uint64(d.left()/size) {
		d.fail("count")
		return 0
	}
	return int(v)
}

func (d *decoder) take(n int) []byte {
	if n > d.left() {
		d.fail("end of octets")
		return nil
	}
	d.off += n
	return d.b[d.off-n : d.off : d.off]
}

func (d *decoder) uint16() uint16 {
	if b := d.take(2); b != nil {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (d *decoder) uint64() uint64 {
	if b := d.take(8); b != nil {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

func (d *decoder) lineage() (l Lineage) {
	copy(l[:], d.take(len(l)))
	return l
}

// octets reads octets of which at most limit may be there. They are part of b; nil when there are
// none.
func (d *decoder) octets(limit int) []byte {
	n := d.uvarint()
	if n > uint64(limit) || n > uint64(d.left()) {
		d.fail("length")
		return nil
	}
	if n == 0 {
		return nil
	}
	return d.take(int(n))
}

func (d *decoder) string(limit int) string {
	b := d.octets(limit)
	if d.s != "" {
		return d.s[d.off-len(b) : d.off]
	}
	return string(b)
}

// skip passes over a string.
func (d *decoder) skip(limit int) { d.octets(limit) }
