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
	codeUnsupported   = "unsupported"    // not a call that the API takes: a mistake of the caller's

	codeTimeout        = "timeout"
	codeConnectionLost = "connection_lost"
	codeRedirected     = "redirected"
	codeBadAnswer      = "bad_answer"   // neither the API's JSON nor an error of the gateway's
	codeServerError    = "server_error" // HTTP 5xx with a code that the table does not have
	codePanic          = "sdk_panic"

	codePhoneLimit   = "isv.BUSINESS_LIMIT_CONTROL" // by the day, or by what we cannot tell
	codePhoneMinute  = codePhoneLimit + ".minute"   // our spelling: the API says it in the message
	codePhoneHour    = codePhoneLimit + ".hour"
	codeCountOver    = "isv.MOBILE_COUNT_OVER_LIMIT"
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

// An ended call is what is left of one: what it was, for how many, and what became of it.
type ended struct {
	action     string
	recipients int
	failure
}

// answer turns what is left of a call into the Answer for the dispatcher.
func (t *Table) answer(e ended, now time.Time) bridge.Answer {
	r := t.lookup(e.code, e.status)
	a := bridge.Answer{
		Code: r.code, Err: r.err,
		Whole:     e.recipients <= 1 || t.whole(r, e.status),
		Throttled: r.class == classThrottle,
		Outage:    r.class != classThrottle && outage(r.code, e.status),
	}
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
	a.Cause = &callError{action: e.action, code: r.code, status: e.status, detail: e.detail}
	return a
}

// outage reports whether an answer speaks against the route that it came over, or did not come over.
// A code of the service's behind a 5xx does too: whatever it says, something is broken there.
func outage(code string, status int) bool {
	switch code {
	case codeUnreachable, codeTLS, codeTimeout, codeConnectionLost, codeRedirected, codeBadAnswer, codeServerError:
		return true
	}
	return status >= 500 || status == 408 || status == 499
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

// untilWindow is the time until the next clock window of the limit that code names; of one that names
// none, which only a policy makes a limit of a phone, until the next hour. Minutes and hours of UTC+8
// are minutes and hours of UTC too.
func untilWindow(code string, now time.Time) time.Duration {
	window := time.Hour
	if code == codePhoneMinute {
		window = time.Minute
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
