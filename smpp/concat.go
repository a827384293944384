package smpp

import "encoding/binary"

// A Concat is a message's place in a long text that was cut into parts.
type Concat struct {
	Ref   uint16 // the same for all parts
	Total uint8  // how many parts
	Seq   uint8  // which of them, from 1
	Wide  bool   // Ref has 16 bits: it is not the same as an 8-bit one of that value
}

// Information elements of a user data header (3GPP TS 23.040, 9.2.3.24).
const (
	ieConcat8  = 0x00
	ieConcat16 = 0x08
)

// ParseUDH splits octets, a short_message or message_payload, into its user data
// header and the rest. Without ESMClassUDHI in esmClass there is no header. The
// result is the zero Concat if no element tells of parts; elements of other kinds
// are skipped, and of two that tell the last one counts (3GPP TS 23.040,
// 9.2.3.24). A header that does not hold together is a *StatusError with
// ESME_RINVESMCLASS: esm_class promised one.
func ParseUDH(esmClass byte, octets string) (c Concat, rest string, err error) {
	if esmClass&ESMClassUDHI == 0 {
		return Concat{}, octets, nil
	}
	if octets == "" || int(octets[0]) > len(octets)-1 {
		return Concat{}, "", statusErrorf(StatusInvEsmClass, "the user data header is longer than the message")
	}
	n := 1 + int(octets[0])
	header, rest := octets[1:n], octets[n:]
	for header != "" {
		if len(header) < 2 || int(header[1]) > len(header)-2 {
			return Concat{}, "", statusErrorf(StatusInvEsmClass, "an element reaches beyond the user data header")
		}
		id, value := header[0], header[2:2+int(header[1])]
		header = header[2+len(value):]
		switch {
		case id == ieConcat8 && len(value) == 3:
			c = Concat{Ref: uint16(value[0]), Total: value[1], Seq: value[2]}
		case id == ieConcat16 && len(value) == 4:
			c = Concat{Ref: uint16(value[0])<<8 | uint16(value[1]), Total: value[2], Seq: value[3], Wide: true}
		case id == ieConcat8 || id == ieConcat16:
			return Concat{}, "", statusErrorf(StatusInvEsmClass, "a concatenation element of %d octets", len(value))
		default:
			continue
		}
		if !c.valid() {
			return Concat{}, "", statusErrorf(StatusInvEsmClass, "part %d of %d", c.Seq, c.Total)
		}
	}
	return c, rest, nil
}

// valid reports whether the part exists. 23.040 lets a phone ignore an element that
// is not; a gateway that did would send a fragment as if it were the whole text.
func (c Concat) valid() bool { return c.Seq >= 1 && c.Seq <= c.Total }

// AppendUDH appends a user data header that holds c to b.
func (c Concat) AppendUDH(b []byte) []byte {
	if c.Wide {
		return append(b, 6, ieConcat16, 4, byte(c.Ref>>8), byte(c.Ref), c.Total, c.Seq)
	}
	return append(b, 5, ieConcat8, 3, byte(c.Ref), c.Total, c.Seq)
}

// sar reads the concatenation parameters sar_msg_ref_num, sar_total_segments and
// sar_segment_seqnum (SMPP 3.4, 5.3.2.22 to 24). They count only together.
func (t TLVs) sar() (Concat, error) {
	ref, ok1 := t.Get(TagSARMsgRefNum)
	total, ok2 := t.Get(TagSARTotalSegments)
	seq, ok3 := t.Get(TagSARSegmentSeqnum)
	if !ok1 && !ok2 && !ok3 {
		return Concat{}, nil
	}
	if !ok1 || !ok2 || !ok3 {
		return Concat{}, statusErrorf(StatusMissingOptParam, "not all three of the sar_ parameters")
	}
	if len(ref) != 2 || len(total) != 1 || len(seq) != 1 {
		return Concat{}, statusErrorf(StatusInvParLen, "a sar_ parameter has a wrong length")
	}
	c := Concat{Ref: binary.BigEndian.Uint16([]byte(ref)), Total: total[0], Seq: seq[0], Wide: true}
	if !c.valid() {
		return Concat{}, statusErrorf(StatusInvOptParamVal, "segment %d of %d", c.Seq, c.Total)
	}
	return c, nil
}

// Segment returns what m carries: the octets of its text, from short_message or
// message_payload and without a user data header, and its place in a longer text.
// ok is false for a message that is whole: without a place, or the only part. A
// user data header is preferred to the sar_ parameters where both are given.
//
// The error is a *StatusError: ESME_ROPTPARNOTALLWD if there is text in both
// short_message and message_payload, otherwise ParseUDH's or the status of a wrong
// optional parameter.
func (m *SubmitSM) Segment() (c Concat, payload string, ok bool, err error) {
	payload = m.ShortMessage
	if long, has := m.TLVs.Get(TagMessagePayload); has && long != "" {
		if payload != "" {
			return Concat{}, "", false, statusErrorf(StatusOptParNotAllwd, "text in both short_message and message_payload")
		}
		payload = long
	}
	c, payload, err = ParseUDH(m.ESMClass, payload)
	if err == nil && c.Total == 0 {
		c, err = m.TLVs.sar()
	}
	if err != nil {
		return Concat{}, "", false, err
	}
	return c, payload, c.Total > 1, nil
}
