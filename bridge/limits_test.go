package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestQPSHolds: a route's calls keep to its qps, whatever is due (promise 5).
func TestQPSHolds(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("slow", smpp.Transmitter) // two a second, burst one
		for i := range 30 {
			e.accepted(fmt.Sprintf("hello %d", i))
		}
		for _, seconds := range []int{5, 10} {
			pass(5 * time.Second)
			if got, most := len(r.api.called()), 2*seconds+1; got > most || got < most-3 {
				t.Errorf("%d calls in %d s, want %d to %d", got, seconds, most-3, most)
			}
		}
	})
}

// TestPhoneWindowEdges: Alibaba Cloud counts one-time codes to a phone by the clock minute and hour
// of UTC+8 and in any 24 hours, when it is called and by its own clock. So a call within a second of
// an edge counts on both sides (promise 5).
func TestPhoneWindowEdges(t *testing.T) {
	const text = "您的验证码是4711。"
	tests := []struct {
		name   string
		at     time.Duration   // of the first code, after a full hour
		limits string          // of the class
		gaps   []time.Duration // between codes
		sent   int             // of all codes, right after the last one
	}{
		{"one minute", 10 * time.Second, "{per: minute, limit: 1}", []time.Duration{40 * time.Second}, 1},
		{"next minute", 10 * time.Second, "{per: minute, limit: 1}", []time.Duration{55 * time.Second}, 2},
		{"before the edge and after it", 59500 * time.Millisecond, "{per: minute, limit: 1}", []time.Duration{5 * time.Second}, 1},
		{"just after the edge", 50 * time.Second, "{per: minute, limit: 1}", []time.Duration{10300 * time.Millisecond}, 1},
		{"both clear of the edge", 58 * time.Second, "{per: minute, limit: 1}", []time.Duration{4 * time.Second}, 2},
		{"hour", 10 * time.Minute, "{per: hour, limit: 2}", []time.Duration{10 * time.Minute, 10 * time.Minute}, 2},
		{"next hour", 10 * time.Minute, "{per: hour, limit: 2}", []time.Duration{10 * time.Minute, 45 * time.Minute}, 3},
		{"within 24 hours", 10 * time.Minute, "{per: day, limit: 1}", []time.Duration{23*time.Hour + 59*time.Minute}, 1},
		{"after 24 hours", 10 * time.Minute, "{per: day, limit: 1}", []time.Duration{24*time.Hour + time.Minute}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.putPolicy(strings.Replace(promisePolicy, "validity: 5m,", "validity: 5m, phone_limits: ["+tt.limits+"],", 1))
				pass(time.Second)
				now := r.node.now()
				r.node.ahead.Add(int64(now.Truncate(time.Hour).Add(time.Hour + tt.at).Sub(now)))
				e := r.bind("otp", smpp.Transmitter)
				e.accepted(text)
				for _, gap := range tt.gaps {
					pass(100 * time.Millisecond)
					r.node.ahead.Add(int64(gap - 100*time.Millisecond))
					e.accepted(text)
				}
				pass(50 * time.Millisecond)
				if got := len(r.api.called()); got != tt.sent {
					t.Errorf("%d codes sent, want %d", got, tt.sent)
				}
			}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
		})
	}
}

// TestCodesOfASignatureCountTogether: by default the windows of one-time codes are per signature and
// phone, whatever template they use.
func TestCodesOfASignatureCountTogether(t *testing.T) {
	p := compiled(t)
	a, b := *p.templates["SMS_1"], *p.templates["SMS_1"]
	b.Code = "SMS_9"
	if a.phoneKey("测试", "13800138000") != b.phoneKey("测试", "13800138000") {
		t.Error("two templates of one signature have windows of their own")
	}
	if a.phoneKey("测试", "13800138000") == a.phoneKey("别的", "13800138000") {
		t.Error("two signatures share their windows")
	}
	a.class.PhoneLimitBy, b.class.PhoneLimitBy = "template", "template"
	if a.phoneKey("测试", "13800138000") == b.phoneKey("测试", "13800138000") {
		t.Error("two templates counted by template share their windows")
	}
}

