package store

import (
	"encoding/binary"
	"fmt"
)

// A message is laid out so that what Apply reads of it comes first, what is erased when it is
// final comes next, and what is only kept comes last:
//
//	flags                  2 octets, 3 with hasMore
//	PolicyVersion, Account
//	Segment, SendAt, Expires, AnswerBy, Digest and DedupeFor   those whose flag is set
//	Params, Text               when hasTexts is set; cut out to erase them
//	the rest
//
// The octets in an Accept are those in the bucket messages: Apply looks at the first part and
// passes over the others once, to check them.
const (
	flagSuccess  = 1 << 0 // WantsSuccess
	flagFailure  = 1 << 1 // WantsFailure
	flagKeepText = 1 << 2
	hasTexts     = 1 << 3
	hasSegment   = 1 << 4
	hasSendAt    = 1 << 5
	hasExpires   = 1 << 6
	hasParts     = 1 << 7
	flagUrgent   = 1 << 8
	flagPrefer   = 1 << 9
	shapeShift   = 10 // Shape, in two bits
	flagShape    = 3 << shapeShift
	hasAnswerBy  = 1 << 12
	hasDigest    = 1 << 13 // and DedupeFor
	hasEcho      = 1 << 14
	hasMore      = 1 << 15 // a third octet has the flags from here on

	flagOneReceipt = 1 << 16
	flagGrouped    = 1 << 17
	hasCode        = 1 << 18 // of a final message only
	flagsAll       = 1<<19 - 1
)

// appendMessage appends m as it is stored.
func appendMessage(b []byte, m *Message) []byte {
	flags := messageFlags(m)
	b = appendFlags(b, flags)
	b = binary.AppendUvarint(b, m.PolicyVersion)
	b = appendString(b, m.Account, maxString)
	if flags&hasSegment != 0 {
		b = binary.BigEndian.AppendUint16(b, m.Segment.Ref)
		b = append(b, m.Segment.Total, m.Segment.Seq)
	}
	if flags&hasSendAt != 0 {
		b = appendTime(b, m.SendAt)
	}
	if flags&hasExpires != 0 {
		b = appendTime(b, m.Expires)
	}
	if flags&hasAnswerBy != 0 {
		b = appendTime(b, m.AnswerBy)
	}
	if flags&hasDigest != 0 {
		b = append(b, m.Digest[:]...)
		b = appendTime(b, m.DedupeFor)
	}
	if flags&hasTexts != 0 {
		limit := maxSubmitted
		if len(m.Parts) > 0 {
			limit = maxText
		}
		b = appendString(b, m.Params, maxSubmitted)
		b = appendString(b, m.Text, limit)
	}
	return appendKept(b, m)
}

// messageFlags sums up what m has.
func messageFlags(m *Message) uint32 {
	if m.Shape > ShapeDec10 {
		panic(fmt.Sprintf("store: Encode: shape %d", m.Shape))
	}
	flags := uint32(m.Wants)&(flagSuccess|flagFailure) | uint32(m.Shape)<<shapeShift
	set := func(bit uint32, on bool) {
		if on {
			flags |= bit
		}
	}
	set(flagKeepText, m.KeepText)
	set(hasTexts, m.Params != "" || m.Text != "")
	set(hasSegment, m.Segment != Segment{})
	set(hasSendAt, m.SendAt > 0)
	set(hasExpires, m.Expires > 0)
	set(hasParts, len(m.Parts) > 0)
	set(flagUrgent, m.Urgent)
	set(flagPrefer, m.Preferred)
	set(hasAnswerBy, m.AnswerBy > 0)
	set(hasDigest, m.Digest != [16]byte{})
	set(hasEcho, m.Echo != "")
	set(hasMore|flagOneReceipt, m.OneReceipt)
	set(hasMore|flagGrouped, m.Grouped)
	set(hasMore|hasCode, m.Code != "")
	return flags
}

// appendFlags appends flags; the third octet, of what is rare, only when it is not 0.
func appendFlags(b []byte, flags uint32) []byte {
	b = binary.BigEndian.AppendUint16(b, uint16(flags))
	if flags&hasMore != 0 {
		b = append(b, byte(flags>>16))
	}
	return b
}

func (d *decoder) flags() uint32 {
	flags := uint32(d.uint16())
	if flags&hasMore != 0 {
		more := uint32(d.octet())
		if more == 0 {
			d.fail("flags")
		}
		flags |= more << 16
	}
	if flags&^flagsAll != 0 || flags&flagShape > uint32(ShapeDec10)<<shapeShift {
		d.fail("flags")
	}
	return flags
}

