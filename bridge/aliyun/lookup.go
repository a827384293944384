package aliyun

import (
	"fmt"
	"strings"

	"smppbridge/store"
)

// A Table says what the API's codes mean: the built-in rows with a policy's outcomes laid over them.
// It does not change.
type Table struct {
	rows     []row // in order: where several share an err, the first decides
	byCode   map[string]row
	families []row // by prefix, tried in order
	statuses map[string]uint32
	ofOne    map[string]bool // codes that one recipient of several may be the reason of

	fromPolicy, familiesFromPolicy int // how many, at the beginning, are a policy's
}

// builtin is the Table of a policy without outcomes.
var builtin = mustCompile(rows, families)

// Defaults for codes that no row names.
var (
	unknownBusiness = row{codeOther, classPermanent, store.EndRejected, "199", csFail}
	unknownGateway  = row{codeOther, classRetry, store.EndRejected, "199", csSysErr}
	unknownServer   = row{codeServerError, classUncertain, store.EndUndeliverable, "021", csSysErr}
	tooManyRequests = row{codeOther, classThrottle, store.EndRejected, "096", csThrottle}
	requestTimeout  = row{codeOther, classUncertain, store.EndUnknown, "099", csSysErr}
)

// compile makes a table. A code that stands in it twice is a mistake that must not wait for a
// message to be found.
func compile(rows, families []row) (*Table, error) {
	t := &Table{
		rows: rows, byCode: make(map[string]row, len(rows)), families: families,
		statuses: map[string]uint32{}, ofOne: map[string]bool{codeOther: true},
	}
	for _, r := range rows {
		if _, twice := t.byCode[r.code]; twice {
			return nil, fmt.Errorf("aliyun: two rows for %s", r.code)
		}
		t.byCode[r.code] = r
		if _, there := t.statuses[r.err]; !there {
			t.statuses[r.err] = r.status
		}
	}
	for _, list := range [][]row{rows, families} {
		for _, r := range list {
			t.ofOne[r.code] = r.mayBeOfOne()
		}
	}
	return t, nil
}

func mustCompile(rows, families []row) *Table {
	t, err := compile(rows, families)
	if err != nil {
		panic(err)
	}
	return t
}

// lookup finds what code means in an answer with this HTTP status (0 = 200, or no answer).
func (t *Table) lookup(code string, status int) row {
	found, known := t.byCode[code]
	if !known {
		found, known = t.lookupPrefix(code)
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
func (t *Table) lookupPrefix(code string) (row, bool) {
	for _, r := range t.families {
		if strings.HasPrefix(code, r.code) {
			return r, true
		}
	}
	return row{}, false
}

// commandStatus is the command_status for an ESME that waits for the API's answer, by Answer.Code: 0
// for "OK".
func (t *Table) commandStatus(code string) uint32 { return t.lookup(code, 0).status }

// StatusOfErr is the command_status for an ESME that waits for the API's answer, by the err that its
// receipt would have: ESME_RSUBMITFAIL for one that the table does not have. Of codes that share an
// err the first in the table decides, a policy's before the built-in ones.
func (t *Table) StatusOfErr(err string) uint32 {
	if st, known := t.statuses[err]; known {
		return st
	}
	return csFail
}

// whole reports whether the answer to a call for several is about the call as a whole. What one
// recipient alone may be the reason of is not: the documentation does not tell which of the others
// were executed then. But what the gateway refuses, no service has seen.
func (t *Table) whole(r row, status int) bool {
	switch {
	case r.class == classUncertain || !t.ofOne[r.code]:
		return true
	case status >= 400:
		return !strings.HasPrefix(r.code, "isv.")
	}
	return false
}

// mayBeOfOne reports whether one recipient of several may be the reason of an answer with r's code.
func (r row) mayBeOfOne() bool {
	return (r.class == classPermanent || r.class == classPhone) && r.code != codeCountOver
}