// TestQuotaIsOfTheDayInChina: the daily quota begins anew at midnight of UTC+8 (promise 5).
func TestQuotaIsOfTheDayInChina(t *testing.T) {
	for _, c := range compiled(t).accounts["otp"].charges {
		if !strings.HasPrefix(c.Key, "quota/") {
			continue
		}
		r := c.Rules[0]
		if r.Kind != store.RuleWindow || r.Limit != 100 || r.Period != 86_400_000 || r.Offset != 28_800_000 {
			t.Errorf("quota is %+v, want windows of a day at UTC+8, limit 100", r)
		}
		return
	}
	t.Error("the account has no quota")
}

// TestBindLimit: an account may have so many sessions, on all nodes, and each that ends makes room
// for another (promise 6).
func TestBindLimit(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		a, b := r.bind("single", smpp.Transceiver), r.bind("single", smpp.Transmitter)
		if st := r.dial().Bind(smpp.Receiver, "single", rigPassword); st != smpp.StatusBindFail {
			t.Errorf("third bind of two answered %v, want ESME_RBINDFAIL", st)
		}
		a.Close()
		r.bind("single", smpp.Receiver)
		b.Send(&smpp.Unbind{})
		b.Expect(smpp.UnbindRespID)
		r.bind("single", smpp.Receiver)
		r.bind("any", smpp.Receiver) // another account has its own
	})
}

// TestBindIsCommitted: bind_resp follows the committed bind; one that cannot be committed in time is
// no bind, and leaves none behind.
func TestBindIsCommitted(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.node.decide(first[*store.BindOpen](lost, 3))
		r.bind("single", smpp.Transceiver)
		if got := len(r.store.Binds("single")); got != 1 {
			t.Errorf("%d binds in the store after bind_resp, want 1", got)
		}
		r.node.decide(first[*store.BindOpen](hidden, 1000))
		e := r.dial()
		e.Send(&smpp.Bind{Type: smpp.Transceiver, SystemID: "single", Password: rigPassword})
		e.ExpectClosed()
		r.node.decide(nil)
		pass(10 * time.Second)
		if got := len(r.store.Binds("single")); got != 1 {
			t.Errorf("%d binds in the store after one that failed, want 1", got)
		}
	})
}

// TestBindIsRefused: with the status that the standard names, and no session (promise 6).
func TestBindIsRefused(t *testing.T) {
	tests := []struct {
		name, account, password string
		want                    smpp.Status
	}{
		{"wrong password", "any", "secreT", smpp.StatusInvPaswd},
		{"empty password", "any", "", smpp.StatusInvPaswd},
		{"unknown account", "nobody", rigPassword, smpp.StatusInvSysID},
		{"empty account", "", rigPassword, smpp.StatusInvSysID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.bind("any", smpp.Transmitter) // the right password is known by now
				if st := r.dial().Bind(smpp.Transceiver, tt.account, tt.password); st != tt.want {
					t.Errorf("answered %v, want %v", st, tt.want)
				}
				if got := len(r.store.AllBinds()); got != 1 {
					t.Errorf("%d binds in the store, want 1", got)
				}
			})
		})
	}
}

// TestSessionWindow: the account's session.window is the session's: what is above it is not read
// before something is answered (promise 6).
func TestSessionWindow(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				<-committed
			}
			return applied
		})
		e := r.bind("single", smpp.Transmitter) // three
		for i := range 3 {
			e.submit(fmt.Sprintf("hello %d", i))
		}
		e.Send(&smpp.EnquireLink{})
		e.Expect(smpp.EnquireLinkRespID) // the window is not exceeded: it is read
		e.submit("hello 4")
		sent := make(chan struct{})
		go func() { // the pipe has no buffer: what is not read is not written
			defer close(sent)
			e.Send(&smpp.EnquireLink{})
		}()
		pass(time.Second)
		select {
		case <-sent:
			t.Error("the session was read beyond its window")
		default:
		}
		commit()
		answered := 0
		for range 5 {
			if h, _ := e.Next(); h.ID == smpp.SubmitSMRespID && h.Status == smpp.StatusOK {
				answered++
			}
		}
		await(t, "the end of the window", sent)
		if answered != 4 {
			t.Errorf("%d of 4 submits answered ESME_ROK", answered)
		}
	})
}