// appendKept appends the part of a message that is neither read by Apply nor erased.
func appendKept(b []byte, m *Message) []byte {
	b = appendOrigin(b, &m.Origin)
	b = appendAddress(b, &m.Source)
	b = appendAddress(b, &m.Dest)
	b = appendString(b, m.ServiceType, maxString)
	b = append(b, m.ESMClass, m.ProtocolID, m.Priority, m.DataCoding, m.RegisteredDelivery)
	b = appendString(b, m.Phone, maxString)
	b = appendString(b, m.Class, maxString)
	b = appendString(b, m.SignName, maxString)
	b = appendString(b, m.TemplateCode, maxString)
	if m.Echo != "" {
		b = appendString(b, m.Echo, maxString)
	}
	if len(m.Parts) > 0 {
		b = binary.AppendUvarint(b, uint64(len(m.Parts)))
		for _, n := range m.Parts {
			b = binary.AppendUvarint(b, uint64(n))
		}
	}
	if m.Code != "" {
		b = appendString(b, m.Code, maxCode)
	}
	return b
}

func appendOrigin(b []byte, o *Origin) []byte {
	b = appendString(b, o.Node, maxString)
	b = binary.AppendUvarint(b, o.Incarnation)
	b = binary.AppendUvarint(b, o.Session)
	return binary.AppendUvarint(b, o.Mark)
}

func (d *decoder) origin() Origin {
	return Origin{Node: d.string(maxString), Incarnation: d.uvarint(), Session: d.uvarint(), Mark: d.uvarint()}
}

func appendAddress(b []byte, a *Address) []byte {
	b = append(b, a.TON, a.NPI)
	return appendString(b, a.Addr, maxString)
}

func (d *decoder) address() Address {
	return Address{TON: d.octet(), NPI: d.octet(), Addr: d.string(maxString)}
}

// A messageView is the part of a message that Apply reads. Its octets are the record's.
type messageView struct {
	flags     uint32
	policy    uint64
	account   []byte
	segment   Segment
	sendAt    int64
	expires   int64
	answerBy  int64
	digest    []byte // nil: none
	dedupeFor int64
	texts     int // offset of Params and Text
}

// send is how the message is to be sent: before others, or in its turn.
func (v *messageView) send() Action {
	switch {
	case v.flags&flagUrgent != 0:
		return ActionUrgent
	case v.flags&flagPrefer != 0:
		return ActionPrefer
	}
	return ActionSend
}

func (v *messageView) shape() Shape { return Shape(v.flags & flagShape >> shapeShift) }

// concatenated reports whether the message is a part. A part number outside its set cannot be
// joined; such a message stands alone.
func (v *messageView) concatenated() bool {
	return v.segment.Total > 1 && v.segment.Seq >= 1 && v.segment.Seq <= v.segment.Total
}

// view reads the first part of a message.
func (d *decoder) view() messageView {
	var v messageView
	v.flags = d.flags()
	v.policy = d.uvarint()
	v.account = d.octets(maxString)
	if v.flags&hasSegment != 0 {
		v.segment = Segment{Ref: d.uint16(), Total: d.octet(), Seq: d.octet()}
		if v.segment == (Segment{}) {
			d.fail("segment")
		}
	}
	if v.flags&hasSendAt != 0 {
		v.sendAt = d.someTime()
	}
	if v.flags&hasExpires != 0 {
		v.expires = d.someTime()
	}
	if v.flags&hasAnswerBy != 0 {
		v.answerBy = d.someTime()
	}
	if v.flags&hasDigest != 0 {
		var digest [16]byte
		v.digest = d.take(len(digest))
		if copy(digest[:], v.digest); digest == ([16]byte{}) {
			d.fail("digest")
		}
		v.dedupeFor = d.time()
	}
	v.texts = d.off
	return v
}

// someTime reads a time that is only written when it is not 0.
func (d *decoder) someTime() int64 {
	t := d.time()
	if t == 0 {
		d.fail("time")
	}
	return t
}

// skipTexts passes over Params and Text.
func (d *decoder) skipTexts(flags uint32) {
	if flags&hasTexts == 0 {
		return
	}
	if len(d.octets(maxSubmitted))+len(d.octets(maxText)) == 0 {
		d.fail("texts")
	}
}

