package configs

import (
	"cmp"
	"strings"
	"time"
)

// The kinds of routes.
const (
	KindDysmsapi = "dysmsapi" // Alibaba Cloud's SMS API
	KindSMPP     = "smpp"     // a message centre that this system binds to as an ESME
)

// SourceSMPP is the source of credentials of routes of kind smpp.
const SourceSMPP = "smpp"

// Values of RouteSMPP's keys.
const (
	LongParts      = "parts"
	LongPayload    = "payload"
	ReceiptSame    = "same"
	ReceiptDecimal = "decimal"
	ReceiptHex     = "hex"
	SignatureAsIs  = "as_is"
	SignatureFront = "front"
)

const defaultRouteEnquireLink = 30 * time.Second

func (s *RouteSMPP) setDefaults() {
	s.EnquireLink = cmp.Or(s.EnquireLink, Duration(defaultRouteEnquireLink))
	s.Alphabet = cmp.Or(s.Alphabet, "gsm")
	s.Long = cmp.Or(s.Long, LongParts)
	s.Signature = cmp.Or(s.Signature, SignatureAsIs)
	s.ReceiptIDs = cmp.Or(s.ReceiptIDs, ReceiptSame)
}

// checkKind checks what only one kind of route has.
func (c *policyCheck) checkKind(key string, r *Route) {
	var none RouteSMPP
	none.setDefaults()
	switch {
	case r.Kind != KindSMPP:
		if r.SMPP != none {
			c.addf(key+".smpp", "is for kind: smpp; remove it, or make this route one")
		}
		return
	case r.Plain:
		c.addf(key+".plain", "is for kind: dysmsapi; a route of kind: smpp has smpp.tls")
	}
	s := &r.SMPP
	if len(s.SystemType) > 12 || strings.ContainsFunc(s.SystemType, notPrintable) {
		c.addf(key+".smpp.system_type", "%s is not a system_type; allowed: up to 12 printable ASCII characters", quote(s.SystemType))
	}
	if len(s.SourceAddr) > 20 || strings.ContainsFunc(s.SourceAddr, notPrintable) {
		c.addf(key+".smpp.source_addr", "%s is not an address; allowed: up to 20 printable ASCII characters", quote(s.SourceAddr))
	}
	c.lasting(key+".smpp.enquire_link", s.EnquireLink, Duration(time.Second), Duration(time.Hour))
	c.oneOf(key+".smpp.alphabet", s.Alphabet, "gsm", "ascii", "latin1", "utf8", "gbk")
	c.oneOf(key+".smpp.long", s.Long, LongParts, LongPayload)
	c.oneOf(key+".smpp.signature", s.Signature, SignatureAsIs, SignatureFront)
	c.oneOf(key+".smpp.receipt_ids", s.ReceiptIDs, ReceiptSame, ReceiptDecimal, ReceiptHex)
}

func notPrintable(r rune) bool { return r < ' ' || r > '~' }
