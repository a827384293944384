package bridge

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// drafted is a round of d as far as its calls, which are not begun.
func drafted(t *testing.T, d *dispatcher, free int) *draft {
	t.Helper()
	dr := &draft{policy: d.b.policy.Load(), now: d.b.clock(), free: free, listed: make(map[store.Number]bool), wait: idleScan}
	d.queue(dr)
	err := d.tryHalfOpen(dr)
	if err == nil {
		err = d.divide(dr)
	}
	if err != nil {
		t.Fatal(err)
	}
	dr.end()
	return dr
}

// TestFullRouteIsNotSearched: a route with room for one call more is not looked for another message of a long backlog, and the
// account's messages that go another way are seen in the same round.
func TestFullRouteIsNotSearched(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("mixed", smpp.Transmitter)
		e.submits("知hello", 1500)
		d := newDispatcher(r.Bridge)
		d.mu.Lock()
		part := d.exitOf(r.policy.Load().routes["part"])
		part.running = 4
		d.mu.Unlock()
		for range 3 {
			drafted(t, d, 64) // all of it is read, and none can go
		}
		e.submits("批hello", 1)
		d.mu.Lock()
		part.running = 3
		d.mu.Unlock()
		dr := drafted(t, d, 64)
		if len(dr.calls) != 2 || dr.looks > 64+2 {
			t.Errorf("%d calls after %d looks, want 2 after a few", len(dr.calls), dr.looks)
		}
	})
}

// TestFailedHereAndFullThere: where every other call of a route fails, and the other route of its messages is full, those that
// have failed neither wait for the other one for ever, nor hold up those behind them, nor are tried again without a rest.
func TestFailedHereAndFullThere(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		hang, _ := r.gate()
		tries := make(map[string][]time.Time)
		calls := 0
		r.api.send = func(c Call) Answer {
			if c.Route == "two" {
				<-hang
				return accept(c)
			}
			r.api.mu.Lock()
			defer r.api.mu.Unlock()
			phone := c.Recipients[0].Phone
			list := append(tries[phone], time.Now())
			tries[phone] = list
			// Once more at once, because it had another way when it failed; that one had no room.
			if n := len(list); n > 2 && list[n-1].Sub(list[n-3]) < firstRetry/2 {
				t.Errorf("three calls for one message within %v", list[n-1].Sub(list[n-3]))
			}
			if calls++; calls%2 == 0 {
				return accept(c)
			}
			return unreachable
		}
		numbers := r.bind("shared", smpp.Transmitter).submits("知hello", 1100)
		r.Resume()
		pass(40 * time.Second)
		sent := 0
		for _, n := range numbers {
			if r.status(n).State == store.StateSent {
				sent++
			}
		}
		if sent < len(numbers)*49/50 { // one hangs, and some rest
			t.Errorf("%d of %d are sent", sent, len(numbers))
		}
		if got := testutil.ToFloat64(r.metrics.rounds); got > 20_000 {
			t.Errorf("%v rounds", got)
		}
	})
}

// crowd is waysPolicy with n accounts more on a route, and one on another.
func crowd(n int) string {
	var doc strings.Builder
	doc.WriteString(waysPolicy)
	for i := range n {
		fmt.Fprintf(&doc, "  - {system_id: crowd%d, password_hash: \"HASH\", sign_name: 测试, route: part}\n", i)
	}
	doc.WriteString("  - {system_id: lone, password_hash: \"HASH\", sign_name: 测试, route: b1}\n")
	return doc.String()
}

// TestProbeIsFoundInACrowd: fifty accounts wait for a route that stays down, and one for a route that is well again.
func TestProbeIsFoundInACrowd(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.putPolicy(crowd(50))
		pass(time.Second)
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if down.Load() || c.Route == "part" {
				return unreachable
			}
			return accept(c)
		}
		lone := r.bind("lone", smpp.Transmitter)
		lone.submits("知hello", 5)
		r.Resume()
		pass(2 * time.Second) // it has had turns
		for i := range 50 {
			r.bind(fmt.Sprintf("crowd%d", i), smpp.Transmitter).submits("知hello", 1)
		}
		down.Store(false)
		numbers := lone.submits("知hello", 5)
		pass(15 * time.Second)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent {
				t.Errorf("message %s is %v, want sent: its route is %s", n, st.State, r.circuitOf("b1"))
			}
		}
	})
}

