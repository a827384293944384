package smpp

import "fmt"

// A CommandID is a PDU's command_id (SMPP 3.4, 5.1.2.1).
type CommandID uint32

// The command_ids of SMPP 3.4.
const (
	GenericNackID         CommandID = 0x80000000
	BindReceiverID        CommandID = 0x00000001
	BindReceiverRespID    CommandID = 0x80000001
	BindTransmitterID     CommandID = 0x00000002
	BindTransmitterRespID CommandID = 0x80000002
	QuerySMID             CommandID = 0x00000003
	QuerySMRespID         CommandID = 0x80000003
	SubmitSMID            CommandID = 0x00000004
	SubmitSMRespID        CommandID = 0x80000004
	DeliverSMID           CommandID = 0x00000005
	DeliverSMRespID       CommandID = 0x80000005
	UnbindID              CommandID = 0x00000006
	UnbindRespID          CommandID = 0x80000006
	ReplaceSMID           CommandID = 0x00000007
	ReplaceSMRespID       CommandID = 0x80000007
	CancelSMID            CommandID = 0x00000008
	CancelSMRespID        CommandID = 0x80000008
	BindTransceiverID     CommandID = 0x00000009
	BindTransceiverRespID CommandID = 0x80000009
	OutbindID             CommandID = 0x0000000B
	EnquireLinkID         CommandID = 0x00000015
	EnquireLinkRespID     CommandID = 0x80000015
	SubmitMultiID         CommandID = 0x00000021
	SubmitMultiRespID     CommandID = 0x80000021
	AlertNotificationID   CommandID = 0x00000102
	DataSMID              CommandID = 0x00000103
	DataSMRespID          CommandID = 0x80000103
)

const respBit = 0x80000000 // set in the command_id of every response

// IsResponse reports whether id is a response's (generic_nack is one).
func (id CommandID) IsResponse() bool { return id&respBit != 0 }

// Response returns the command_id that answers the request id, and whether id
// is a known request that has one: outbind and alert_notification have none.
func (id CommandID) Response() (CommandID, bool) {
	if id.IsResponse() || id == OutbindID || id == AlertNotificationID || id.index() == commandOther {
		return 0, false
	}
	return id | respBit, true
}

// String returns the standard's name of id.
func (id CommandID) String() string {
	if i := id.index(); i != commandOther {
		return commandNames[i]
	}
	return fmt.Sprintf("command_%08x", uint32(id))
}

// ParseCommandID returns the command_id that the standard calls name.
func ParseCommandID(name string) (CommandID, bool) {
	for i, id := range commandIDs {
		if commandNames[i] == name {
			return id, true
		}
	}
	return 0, false
}

// commandOther is the index of every command_id that is not in commandIDs.
const commandOther = 27

// index returns a small number for id that arrays of counters are indexed by.
func (id CommandID) index() int {
	switch id {
	case SubmitSMID: // the hot ones first
		return 7
	case SubmitSMRespID:
		return 8
	case DeliverSMID:
		return 9
	case DeliverSMRespID:
		return 10
	}
	for i, known := range commandIDs {
		if known == id {
			return i
		}
	}
	return commandOther
}

// commandIDs and commandNames are in step; commandNames ends with the name that
// all other command_ids share in metrics.
var (
	commandIDs = [commandOther]CommandID{
		GenericNackID, BindReceiverID, BindReceiverRespID, BindTransmitterID, BindTransmitterRespID,
		QuerySMID, QuerySMRespID, SubmitSMID, SubmitSMRespID, DeliverSMID, DeliverSMRespID,
		UnbindID, UnbindRespID, ReplaceSMID, ReplaceSMRespID, CancelSMID, CancelSMRespID,
		BindTransceiverID, BindTransceiverRespID, OutbindID, EnquireLinkID, EnquireLinkRespID,
		SubmitMultiID, SubmitMultiRespID, DataSMID, DataSMRespID, AlertNotificationID,
	}
	commandNames = [commandOther + 1]string{
		"generic_nack", "bind_receiver", "bind_receiver_resp", "bind_transmitter", "bind_transmitter_resp",
		"query_sm", "query_sm_resp", "submit_sm", "submit_sm_resp", "deliver_sm", "deliver_sm_resp",
		"unbind", "unbind_resp", "replace_sm", "replace_sm_resp", "cancel_sm", "cancel_sm_resp",
		"bind_transceiver", "bind_transceiver_resp", "outbind", "enquire_link", "enquire_link_resp",
		"submit_multi", "submit_multi_resp", "data_sm", "data_sm_resp", "alert_notification", "other",
	}
)
