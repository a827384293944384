package aliyun

import (
	"strings"
	"testing"

	"smppbridge/store"
)

func status(n uint32) *uint32 { return &n }

func newTable(t *testing.T, over map[string]Outcome) *Table {
	t.Helper()
	table, err := NewTable(over)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// A policy's outcomes decide what answers mean, at once; what an entry leaves out stays as it was.
func TestOutcomesOfThePolicy(t *testing.T) {
	table := newTable(t, map[string]Outcome{
		"isv.MOBILE_NUMBER_ILLEGAL": {Err: "0A1", Stat: "UNDELIV"},
		"isv.NEW":                   {Class: "account", Status: status(csThrottle), Err: "071"},
		"isv.AMOUNT_NOT_ENOUGH":     {Class: "permanent"},
		"isp.":                      {Class: "retry"},
		"isp.OTHER.":                {Class: "permanent", Err: "072"},
		"SomethingNew":              {Class: "throttle"},
		codePhoneLimit:              {Class: "phone"},
	})
	for _, tt := range []struct {
		status  int
		code    string
		kind    store.OutcomeKind
		label   string
		err     string
		ending  store.Ending
		account bool
	}{
		{200, "isv.MOBILE_NUMBER_ILLEGAL", rejected, "", "0A1", store.EndUndeliverable, false},
		{200, "isv.NEW", retry, "", "071", 0, true},
		{200, "isv.NEWER", rejected, "other", "199", store.EndRejected, false},
		{200, "isv.AMOUNT_NOT_ENOUGH", rejected, "", "045", store.EndRejected, false},
		{200, "isp.ANY", retry, "isp.", "021", 0, false},
		{200, "isp.OTHER.ANY", rejected, "isp.OTHER.", "072", store.EndUndeliverable, false},
		{200, "isp.SYSTEM_ERROR", uncertain, "", "021", 0, false}, // has a row of its own
		{400, "SomethingNew", retry, "", "199", 0, false},
		{500, "isp.ANY", uncertain, "isp.", "021", 0, false}, // no policy makes a 5xx certain
	} {
		srv := serve(t, respond(tt.status, business(tt.code, "")))
		if tt.status != 200 {
			srv = serve(t, respond(tt.status, gateway(tt.code, "")))
		}
		c := newClient(t, nil, plainRoute(t, srv.URL))
		before := c.Send(t.Context(), testCall())
		c.SetOutcomes(table)
		if tt.label == "" {
			tt.label = tt.code
		}
		a := c.Send(t.Context(), testCall())
		if a.Kind != tt.kind || a.Code != tt.label || a.Err != tt.err || a.Ending != tt.ending || a.Account != tt.account {
			t.Errorf("HTTP %d %s: %+v, want kind %d, %s, err %s, ending %d, account %v (it was %+v)",
				tt.status, tt.code, a, tt.kind, tt.label, tt.err, tt.ending, tt.account, before)
		}
		if a.Throttled != (tt.code == "SomethingNew") {
			t.Errorf("%s: throttled %v", tt.code, a.Throttled)
		}
	}
	if got := table.StatusOfErr("071"); got != csThrottle {
		t.Errorf("an err of the policy's: command_status %#x", got)
	}
	if got := table.StatusOfErr("0A1"); got != csDestAddr {
		t.Errorf("an err for an old status: command_status %#x", got)
	}
	if got := builtin.StatusOfErr("071"); got != csFail {
		t.Errorf("the built-in table has changed: %#x", got)
	}
}

// A policy says what to do about a code, not whom the API means by it: with several recipients a
// retry of all could double those that were sent.
func TestPolicyKeepsTheScope(t *testing.T) {
	table := newTable(t, map[string]Outcome{
		"isv.MOBILE_NUMBER_ILLEGAL": {Class: "retry"}, "isv.NEW": {Class: "retry"}, "isv.PLACE": {Class: "account"},
		"isv.AMOUNT_NOT_ENOUGH": {Class: "retry"},
	})
	for code, whole := range map[string]bool{
		"isv.MOBILE_NUMBER_ILLEGAL": false, "isv.NEW": false, "isv.PLACE": true, "isv.AMOUNT_NOT_ENOUGH": true,
	} {
		c := newClient(t, nil, plainRoute(t, serve(t, respond(200, business(code, ""))).URL))
		c.SetOutcomes(table)
		if a := c.Send(t.Context(), batchOf(2)); a.Whole != whole || a.Kind != retry {
			t.Errorf("%s: %+v, want whole %v", code, a, whole)
		}
	}
}

// What no policy may say.
func TestBadOutcomes(t *testing.T) {
	for code, o := range map[string]Outcome{
		"OK": {Err: "001"}, "other": {Err: "001"}, "": {Err: "001"},
		"timeout": {Class: "retry"}, "connection_lost": {Class: "permanent"},
		"isv.A": {Class: "ok"}, "isv.B": {Class: "final"}, "isv.C": {Stat: "DELIVRD"}, "isv.D": {Err: "1234"},
		"isv.E": {Status: status(csOK)},
	} {
		if _, err := NewTable(map[string]Outcome{code: o}); err == nil {
			t.Errorf("%q: %+v was taken", code, o)
		}
	}
	if _, err := NewTable(map[string]Outcome{"timeout": {Err: "100", Status: status(csThrottle)}}); err != nil {
		t.Errorf("what is told about a time-out: %v", err)
	}
}

// The table in force shows each code once, a policy's first, and can be laid over the built-in one
// without changing it.
func TestLines(t *testing.T) {
	table := newTable(t, map[string]Outcome{"isv.NEW": {Class: "retry"}, "isp.": {Class: "retry"}, "isv.CODE_ERROR": {Err: "0C0"}})
	seen := map[string]Line{}
	again := map[string]Outcome{}
	for i, l := range table.Lines() {
		if _, twice := seen[l.Code]; twice {
			t.Errorf("%s twice", l.Code)
		}
		seen[l.Code] = l
		if l.Policy && i > 1 && l.Code != "isp.*" {
			t.Errorf("%s of the policy is line %d", l.Code, i)
		}
		if l.Class == "" || l.Status == nil || len(l.Err) != 3 || l.Stat == "" && l.Class != "ok" {
			t.Errorf("%+v is not complete", l)
		}
		if code := strings.TrimSuffix(l.Code, "*"); l.Class != "ok" && code == l.Code && foreignCode(code) == code && code != codeOther {
			again[code] = l.Outcome
		}
	}
	if len(seen) != len(rows)+len(families)+2 {
		t.Errorf("%d lines, want %d", len(seen), len(rows)+len(families)+2)
	}
	for code, policy := range map[string]bool{"isv.NEW": true, "isp.*": true, "isv.CODE_ERROR": true, "isv.CODE_EXCEED_LIMIT": false, "Throttling*": false, "other": false} {
		if l, there := seen[code]; !there || l.Policy != policy {
			t.Errorf("%s: %+v", code, l)
		}
	}
	same := newTable(t, again)
	for code := range again {
		if got, want := same.lookup(code, 0), table.lookup(code, 0); got != want {
			t.Errorf("%s spelled out is %+v, was %+v", code, got, want)
		}
	}
}
