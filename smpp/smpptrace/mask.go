package smpptrace

import (
	"bytes"
	"encoding/binary"
	"strings"
	"time"

	"smppbridge/smpp"
)

// Optional parameters of vendors that accounts may name a template with. The one between them, 0x1401, holds
// what is filled in.
const (
	tagTemplateCode smpp.Tag = 0x1400
	tagSignName     smpp.Tag = 0x1402

	firstVendorTag smpp.Tag = 0x1400 // from here on (SMPP 3.4, 5.3.1)
)

// mask overwrites what is private in a PDU, in place, and returns it: all of it, or its header alone
// where that is all that may be shown.
//
// A password is masked in any case. So is, unless whole is set, the middle of each address, each text
// but for its user data header and for what a receipt reports, and every optional parameter that is not
// known to be harmless.
func mask(pdu []byte, sent, whole bool) []byte {
	h := headerOf(pdu)
	body := pdu[smpp.HeaderLen:]
	layout := layoutOf(h.ID)
	if whole && !isBind(h.ID) && h.ID != smpp.OutbindID {
		return pdu
	}
	if _, err := smpp.Decode(h, body); err != nil || layout == nil {
		return headerAlone(pdu)
	}
	nothing := func(kind, []byte) {}
	if isBind(h.ID) && !walk(layout, body, nothing) {
		layout = bodyBindShort
	}
	m := masker{id: h.ID, sent: sent, whole: whole}
	if !walk(layout, body, nothing) || !walk(layout, body, m.field) {
		return headerAlone(pdu)
	}
	return pdu
}

// headerAlone cuts a PDU behind its header, which says so: those behind it in the stream are then found.
func headerAlone(pdu []byte) []byte {
	binary.BigEndian.PutUint32(pdu, smpp.HeaderLen)
	return pdu[:smpp.HeaderLen]
}

// headerOf reads a PDU's header.
func headerOf(pdu []byte) smpp.Header {
	return smpp.Header{
		Length:   binary.BigEndian.Uint32(pdu),
		ID:       smpp.CommandID(binary.BigEndian.Uint32(pdu[4:])),
		Status:   smpp.Status(binary.BigEndian.Uint32(pdu[8:])),
		Sequence: binary.BigEndian.Uint32(pdu[12:]),
	}
}

// A masker goes through the fields of one PDU.
type masker struct {
	id          smpp.CommandID
	sent, whole bool
	esmClass    byte
	dataCoding  byte
	tag         smpp.Tag
}

func (m *masker) field(k kind, b []byte) {
	if m.whole {
		if k == secret {
			fill(b, '*')
		}
		return
	}
	switch k {
	case secret:
		fill(b, '*')
	case address:
		maskAddress(b)
	case messageID:
		if !m.sent && !couldBeOurs(b) {
			maskAddress(b)
		}
	case esmClass:
		m.esmClass = b[0]
	case dataCoding:
		m.dataCoding = b[0]
	case message:
		m.text(b)
	case parameterHead:
		m.tag = parameterTag(b)
	case parameters:
		m.parameter(b)
	case rest:
		fill(b, 0)
	}
}

// couldBeOurs reports whether a message_id that an ESME sent has the form of those that it was given. Anything
// may be in that place otherwise, a number too. No mobile number of mainland China is as short.
func couldBeOurs(id []byte) bool {
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') && (c < 'A' || c > 'F') {
			return false
		}
	}
	return len(id) <= 10
}

// text masks a short_message or message_payload.
func (m *masker) text(b []byte) {
	if m.id == smpp.DeliverSMID && m.sent && m.esmClass&smpp.ESMClassReceipt != 0 {
		maskReceipt(b)
		return
	}
	if m.esmClass&smpp.ESMClassUDHI != 0 {
		_, after, err := smpp.ParseUDH(m.esmClass, string(b))
		if err != nil {
			fill(b, '*') // nobody knows where its text begins
			return
		}
		n := len(b) - len(after)
		maskUDH(b[1:n])
		b = b[n:]
	}
	if !isUCS2(m.dataCoding) {
		fill(b, '*')
		return
	}
	for i := range b {
		b[i] = "\x00*"[i%2]
	}
}

// isUCS2 reports whether a data_coding says so: SMPP's own value, or one of GSM's general group
// (3GPP TS 23.038, 4).
func isUCS2(dataCoding byte) bool {
	return dataCoding == smpp.DataCodingUCS2 || dataCoding>>4 == 1 && dataCoding>>2&3 == 2
}

// maskUDH overwrites the elements of a sound user data header that say neither how parts belong together nor
// what port or language they are for (3GPP TS 23.040, 9.2.3.24): an element may hold anything.
func maskUDH(header []byte) {
	for len(header) >= 2 {
		id, value := header[0], header[2:2+int(header[1])]
		switch id {
		case 0x00, 0x04, 0x05, 0x08, 0x24, 0x25:
		default:
			fill(value, '*')
		}
		header = header[2+len(value):]
	}
}

// maskReceipt keeps what a receipt of ours reports, and overwrites how the message began. What does not read
// as one is overwritten.
func maskReceipt(b []byte) {
	receipt := string(b)
	r, err := smpp.ParseReceipt(receipt, time.UTC)
	if err != nil || !strings.HasSuffix(receipt, r.Text) {
		fill(b, '*')
		return
	}
	fill(b[len(b)-len(r.Text):], '*')
}

func parameterTag(head []byte) smpp.Tag { return smpp.Tag(binary.BigEndian.Uint16(head)) }

// mostNumber is the most octets that an optional parameter has which is a number or flags.
const mostNumber = 4

// parameter masks the value of an optional parameter. Those that are kept are numbers, flags, ids and the
// names of templates and signatures; others may be anything.
func (m *masker) parameter(b []byte) {
	switch m.tag {
	case smpp.TagMessagePayload:
		m.text(b)
	case smpp.TagCallbackNum: // digit mode, type and plan of number, digits (SMPP 3.4, 5.3.2.36)
		maskAddress(b[min(3, len(b)):])
	case smpp.TagReceiptedMessageID:
		if !m.sent && !couldBeOurs(bytes.TrimSuffix(b, []byte{0})) {
			fill(b, '*')
		}
	case tagTemplateCode, tagSignName:
	default:
		if m.tag >= firstVendorTag || len(b) > mostNumber || !isNumber(m.tag) {
			fill(b, '*')
		}
	}
}

// isNumber reports whether the standard knows a parameter, and knows it as a number or flags.
func isNumber(tag smpp.Tag) bool {
	switch tag {
	case smpp.TagAdditionalStatusInfoText, smpp.TagCallbackNumAtag, smpp.TagSourceSubaddress, smpp.TagDestSubaddress:
		return false
	}
	return !strings.HasPrefix(tag.String(), "0x") // a name
}
