package bridge

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

const numbersPolicy = `
signatures: [测试]
classes:
  notice: {phone_limits: [], cost: 0.5}
templates:
  - {code: SMS_1, class: notice, text: "家${v}"}
  - {code: SMS_2, class: international, text: "to ${v}", vars: {v: {kind: free}}}
  - {code: SMS_3, class: notice, numbers: any, text: "哪${v}", vars: {v: {kind: free}}}
  - {code: SMS_4, class: international, numbers: mainland, text: "内${v}"}
routes:
  - {name: main, endpoint: "127.0.0.1:1"}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
  - {system_id: hongkong, password_hash: "HASH", sign_name: 测试, country_code: "852"}
`

// TestNumbersOfTemplates: a number that the template is not sent to is refused before anything is accepted. A number of North
// America that the API would take for one of the mainland never gets to it by a template that goes there.
func TestNumbersOfTemplates(t *testing.T) {
	const ambiguous = "+13105551234"
	tests := []struct {
		text, to string
		want     string // empty: refused
	}{
		{"家x", "13800138000", "13800138000"}, {"家x", "+85291234567", ""}, {"家x", ambiguous, ""},
		{"to x", "13800138000", ""}, {"to x", "+85291234567", "85291234567"}, {"to x", "+447700900123", "447700900123"},
		{"to x", ambiguous, "13105551234"},
		{"哪x", "13800138000", "13800138000"}, {"哪x", "+85291234567", "85291234567"}, {"哪x", ambiguous, ""},
		{"内x", "13800138000", "13800138000"}, {"内x", "+886912345678", ""},
	}
	acct := compile1(t, numbersPolicy, "any")
	for _, tt := range tests {
		m := submitSM(tt.text)
		m.DestAddrTON, m.DestinationAddr = 0, tt.to
		got, err := acct.decide(m, fieldNow)
		var se *smpp.StatusError
		switch refused := errors.As(err, &se); {
		case got.Phone != tt.want || refused != (tt.want == ""):
			t.Errorf("%s to %s: %q, %v; want %q", tt.text, tt.to, got.Phone, err, tt.want)
		case refused && (se.Status != smpp.StatusInvDstAdr || strings.Contains(err.Error(), tt.to[1:])):
			t.Errorf("%s to %s: %v %v", tt.text, tt.to, se.Status, err)
		}
	}
}

// TestNumbersAbroad: numbers as people write them, and as the API takes them.
func TestNumbersAbroad(t *testing.T) {
	for _, tt := range []struct{ addr, code, want string }{
		{"+852 9123 4567", "86", "85291234567"}, {"+8529123456", "86", ""}, {"+852912345678", "86", ""},
		{"+85366123456", "86", "85366123456"}, {"+886912345678", "86", "886912345678"}, {"+886 0912 345 678", "86", "886912345678"},
		{"+8869123456789", "86", ""}, {"0013105551234", "86", "13105551234"}, {"13105551234", "86", "13105551234"},
		{"91234567", "852", "85291234567"}, {"85291234567", "852", "85291234567"}, {"8613800138000", "852", "13800138000"},
		{"0912345678", "886", "886912345678"}, {"886912345678", "886", "886912345678"}, {"81234567", "65", "6581234567"},
		{"6581234567", "65", "6581234567"}, {"07700900123", "44", "447700900123"},
	} {
		if got, err := normalizePhone(tt.addr, 0, tt.code); got != tt.want || (err != nil) != (tt.want == "") {
			t.Errorf("%s for country %s: %q, %v; want %q", tt.addr, tt.code, got, err, tt.want)
		}
	}
}

// TestNumbersOfJoinedMessages: a long message whose template is known only when it is joined ends with a receipt.
func TestNumbersOfJoinedMessages(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(numbersPolicy)
		pass(time.Second)
		e := r.bind("any", smpp.Transmitter)
		e.accepted("", raw(0, "to "), udh8(7, 2, 1))
		e.accepted("", raw(0, "home"), udh8(7, 2, 2))
		pass(2 * time.Second)
		rejected := 0
		for n := store.Number(1); int(n) <= r.stored(); n++ {
			if st := r.status(n); st.Ending == store.EndRejected && st.Err == errCodeNumbers {
				rejected++
			}
		}
		if rejected == 0 || len(r.api.called()) != 0 {
			t.Errorf("%d messages rejected, %d calls", rejected, len(r.api.called()))
		}
	})
}

