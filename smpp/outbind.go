package smpp

// An Outbind is an outbind (SMPP 3.4, 4.1.7): a message centre's request for a bind. It and
// AlertNotification have no response, and only a message centre sends them; an ESME that
// does is told by a generic_nack (SMPP 3.4, 2.3 and 4.3).
type Outbind struct {
	SystemID string
	Password string
}

// CommandID is outbind.
func (*Outbind) CommandID() CommandID { return OutbindID }

// AppendBody appends the encoded body to b.
func (m *Outbind) AppendBody(b []byte) []byte {
	return appendCString(appendCString(b, m.SystemID), m.Password)
}

// Check reports a field that is too long for the wire, as a *StatusError.
func (m *Outbind) Check() error {
	return firstError(fieldSystemID.check(m.SystemID), fieldPassword.check(m.Password))
}

func (m *Outbind) decode(body string) error {
	c := cursor{rest: body}
	m.SystemID = c.cstring(&fieldSystemID)
	m.Password = c.cstring(&fieldPassword)
	return c.err
}

// An AlertNotification is an alert_notification (SMPP 3.4, 4.12.1): a mobile that could not
// be reached can be now.
type AlertNotification struct {
	SourceAddrTON byte
	SourceAddrNPI byte
	SourceAddr    string
	ESMEAddrTON   byte
	ESMEAddrNPI   byte
	ESMEAddr      string
	TLVs          TLVs // ms_availability_status
}

// CommandID is alert_notification.
func (*AlertNotification) CommandID() CommandID { return AlertNotificationID }

// AppendBody appends the encoded body to b.
func (m *AlertNotification) AppendBody(b []byte) []byte {
	b = appendCString(append(b, m.SourceAddrTON, m.SourceAddrNPI), m.SourceAddr)
	b = appendCString(append(b, m.ESMEAddrTON, m.ESMEAddrNPI), m.ESMEAddr)
	return append(b, m.TLVs...)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *AlertNotification) Check() error {
	return firstError(fieldDataSource.check(m.SourceAddr), fieldESMEAddr.check(m.ESMEAddr), m.TLVs.check())
}

func (m *AlertNotification) decode(body string) error {
	c := cursor{rest: body}
	m.SourceAddrTON = c.octet()
	m.SourceAddrNPI = c.octet()
	m.SourceAddr = c.cstring(&fieldDataSource)
	m.ESMEAddrTON = c.octet()
	m.ESMEAddrNPI = c.octet()
	m.ESMEAddr = c.cstring(&fieldESMEAddr)
	m.TLVs = c.tlvs()
	return c.err
}
