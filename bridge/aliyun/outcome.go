package aliyun

import (
	"strconv"
	"strings"
	"time"

	"smppbridge/bridge"
	"smppbridge/store"
)

// A class says what to do after an answer.
type class uint8

const (
	classOK        class = iota // executed
	classRetry                  // R: surely not executed; again after a back-off
	classThrottle               // T: surely not executed; the account's calls per second
	classPermanent              // P: refused for good, because of this message
	classAccount                // A: refused because of the account or the route
	classPhone                  // Q: refused by a frequency window of the phone that ends by itself
	classUncertain              // X: executed or not, nobody knows
)

// Codes of our own, for calls that the API did not answer, and those of the API's that the code
// names.
const (
	codeOK    = "OK"
	codeOther = "other" // any code the table does not have

	codeUnreachable   = "unreachable"    // dialling failed, by us or by a proxy
	codeTLS           = "tls"            // no TLS session
	codeNoRoute       = "no_route"       // the route is not configured (any more)
	codeNoCredentials = "no_credentials" // no AccessKey
	codeTooLate       = "too_late"       // Call.Before had passed
	codeCanceled      = "canceled"       // the context ended before the call
	codeUnsupported   = "unsupported"    // not a call for one recipient: a mistake of the caller's

	codeTimeout        = "timeout"
	codeConnectionLost = "connection_lost"
	codeRedirected     = "redirected"
	codeBadAnswer      = "bad_answer"   // neither the API's JSON nor an error of the gateway's
	codeServerError    = "server_error" // HTTP 5xx with a code that the table does not have
	codePanic          = "sdk_panic"

	codePhoneLimit   = "isv.BUSINESS_LIMIT_CONTROL" // by the day, or by what we cannot tell
	codePhoneMinute  = codePhoneLimit + ".minute"   // our spelling: the API says it in the message
	codePhoneHour    = codePhoneLimit + ".hour"
	codeTokenExpired = "InvalidSecurityToken.Expired"
	codeTokenMissing = "MissingSecurityToken"
)

// A row says what one code means.
type row struct {
	code   string
	class  class
	ending store.Ending // of a receipt, when nothing more can be done
	err    string       // of that receipt
	status uint32       // command_status of a submit_sm_resp that waits for the API's answer
}

// Values of command_status in the table (SMPP 3.4, 5.1.3).
const (
	csOK       = 0x00
	csMsgLen   = 0x01 // ESME_RINVMSGLEN
	csSysErr   = 0x08 // ESME_RSYSERR
	csSrcAddr  = 0x0A // ESME_RINVSRCADR
	csDestAddr = 0x0B // ESME_RINVDSTADR
	csNumDests = 0x33 // ESME_RINVNUMDESTS
	csFail     = 0x45 // ESME_RSUBMITFAIL
	csThrottle = 0x58 // ESME_RTHROTTLED
)

// defaults for codes that no row names.
var (
	unknownBusiness = row{codeOther, classPermanent, store.EndRejected, "199", csFail}
	unknownGateway  = row{codeOther, classRetry, store.EndRejected, "199", csSysErr}
	unknownServer   = row{codeServerError, classUncertain, store.EndUndeliverable, "021", csSysErr}
	tooManyRequests = row{codeOther, classThrottle, store.EndRejected, "096", csThrottle}
	requestTimeout  = row{codeOther, classUncertain, store.EndUnknown, "099", csSysErr}
)

// lookup finds what code means in an answer with this HTTP status (0 = 200, or no answer).
func lookup(code string, status int) row {
	found, known := outcomes[code]
	if !known {
		found, known = lookupPrefix(code)
	}
	switch {
	case status >= 500 && (!known || found.class != classThrottle):
		// The gateway's refusals are 4xx. Behind a 5xx the call may have been executed,
		// whatever the code says.
		server := unknownServer
		if known {
			server.code = found.code
		}
		return server
	case known:
		return found
	case status == 429:
		return tooManyRequests
	case status == 408 || status == 499: // of a proxy that has waited for an answer
		return requestTimeout
	case status >= 400:
		// A refusal by the gateway: not executed. Unknown ones are repeated rather than let a
		// message be lost to, say, a new word for "later".
		return unknownGateway
	}
	return unknownBusiness
}

// lookupPrefix finds the family of a code that has no row.
func lookupPrefix(code string) (row, bool) {
	for _, r := range families {
		if strings.HasPrefix(code, r.code) {
			return r, true
		}
	}
	return row{}, false
}

// answer turns what is left of a call into the Answer for the dispatcher.
func answer(action string, f failure, now time.Time) bridge.Answer {
	r := lookup(f.code, f.status)
	a := bridge.Answer{Code: r.code, Err: r.err}
	switch r.class {
	case classOK:
		a.Kind, a.Err = store.OutcomeAccepted, ""
		return a
	case classPermanent:
		a.Kind, a.Ending = store.OutcomeRejected, r.ending
	case classUncertain:
		a.Kind = store.OutcomeUncertain
	case classPhone:
		a.Kind, a.After = store.OutcomeRetry, untilWindow(r.code, now)
	case classAccount:
		a.Kind, a.Account = store.OutcomeRetry, true
	case classRetry, classThrottle:
		a.Kind = store.OutcomeRetry
	}
	a.Cause = &callError{action: action, code: r.code, status: f.status, detail: f.detail}
	return a
}

// CommandStatus is the command_status for an ESME that waits for the API's answer, by
// Answer.Code: 0 for "OK".
func CommandStatus(code string) uint32 { return lookup(code, 0).status }

// StatusOfErr is the command_status for an ESME that waits for the API's answer, by the err that its
// receipt would have: ESME_RSUBMITFAIL for one that the table does not have.
func StatusOfErr(err string) uint32 {
	if st, known := statuses[err]; known {
		return st
	}
	return csFail
}

// phoneLimitCode tells the windows of the per-phone limit apart. The API names them in the
// message only ("触发分钟级流控Permits:1"), which is why the message is looked at, and not kept.
func phoneLimitCode(message string) string {
	switch {
	case strings.Contains(message, "分钟级"):
		return codePhoneMinute
	case strings.Contains(message, "小时级"):
		return codePhoneHour
	}
	return codePhoneLimit
}

// windowGuard is how far our clock and the API's may be apart at a window's edge.
const windowGuard = time.Second

// untilWindow is the time until the next clock window of the limit that code names. Minutes and
// hours of UTC+8 are minutes and hours of UTC too.
func untilWindow(code string, now time.Time) time.Duration {
	window := time.Minute
	if code == codePhoneHour {
		window = time.Hour
	}
	return now.Truncate(window).Add(window + windowGuard).Sub(now)
}

// refreshes reports whether code says that temporary keys must be fetched anew.
func refreshes(code string) bool { return code == codeTokenExpired || code == codeTokenMissing }

// A callError is the Cause of an Answer. It is made of codes and fixed texts only; it wraps
// nothing, because everything that the SDK returns may carry numbers, texts and keys.
type callError struct {
	action string
	code   string
	status int
	detail string
}

// Error is safe to log.
func (e *callError) Error() string {
	s := e.action + ": " + e.code
	if e.status != 0 {
		s += " (HTTP " + strconv.Itoa(e.status) + ")"
	}
	if e.detail != "" {
		s += ": " + e.detail
	}
	return s
}
