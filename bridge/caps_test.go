package bridge

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/smpp"
	"smppbridge/store"
)

// capsPolicy has a cap of each kind; account limited has limits of its own besides.
var capsPolicy = strings.NewReplacer("notice: {", "notice: {numbers: any, ", "accounts:\n", `caps:
  - {name: ample, per: day, limit: 1000}
  - {name: abroad, prefix: "+44", per: day, limit: 3}
  - {name: codes, template: SMS_1, per: hour, limit: 2}
  - {name: mobile, prefix: "86139", account: keep, per: minute, limit: 2}
accounts:
  - {system_id: limited, password_hash: "HASH", sign_name: 测试, templates: [SMS_2], daily_quota: 1, window: 100}
`).Replace(promisePolicy)

func inCaps(t *testing.T, f func(*testing.T, *rig), change ...func(*Config)) {
	t.Helper()
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(capsPolicy)
		pass(time.Second)
		now := r.node.now()
		r.node.ahead.Add(int64(now.Truncate(24 * time.Hour).Add(26 * time.Hour).Sub(now))) // 10:00 of UTC+8
		f(t, r)
	}, append(change, func(c *Config) { c.Paused, c.Session.EnquireLink = true, 10000*time.Hour })...)
}

// number is a destination in international format.
func number(addr string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DestAddrTON, m.DestinationAddr = 1, addr }
}

// statusOf submits a text and returns what it was answered with.
func (e *esme) statusOf(text string, change ...func(*smpp.SubmitSM)) smpp.Status {
	e.r.t.Helper()
	e.submit(text, change...)
	h, _ := e.Expect(smpp.SubmitSMRespID)
	return h.Status
}

// TestCaps: what is over a cap is refused, whoever submits it; what it is not about is not, and in the next
// minute, hour or day of UTC+8 there is room again.
func TestCaps(t *testing.T) {
	const code = "您的验证码是4711。"
	reg := prometheus.NewRegistry()
	inCaps(t, func(t *testing.T, r *rig) {
		one, other, codes := r.bind("keep", smpp.Transmitter), r.bind("any", smpp.Transmitter), r.bind("otp", smpp.Transmitter)
		check := func(e *esme, text, to string, want smpp.Status) {
			t.Helper()
			if got := e.statusOf(text, number(to)); got != want {
				t.Errorf("answered %v, want %v", got, want)
			}
		}
		check(one, "hello", "447700900001", smpp.StatusOK)
		check(other, "hello", "447700900002", smpp.StatusOK)
		check(one, "hello", "+447700900003", smpp.StatusOK)
		check(other, "hello", "447700900004", smpp.StatusThrottled)
		check(one, "hello", "00447700900001", smpp.StatusThrottled)
		check(other, "hello", "4572000001", smpp.StatusOK) // another country

		check(codes, code, "13800000001", smpp.StatusOK)
		check(codes, code, "13800000002", smpp.StatusOK)
		check(codes, code, "13800000003", smpp.StatusThrottled)
		check(other, "hello", "13800000003", smpp.StatusOK) // another template

		check(one, "hello", "13900000001", smpp.StatusOK)
		check(one, "hello", "8613900000002", smpp.StatusOK)
		check(one, "hello", "13900000003", smpp.StatusThrottled)
		check(one, "hello", "13800000003", smpp.StatusOK)   // another prefix
		check(other, "hello", "13900000003", smpp.StatusOK) // another account

		r.jump(1, time.Minute)
		check(one, "hello", "13900000003", smpp.StatusOK)
		check(codes, code, "13800000003", smpp.StatusThrottled)
		r.jump(1, time.Hour)
		check(codes, code, "13800000003", smpp.StatusOK)
		check(one, "hello", "447700900001", smpp.StatusThrottled)
		r.jump(14, time.Hour) // past midnight of UTC+8
		check(one, "hello", "447700900001", smpp.StatusOK)

		page := metricsPage(t, reg)
		for _, want := range []string{`{cap="ample"} 0`, `{cap="abroad"} 3`, `{cap="codes"} 2`, `{cap="mobile"} 1`} {
			if !strings.Contains(page, "smppbridge_bridge_caps_refused_total"+want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
	}, func(c *Config) { c.Registerer = reg })
}

// TestCapBesideLimits: a message is refused by the limit that it is over, and what is refused by one is not charged to the
// others.
func TestCapBesideLimits(t *testing.T) {
	reg := prometheus.NewRegistry()
	inCaps(t, func(t *testing.T, r *rig) {
		e, other := r.bind("limited", smpp.Transmitter), r.bind("any", smpp.Transmitter)
		var got []smpp.Status
		for range 3 { // its quota is one
			got = append(got, e.statusOf("hello", number("447700900001")))
		}
		for range 3 { // two are left of the cap
			got = append(got, other.statusOf("hello", number("447700900001")))
		}
		want := []smpp.Status{smpp.StatusOK, smpp.StatusThrottled, smpp.StatusThrottled, smpp.StatusOK, smpp.StatusOK, smpp.StatusThrottled}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("submit %d answered %v, want %v", i, got[i], want[i])
			}
		}
		if page := metricsPage(t, reg); !strings.Contains(page, `caps_refused_total{cap="abroad"} 1`+"\n") {
			t.Error("not one message was counted as over the cap")
		}
	}, func(c *Config) { c.Registerer = reg })
}

