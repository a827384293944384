package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// dryPolicy has an account with dry_run, beside one without, whose class lets a phone have one code a minute.
var dryPolicy = strings.NewReplacer(
	"validity: 5m,", "validity: 5m, phone_limits: [{per: minute, limit: 1}],",
	"accounts:\n", `accounts:
  - {system_id: dry, password_hash: "HASH", sign_name: 测试, dry_run: true}
  - {system_id: dryack, password_hash: "HASH", sign_name: 测试, dry_run: true, ack: submitted}
`).Replace(promisePolicy)

func inDry(t *testing.T, f func(*testing.T, *rig), change ...func(*Config)) {
	t.Helper()
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(dryPolicy)
		pass(time.Second)
		f(t, r)
	}, change...)
}

// receiptOf reads a receipt, which is for a message.
func (e *esme) receiptOf(n store.Number) smpp.Receipt {
	e.r.t.Helper()
	_, p := e.Expect(smpp.DeliverSMID)
	got, err := smpp.ParseReceipt(p.(*smpp.DeliverSM).ShortMessage, time.UTC)
	if err != nil || got.MessageID != n.String() {
		e.r.t.Fatalf("receipt %+v (%v), want one of %s", got, err, n)
	}
	return got
}

// TestDryRun: nothing is called, and all else is as if it had been: the message is begun, sent and delivered, and its
// receipt says so.
func TestDryRun(t *testing.T) {
	inDry(t, func(t *testing.T, r *rig) {
		for _, account := range []string{"dry", "dryack"} {
			e := r.bind(account, smpp.Transceiver)
			n := e.accepted("hello")
			if got := e.receiptOf(n); got.State != smpp.StateDelivered || got.Err != "000" {
				t.Errorf("%s: receipt %+v", account, got)
			}
			st := r.status(n)
			if st.State != store.StateFinal || st.Ending != store.EndDelivered || st.Tries != 1 {
				t.Errorf("%s: %+v", account, st)
			}
			if m, _, err := r.store.Lookup(n); err != nil || m.Code != codeDryRun {
				t.Errorf("%s: code %q (%v)", account, m.Code, err)
			}
			if a, err := r.store.Attempt(st.Attempt); err != nil || a.Route != configs.RouteDryRun || a.BizID == "" {
				t.Errorf("%s: attempt %+v (%v)", account, a, err)
			}
		}
		if n := len(r.api.called()) + r.api.asked(); n != 0 {
			t.Errorf("the API was asked %d times", n)
		}
	})
}

// TestDryRunTakesNothing: it goes while all routes are down, and leaves phones' windows to those who send.
func TestDryRunTakesNothing(t *testing.T) {
	const code = "您的验证码是4711。"
	inDry(t, func(t *testing.T, r *rig) {
		dry, wet := r.bind("dry", smpp.Transceiver), r.bind("otp", smpp.Transceiver)
		dry.receiptOf(dry.accepted(code))
		second := dry.accepted(code) // its own windows hold
		sent := wet.accepted(code)
		pass(time.Second)
		if calls := r.api.called(); len(calls) != 1 || r.status(sent).State != store.StateSent {
			t.Errorf("%d calls, want that of the account that sends", len(calls))
		}
		if got := r.status(second).State; got != store.StateAccepted {
			t.Errorf("a second code within a minute is %v", got)
		}
		r.api.mu.Lock()
		r.api.send = func(Call) Answer { return unreachable }
		r.api.mu.Unlock()
		other := r.bind("any", smpp.Transmitter)
		for i := range 8 {
			other.accepted("hello", to(i))
			pass(time.Second)
		}
		if got := r.circuitOf("main"); got != "open" {
			t.Fatalf("the circuit is %s", got)
		}
		third := dry.accepted("hello")
		pass(time.Second)
		if got := r.status(third).Ending; got != store.EndDelivered {
			t.Errorf("with all routes down: %v", got)
		}
	})
}

// TestDryRunOutcomeLost: what a crash leaves of it is resolved without the API being asked.
func TestDryRunOutcomeLost(t *testing.T) {
	for name, lose := range map[string]func(store.Command) bool{
		"the answer": func(c store.Command) bool { _, ok := c.(*store.Finish); return ok },
		"the report": func(c store.Command) bool { _, ok := c.(*store.Report); return ok },
	} {
		t.Run(name, func(t *testing.T) {
			inDry(t, func(t *testing.T, r *rig) {
				e := r.bind("dry", smpp.Transmitter)
				r.node.decide(func(c store.Command) fate {
					if lose(c) {
						return lost
					}
					return applied
				})
				n := e.accepted("hello")
				pass(15 * time.Second) // it is offered for ten
				r.node.decide(nil)
				r.jump(20, time.Minute)
				if r.status(n).State != store.StateFinal {
					r.jump(73, time.Hour)
				}
				if st := r.status(n); st.State != store.StateFinal || st.Tries != 1 {
					t.Errorf("it is %+v", st)
				}
				if n := len(r.api.called()) + r.api.asked(); n != 0 {
					t.Errorf("the API was asked %d times", n)
				}
			})
		})
	}
}
