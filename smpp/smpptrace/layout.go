package smpptrace

import (
	"bytes"
	"encoding/binary"

	"smppbridge/smpp"
)

// A kind says what a field of a body is, and so how it is found and whether it is private.
type kind uint8

const (
	text          kind = iota + 1 // C-octet string that shows nothing of a message
	secret                        // C-octet string: password
	address                       // C-octet string: a number, or what stands for one
	messageID                     // C-octet string
	octet                         // one octet
	esmClass                      // one octet
	dataCoding                    // one octet
	message                       // sm_length and short_message
	destinations                  // number_of_dests and dest_address(es)
	failures                      // no_unsuccess and unsuccess_sme(s)
	parameters                    // optional parameters, to the end
	mayEnd                        // nothing; a body that ends here is whole
	rest                          // what follows a body that has no optional parameters
	lengthOctet                   // visited in front of message
	statusOctets                  // visited inside failures: error_status_code
	strayOctets                   // visited in front of parameters: NULs that sm_length left out
	parameterHead                 // visited in front of a parameter's value: tag and length
)

// The bodies of SMPP 3.4, 4.1 to 4.12.
var (
	bodyBind      = []kind{text, secret, mayEnd, text, octet, octet, octet, address, rest}
	bodyBindShort = []kind{text, secret, octet, octet, octet, address, rest} // without system_type
	bodyBindResp  = []kind{mayEnd, text, parameters}
	bodyOutbind   = []kind{text, secret, rest}
	bodySubmit    = []kind{text, octet, octet, address, octet, octet, address, esmClass, octet, octet, text, text,
		octet, octet, dataCoding, octet, message, parameters}
	bodySubmitMulti = []kind{text, octet, octet, address, destinations, esmClass, octet, octet, text, text,
		octet, octet, dataCoding, octet, message, parameters}
	bodyData      = []kind{text, octet, octet, address, octet, octet, address, esmClass, octet, dataCoding, parameters}
	bodyIDResp    = []kind{mayEnd, messageID, parameters}
	bodyMultiResp = []kind{mayEnd, messageID, failures, parameters}
	bodyQuery     = []kind{messageID, octet, octet, address, parameters}
	bodyQueryResp = []kind{mayEnd, messageID, text, octet, octet, parameters}
	bodyCancel    = []kind{text, messageID, octet, octet, address, octet, octet, address, parameters}
	bodyReplace   = []kind{messageID, octet, octet, address, text, text, octet, octet, message, parameters}
	bodyAlert     = []kind{octet, octet, address, octet, octet, address, parameters}
	bodyNone      = []kind{rest}
)

// layoutOf returns the fields of a command's body, nil for a command that is not known.
func layoutOf(id smpp.CommandID) []kind {
	switch id {
	case smpp.BindReceiverID, smpp.BindTransmitterID, smpp.BindTransceiverID:
		return bodyBind
	case smpp.BindReceiverRespID, smpp.BindTransmitterRespID, smpp.BindTransceiverRespID:
		return bodyBindResp
	case smpp.OutbindID:
		return bodyOutbind
	case smpp.SubmitSMID, smpp.DeliverSMID:
		return bodySubmit
	case smpp.SubmitMultiID:
		return bodySubmitMulti
	case smpp.DataSMID:
		return bodyData
	case smpp.SubmitSMRespID, smpp.DeliverSMRespID, smpp.DataSMRespID:
		return bodyIDResp
	case smpp.SubmitMultiRespID:
		return bodyMultiResp
	case smpp.QuerySMID:
		return bodyQuery
	case smpp.QuerySMRespID:
		return bodyQueryResp
	case smpp.CancelSMID:
		return bodyCancel
	case smpp.ReplaceSMID:
		return bodyReplace
	case smpp.AlertNotificationID:
		return bodyAlert
	case smpp.EnquireLinkID, smpp.EnquireLinkRespID, smpp.UnbindID, smpp.UnbindRespID,
		smpp.GenericNackID, smpp.CancelSMRespID, smpp.ReplaceSMRespID:
		return bodyNone
	}
	return nil
}

// A walker takes the fields of a body off its front and shows them, as parts of the body.
type walker struct {
	rest   []byte
	failed bool
	visit  func(kind, []byte)
}

// walk shows the fields of a body in their order. It returns false if the body does not hold together; the
// fields in front of the fault have been shown then.
func walk(layout []kind, body []byte, visit func(kind, []byte)) bool {
	w := walker{rest: body, visit: visit}
	for _, k := range layout {
		switch k {
		case text, secret, address, messageID:
			w.cstring(k)
		case octet, esmClass, dataCoding:
			w.octets(k, 1)
		case message:
			w.octets(message, w.count(lengthOctet))
		case destinations:
			w.destinations()
		case failures:
			for n := w.count(octet); n > 0 && !w.failed; n-- {
				w.octets(octet, 2)
				w.cstring(address)
				w.octets(statusOctets, 4)
			}
		case parameters:
			w.parameters()
		case mayEnd:
			if len(w.rest) == 0 {
				return !w.failed
			}
		case rest:
			w.octets(rest, len(w.rest))
		}
		if w.failed {
			return false
		}
	}
	return true
}

func (w *walker) cstring(k kind) {
	n := bytes.IndexByte(w.rest, 0)
	if n < 0 {
		w.failed = true
		return
	}
	w.visit(k, w.rest[:n])
	w.rest = w.rest[n+1:]
}

func (w *walker) octets(k kind, n int) {
	if n > len(w.rest) {
		w.failed = true
		return
	}
	w.visit(k, w.rest[:n])
	w.rest = w.rest[n:]
}

// count takes an octet that says how many of something follow.
func (w *walker) count(k kind) int {
	if len(w.rest) == 0 {
		w.failed = true
		return 0
	}
	n := int(w.rest[0])
	w.octets(k, 1)
	return n
}

// Values of dest_flag (SMPP 3.4, 5.2.25).
const (
	destAddress = 1
	destList    = 2
)

func (w *walker) destinations() {
	for n := w.count(octet); n > 0 && !w.failed; n-- {
		switch w.count(octet) {
		case destAddress:
			w.octets(octet, 2)
			w.cstring(address)
		case destList:
			w.cstring(address)
		default:
			w.failed = true
		}
	}
}

const tlvHead = 4

// parameters takes all that is left. As package smpp does, it forgives NULs that clients put behind
// short_message without counting them.
func (w *walker) parameters() {
	switch b := w.rest; {
	case wholeParameters(b):
	case len(b) < tlvHead && len(bytes.Trim(b, "\x00")) == 0:
		w.octets(strayOctets, len(b))
	case b[0] == 0 && wholeParameters(b[1:]):
		w.octets(strayOctets, 1)
	default:
		w.failed = true
		return
	}
	for len(w.rest) > 0 {
		n := int(binary.BigEndian.Uint16(w.rest[2:]))
		w.octets(parameterHead, tlvHead)
		w.octets(parameters, n)
	}
}

func wholeParameters(b []byte) bool {
	for len(b) >= tlvHead {
		n := tlvHead + int(binary.BigEndian.Uint16(b[2:]))
		if n > len(b) {
			return false
		}
		b = b[n:]
	}
	return len(b) == 0
}
