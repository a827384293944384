package aliyun

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"smppbridge/store"
)

// classNames are the classes as a policy and smppctl spell them.
var classNames = map[class]string{
	classOK: "ok", classRetry: "retry", classThrottle: "throttle", classPermanent: "permanent",
	classAccount: "account", classPhone: "phone", classUncertain: "uncertain",
}

// stats are the endings of what was not delivered as receipts spell them (SMPP 3.4, Appendix B).
var stats = map[store.Ending]string{
	store.EndExpired: "EXPIRED", store.EndDeleted: "DELETED", store.EndUndeliverable: "UNDELIV",
	store.EndUnknown: "UNKNOWN", store.EndRejected: "REJECTD",
}

// An Outcome is what a code means, spelled out: to be laid over the built-in table, or a line of the
// table in force.
type Outcome struct {
	Class  string  // retry, throttle, permanent, account, phone or uncertain; empty = as built in
	Status *uint32 // command_status of a submit_sm_resp that waits for the API's answer; nil = as built in
	Stat   string  // of the receipt; empty = as built in
	Err    string  // of the receipt; empty = as built in
}

// A Line is a code of the table in force. One that ends in "*" stands for all that begin so and have
// no line of their own; "other" for what is left.
type Line struct {
	Code string
	Outcome
	Policy bool // from the policy
}

// NewTable lays a policy's outcomes over the built-in table. A code that ends in a point, such as
// "isp.", stands for all that begin so and have no row of their own. What a call that the API did not
// answer means cannot be changed, only what is told about it.
func NewTable(over map[string]Outcome) (*Table, error) {
	if len(over) == 0 {
		return builtin, nil
	}
	var exact, prefixes []row
	for _, code := range slices.Sorted(maps.Keys(over)) {
		r, err := override(code, over[code])
		if err != nil {
			return nil, fmt.Errorf("outcome of %q: %w", code, err)
		}
		if strings.HasSuffix(code, ".") {
			prefixes = append(prefixes, r)
		} else {
			exact = append(exact, r)
		}
	}
	// Of two prefixes the longer one says more.
	slices.SortStableFunc(prefixes, func(a, b row) int { return cmp.Compare(len(b.code), len(a.code)) })
	t, err := compile(append(exact, without(rows, exact)...), append(prefixes, without(families, prefixes)...))
	if err != nil {
		return nil, err
	}
	t.fromPolicy = len(exact)
	t.familiesFromPolicy = len(prefixes)
	t.keepScopes(exact, prefixes)
	return t, nil
}

// override is the row of code with o over what is built in.
func override(code string, o Outcome) (row, error) {
	r := builtin.lookup(code, 0)
	r.code = code
	if code == codeOK || code == codeOther || code == "" {
		return r, errors.New("its meaning is fixed")
	}
	if o.Class != "" {
		if foreignCode(code) != code {
			return r, errors.New("the class of a call without an answer is fixed")
		}
		found, ok := keyOf(classNames, o.Class)
		if !ok || found == classOK {
			return r, fmt.Errorf("no such class: %q", o.Class)
		}
		r.class = found
	}
	if o.Stat != "" {
		ending, ok := keyOf(stats, o.Stat)
		if !ok {
			return r, fmt.Errorf("no such stat: %q", o.Stat)
		}
		r.ending = ending
	}
	if o.Status != nil {
		r.status = *o.Status
	}
	r.err = cmp.Or(o.Err, r.err)
	if len(r.err) != 3 || r.status == csOK {
		return r, errors.New("err must have 3 characters, and the command_status be an error")
	}
	return r, nil
}

// keepScopes has each code mean as many recipients of a call as it did: a policy says what to do
// about a code, not whom the API means by it. A new code may be about one, unless its class is
// about none.
func (t *Table) keepScopes(lists ...[]row) {
	for _, list := range lists {
		for _, r := range list {
			if known, ok := builtin.ofOne[r.code]; ok {
				t.ofOne[r.code] = known
			} else {
				t.ofOne[r.code] = r.class == classPermanent || r.class == classPhone || r.class == classRetry
			}
		}
	}
}

// Lines spells the table out, in its order.
func (t *Table) Lines() []Line {
	lines := make([]Line, 0, len(t.rows)+len(t.families)+1)
	for i, r := range t.rows {
		lines = append(lines, r.line(r.code, i < t.fromPolicy))
	}
	for i, r := range t.families {
		lines = append(lines, r.line(r.code+"*", i < t.familiesFromPolicy))
	}
	return append(lines, unknownBusiness.line(codeOther, false))
}

func (r row) line(code string, policy bool) Line {
	status := r.status
	return Line{code, Outcome{classNames[r.class], &status, stats[r.ending], r.err}, policy}
}

// without returns list without the codes that others have.
func without(list, others []row) []row {
	return slices.DeleteFunc(slices.Clone(list), func(r row) bool {
		return slices.ContainsFunc(others, func(o row) bool { return o.code == r.code })
	})
}

// keyOf returns the key of m with that value.
func keyOf[K comparable](m map[K]string, value string) (K, bool) {
	for k, v := range m {
		if v == value {
			return k, true
		}
	}
	var none K
	return none, false
}
