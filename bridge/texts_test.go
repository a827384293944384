package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// textsPolicy has a route that sends texts, with one behind it, and one of each kind alone.
const textsPolicy = `
signatures: [测试]
classes:
  many: {numbers: any, batch: 10, on_uncertain: resend, resend_after: 1m}
templates:
  - {code: SMS_1, class: many, text: "${content}", phone_limit: false, vars: {content: {kind: free, max: 500}}}
  - {code: SMS_2, class: many, text: "码${code}到${name}", phone_limit: false}
  - {code: SMS_3, class: many, numbers: international, text: "外${content}"}
routes:
  - {name: centre, kind: smpp, endpoint: "127.0.0.1:1", workers: 4, credentials: centre, qps: 1000, smpp: {signature: front}}
  - {name: api, endpoint: "127.0.0.1:2", workers: 4, qps: 1000, priority: 1}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试, vendor_tlvs: true, default_alphabet: latin1}
  - {system_id: centre, password_hash: "HASH", sign_name: 测试, route: centre}
`

func inTexts(t *testing.T, f func(*testing.T, *rig)) {
	t.Helper()
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(textsPolicy)
		pass(time.Second)
		f(t, r)
	}, func(c *Config) { c.Session.EnquireLink = 10000 * time.Hour })
}

// onCall has the API answer as f says, by route.
func (r *rig) onCall(f func(Call) Answer) {
	r.api.mu.Lock()
	defer r.api.mu.Unlock()
	r.api.send = f
}

// TestTextsGoAsSubmitted: a route that sends texts is given each message's own, one to a call, and the others are not.
func TestTextsGoAsSubmitted(t *testing.T) {
	inTexts(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		var joined store.Number
		for _, tt := range []struct {
			name   string
			change func(*smpp.SubmitSM)
			text   string
			number string
		}{
			{"plain", func(m *smpp.SubmitSM) {
				m.ShortMessage, m.DataCoding, m.SourceAddr, m.SourceAddrTON = "gr\xfc\xdfe", 0, "SUTONG", 5
			}, "grüße", "8613900000000"},
			{"abroad", func(m *smpp.SubmitSM) { m.DestinationAddr, m.DestAddrTON = "+85261234567", 1 }, "text", "85261234567"},
			{"reads like one of the mainland", func(m *smpp.SubmitSM) {
				m.ShortMessage, m.DataCoding, m.DestinationAddr = "\x59\x16\x00x", smpp.DataCodingUCS2, "+13105550123"
			}, "外x", "13105550123"},
			{"parameters of a template", func(m *smpp.SubmitSM) {
				m.ShortMessage = ""
				m.TLVs = m.TLVs.With(tagTemplateCode, "SMS_2").With(tagTemplateParam, `{"code":"4711","name":"${code}"}`)
			}, "【测试】码4711到${code}", "8613900000000"},
		} {
			number := e.accepted("text", func(m *smpp.SubmitSM) { m.DestinationAddr = "13900000000" }, tt.change)
			pass(time.Second)
			calls := r.api.called()
			c := calls[len(calls)-1]
			if c.Route != "centre" || len(c.Recipients) != 1 || c.Recipients[0].Original == nil {
				t.Fatalf("%s: went by %s with %d recipients", tt.name, c.Route, len(c.Recipients))
			}
			o := c.Recipients[0].Original
			if o.Text != tt.text || o.International != tt.number || o.Expires.IsZero() {
				t.Errorf("%s: text of %d octets to %s; want %d to %s", tt.name, len(o.Text), o.International, len(tt.text), tt.number)
			}
			if tt.name == "plain" && (o.Source != store.Address{TON: 5, Addr: "SUTONG"}) {
				t.Errorf("from %+v, want as submitted", o.Source)
			}
			joined = number
		}
		for i := range 2 {
			e.accepted([]string{"first ", "second"}[i], func(m *smpp.SubmitSM) {
				m.ESMClass = smpp.ESMClassUDHI
				m.ShortMessage = string(smpp.Concat{Ref: 9, Total: 2, Seq: uint8(i + 1)}.AppendUDH(nil)) + m.ShortMessage
			})
		}
		pass(time.Second)
		calls := r.api.called()
		if o := calls[len(calls)-1].Recipients[0].Original; o == nil || o.Text != "first second" {
			t.Errorf("a long message after %s went as %+v", joined, o)
		}
		r.onCall(func(c Call) Answer {
			if c.Route == "centre" {
				return unreachable
			}
			return accept(c)
		})
		e.accepted("text")
		pass(time.Second)
		calls = r.api.called()
		if c := calls[len(calls)-1]; c.Route != "api" || c.Recipients[0].Original != nil || c.Recipients[0].Params == "" {
			t.Errorf("after the outage: by %s, %+v", c.Route, c.Recipients[0].Original)
		}
	})
}

