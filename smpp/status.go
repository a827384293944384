package smpp

import (
	"errors"
	"fmt"
)

// A Status is a PDU's command_status (SMPP 3.4, 5.1.3; from 0x100 on SMPP 5.0, 4.7.6).
type Status uint32

// The statuses of SMPP 3.4, and of 5.0 those that have no equal there. The
// standard's names are what String returns.
const (
	StatusOK                Status = 0x00 // no error
	StatusInvMsgLen         Status = 0x01 // message length is invalid
	StatusInvCmdLen         Status = 0x02 // command length is invalid
	StatusInvCmdID          Status = 0x03 // invalid command_id
	StatusInvBndSts         Status = 0x04 // not allowed in this bind state
	StatusAlyBnd            Status = 0x05 // already bound
	StatusInvPrtFlg         Status = 0x06 // invalid priority_flag
	StatusInvRegDlvFlg      Status = 0x07 // invalid registered_delivery
	StatusSysErr            Status = 0x08 // system error: temporary trouble
	StatusInvSrcAdr         Status = 0x0A // invalid source_addr
	StatusInvDstAdr         Status = 0x0B // invalid destination_addr
	StatusInvMsgID          Status = 0x0C // invalid message_id
	StatusBindFail          Status = 0x0D // bind failed
	StatusInvPaswd          Status = 0x0E // invalid password
	StatusInvSysID          Status = 0x0F // invalid system_id
	StatusCancelFail        Status = 0x11 // cancel_sm failed
	StatusReplaceFail       Status = 0x13 // replace_sm failed
	StatusMsgQFul           Status = 0x14 // message queue full
	StatusInvSerTyp         Status = 0x15 // invalid service_type
	StatusInvNumDests       Status = 0x33 // invalid number of destinations
	StatusInvDLName         Status = 0x34 // invalid distribution list name
	StatusInvDestFlag       Status = 0x40 // invalid destination flag
	StatusInvSubRep         Status = 0x42 // submit with replace not supported or allowed
	StatusInvEsmClass       Status = 0x43 // invalid esm_class
	StatusCntSubDL          Status = 0x44 // cannot submit to distribution list
	StatusSubmitFail        Status = 0x45 // submit_sm failed
	StatusInvSrcTON         Status = 0x48 // invalid source_addr_ton
	StatusInvSrcNPI         Status = 0x49 // invalid source_addr_npi
	StatusInvDstTON         Status = 0x50 // invalid dest_addr_ton
	StatusInvDstNPI         Status = 0x51 // invalid dest_addr_npi
	StatusInvSysTyp         Status = 0x53 // invalid system_type
	StatusInvRepFlag        Status = 0x54 // invalid replace_if_present_flag
	StatusInvNumMsgs        Status = 0x55 // invalid number of messages
	StatusThrottled         Status = 0x58 // over the allowed rate
	StatusInvSched          Status = 0x61 // invalid schedule_delivery_time
	StatusInvExpiry         Status = 0x62 // invalid validity_period
	StatusInvDftMsgID       Status = 0x63 // sm_default_msg_id invalid or not found
	StatusXTAppn            Status = 0x64 // ESME receiver temporary application error
	StatusXPAppn            Status = 0x65 // ESME receiver permanent application error
	StatusXRAppn            Status = 0x66 // ESME receiver rejects the message
	StatusQueryFail         Status = 0x67 // query_sm failed
	StatusInvOptParStream   Status = 0xC0 // error in the optional part of the PDU
	StatusOptParNotAllwd    Status = 0xC1 // optional parameter not allowed
	StatusInvParLen         Status = 0xC2 // invalid parameter length
	StatusMissingOptParam   Status = 0xC3 // expected optional parameter missing
	StatusInvOptParamVal    Status = 0xC4 // invalid optional parameter value
	StatusDeliveryFailure   Status = 0xFE // delivery failure (data_sm_resp)
	StatusUnknownErr        Status = 0xFF // unknown error
	StatusSerTypUnauth      Status = 0x100
	StatusProhibited        Status = 0x101
	StatusSerTypUnavail     Status = 0x102
	StatusSerTypDenied      Status = 0x103
	StatusInvDCS            Status = 0x104 // invalid data_coding
	StatusInvSrcAddrSubunit Status = 0x105
	StatusInvDstAddrSubunit Status = 0x106
)

