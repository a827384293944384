package smpp

// A QuerySM is a query_sm (SMPP 3.4, 4.8.1).
type QuerySM struct {
	MessageID     string
	SourceAddrTON byte
	SourceAddrNPI byte
	SourceAddr    string
}

// CommandID is query_sm.
func (*QuerySM) CommandID() CommandID { return QuerySMID }

// AppendBody appends the encoded body to b.
func (m *QuerySM) AppendBody(b []byte) []byte {
	b = appendCString(b, m.MessageID)
	b = append(b, m.SourceAddrTON, m.SourceAddrNPI)
	return appendCString(b, m.SourceAddr)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *QuerySM) Check() error {
	return firstError(fieldMessageID.check(m.MessageID), fieldSourceAddr.check(m.SourceAddr))
}

// decode ignores optional parameters: the standard has none here.
func (m *QuerySM) decode(body string) error {
	c := cursor{rest: body}
	m.MessageID = c.cstring(&fieldMessageID)
	m.SourceAddrTON = c.octet()
	m.SourceAddrNPI = c.octet()
	m.SourceAddr = c.cstring(&fieldSourceAddr)
	c.tlvs()
	return c.err
}

// A QuerySMResp answers a QuerySM (SMPP 3.4, 4.8.2).
type QuerySMResp struct {
	MessageID    string
	FinalDate    string // absolute, as FormatTime writes it; empty while the message is not final
	MessageState MessageState
	ErrorCode    byte
	TLVs         TLVs
}

// CommandID is query_sm_resp.
func (*QuerySMResp) CommandID() CommandID { return QuerySMRespID }

// AppendBody appends the encoded body to b.
func (m *QuerySMResp) AppendBody(b []byte) []byte {
	b = appendCString(b, m.MessageID)
	b = appendCString(b, m.FinalDate)
	b = append(b, byte(m.MessageState), m.ErrorCode)
	return append(b, m.TLVs...)
}

// decode takes a body that is not there as an empty one: an error response has none.
func (m *QuerySMResp) decode(body string) error {
	if body == "" {
		return nil
	}
	c := cursor{rest: body}
	m.MessageID = c.cstring(&fieldMessageID)
	m.FinalDate = c.timeString(&fieldFinalDate)
	m.MessageState = MessageState(c.octet())
	m.ErrorCode = c.octet()
	m.TLVs = c.tlvs()
	return c.err
}
