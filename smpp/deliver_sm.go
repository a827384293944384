package smpp

// A DeliverSM is a deliver_sm (SMPP 3.4, 4.6.1): a receipt or an incoming
// message. It has submit_sm's fields; those that submit_sm alone uses
// (schedule_delivery_time, validity_period, replace_if_present_flag,
// sm_default_msg_id) stay empty.
type DeliverSM SubmitSM

// CommandID is deliver_sm.
func (*DeliverSM) CommandID() CommandID { return DeliverSMID }

// AppendBody appends the encoded body to b.
func (m *DeliverSM) AppendBody(b []byte) []byte { return (*SubmitSM)(m).AppendBody(b) }

// Check reports a field that does not fit the wire, as a *StatusError.
func (m *DeliverSM) Check() error { return (*SubmitSM)(m).Check() }

// Decode sets every field of m from a deliver_sm's body, like SubmitSM.Decode.
func (m *DeliverSM) Decode(body []byte) error { return m.decode(string(body)) }

func (m *DeliverSM) decode(body string) error { return (*SubmitSM)(m).decode(body) }

// A DeliverSMResp answers a DeliverSM (SMPP 3.4, 4.6.2). The standard leaves
// message_id empty; clients that fill it do no harm.
type DeliverSMResp struct {
	MessageID string
	TLVs      TLVs
}

// CommandID is deliver_sm_resp.
func (*DeliverSMResp) CommandID() CommandID { return DeliverSMRespID }

// AppendBody appends the encoded body to b.
func (m *DeliverSMResp) AppendBody(b []byte) []byte {
	return (*SubmitSMResp)(m).AppendBody(b)
}

func (m *DeliverSMResp) decode(body string) error {
	return (*SubmitSMResp)(m).decode(body)
}
