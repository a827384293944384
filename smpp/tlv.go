package smpp

import (
	"encoding/binary"
	"iter"
)

const tlvHeaderLen = 4

// TLVs are the optional parameters of a PDU as they are on the wire, in wire
// order. A decoded PDU's have been checked: every one lies wholly inside.
type TLVs string

// Get returns the value of the first parameter with that tag.
func (t TLVs) Get(tag Tag) (string, bool) {
	for len(t) >= tlvHeaderLen {
		got, value, rest := t.cut()
		if got == tag {
			return value, true
		}
		t = rest
	}
	return "", false
}

// All iterates over the parameters in wire order, repeated and unknown ones included.
func (t TLVs) All() iter.Seq2[Tag, string] {
	return func(yield func(Tag, string) bool) {
		for len(t) >= tlvHeaderLen {
			tag, value, rest := t.cut()
			if !yield(tag, value) {
				return
			}
			t = rest
		}
	}
}

// cut splits off the first parameter. A length that points beyond the end, which
// only a hand-made TLVs can hold, is taken as reaching to the end.
func (t TLVs) cut() (Tag, string, TLVs) {
	tag := Tag(t[0])<<8 | Tag(t[1])
	n := int(t[2])<<8 | int(t[3])
	n = min(n, len(t)-tlvHeaderLen)
	return tag, string(t[tlvHeaderLen : tlvHeaderLen+n]), t[tlvHeaderLen+n:]
}

// With returns t with one more parameter at its end. A value longer than the
// 65,535 octets a parameter can hold is cut there.
func (t TLVs) With(tag Tag, value string) TLVs {
	b := make([]byte, 0, len(t)+tlvHeaderLen+len(value))
	return TLVs(appendTLV(append(b, t...), tag, value))
}

func appendTLV(b []byte, tag Tag, value string) []byte {
	value = value[:min(len(value), 0xFFFF)]
	b = binary.BigEndian.AppendUint16(b, uint16(tag))
	b = binary.BigEndian.AppendUint16(b, uint16(len(value)))
	return append(b, value...)
}

// WithByte is With for a parameter of one octet.
func (t TLVs) WithByte(tag Tag, value byte) TLVs {
	return t.With(tag, string([]byte{value}))
}

// valid reports whether t is a sequence of whole parameters.
func (t TLVs) valid() bool {
	for len(t) >= tlvHeaderLen {
		n := tlvHeaderLen + (int(t[2])<<8 | int(t[3]))
		if n > len(t) {
			return false
		}
		t = t[n:]
	}
	return len(t) == 0
}

// check reports that t cannot be sent, as a *StatusError.
func (t TLVs) check() error {
	if !t.valid() {
		return statusErrorf(StatusInvOptParStream, "malformed optional parameters")
	}
	return nil
}
