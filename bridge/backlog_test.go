package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// templatesOf are the templates of a draft's calls, and how many messages each is for.
func templatesOf(dr *draft) string {
	var list []string
	for _, c := range dr.calls {
		list = append(list, fmt.Sprintf("%s:%d", c.members[0].template.Code, len(c.members)))
	}
	return strings.Join(list, " ")
}

// behindFull is a dispatcher that has read what an account has due on a route that is full, beside one that is not.
func (r *rig) behindFull(e *esme) *dispatcher {
	r.t.Helper()
	e.submits("知hello", 5)
	d := newDispatcher(r.Bridge)
	d.mu.Lock()
	d.exitOf(r.policy.Load().routes["part"]).running = 4
	d.mu.Unlock()
	drafted(r.t.(*testing.T), d, 64)
	return d
}

// TestReadWhileGatheringIsKept: what was read in search of more for one call goes with the next.
func TestReadWhileGatheringIsKept(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("mixed", smpp.Transmitter)
		d := r.behindFull(e)
		for i := range 3 {
			e.accepted("批hello", to(i))
			e.accepted("众hello", to(i))
		}
		if got := templatesOf(drafted(t, d, 1)); got != "SMS_3:3" {
			t.Fatalf("first call: %s", got)
		}
		if got := templatesOf(drafted(t, d, 1)); got != "SMS_4:3" {
			t.Errorf("second call: %q, want the three others", got)
		}
	})
}

// TestDueBeforeWhatWasRead: a message that becomes due a moment before others that were read already is seen within a second or so,
// and one that is much older in half a minute.
func TestDueBeforeWhatWasRead(t *testing.T) {
	t.Run("a moment", func(t *testing.T) { dueBefore(t, 300*time.Millisecond, idleScan) })
	t.Run("long", func(t *testing.T) { dueBefore(t, 10*time.Second, rewindAll) })
}

func dueBefore(t *testing.T, by, within time.Duration) {
	t.Helper()
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("mixed", smpp.Transmitter)
		d := r.behindFull(e)
		n := e.accepted("批hello", to(1))
		st := r.status(n)
		begun, err := r.node.apply(&store.Begin{Attempts: []store.BeginAttempt{{Route: "rest", Charges: -1,
			Members: []store.BeginMember{{Number: n, Revision: st.Revision, Phone: "13900000001", Charges: -1}}}}})
		if err != nil {
			t.Fatal(err)
		}
		pass(by)
		e.accepted("众hello", to(2))
		if got := templatesOf(drafted(t, d, 64)); got != "SMS_4:1" {
			t.Fatalf("calls: %q", got)
		}
		retry := store.Outcome{Attempt: begun.(*store.BeginResult).Attempts[0].ID, Kind: store.OutcomeRetry, DueAt: st.DueAt}
		if _, err := r.node.apply(&store.Finish{Outcomes: []store.Outcome{retry}}); err != nil {
			t.Fatal(err)
		}
		pass(within)
		if got := templatesOf(drafted(t, d, 64)); !strings.Contains(got, "SMS_3:1") {
			t.Errorf("calls %v later: %q, want one of the message", within, got)
		}
	})
}

// TestWhatIsLeftIsReadOn: of what waits for a route each round takes what there is room for, from where the last one has stopped, and
// nothing is in two calls of a round.
func TestWhatIsLeftIsReadOn(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("mixed", smpp.Transmitter)
		d := r.behindFull(e)
		e.submits("批hello", 1)
		d.mu.Lock()
		d.exitOf(r.policy.Load().routes["rest"]).running = 4 // something else waits, too
		d.mu.Unlock()
		drafted(t, d, 64)
		room := func(n int) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.exits["part"].running = 4 - n
		}
		seen := make(map[store.Number]bool)
		for i, n := range []int{1, 1, 3} {
			if i == 2 {
				pass(idleScan) // what was read a moment ago is read again
				clear(seen)    // those of the first rounds were not begun
			}
			room(n)
			dr := drafted(t, d, n)
			if len(dr.calls) != n {
				t.Errorf("round %d makes %d calls, want %d", i, len(dr.calls), n)
			}
			for _, c := range dr.calls {
				if number := c.members[0].Number; seen[number] {
					t.Errorf("message %s is in two calls", number)
				} else {
					seen[number] = true
				}
			}
		}
	})
}

// TestMovedAtOnceBesideWhatWaits: a message whose call has failed goes another way at once, also where others of its account wait
// for their hours, and some that became due later were read before the failure was committed.
func TestMovedAtOnceBesideWhatWaits(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		night := r.node.now().Truncate(24 * time.Hour).Add(24*time.Hour + 20*time.Hour) // 4:00 of UTC+8
		r.node.ahead.Store(int64(time.Until(night)))
		r.api.send = func(c Call) Answer {
			if c.Route == "a1" && c.Recipients[0].Phone == "13900000099" {
				return unreachable
			}
			return accept(c)
		}
		e := r.bind("any", smpp.Transmitter)
		e.submits("推hello", 3)
		r.Resume()
		pass(2 * time.Second)
		held, release := r.gate()
		r.node.decide(func(c store.Command) fate {
			if _, ok := c.(*store.Finish); ok {
				<-held
			}
			return applied
		})
		n := e.accepted("知hello", to(99))
		pass(50 * time.Millisecond)
		e.accepted("知hello", to(1))
		pass(50 * time.Millisecond)
		release()
		pass(50 * time.Millisecond)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("the message is %v, want sent", st.State)
		}
	})
}

