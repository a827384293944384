package main

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"smppbridge/smpp"
)

// A coding is the data_coding of a run's texts. The zero value chooses one for each
// text: the GSM alphabet's if it has all characters, else UCS-2's.
type coding struct {
	forced bool
	value  byte
}

// String is what Set takes.
func (c *coding) String() string {
	if !c.forced {
		return "auto"
	}
	return strconv.Itoa(int(c.value))
}

// Set takes auto or a number.
func (c *coding) Set(s string) error {
	if s == "auto" {
		*c = coding{}
		return nil
	}
	n, err := strconv.ParseUint(s, 0, 8)
	if err != nil {
		return errors.New("want auto or a number up to 255")
	}
	*c = coding{forced: true, value: byte(n)}
	return nil
}

// Type names the value in a usage text.
func (*coding) Type() string { return "auto|NUMBER" }

// A longForm is how a text travels that one SMS does not hold.
type longForm uint8

const (
	longPayload longForm = iota // whole: in short_message while that holds it, else in message_payload
	longUDH8                    // in parts, with a user data header that has an 8-bit reference
	longUDH16                   // with one that has a 16-bit reference
	longSAR                     // in parts, with the sar_ parameters
)

// longForms are in the order of their numbers.
var longForms = []string{"payload", "udh8", "udh16", "sar"}

// An encoded text has its octets, with zeros for the placeholders, and where these are.
type encoded struct {
	octets string
	coding byte
	places []place // at counts from the text's beginning
	edges  []int   // where each character begins, and the end
}

// A segment is what of an encoded text goes into one submit_sm.
type segment struct {
	octets string
	places []place
}

// encode encodes text. Errors do not show it.
func encode(text string, c coding) (*encoded, error) {
	if !c.forced {
		c.value = smpp.ChooseDataCoding(smpp.AlphabetGSM7, text)
	}
	if !utf8.ValidString(text) {
		return nil, errors.New("the text is not UTF-8")
	}
	digit, err := smpp.EncodeText(c.value, smpp.AlphabetGSM7, "0")
	if err != nil {
		return nil, fmt.Errorf("data_coding %d: %w", c.value, err)
	}
	e := &encoded{coding: c.value}
	var b []byte
	for text != "" {
		piece, rest, p := nextPlace(text)
		text = rest
		for _, r := range piece + strings.Repeat("0", p.digits) {
			octets, err := smpp.EncodeText(c.value, smpp.AlphabetGSM7, string(r))
			if err != nil {
				return nil, fmt.Errorf("data_coding %d: %w", c.value, err)
			}
			e.edges = append(e.edges, len(b))
			b = append(b, octets...)
		}
		if p.digits > 0 {
			p.at, p.stride, p.beyond = len(b)-1, len(digit), 1
			e.places = append(e.places, p)
		}
	}
	e.octets, e.edges = string(b), append(e.edges, len(b))
	if len(b) > 0xFFFF {
		return nil, errors.New("the text is longer than message_payload holds")
	}
	return e, nil
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

// An SMS holds 140 octets, or 160 septets; a user data header takes its share of
// them (3GPP TS 23.040, 9.2.3.24.1 and 9.2.3.24.8). A centre that is given the sar_
// parameters has to make a header too, one with their 16-bit reference.
const (
	smsSeptets, udh8Septets, udh16Septets = 160, 153, 152
	smsOctets, udh8Octets, udh16Octets    = 140, 134, 133
	mostParts                             = 255
)

// room is how many octets of e's text an SMS holds, alone and as a part.
func (e *encoded) room(f longForm) (whole, part int) {
	septets := e.coding == smpp.DataCodingDefault || e.coding == smpp.DataCodingASCII
	switch {
	case f == longPayload:
		return len(e.octets), 0
	case septets && f == longUDH8:
		return smsSeptets, udh8Septets
	case septets:
		return smsSeptets, udh16Septets
	case f == longUDH8:
		return smsOctets, udh8Octets
	}
	return smsOctets, udh16Octets
}

// split cuts e into what each submit_sm carries.
func (e *encoded) split(f longForm) ([]segment, error) {
	whole, part := e.room(f)
	if len(e.octets) <= whole {
		return []segment{{octets: e.octets, places: e.places}}, nil
	}
	var segments []segment
	for start := 0; start < len(e.octets); {
		if len(segments) == mostParts {
			return nil, fmt.Errorf("the text has more than %d parts", mostParts)
		}
		end := e.cut(start, part)
		segments = append(segments, e.segment(start, end))
		start = end
	}
	return segments, nil
}

// cut returns where the part ends that begins at start and has at most that many
// octets: never inside a character.
func (e *encoded) cut(start, most int) int {
	i := sort.SearchInts(e.edges, start+most+1)
	return e.edges[i-1]
}

// segment returns the octets from start to end. A number that reaches over an edge
// has some of its digits here and the others in the next segment.
func (e *encoded) segment(start, end int) segment {
	s := segment{octets: e.octets[start:end]}
	for _, p := range e.places {
		at, beyond, digits := p.at, int64(1), p.digits
		for digits > 0 && at >= end {
			at, digits, beyond = at-p.stride, digits-1, beyond*10
		}
		for digits > 0 && at-(digits-1)*p.stride < start {
			digits--
		}
		if digits > 0 {
			s.places = append(s.places, place{at: at - start, digits: digits, stride: p.stride, code: p.code, beyond: beyond})
		}
	}
	return s
}
