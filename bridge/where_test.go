package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestWaitsFor: what is held up says by what, until it is not.
func TestWaitsFor(t *testing.T) {
	const text = "您的验证码是4711。"
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(strings.Replace(promisePolicy, "validity: 5m,", "validity: 5m, phone_limits: [{per: minute, limit: 1}],", 1))
		pass(time.Second)
		codes, notices := r.bind("otp", smpp.Transmitter), r.bind("any", smpp.Transmitter)
		is := func(n store.Number, state, want string) {
			t.Helper()
			w, err := r.Where(t.Context(), n.String())
			if err != nil || w.State != state || w.WaitsFor != want || want != "" && !w.DueAt.After(r.node.now()) {
				t.Errorf("%s waits for %q until %v, %v; want %s, %q", w.State, w.WaitsFor, w.DueAt, err, state, want)
			}
		}
		first := codes.accepted(text)
		second := codes.accepted(text)
		later := notices.accepted("hello", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000010000000R" }) // in an hour
		pass(100 * time.Millisecond)
		r.api.mu.Lock()
		r.api.send = func(Call) Answer {
			return Answer{Kind: store.OutcomeRetry, Err: "062", Whole: true, After: 3 * time.Hour}
		}
		r.api.mu.Unlock()
		pass(100 * time.Millisecond)
		failed := notices.accepted("hello")
		pass(100 * time.Millisecond)
		is(first, "sent", "")
		is(second, "accepted", "phone_limit")
		is(later, "accepted", "schedule")
		is(failed, "retry", "retry")
		r.api.mu.Lock()
		r.api.send = nil
		r.api.mu.Unlock()
		pass(2 * time.Minute)
		is(second, "sent", "")
		pass(time.Hour)
		is(later, "sent", "")
	}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
}