// TestTextsGoAlone: messages of a class with batches go one to a call by a route that sends texts.
func TestTextsGoAlone(t *testing.T) {
	inTexts(t, func(t *testing.T, r *rig) {
		r.Pause()
		e := r.bind("centre", smpp.Transmitter)
		numbers := e.submits("text", 40)
		r.Resume()
		pass(5 * time.Second)
		for _, c := range r.api.called() {
			if len(c.Recipients) != 1 {
				t.Fatalf("a call with %d recipients", len(c.Recipients))
			}
		}
		if n := len(r.api.called()); n != len(numbers) {
			t.Errorf("%d calls for %d messages", n, len(numbers))
		}
	})
}

// TestUnaskedIsNotResent: what stays uncertain on a route that cannot be asked is reported as unknown, though its class says
// resend; a late answer or a report settles it before (promise 3).
func TestUnaskedIsNotResent(t *testing.T) {
	for _, tt := range []struct {
		name   string
		then   func(*rig, string) error // with the OutId
		calls  int
		state  store.State
		ending store.Ending
	}{
		{"nothing comes", func(*rig, string) error { return nil }, 1, store.StateFinal, store.EndUnknown},
		{"accepted late", func(r *rig, out string) error {
			return r.Settle(t.Context(), out, Answer{Kind: store.OutcomeAccepted, BizID: "centre/7"})
		}, 1, store.StateSent, 0},
		{"refused late", func(r *rig, out string) error {
			return r.Settle(t.Context(), out, Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"})
		}, 1, store.StateFinal, store.EndRejected},
		{"throttled late", func(r *rig, out string) error {
			r.onCall(nil)
			return r.Settle(t.Context(), out, Answer{Kind: store.OutcomeRetry, Err: "096"})
		}, 2, store.StateSent, 0},
		{"uncertain late", func(r *rig, out string) error {
			return r.Settle(t.Context(), out, Answer{Kind: store.OutcomeUncertain})
		}, 1, store.StateFinal, store.EndUnknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inTexts(t, func(t *testing.T, r *rig) {
				r.onCall(func(Call) Answer {
					return Answer{Kind: store.OutcomeUncertain, Code: "timeout", Outage: true, Whole: true}
				})
				r.api.mu.Lock()
				r.api.find = func(string) (Found, error) { return Found{}, ErrCannotAsk }
				r.api.mu.Unlock()
				n := r.bind("centre", smpp.Transmitter).accepted("text")
				pass(10 * time.Second)
				if st := r.status(n); st.State != store.StateUncertain {
					t.Fatalf("ten seconds after the call it is %v, want uncertain", st.State)
				}
				if err := tt.then(r, r.api.called()[0].OutID); err != nil {
					t.Fatal(err)
				}
				pass(20 * time.Minute)
				if st, calls := r.status(n), len(r.api.called()); st.State != tt.state || st.Ending != tt.ending || calls != tt.calls {
					t.Errorf("after %d calls it is %v, ending %d; want %d, %v, %d", calls, st.State, st.Ending, tt.calls, tt.state, tt.ending)
				}
				if asked := r.api.asked(); asked > 4 {
					t.Errorf("asked %d times about what cannot be asked about", asked)
				}
			})
		})
	}
}

// TestLateAnswerOfNobody: an answer to a call that is not known is an error, and changes nothing.
func TestLateAnswerOfNobody(t *testing.T) {
	inTexts(t, func(t *testing.T, r *rig) {
		if err := r.Settle(t.Context(), "sms-1-999", Answer{Kind: store.OutcomeAccepted, BizID: "x"}); err == nil ||
			!strings.Contains(err.Error(), "late answer") {
			t.Errorf("got %v", err)
		}
	})
}
