package bridge

import (
	"smppbridge/smpp"
	"smppbridge/store"
)

// How many octets of text an SMS has: 140, which are 160 characters of GSM 7-bit, and as deliver_sm writes these one to an octet,
// 160 octets. Of a part the user data header takes 6 of the 140 (3GPP TS 23.040, 9.2.3.24.1).
const (
	wholeOctets, partOctets   = 140, 134
	wholeSeptets, partSeptets = 160, 153
	mostParts                 = 255
)

// incomingForm is how an account wants its incoming messages.
type incomingForm struct {
	alphabet smpp.Alphabet // of data_coding 0
	payload  bool          // what is too long for one SMS comes in message_payload, not in parts
}

// on is the form for a session that was bound with an interface_version: a client of SMPP 3.3 knows no optional
// parameters.
func (f incomingForm) on(version byte) incomingForm {
	if version != 0 && version < 0x34 {
		f.payload = false
	}
	return f
}

// deliverSM makes a deliver_sm of an incoming message, or of part n of it, from 0 on; of is how many there are. All have the same
// reference whenever they are made: it is made from the entry's place in the outbox.
func (f incomingForm) deliverSM(r *store.Receipt, n int) (m *smpp.DeliverSM, of int) {
	m = &smpp.DeliverSM{
		ServiceType:     r.ServiceType,
		SourceAddrTON:   r.Source.TON,
		SourceAddrNPI:   r.Source.NPI,
		SourceAddr:      r.Source.Addr,
		DestAddrTON:     r.Dest.TON,
		DestAddrNPI:     r.Dest.NPI,
		DestinationAddr: r.Dest.Addr,
		DataCoding:      smpp.ChooseDataCoding(f.alphabet, r.Text),
	}
	whole, part := wholeOctets, partOctets
	if m.DataCoding == smpp.DataCodingDefault && f.alphabet == smpp.AlphabetGSM7 {
		whole, part = wholeSeptets, partSeptets
	}
	parts := f.cut(m.DataCoding, r.Text, part)
	text := join(parts)
	switch {
	case len(text) <= whole:
		m.ShortMessage = text
	case f.payload || len(parts) > mostParts:
		m.TLVs = m.TLVs.With(smpp.TagMessagePayload, text)
	default:
		n = min(n, len(parts)-1)
		place := smpp.Concat{Ref: uint16(byte(r.Seq)), Total: uint8(len(parts)), Seq: uint8(n + 1)}
		m.ESMClass = smpp.ESMClassUDHI
		m.ShortMessage = string(append(place.AppendUDH(nil), parts[n]...))
		return m, len(parts)
	}
	return m, 1
}

// cut encodes text in pieces of at most so many octets, none of which ends inside a character.
func (f incomingForm) cut(dataCoding byte, text string, most int) (parts [][]byte) {
	var part []byte
	for _, r := range text {
		c, err := smpp.EncodeText(dataCoding, f.alphabet, string(r))
		if err != nil { // encodable has seen to it that there is none
			c, _ = smpp.EncodeText(dataCoding, f.alphabet, "?")
		}
		if len(part)+len(c) > most {
			parts = append(parts, part)
			part = nil
		}
		part = append(part, c...)
	}
	return append(parts, part)
}

func join(parts [][]byte) string {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return string(all)
}
