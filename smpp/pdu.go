package smpp

import "encoding/binary"

// HeaderLen is the length of every PDU's header.
const HeaderLen = 16

// A Header is the first 16 octets of a PDU (SMPP 3.4, 3.2).
type Header struct {
	Length   uint32 // command_length, of the whole PDU
	ID       CommandID
	Status   Status
	Sequence uint32
}

// parseHeader reads the header at the front of b, which has at least HeaderLen octets.
func parseHeader(b []byte) Header {
	_ = b[HeaderLen-1]
	return Header{
		Length:   binary.BigEndian.Uint32(b),
		ID:       CommandID(binary.BigEndian.Uint32(b[4:])),
		Status:   Status(binary.BigEndian.Uint32(b[8:])),
		Sequence: binary.BigEndian.Uint32(b[12:]),
	}
}

// A PDU is the body of one command. The types of this package implement it.
type PDU interface {
	// CommandID is the PDU's command_id.
	CommandID() CommandID
	// AppendBody appends the encoded body to b. Fields too long for the wire
	// are cut; the Check method of those that have one reports it beforehand.
	AppendBody(b []byte) []byte

	decode(body string) error
}

// Append appends a whole PDU to b.
func Append(b []byte, st Status, seq uint32, p PDU) []byte {
	start := len(b)
	b = AppendHeader(b, p.CommandID(), st, seq)
	b = p.AppendBody(b)
	return setLength(b, start)
}

// AppendHeader appends a PDU without a body to b, which is what many responses
// with an error are.
func AppendHeader(b []byte, id CommandID, st Status, seq uint32) []byte {
	return append(b,
		0, 0, 0, HeaderLen,
		byte(id>>24), byte(id>>16), byte(id>>8), byte(id),
		byte(st>>24), byte(st>>16), byte(st>>8), byte(st),
		byte(seq>>24), byte(seq>>16), byte(seq>>8), byte(seq))
}

// setLength writes the command_length of the PDU that b holds from start on.
func setLength(b []byte, start int) []byte {
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start))
	return b
}

// Decode decodes the body of the PDU with header h. The strings in the result
// share one copy of body. The error is a *StatusError: StatusInvCmdID for a
// command this package has no type for, otherwise the status that the standard
// names for the fault.
//
// The server decodes a submit_sm with SubmitSM.Decode, which spares the PDU's
// own allocation.
func Decode(h Header, body []byte) (PDU, error) {
	p := NewPDU(h.ID)
	if p == nil {
		return nil, statusErrorf(StatusInvCmdID, "no such command: %s", h.ID)
	}
	if err := p.decode(string(body)); err != nil {
		return nil, err
	}
	return p, nil
}

// NewPDU returns the empty PDU of a command, or nil if this package has no type for it.
func NewPDU(id CommandID) PDU {
	if id.IsResponse() {
		return newResponse(id)
	}
	switch id {
	case BindReceiverID, BindTransmitterID, BindTransceiverID:
		return &Bind{Type: bindTypeOf(id)}
	case SubmitSMID:
		return new(SubmitSM)
	case SubmitMultiID:
		return new(SubmitMulti)
	case DataSMID:
		return new(DataSM)
	case DeliverSMID:
		return new(DeliverSM)
	case QuerySMID:
		return new(QuerySM)
	case CancelSMID:
		return new(CancelSM)
	case ReplaceSMID:
		return new(ReplaceSM)
	case UnbindID:
		return new(Unbind)
	case EnquireLinkID:
		return new(EnquireLink)
	case OutbindID:
		return new(Outbind)
	case AlertNotificationID:
		return new(AlertNotification)
	}
	return nil
}

func newResponse(id CommandID) PDU {
	switch id {
	case BindReceiverRespID, BindTransmitterRespID, BindTransceiverRespID:
		return &BindResp{Type: bindTypeOf(id)}
	case SubmitSMRespID:
		return new(SubmitSMResp)
	case SubmitMultiRespID:
		return new(SubmitMultiResp)
	case DataSMRespID:
		return new(DataSMResp)
	case DeliverSMRespID:
		return new(DeliverSMResp)
	case QuerySMRespID:
		return new(QuerySMResp)
	case CancelSMRespID:
		return new(CancelSMResp)
	case ReplaceSMRespID:
		return new(ReplaceSMResp)
	case UnbindRespID:
		return new(UnbindResp)
	case EnquireLinkRespID:
		return new(EnquireLinkResp)
	case GenericNackID:
		return new(GenericNack)
	}
	return nil
}

// noBody is embedded in the PDUs that are a header alone. Octets that a peer
// sends behind such a header are ignored: nothing depends on them.
type noBody struct{}

// AppendBody returns b: there is no body.
func (noBody) AppendBody(b []byte) []byte { return b }

func (noBody) decode(string) error { return nil }

// An Unbind ends a session from either side (SMPP 3.4, 4.2).
type Unbind struct{ noBody }

// An UnbindResp answers an Unbind.
type UnbindResp struct{ noBody }

// An EnquireLink asks whether the peer is alive (SMPP 3.4, 4.11).
type EnquireLink struct{ noBody }

// An EnquireLinkResp answers an EnquireLink.
type EnquireLinkResp struct{ noBody }

// A GenericNack answers what has no response of its own (SMPP 3.4, 4.3).
type GenericNack struct{ noBody }

// CommandID is unbind.
func (*Unbind) CommandID() CommandID { return UnbindID }

// CommandID is unbind_resp.
func (*UnbindResp) CommandID() CommandID { return UnbindRespID }

// CommandID is enquire_link.
func (*EnquireLink) CommandID() CommandID { return EnquireLinkID }

// CommandID is enquire_link_resp.
func (*EnquireLinkResp) CommandID() CommandID { return EnquireLinkRespID }

// CommandID is generic_nack.
func (*GenericNack) CommandID() CommandID { return GenericNackID }
