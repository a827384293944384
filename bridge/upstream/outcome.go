package upstream

import (
	"smppbridge/bridge"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Codes of what ends a call without an answer, or is no status of the standard. With the standard's names of statuses they
// are the closed set of Answer.Code.
const (
	codeOK          = "OK"
	codeNoRoute     = "no_route"
	codeNotBound    = "not_bound"
	codeRefused     = "bind_refused"
	codeUnreachable = "unreachable"
	codeTLS         = "tls_failed"
	codeNoLogin     = "no_credentials"
	codeTooLate     = "too_late"
	codeCanceled    = "canceled"
	codeUnsupported = "unsupported"
	codeTimeout     = "timeout"
	codeLost        = "connection_lost"
	codePartial     = "partly_sent"
	codeOther       = "other"
)

// The err of receipts, as the other routes have them: an ESME need not know by which way its message went.
const (
	errSystem      = "021"
	errTemplate    = "031"
	errDestination = "033"
	errParameter   = "036"
	errLength      = "044"
	errContent     = "051"
	errSource      = "053"
	errPermission  = "055"
	errCredentials = "060"
	errThrottled   = "096"
	errUnreachable = "097"
	errNotMade     = "098"
	errUncertain   = "099"
	errOther       = "199"
)

// answers are those to calls that were not answered with a status.
var answers = map[string]bridge.Answer{
	codeNoRoute:     retry(codeNoRoute, errNotMade, bridge.Answer{}), // the policy took it away: no fault of the account
	codeNotBound:    retry(codeNotBound, errUnreachable, bridge.Answer{Outage: true}),
	codeUnreachable: retry(codeUnreachable, errUnreachable, bridge.Answer{Outage: true}),
	codeTLS:         retry(codeTLS, errUnreachable, bridge.Answer{Outage: true}),
	codeRefused:     retry(codeRefused, errCredentials, bridge.Answer{Account: true}),
	codeNoLogin:     retry(codeNoLogin, errCredentials, bridge.Answer{Account: true}),
	codeTooLate:     retry(codeTooLate, errNotMade, bridge.Answer{}),
	codeCanceled:    retry(codeCanceled, errNotMade, bridge.Answer{}),
	codeUnsupported: rejected(codeUnsupported, errContent),
	codePartial:     rejected(codePartial, errSystem),
	codeTimeout:     uncertain(codeTimeout),
	codeLost:        uncertain(codeLost),
}

// retry is the answer to a call that surely was not executed, for what blame says.
func retry(code, err string, blame bridge.Answer) bridge.Answer {
	blame.Kind, blame.Ending, blame.Code, blame.Err, blame.Whole = store.OutcomeRetry, store.EndRejected, code, err, true
	return blame
}

func rejected(code, err string) bridge.Answer {
	return bridge.Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Code: code, Err: err, Whole: true}
}

// uncertain is the answer to a call that was written and not answered.
func uncertain(code string) bridge.Answer {
	return bridge.Answer{Kind: store.OutcomeUncertain, Code: code, Err: errUncertain, Outage: true, Whole: true}
}

// statuses are what refusals of a submit_sm mean (SMPP 3.4, 5.1.3). Any status but ESME_ROK says that the message was not
// accepted; those that are not here are final: a message centre's own codes are, as a rule, about the message.
var statuses = map[smpp.Status]bridge.Answer{
	smpp.StatusThrottled: retry("", errThrottled, bridge.Answer{Throttled: true}),
	smpp.StatusMsgQFul:   retry("", errThrottled, bridge.Answer{Throttled: true}),

	smpp.StatusSysErr:    retry("", errSystem, bridge.Answer{Outage: true}),
	smpp.StatusXTAppn:    retry("", errSystem, bridge.Answer{Outage: true}),
	smpp.StatusInvBndSts: retry("", errSystem, bridge.Answer{Outage: true}),

	smpp.StatusBindFail:      retry("", errPermission, bridge.Answer{Account: true}),
	smpp.StatusInvPaswd:      retry("", errPermission, bridge.Answer{Account: true}),
	smpp.StatusInvSysID:      retry("", errPermission, bridge.Answer{Account: true}),
	smpp.StatusProhibited:    retry("", errPermission, bridge.Answer{Account: true}),
	smpp.StatusSerTypUnauth:  retry("", errPermission, bridge.Answer{Account: true}),
	smpp.StatusSerTypDenied:  retry("", errPermission, bridge.Answer{Account: true}),
	smpp.StatusSerTypUnavail: retry("", errPermission, bridge.Answer{Account: true}),

	smpp.StatusInvDstAdr:         rejected("", errDestination),
	smpp.StatusInvDstTON:         rejected("", errDestination),
	smpp.StatusInvDstNPI:         rejected("", errDestination),
	smpp.StatusInvDstAddrSubunit: rejected("", errDestination),
	smpp.StatusInvSrcAdr:         rejected("", errSource),
	smpp.StatusInvSrcTON:         rejected("", errSource),
	smpp.StatusInvSrcNPI:         rejected("", errSource),
	smpp.StatusInvSrcAddrSubunit: rejected("", errSource),
	smpp.StatusInvMsgLen:         rejected("", errLength),
	smpp.StatusInvDCS:            rejected("", errContent),
	smpp.StatusInvDftMsgID:       rejected("", errTemplate),
	smpp.StatusInvCmdLen:         rejected("", errParameter),
	smpp.StatusInvCmdID:          rejected("", errParameter),
	smpp.StatusInvEsmClass:       rejected("", errParameter),
	smpp.StatusInvExpiry:         rejected("", errParameter),
	smpp.StatusInvSched:          rejected("", errParameter),
	smpp.StatusInvSerTyp:         rejected("", errParameter),
	smpp.StatusInvPrtFlg:         rejected("", errParameter),
	smpp.StatusInvRegDlvFlg:      rejected("", errParameter),
	smpp.StatusInvOptParStream:   rejected("", errParameter),
	smpp.StatusOptParNotAllwd:    rejected("", errParameter),
	smpp.StatusInvParLen:         rejected("", errParameter),
	smpp.StatusMissingOptParam:   rejected("", errParameter),
	smpp.StatusInvOptParamVal:    rejected("", errParameter),
}

// refusal is the answer to a submit_sm that was answered with st, which is not ESME_ROK.
func refusal(st smpp.Status) bridge.Answer {
	a, ok := statuses[st]
	if !ok {
		a = rejected("", errOther)
	}
	a.Code, a.Said = codeOf(st), st.String()
	return a
}

// codeOf is the standard's name of a status. Those that it does not name could be any number.
func codeOf(st smpp.Status) string {
	if _, ok := smpp.ParseStatus(st.String()); ok {
		return st.String()
	}
	return codeOther
}

// accepted is the answer to a message that was accepted under an id.
func accepted(bizID string) bridge.Answer {
	return bridge.Answer{Kind: store.OutcomeAccepted, BizID: bizID, Code: codeOK, Whole: true}
}