// TestCloseThatFailsKeepsNoWorkers: the calls of a round whose messages to be ended could not be ended are given up.
func TestCloseThatFailsKeepsNoWorkers(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("main", smpp.Transmitter)
		old := e.accepted("知hello", to(0)) // valid for a minute
		pass(70 * time.Second)
		numbers := e.submits("知hello", 3)
		r.node.decide(func(c store.Command) fate {
			if _, ok := c.(*store.Close); ok {
				return refused
			}
			return applied
		})
		r.Resume()
		pass(2 * time.Second)
		r.node.decide(nil)
		pass(5 * time.Second)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent {
				t.Errorf("message %s is %v, want sent", n, st.State)
			}
		}
		if st := r.status(old); st.Ending != store.EndExpired {
			t.Errorf("the old message is %v, want expired", st.State)
		}
	})
}

// TestNotBegunIsDraftedAgain: the messages of a call that was given up, or of which the store granted none, wait where they were.
func TestNotBegunIsDraftedAgain(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("mixed", smpp.Transmitter)
		d := r.behindFull(e)
		e.submits("批hello", 3)
		for _, giveUp := range []func(*call){
			func(c *call) { d.abandon([]*call{c}) },
			func(c *call) {
				c.keep(make([]store.BegunMember, len(c.members)))
				d.abandon([]*call{c})
			},
			func(*call) {},
		} {
			dr := drafted(t, d, 64)
			if got := templatesOf(dr); got != "SMS_3:3" {
				t.Fatalf("calls: %q, want one for the three messages", got)
			}
			giveUp(dr.calls[0])
		}
	})
}

// TestProbeThatIsGivenUpIsNoProbe: another one tries the route.
func TestProbeThatIsGivenUpIsNoProbe(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.bind("main", smpp.Transmitter).submits("知hello", 3)
		d := newDispatcher(r.Bridge)
		c := &d.exitOf(r.policy.Load().routes["a1"]).circuit
		c.trip(d.b.cfg.Steady(), "timeout")
		c.wake(c.until)
		for range 2 {
			dr := drafted(t, d, 64)
			if len(dr.calls) != 1 || !dr.calls[0].probe {
				t.Fatalf("%d calls, want one that tries the route", len(dr.calls))
			}
			if again := drafted(t, d, 64); len(again.calls) != 0 {
				t.Fatalf("%d calls while that is under way, want 0", len(again.calls))
			}
			d.abandon(dr.calls)
		}
	})
}

// TestOldAccountFault: the answer to a call tells nothing of a circuit that has changed since it began.
func TestOldAccountFault(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.bind("main", smpp.Transmitter).submits("知hello", 1)
		d := newDispatcher(r.Bridge)
		c := drafted(t, d, 64).calls[0]
		pass(time.Second)
		other := &d.exitOf(r.policy.Load().routes["a2"]).circuit
		other.trip(d.b.cfg.Steady(), "timeout")
		other.wake(other.until)
		d.learn(c, &Answer{Kind: store.OutcomeRetry, Account: true, Code: "isv.AMOUNT_NOT_ENOUGH"})
		if a1 := d.exits["a1"].circuit.state; a1 != circuitOpen || other.state != circuitHalfOpen {
			t.Errorf("its own route is %v, want open; the one that was tried again meanwhile %v, want half-open", a1, other.state)
		}
	})
}

// TestBatchKeepsToTheRoutesSignatures: messages of one template and different signatures share a call only where their routes are the
// same.
func TestBatchKeepsToTheRoutesSignatures(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		head, tail, _ := strings.Cut(waysPolicy, "accounts:")
		r.putPolicy(head + `  - {name: ours, endpoint: "127.0.0.1:9", only_named: true, signatures: [测试]}
  - {name: theirs, endpoint: "127.0.0.1:10", only_named: true, signatures: [别的]}
accounts:` + tail + "  - {system_id: signs, password_hash: \"HASH\", routes: [ours, theirs]}\n")
		pass(time.Second)
		e := r.bind("signs", smpp.Transmitter)
		for i := range 4 {
			e.accepted("【测试】批hello", to(2*i))
			e.accepted("【别的】批hello", to(2*i+1))
		}
		r.Resume()
		pass(time.Second)
		messages := 0
		for _, c := range r.api.called() {
			for _, to := range c.Recipients {
				if want := map[string]string{"ours": "测试", "theirs": "别的"}[c.Route]; to.SignName != want {
					t.Errorf("a message goes by route %s, whose account does not have its signature", c.Route)
				}
				messages++
			}
		}
		if messages != 8 {
			t.Errorf("%d messages are sent, want 8", messages)
		}
	})
}
