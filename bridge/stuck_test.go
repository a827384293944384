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

// crowd is waysPolicy with n accounts more that go by some routes, and a lone one.
func crowd(n int, routes, lone string) string {
	var doc strings.Builder
	doc.WriteString(waysPolicy)
	for i := range n {
		fmt.Fprintf(&doc, "  - {system_id: crowd%d, password_hash: \"HASH\", sign_name: 测试, routes: [%s]}\n", i, routes)
	}
	fmt.Fprintf(&doc, "  - {system_id: lone, password_hash: \"HASH\", sign_name: 测试, route: %s}\n", lone)
	return doc.String()
}

// TestProbeIsFoundInACrowd: fifty accounts wait for a route that stays down, and one for a route that is well again, be it one that
// the others' other messages go by.
func TestProbeIsFoundInACrowd(t *testing.T) {
	for _, tt := range []struct{ name, routes, lone string }{
		{"of others", "rest", "b1"},
		{"of its route", "part, rest", "part"},
	} {
		t.Run(tt.name, func(t *testing.T) { probeInACrowd(t, crowd(50, tt.routes, tt.lone), tt.lone) })
	}
}

func probeInACrowd(t *testing.T, doc, route string) {
	t.Helper()
	inWays(t, func(t *testing.T, r *rig) {
		r.putPolicy(doc)
		pass(time.Second)
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if down.Load() || c.Route == "rest" {
				return unreachable
			}
			return accept(c)
		}
		lone := r.bind("lone", smpp.Transmitter)
		lone.submits("知hello", 5)
		r.Resume()
		pass(2 * time.Second) // it has had turns
		for i := range 50 {
			r.bind(fmt.Sprintf("crowd%d", i), smpp.Transmitter).submits("批hello", 1)
		}
		down.Store(false)
		numbers := lone.submits("知hello", 5)
		pass(20 * time.Second)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent {
				t.Errorf("message %s is %v, want sent: its route is %s", n, st.State, r.circuitOf(route))
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
