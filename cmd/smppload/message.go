package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"smppbridge/smpp"
)

// Widths of what differs from message to message. They are fixed, so that a
// message is a copy of the first one with some digits overwritten.
const (
	phoneDigits  = 11 // a mainland number, without country code
	numberDigits = 9  // {n}
	codeDigits   = 6  // {code}
)

// The numbering of all destinations: unknown type would do, but a receipt must bear
// them as they were submitted, and zeros would hide one that does not.
const (
	destTON = 1 // international (SMPP 3.4, 5.2.5)
	destNPI = 1 // ISDN (SMPP 3.4, 5.2.6)
)

// A message makes the submit_sm of one text: one for each part it has to be cut
// into. It is not changed after newMessage and used by all binds at once.
type message struct {
	coding byte // data_coding
	parts  []part
}

// A part is an encoded submit_sm and where in it is what differs from message to
// message.
type part struct {
	pdu    []byte
	phone  place
	places []place
	ref    int // the last octet of the parts' common reference; 0 = there is none
	wide   bool
}

// A place is a decimal number inside a PDU.
type place struct {
	at, digits, stride int // the number's last octet, how many digits, octets per digit
	code               bool
	beyond             int64 // a power of ten: lower digits stand in the next part
}

// messageOptions is what all messages of a run have in common.
type messageOptions struct {
	text       string   // {n} and {code} are replaced
	texts      []string // many, instead of one
	random     bool     // texts are chosen by seed, not in turn
	seed       uint64
	coding     coding
	long       longForm
	plain      bool // no optional parameters: SMPP 3.3 has none
	registered bool
	source     string
	destPrefix string
}

// newMessage encodes the first message with that text.
func newMessage(o *messageOptions, text string) (*message, error) {
	e, err := encode(text, o.coding)
	if err != nil {
		return nil, err
	}
	segments, err := e.split(o.long)
	if err != nil {
		return nil, err
	}
	m := &message{coding: e.coding, parts: make([]part, len(segments))}
	for i, s := range segments {
		c := smpp.Concat{Total: uint8(len(segments)), Seq: uint8(i + 1), Wide: o.long == longUDH16}
		if m.parts[i], err = newPart(o, e.coding, s, c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// newPart encodes one submit_sm.
func newPart(o *messageOptions, dataCoding byte, s segment, c smpp.Concat) (part, error) {
	sm := smpp.SubmitSM{
		SourceAddr: o.source, DestAddrTON: destTON, DestAddrNPI: destNPI,
		DestinationAddr: o.destPrefix + strings.Repeat("0", phoneDigits-len(o.destPrefix)),
		DataCoding:      dataCoding, ShortMessage: s.octets,
	}
	if o.registered {
		sm.RegisteredDelivery = smpp.RegisteredDeliveryAlways
	}
	behind := 0 // octets behind the text
	switch {
	case c.Total > 1 && o.long == longSAR:
		sm.TLVs = smpp.TLVs("").With(smpp.TagSARMsgRefNum, "\x00\x00").
			WithByte(smpp.TagSARTotalSegments, c.Total).WithByte(smpp.TagSARSegmentSeqnum, c.Seq)
		behind = len(sm.TLVs)
	case c.Total > 1:
		sm.ESMClass = smpp.ESMClassUDHI
		sm.ShortMessage = string(c.AppendUDH(nil)) + s.octets
	case len(s.octets) > smpp.MaxShortMessage:
		sm.ShortMessage, sm.TLVs = "", smpp.TLVs("").With(smpp.TagMessagePayload, s.octets)
	}
	if o.plain && sm.TLVs != "" {
		return part{}, errors.New("the text is too long: without optional parameters it wants --long udh8 or udh16")
	}
	if err := sm.Check(); err != nil {
		return part{}, err
	}
	p := part{pdu: smpp.Append(nil, smpp.StatusOK, 0, &sm), places: s.places}
	text := len(p.pdu) - behind - len(s.octets)
	for i := range p.places {
		p.places[i].at += text
	}
	switch {
	case behind > 0:
		p.ref, p.wide = len(p.pdu)-behind+5, true // the first parameter's second octet
	case c.Total > 1:
		p.ref, p.wide = text-3, c.Wide // both kinds of header end in reference, total, number
	}
	// Between the number and the text there is nothing that could be taken for it.
	phone := bytes.LastIndex(p.pdu[:text], append([]byte(sm.DestinationAddr), 0))
	p.phone = place{at: phone + phoneDigits - 1, digits: phoneDigits - len(o.destPrefix), stride: 1, beyond: 1}
	return p, nil
}

// checkPrefix reports a prefix that leaves too few digits to tell phones apart.
func checkPrefix(prefix string) error {
	if len(prefix) > phoneDigits-4 || strings.Trim(prefix, "0123456789") != "" {
		return fmt.Errorf("destination prefix: want up to %d digits", phoneDigits-4)
	}
	return nil
}

// appendTo appends message n's part as a PDU with that sequence_number.
func (p *part) appendTo(b []byte, seq uint32, n int64) []byte {
	start := len(b)
	b = append(b, p.pdu...)
	pdu := b[start:]
	binary.BigEndian.PutUint32(pdu[12:], seq)
	p.phone.put(pdu, n)
	for i := range p.places {
		if at := &p.places[i]; at.code {
			at.put(pdu, codeOf(n))
		} else {
			at.put(pdu, n)
		}
	}
	if p.ref > 0 {
		pdu[p.ref] = byte(n)
		if p.wide {
			pdu[p.ref-1] = byte(n >> 8)
		}
	}
	return b
}

// tagUserMessageReference is user_message_reference (SMPP 3.4, 5.3.2.17), which an
// ESME may use as it likes.
const tagUserMessageReference smpp.Tag = 0x0204

// markAgain gives the PDU at the end of b, which begins at start, the mark of a
// submit_sm that is sent again: user_message_reference 1.
func markAgain(b []byte, start int) []byte {
	b = append(b, smpp.TLVs("").With(tagUserMessageReference, "\x00\x01")...)
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// put writes the last digits of n, but for those beyond. It is half of what a
// submit_sm costs here: two digits at a time, and no division that is not needed.
func (p *place) put(b []byte, n int64) {
	v := uint64(n)
	if p.beyond > 1 {
		v /= uint64(p.beyond)
	}
	at, digits := p.at, p.digits
	for ; digits >= 2; digits -= 2 {
		two := v % 100
		v /= 100
		b[at] = byte('0' + two%10)
		b[at-p.stride] = byte('0' + two/10)
		at -= 2 * p.stride
	}
	if digits > 0 {
		b[at] = byte('0' + v%10)
	}
}

// codeOf is a six-digit number that looks unlike its neighbours, as a one-time code does.
func codeOf(n int64) int64 { return int64(uint32(n)*2654435761)%900_000 + 100_000 }
