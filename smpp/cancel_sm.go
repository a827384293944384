package smpp

// A CancelSM is a cancel_sm (SMPP 3.4, 4.9.1). Without a MessageID it means all messages between
// the two addresses.
type CancelSM struct {
	ServiceType     string
	MessageID       string
	SourceAddrTON   byte
	SourceAddrNPI   byte
	SourceAddr      string
	DestAddrTON     byte
	DestAddrNPI     byte
	DestinationAddr string
}

// CommandID is cancel_sm.
func (*CancelSM) CommandID() CommandID { return CancelSMID }

// AppendBody appends the encoded body to b.
func (m *CancelSM) AppendBody(b []byte) []byte {
	b = appendCString(b, m.ServiceType)
	b = appendCString(b, m.MessageID)
	b = append(b, m.SourceAddrTON, m.SourceAddrNPI)
	b = appendCString(b, m.SourceAddr)
	b = append(b, m.DestAddrTON, m.DestAddrNPI)
	return appendCString(b, m.DestinationAddr)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *CancelSM) Check() error {
	return firstError(
		fieldServiceType.check(m.ServiceType), fieldMessageID.check(m.MessageID),
		fieldSourceAddr.check(m.SourceAddr), fieldDestAddr.check(m.DestinationAddr))
}

// decode ignores optional parameters, of which the standard has none here, but not other
// octets: fields that are out of step could cancel what they should not.
func (m *CancelSM) decode(body string) error {
	c := cursor{rest: body}
	m.ServiceType = c.cstring(&fieldServiceType)
	m.MessageID = c.cstring(&fieldMessageID)
	m.SourceAddrTON = c.octet()
	m.SourceAddrNPI = c.octet()
	m.SourceAddr = c.cstring(&fieldSourceAddr)
	m.DestAddrTON = c.octet()
	m.DestAddrNPI = c.octet()
	m.DestinationAddr = c.cstring(&fieldDestAddr)
	c.tlvs()
	return c.err
}

// A CancelSMResp answers a CancelSM (SMPP 3.4, 4.9.2).
type CancelSMResp struct{ noBody }

// CommandID is cancel_sm_resp.
func (*CancelSMResp) CommandID() CommandID { return CancelSMRespID }
