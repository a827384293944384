package upstream

import (
	"errors"
	"strings"

	"smppbridge/configs"
	"smppbridge/smpp"
)

// Octets of a text in one short message, and in one part beside a user data header of 6 octets (3GPP TS 23.040, 9.2.3.24.1).
// GSM's alphabet is one octet to a septet here.
const (
	wholeSeptets = 160
	partSeptets  = 153
	wholeOctets  = 140
	partOctets   = 134
	partsMost    = 255
)

var errTooLong = errors.New("text has more than 255 parts")

// encode writes text with the data_coding that its ESME chose, where it can be written so: flash messages stay such. GB 18030
// is no data_coding of the standard, and what an ESME's 0 meant may not be what the route's means: such a text is UCS-2 unless
// the route's alphabet has it.
func encode(wanted byte, zero smpp.Alphabet, text string) (coding byte, octets string, err error) {
	if wanted != smpp.DataCodingGBK {
		if octets, err = smpp.EncodeText(wanted, zero, text); err == nil {
			return wanted, octets, nil
		}
	}
	coding = smpp.ChooseDataCoding(zero, text)
	octets, err = smpp.EncodeText(coding, zero, text)
	return coding, octets, err
}

// septets reports whether a data_coding has GSM's alphabet, of which a short message holds more.
func septets(coding byte, zero smpp.Alphabet) bool {
	switch {
	case coding == smpp.DataCodingDefault:
		return zero == smpp.AlphabetGSM7
	case coding>>4 == 0x1:
		return coding>>2&3 == 0
	}
	return coding == smpp.DataCodingASCII || coding>>4 == 0xF
}

// cut makes the submit_sm that carry octets, all with head's other fields. Only the last one asks for a receipt.
func (r *route) cut(head *smpp.SubmitSM, octets string) ([]*smpp.SubmitSM, error) {
	whole, part := wholeOctets, partOctets
	if septets(head.DataCoding, r.alphabet) {
		whole, part = wholeSeptets, partSeptets
	}
	one := *head
	switch {
	case len(octets) <= whole:
		one.ShortMessage = octets
		return []*smpp.SubmitSM{&one}, one.Check()
	case r.SMPP.Long == configs.LongPayload:
		one.TLVs = one.TLVs.With(smpp.TagMessagePayload, octets)
		return []*smpp.SubmitSM{&one}, one.Check()
	}
	pieces, err := r.pieces(head.DataCoding, octets, part)
	if err != nil {
		return nil, err
	}
	place := smpp.Concat{Ref: uint16(r.reference()), Total: uint8(len(pieces))}
	list := make([]*smpp.SubmitSM, len(pieces))
	for i, piece := range pieces {
		m := *head
		place.Seq = uint8(i + 1)
		m.ESMClass |= smpp.ESMClassUDHI
		m.ShortMessage = string(place.AppendUDH(nil)) + piece
		if i < len(pieces)-1 {
			m.RegisteredDelivery = smpp.RegisteredDeliveryNone
		}
		list[i] = &m
	}
	return list, list[0].Check()
}

// pieces cuts octets into pieces of at most most octets, between characters.
func (r *route) pieces(coding byte, octets string, most int) ([]string, error) {
	text, err := smpp.DecodeText(coding, r.alphabet, octets)
	if err != nil {
		return nil, err
	}
	var list []string
	var piece strings.Builder
	for _, c := range text {
		one, err := smpp.EncodeText(coding, r.alphabet, string(c))
		if err != nil {
			return nil, err
		}
		if piece.Len()+len(one) > most {
			list = append(list, piece.String())
			piece.Reset()
		}
		piece.WriteString(one)
	}
	list = append(list, piece.String())
	if len(list) > partsMost {
		return nil, errTooLong
	}
	return list, nil
}

// reference numbers the texts in parts, so that a phone does not join two to one.
func (r *route) reference() uint8 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lastID++
	return r.lastID
}