// viewMessage reads the first part of the message b, as it is accepted, and checks all of it.
func viewMessage(b []byte) (messageView, error) {
	d := decoder{b: b}
	v := d.view()
	d.skipTexts(v.flags)
	d.skip(maxString) // node
	d.uvarint()
	d.uvarint()
	d.uvarint()
	d.take(2)
	d.skip(maxString) // source
	d.take(2)
	d.skip(maxString) // destination
	d.skip(maxString) // service type
	d.take(5)
	d.skip(maxString) // phone
	d.skip(maxString) // class
	d.skip(maxString) // signature
	d.skip(maxString) // template
	if v.flags&hasEcho != 0 && len(d.octets(maxString)) == 0 {
		d.fail("echo")
	}
	if v.flags&hasParts != 0 {
		n := d.count(1)
		if n == 0 {
			d.fail("parts")
		}
		for range n {
			d.uvarint()
		}
	}
	if v.flags&hasCode != 0 {
		d.fail("code")
	}
	return v, d.end()
}

// decodeAccepted reads a message as Encode writes it.
func decodeAccepted(b []byte) (Message, error) {
	d := decoder{b: b}
	if d.flags()&hasCode != 0 {
		d.fail("code")
	}
	if d.err != nil {
		return Message{}, d.err
	}
	return decodeMessage(b)
}

// decodeMessage reads the whole message b.
func decodeMessage(b []byte) (Message, error) {
	d := decode(b)
	v := d.view()
	m := Message{
		Account:       string(v.account),
		Wants:         Wants(v.flags & (flagSuccess | flagFailure)),
		KeepText:      v.flags&flagKeepText != 0,
		Urgent:        v.flags&flagUrgent != 0,
		Preferred:     v.flags&flagPrefer != 0,
		OneReceipt:    v.flags&flagOneReceipt != 0,
		Grouped:       v.flags&flagGrouped != 0,
		Shape:         v.shape(),
		PolicyVersion: v.policy,
		SendAt:        v.sendAt,
		Expires:       v.expires,
		AnswerBy:      v.answerBy,
		DedupeFor:     v.dedupeFor,
		Segment:       v.segment,
	}
	copy(m.Digest[:], v.digest)
	if v.flags&hasTexts != 0 {
		m.Params = d.string(maxSubmitted)
		m.Text = d.string(maxText)
		if m.Params == "" && m.Text == "" {
			d.fail("texts")
		}
	}
	d.kept(&m, v.flags)
	return m, d.end()
}

// kept reads what appendKept wrote.
func (d *decoder) kept(m *Message, flags uint32) {
	m.Origin = d.origin()
	m.Source = d.address()
	m.Dest = d.address()
	m.ServiceType = d.string(maxString)
	m.ESMClass, m.ProtocolID, m.Priority = d.octet(), d.octet(), d.octet()
	m.DataCoding, m.RegisteredDelivery = d.octet(), d.octet()
	m.Phone = d.string(maxString)
	m.Class = d.string(maxString)
	m.SignName = d.string(maxString)
	m.TemplateCode = d.string(maxString)
	if flags&hasEcho != 0 {
		if m.Echo = d.string(maxString); m.Echo == "" {
			d.fail("echo")
		}
	}
	if flags&hasParts != 0 {
		m.Parts = make([]Number, d.count(1))
		for i := range m.Parts {
			m.Parts[i] = d.number()
		}
		if len(m.Parts) == 0 {
			d.fail("parts")
		}
	}
	if flags&hasCode != 0 {
		if m.Code = d.string(maxCode); m.Code == "" {
			d.fail("code")
		}
	}
}

// finished appends the message b, which has become final, to dst: with a code, and without Params and Text if erase
// says so. It has no code yet.
func finished(dst, b []byte, v *messageView, erase bool, code string) ([]byte, error) {
	d := decoder{b: b, off: v.texts}
	flags := v.flags
	if erase {
		d.skipTexts(flags)
		flags &^= hasTexts
	}
	if code != "" {
		flags |= hasMore | hasCode
	}
	if d.err != nil || v.flags&hasCode != 0 {
		return nil, fmt.Errorf("message that becomes final: %w", errCodec)
	}
	head := 2
	if v.flags&hasMore != 0 {
		head = 3
	}
	dst = appendFlags(dst, flags)
	dst = append(dst, b[head:v.texts]...)
	dst = append(dst, b[d.off:]...)
	if code != "" {
		dst = appendString(dst, code, maxCode)
	}
	return dst, nil
}