// TestSegments: what the API bills, by its documentation.
func TestSegments(t *testing.T) {
	acct := compile1(t, numbersPolicy, "any")
	of := func(code, phone, value string) int {
		t.Helper()
		params, err := acct.set.Params(code, map[string]string{"v": value})
		if err != nil {
			t.Fatal(err)
		}
		x := planned{template: acct.templates[code], ways: ways{account: acct}}
		x.Message = store.Message{SignName: "测试", TemplateCode: code, Params: params, Phone: phone}
		return x.segments()
	}
	const home, abroad = "13800138000", "85291234567"
	for _, tt := range []struct {
		code, phone, unit string
		n, want           int
	}{
		{"SMS_3", home, "x", 65, 1}, {"SMS_3", home, "x", 66, 2}, // with 哪 and 【测试】
		{"SMS_3", home, "x", 129, 2}, {"SMS_3", home, "x", 130, 3},
		{"SMS_3", abroad, "中", 69, 1}, {"SMS_3", abroad, "中", 70, 2}, // without the signature
		{"SMS_2", abroad, "x", 157, 1}, {"SMS_2", abroad, "x", 158, 2}, {"SMS_2", abroad, "x", 303, 2}, {"SMS_2", abroad, "x", 304, 3},
		{"SMS_2", abroad, "€", 78, 1}, {"SMS_2", abroad, "€", 79, 2}, // two septets each
		{"SMS_2", abroad, "中", 67, 1}, {"SMS_2", abroad, "中", 68, 2}, {"SMS_2", abroad, "🙂", 33, 1}, {"SMS_2", abroad, "🙂", 34, 2},
	} {
		if got := of(tt.code, tt.phone, strings.Repeat(tt.unit, tt.n)); got != tt.want {
			t.Errorf("%s, %d times %q: %d segments, want %d", tt.code, tt.n, tt.unit, got, tt.want)
		}
	}
}

// TestSegmentsAreCounted: those of what the API accepted, and what they cost.
func TestSegmentsAreCounted(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(numbersPolicy)
		pass(time.Second)
		r.api.mu.Lock()
		r.api.send = func(c Call) Answer {
			if strings.Contains(c.Recipients[0].Params, "no") {
				return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "051", Whole: true}
			}
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^" + c.OutID}
		}
		r.api.mu.Unlock()
		e := r.bind("any", smpp.Transmitter)
		e.accepted("家x")
		e.accepted("哪" + strings.Repeat("x", 100))
		e.accepted("家no")
		pass(time.Second)
		count := func(code string) (segments, cost float64) {
			return testutil.ToFloat64(r.content.segments.WithLabelValues("any", code)), testutil.ToFloat64(r.content.cost.WithLabelValues("any", code))
		}
		if segments, cost := count("SMS_1"); segments != 1 || cost != 0.5 {
			t.Errorf("SMS_1: %v segments, %v", segments, cost)
		}
		if segments, cost := count("SMS_3"); segments != 2 || cost != 1 {
			t.Errorf("SMS_3: %v segments, %v", segments, cost)
		}
	})
}

// TestWhyTextsAreRefused: the reason is counted and in the log, and nothing of the text is.
func TestWhyTextsAreRefused(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(numbersPolicy + "refuse_traditional: true\n")
		pass(time.Second)
		e := r.bind("any", smpp.Transmitter)
		for _, tt := range []struct{ text, reason string }{
			{"別處", "no_template"}, {"家🙂", "bad_character"}, {"家【甲】乙", "bad_character"}, {"家http://a.cn", "bad_character"},
			{"家10.0.0.1", "bad_character"}, {"家訂單", "bad_character"}, {"家" + strings.Repeat("长", 36), "variable_refused"},
			{"【别的】家甲", "unknown_signature"},
		} {
			before := testutil.ToFloat64(r.content.unmatched.WithLabelValues("any", tt.reason))
			out.Reset()
			e.submit(tt.text)
			if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDftMsgID {
				t.Errorf("%s: %v", tt.text, h.Status)
			}
			if got := testutil.ToFloat64(r.content.unmatched.WithLabelValues("any", tt.reason)) - before; got != 1 {
				t.Errorf("%s: not counted as %s", tt.text, tt.reason)
			}
			if line := out.String(); !strings.Contains(line, tt.reason) || !strings.Contains(line, "system_id=any") ||
				strings.Contains(line, tt.text) || strings.Contains(line, "13800") {
				t.Errorf("%s: logged %q", tt.text, line)
			}
		}
	}, func(c *Config) { c.Log = log })
}