var statusNames = map[Status]string{
	StatusOK: "ESME_ROK", StatusInvMsgLen: "ESME_RINVMSGLEN", StatusInvCmdLen: "ESME_RINVCMDLEN",
	StatusInvCmdID: "ESME_RINVCMDID", StatusInvBndSts: "ESME_RINVBNDSTS", StatusAlyBnd: "ESME_RALYBND",
	StatusInvPrtFlg: "ESME_RINVPRTFLG", StatusInvRegDlvFlg: "ESME_RINVREGDLVFLG", StatusSysErr: "ESME_RSYSERR",
	StatusInvSrcAdr: "ESME_RINVSRCADR", StatusInvDstAdr: "ESME_RINVDSTADR", StatusInvMsgID: "ESME_RINVMSGID",
	StatusBindFail: "ESME_RBINDFAIL", StatusInvPaswd: "ESME_RINVPASWD", StatusInvSysID: "ESME_RINVSYSID",
	StatusCancelFail: "ESME_RCANCELFAIL", StatusReplaceFail: "ESME_RREPLACEFAIL", StatusMsgQFul: "ESME_RMSGQFUL",
	StatusInvSerTyp: "ESME_RINVSERTYP", StatusInvNumDests: "ESME_RINVNUMDESTS", StatusInvDLName: "ESME_RINVDLNAME",
	StatusInvDestFlag: "ESME_RINVDESTFLAG", StatusInvSubRep: "ESME_RINVSUBREP", StatusInvEsmClass: "ESME_RINVESMCLASS",
	StatusCntSubDL: "ESME_RCNTSUBDL", StatusSubmitFail: "ESME_RSUBMITFAIL", StatusInvSrcTON: "ESME_RINVSRCTON",
	StatusInvSrcNPI: "ESME_RINVSRCNPI", StatusInvDstTON: "ESME_RINVDSTTON", StatusInvDstNPI: "ESME_RINVDSTNPI",
	StatusInvSysTyp: "ESME_RINVSYSTYP", StatusInvRepFlag: "ESME_RINVREPFLAG", StatusInvNumMsgs: "ESME_RINVNUMMSGS",
	StatusThrottled: "ESME_RTHROTTLED", StatusInvSched: "ESME_RINVSCHED", StatusInvExpiry: "ESME_RINVEXPIRY",
	StatusInvDftMsgID: "ESME_RINVDFTMSGID", StatusXTAppn: "ESME_RX_T_APPN", StatusXPAppn: "ESME_RX_P_APPN",
	StatusXRAppn: "ESME_RX_R_APPN", StatusQueryFail: "ESME_RQUERYFAIL", StatusInvOptParStream: "ESME_RINVOPTPARSTREAM",
	StatusOptParNotAllwd: "ESME_ROPTPARNOTALLWD", StatusInvParLen: "ESME_RINVPARLEN",
	StatusMissingOptParam: "ESME_RMISSINGOPTPARAM", StatusInvOptParamVal: "ESME_RINVOPTPARAMVAL",
	StatusDeliveryFailure: "ESME_RDELIVERYFAILURE", StatusUnknownErr: "ESME_RUNKNOWNERR",
	StatusSerTypUnauth: "ESME_RSERTYPUNAUTH", StatusProhibited: "ESME_RPROHIBITED",
	StatusSerTypUnavail: "ESME_RSERTYPUNAVAIL", StatusSerTypDenied: "ESME_RSERTYPDENIED",
	StatusInvDCS: "ESME_RINVDCS", StatusInvSrcAddrSubunit: "ESME_RINVSRCADDRSUBUNIT",
	StatusInvDstAddrSubunit: "ESME_RINVDSTADDRSUBUNIT",
}

// String returns the standard's name, such as ESME_RTHROTTLED, or the number.
func (s Status) String() string {
	if name, ok := statusNames[s]; ok {
		return name
	}
	return fmt.Sprintf("0x%08X", uint32(s))
}

// ParseStatus returns the status that the standard calls name.
func ParseStatus(name string) (Status, bool) {
	for s, n := range statusNames {
		if n == name {
			return s, true
		}
	}
	return 0, false
}

// A StatusError is an error that the ESME is told about.
type StatusError struct {
	Status Status // what the ESME receives
	Err    error  // why, for our log only; may be nil
}

// Error returns the status' name and the reason.
func (e *StatusError) Error() string {
	if e.Err == nil {
		return e.Status.String()
	}
	return e.Status.String() + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *StatusError) Unwrap() error { return e.Err }

// StatusOf returns the status the ESME is to receive for err: that of the
// StatusError in it, otherwise fallback; StatusOK only for a nil err.
func StatusOf(err error, fallback Status) Status {
	if err == nil {
		return StatusOK
	}
	if e, ok := errors.AsType[*StatusError](err); ok && e.Status != StatusOK {
		return e.Status
	}
	return fallback
}

// statusErrorf makes a StatusError. Its text never carries what the ESME sent.
func statusErrorf(st Status, format string, args ...any) error {
	return &StatusError{Status: st, Err: fmt.Errorf(format, args...)}
}