// TestCapOfMulti: of a submit_multi only the destinations over the cap are refused.
func TestCapOfMulti(t *testing.T) {
	inCaps(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		st, resp := e.multi(submitMulti("hello", "447700900001", "13900000001", "447700900002", "447700900003", "447700900004", "13900000002"))
		if st != smpp.StatusOK || len(resp.Failed) != 1 || resp.Failed[0].Addr != "447700900004" || resp.Failed[0].Status != smpp.StatusThrottled {
			t.Errorf("answered %v, failed %+v", st, resp.Failed)
		}
	})
}

// TestCapOverNodes: a cap lets exactly its limit pass over three nodes, whatever becomes of the leader and of proposals
// (promise 5), and a duplicate costs nothing.
func TestCapOverNodes(t *testing.T) {
	inStorm(t, func(t *testing.T, s *storm) {
		const limit = 40
		s.putPolicy(strings.Replace(promisePolicy, "accounts:\n", "caps: [{name: all, per: day, limit: 40}]\naccounts:\n", 1))
		pass(time.Second)
		s.bindAll("any")
		var accepted []store.Number
		for range 24 {
			numbers, others := s.submitAll("hello", s.trouble)
			accepted = append(accepted, numbers...)
			for _, st := range others {
				if st != smpp.StatusThrottled || len(accepted) < limit-3 {
					t.Fatalf("refused with %v after %d", st, len(accepted))
				}
			}
			pass(200 * time.Millisecond)
		}
		if len(accepted) != limit {
			t.Errorf("%d accepted, want %d", len(accepted), limit)
		}
	})
}

// TestCapPrefix: a prefix begins with the country code, mainland numbers are kept without it.
func TestCapPrefix(t *testing.T) {
	tests := []struct {
		phone, digits string
		want          bool
	}{
		{"13912345678", "", true},
		{"13912345678", "86", true},
		{"13912345678", "8", true},
		{"13912345678", "86139", true},
		{"13912345678", "86138", false},
		{"13912345678", "139", false},
		{"13912345678", "1", false},
		{"13912345678", "87", false},
		{"85261234567", "852", true},
		{"85261234567", "86", false},
		{"12125550100", "1212", true},
	}
	for _, tt := range tests {
		if got := hasPrefix(tt.phone, tt.digits); got != tt.want {
			t.Errorf("%s begins with %s: got %v, want %v", tt.phone, tt.digits, got, tt.want)
		}
	}
}