// TestProbeIsFoundBehindOthers: what could try a route stands behind a hundred messages of its account that go another way, which
// is down for long.
func TestProbeIsFoundBehindOthers(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if down.Load() || c.Route == "part" {
				return unreachable
			}
			return accept(c)
		}
		r.putPolicy(strings.ReplaceAll(waysPolicy, "validity: 1m", "validity: 24h"))
		pass(time.Second)
		e := r.bind("mixed", smpp.Transmitter)
		e.submits("知hello", 100)
		numbers := e.submits("批hello", 3)
		r.Resume()
		pass(100 * time.Second)
		down.Store(false)
		pass(70 * time.Second)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent {
				t.Errorf("message %s is %v, want sent: its route is %s", n, st.State, r.circuitOf("rest"))
			}
		}
	})
}

// TestProbeGoesWhenAllCallsAreTaken: a route is tried again though others have all calls that the governor allows.
func TestProbeGoesWhenAllCallsAreTaken(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.bind("main", smpp.Transmitter).submits("知hello", 3)
		r.bind("one", smpp.Transmitter).submits("知hello", 3)
		r.stopRun() // and its dispatcher
		r.Resume()
		d := newDispatcher(r.Bridge)
		d.governor.next = d.b.now().Add(time.Hour)
		d.governor.limit = governLeast
		d.mu.Lock()
		d.running = governLeast
		c := &d.exitOf(r.policy.Load().routes["a1"]).circuit
		c.trip(d.b.cfg.Steady(), "timeout")
		c.until = d.b.cfg.Steady()
		d.mu.Unlock()
		for range 3 {
			if _, err := d.round(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		d.calls.Wait()
		if got := r.order(func(c Call) string { return c.Route }); got != "a1" {
			t.Errorf("calls on %q, want one that tries a1", got)
		}
		for len(d.outcomes) > 0 {
			<-d.outcomes
		}
	})
}

// TestLateAccountFaultMovesToAnotherAccount: a call that was under way when its route's circuit opened tells that the account is
// out of money. Its message does not go by the account's other route, nor does any other.
func TestLateAccountFaultMovesToAnotherAccount(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		late, answer := r.gate()
		r.api.send = func(c Call) Answer {
			switch phone := c.Recipients[0].Phone; {
			case c.Route == "a1" && phone == "13900000099":
				<-late
				return Answer{Kind: store.OutcomeRetry, Account: true, Code: "isv.AMOUNT_NOT_ENOUGH", Err: "045", Whole: true}
			case c.Route == "a1":
				return unreachable
			}
			return accept(c)
		}
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		n := e.accepted("知hello", to(99))
		pass(time.Millisecond)
		e.submits("知hello", 10)
		pass(time.Second)
		if got := r.circuitOf("a1"); got != "open" {
			t.Fatalf("the route is %s, want open", got)
		}
		before := r.callsOn("a2")
		answer()
		pass(time.Second)
		if got := r.callsOn("a2") - before; got != 0 {
			t.Errorf("%d calls on another route of the account", got)
		}
		if st := r.status(n); st.State != store.StateSent || r.circuitOf("a2") != "open" {
			t.Errorf("the message is %v, want sent by the other account; a2 is %s, want open", st.State, r.circuitOf("a2"))
		}
	})
}

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

// TestDueBeforeWhatWasRead: a message that becomes due a moment before others that were read already is seen within a second or so.
func TestDueBeforeWhatWasRead(t *testing.T) {
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
		pass(300 * time.Millisecond)
		e.accepted("众hello", to(2))
		if got := templatesOf(drafted(t, d, 64)); got != "SMS_4:1" {
			t.Fatalf("calls: %q", got)
		}
		retry := store.Outcome{Attempt: begun.(*store.BeginResult).Attempts[0].ID, Kind: store.OutcomeRetry, DueAt: st.DueAt}
		if _, err := r.node.apply(&store.Finish{Outcomes: []store.Outcome{retry}}); err != nil {
			t.Fatal(err)
		}
		pass(idleScan)
		if got := templatesOf(drafted(t, d, 64)); !strings.Contains(got, "SMS_3:1") {
			t.Errorf("calls a second later: %q, want one of the message", got)
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
