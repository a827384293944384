package smpp

// A ReplaceSM is a replace_sm (SMPP 3.4, 4.10.1). It has no data_coding: the text is in that of
// the message it replaces.
type ReplaceSM struct {
	MessageID            string
	SourceAddrTON        byte
	SourceAddrNPI        byte
	SourceAddr           string
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	SMDefaultMsgID       byte
	ShortMessage         string
	TLVs                 TLVs // none in 3.4; message_payload in 5.0
}

// CommandID is replace_sm.
func (*ReplaceSM) CommandID() CommandID { return ReplaceSMID }

// AppendBody appends the encoded body to b.
func (m *ReplaceSM) AppendBody(b []byte) []byte {
	b = appendCString(b, m.MessageID)
	b = append(b, m.SourceAddrTON, m.SourceAddrNPI)
	b = appendCString(b, m.SourceAddr)
	b = appendCString(b, m.ScheduleDeliveryTime)
	b = appendCString(b, m.ValidityPeriod)
	b = append(b, m.RegisteredDelivery, m.SMDefaultMsgID)
	b = appendShortMessage(b, m.ShortMessage)
	return append(b, m.TLVs...)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *ReplaceSM) Check() error {
	return firstError(
		checkShortMessage(m.ShortMessage), m.TLVs.check(),
		fieldMessageID.check(m.MessageID), fieldSourceAddr.check(m.SourceAddr),
		fieldSchedule.check(m.ScheduleDeliveryTime), fieldValidity.check(m.ValidityPeriod))
}

func (m *ReplaceSM) decode(body string) error {
	c := cursor{rest: body}
	m.MessageID = c.cstring(&fieldMessageID)
	m.SourceAddrTON = c.octet()
	m.SourceAddrNPI = c.octet()
	m.SourceAddr = c.cstring(&fieldSourceAddr)
	m.ScheduleDeliveryTime = c.timeString(&fieldSchedule)
	m.ValidityPeriod = c.timeString(&fieldValidity)
	m.RegisteredDelivery = c.octet()
	m.SMDefaultMsgID = c.octet()
	m.ShortMessage = c.shortMessage()
	m.TLVs = c.tlvs()
	return c.err
}

// A ReplaceSMResp answers a ReplaceSM (SMPP 3.4, 4.10.2).
type ReplaceSMResp struct{ noBody }

// CommandID is replace_sm_resp.
func (*ReplaceSMResp) CommandID() CommandID { return ReplaceSMRespID }
