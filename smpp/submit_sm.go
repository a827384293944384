package smpp

// MaxShortMessage is the most octets short_message holds (SMPP 3.4, 5.2.21).
// Longer texts travel in message_payload or in parts.
const MaxShortMessage = 254

// Bits of esm_class (SMPP 3.4, 5.2.12).
const (
	ESMClassReceipt byte = 0x04 // short_message holds a delivery receipt
	ESMClassUDHI    byte = 0x40 // short_message begins with a user data header
)

// Bits of registered_delivery (SMPP 3.4, 5.2.17; 0x03 is 5.0's).
const (
	RegisteredDeliveryMask    byte = 0x03 // the bits that choose a final receipt
	RegisteredDeliveryNone    byte = 0x00
	RegisteredDeliveryAlways  byte = 0x01
	RegisteredDeliveryFailure byte = 0x02
	RegisteredDeliverySuccess byte = 0x03
	RegisteredDeliveryInterim byte = 0x10 // intermediate notification wanted
)

// A SubmitSM is a submit_sm (SMPP 3.4, 4.4.1). Its strings share one string
// made from the body, so keeping one keeps them all.
type SubmitSM struct {
	ServiceType          string
	SourceAddrTON        byte
	SourceAddrNPI        byte
	SourceAddr           string
	DestAddrTON          byte
	DestAddrNPI          byte
	DestinationAddr      string
	ESMClass             byte
	ProtocolID           byte
	PriorityFlag         byte
	ScheduleDeliveryTime string
	ValidityPeriod       string
	RegisteredDelivery   byte
	ReplaceIfPresent     byte
	DataCoding           byte
	SMDefaultMsgID       byte
	ShortMessage         string // octets, not text: see DecodeText
	TLVs                 TLVs
}

// CommandID is submit_sm.
func (*SubmitSM) CommandID() CommandID { return SubmitSMID }

// AppendBody appends the encoded body to b.
func (m *SubmitSM) AppendBody(b []byte) []byte {
	b = appendCString(b, m.ServiceType)
	b = append(b, m.SourceAddrTON, m.SourceAddrNPI)
	b = appendCString(b, m.SourceAddr)
	b = append(b, m.DestAddrTON, m.DestAddrNPI)
	b = appendCString(b, m.DestinationAddr)
	return m.appendTail(b)
}

// appendTail appends what submit_sm and submit_multi have behind their destinations.
func (m *SubmitSM) appendTail(b []byte) []byte {
	b = append(b, m.ESMClass, m.ProtocolID, m.PriorityFlag)
	b = appendCString(b, m.ScheduleDeliveryTime)
	b = appendCString(b, m.ValidityPeriod)
	b = append(b, m.RegisteredDelivery, m.ReplaceIfPresent, m.DataCoding, m.SMDefaultMsgID)
	b = appendShortMessage(b, m.ShortMessage)
	return append(b, m.TLVs...)
}

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *SubmitSM) Check() error {
	return firstError(
		checkShortMessage(m.ShortMessage), m.TLVs.check(),
		fieldServiceType.check(m.ServiceType), fieldSourceAddr.check(m.SourceAddr),
		fieldDestAddr.check(m.DestinationAddr), fieldSchedule.check(m.ScheduleDeliveryTime),
		fieldValidity.check(m.ValidityPeriod))
}

// Decode sets every field of m from a submit_sm's body. It allocates once, and
// does not keep body. The error is a *StatusError.
func (m *SubmitSM) Decode(body []byte) error { return m.decode(string(body)) }

func (m *SubmitSM) decode(body string) error {
	c := cursor{rest: body}
	m.ServiceType = c.cstring(&fieldServiceType)
	m.SourceAddrTON = c.octet()
	m.SourceAddrNPI = c.octet()
	m.SourceAddr = c.cstring(&fieldSourceAddr)
	m.DestAddrTON = c.octet()
	m.DestAddrNPI = c.octet()
	m.DestinationAddr = c.cstring(&fieldDestAddr)
	m.decodeTail(&c)
	return c.err
}

// decodeTail takes what appendTail appends.
func (m *SubmitSM) decodeTail(c *cursor) {
	m.ESMClass = c.octet()
	m.ProtocolID = c.octet()
	m.PriorityFlag = c.octet()
	m.ScheduleDeliveryTime = c.timeString(&fieldSchedule)
	m.ValidityPeriod = c.timeString(&fieldValidity)
	m.RegisteredDelivery = c.octet()
	m.ReplaceIfPresent = c.octet()
	m.DataCoding = c.octet()
	m.SMDefaultMsgID = c.octet()
	m.ShortMessage = c.shortMessage()
	m.TLVs = c.tlvs()
}

// A SubmitSMResp answers a SubmitSM (SMPP 3.4, 4.4.2).
type SubmitSMResp struct {
	MessageID string
	TLVs      TLVs
}

// CommandID is submit_sm_resp.
func (*SubmitSMResp) CommandID() CommandID { return SubmitSMRespID }

// AppendBody appends the encoded body to b.
func (m *SubmitSMResp) AppendBody(b []byte) []byte {
	b = appendCString(b, m.MessageID)
	return append(b, m.TLVs...)
}

// decode takes a body that is not there as an empty message_id.
func (m *SubmitSMResp) decode(body string) error {
	if body == "" {
		return nil
	}
	c := cursor{rest: body}
	m.MessageID = c.cstring(&fieldMessageID)
	m.TLVs = c.tlvs()
	return c.err
}

// appendMessageIDResp appends a submit_sm_resp or a response that begins like one, as Append
// would, without an interface call. A submit_multi_resp has no failures then.
func appendMessageIDResp(b []byte, id CommandID, st Status, seq uint32, messageID string) []byte {
	start := len(b)
	b = AppendHeader(b, id, st, seq)
	b = appendCString(b, messageID)
	if id == SubmitMultiRespID {
		b = append(b, 0) // no_unsuccess
	}
	return setLength(b, start)
}

// hasMessageID reports whether the response to a request begins with a message_id.
func hasMessageID(id CommandID) bool {
	switch id {
	case SubmitSMID, DataSMID, SubmitMultiID:
		return true
	}
	return false
}
