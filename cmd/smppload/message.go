package main

import (
	"bytes"
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

// A message makes the submit_sm of a run: one encoded PDU and where its digits are.
// It is not changed after newMessage and used by all binds at once.
type message struct {
	pdu    []byte
	phone  place
	places []place
}

// A place is a decimal number inside a PDU.
type place struct {
	at, digits, stride int // the number's last octet, how many digits, octets per digit
	code               bool
}

// messageOptions is what all messages of a run have in common.
type messageOptions struct {
	text       string // {n} and {code} are replaced
	ucs2       bool
	registered bool
	source     string
	destPrefix string
}

// newMessage encodes the first message.
func newMessage(o messageOptions) (*message, error) {
	if len(o.destPrefix) > phoneDigits-4 || strings.Trim(o.destPrefix, "0123456789") != "" {
		return nil, fmt.Errorf("destination prefix: want up to %d digits", phoneDigits-4)
	}
	octets, places, err := encodeText(o.text, o.ucs2)
	if err != nil {
		return nil, err
	}
	sm := smpp.SubmitSM{
		SourceAddr: o.source, DestAddrTON: 1, DestAddrNPI: 1,
		DestinationAddr: o.destPrefix + strings.Repeat("0", phoneDigits-len(o.destPrefix)),
		ShortMessage:    octets,
	}
	if o.ucs2 {
		sm.DataCoding = smpp.DataCodingUCS2
	}
	if o.registered {
		sm.RegisteredDelivery = smpp.RegisteredDeliveryAlways
	}
	if len(octets) > smpp.MaxShortMessage {
		sm.ShortMessage, sm.TLVs = "", smpp.TLVs("").With(smpp.TagMessagePayload, octets)
	}
	if err := sm.Check(); err != nil {
		return nil, err
	}
	m := &message{pdu: smpp.Append(nil, smpp.StatusOK, 0, &sm), places: places}
	text := len(m.pdu) - len(octets) // it comes last in both forms
	for i := range m.places {
		m.places[i].at += text
	}
	// Between the number and the text there is nothing that could be taken for it.
	phone := bytes.LastIndex(m.pdu[:text], append([]byte(sm.DestinationAddr), 0))
	m.phone = place{at: phone + phoneDigits - 1, digits: phoneDigits - len(o.destPrefix), stride: 1}
	return m, nil
}

// encodeText returns text's octets with zeros for the placeholders, and where these
// are. Both alphabets encode piece by piece.
func encodeText(text string, ucs2 bool) (string, []place, error) {
	var b []byte
	var places []place
	coding, stride := smpp.DataCodingDefault, 1
	if ucs2 {
		coding, stride = smpp.DataCodingUCS2, 2
	}
	for text != "" {
		piece, rest, p := nextPlace(text)
		text = rest
		octets, err := smpp.EncodeText(coding, smpp.AlphabetGSM7, piece+strings.Repeat("0", p.digits))
		switch {
		case err != nil && !ucs2:
			return "", nil, fmt.Errorf("the text wants --ucs2: %w", err)
		case err != nil:
			return "", nil, err
		}
		b = append(b, octets...)
		if p.digits > 0 {
			p.at, p.stride = len(b)-1, stride
			places = append(places, p)
		}
	}
	if len(b) > 0xFFFF {
		return "", nil, errors.New("the text is longer than message_payload holds")
	}
	return string(b), places, nil
}

// nextPlace cuts text at its first placeholder. A place without digits is none.
func nextPlace(text string) (piece, rest string, p place) {
	n, code := strings.Index(text, "{n}"), strings.Index(text, "{code}")
	switch {
	case n >= 0 && (code < 0 || n < code):
		return text[:n], text[n+len("{n}"):], place{digits: numberDigits}
	case code >= 0:
		return text[:code], text[code+len("{code}"):], place{digits: codeDigits, code: true}
	}
	return text, "", place{}
}

// appendTo appends message n as a PDU with that sequence_number.
func (m *message) appendTo(b []byte, seq uint32, n int64) []byte {
	start := len(b)
	b = append(b, m.pdu...)
	pdu := b[start:]
	pdu[12], pdu[13], pdu[14], pdu[15] = byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq)
	m.phone.put(pdu, n)
	for _, p := range m.places {
		if p.code {
			p.put(pdu, codeOf(n))
		} else {
			p.put(pdu, n)
		}
	}
	return b
}

// put writes the last digits of n.
func (p place) put(b []byte, n int64) {
	for i := 0; i < p.digits; i++ {
		b[p.at-i*p.stride] = byte('0' + n%10)
		n /= 10
	}
}

// codeOf is a six-digit number that looks unlike its neighbours, as a one-time code does.
func codeOf(n int64) int64 { return int64(uint32(n)*2654435761)%900_000 + 100_000 }
