package bridge

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestSlowRouteHoldsUpNobody: six hundred messages on a route of two calls a second, and one message that goes another way
// (promise 6).
func TestSlowRouteHoldsUpNobody(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.bind("slow", smpp.Transmitter).submits("知hello", 600)
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		pass(10 * time.Second)
		n := e.accepted("知hello")
		pass(100 * time.Millisecond)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("behind a backlog of another route the message is %v, want sent", st.State)
		}
		if got := r.callsOn("slow"); got < 18 || got > 22 {
			t.Errorf("%d calls on the slow route in 10 s, want about 20", got)
		}
	})
}

// TestFullRouteHoldsUpNobody: all workers of a route wait for answers.
func TestFullRouteHoldsUpNobody(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		answered, answer := r.gate()
		r.api.send = func(c Call) Answer {
			if c.Route == "one" {
				<-answered
			}
			return accept(c)
		}
		r.bind("one", smpp.Transmitter).submits("知hello", 300)
		r.Resume()
		pass(time.Second)
		n := r.bind("any", smpp.Transmitter).accepted("知hello")
		pass(100 * time.Millisecond)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("while another route is full the message is %v, want sent", st.State)
		}
		answer()
		pass(10 * time.Second)
		if got := r.callsOn("one"); got != 300 {
			t.Errorf("%d calls on the route when it has room again, want 300", got)
		}
	})
}

// TestAccountsTakeTurns: on one route a backlog of one account does not make another account's messages late.
func TestAccountsTakeTurns(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(c Call) Answer { time.Sleep(100 * time.Millisecond); return accept(c) } // of fake time
		r.bind("one", smpp.Transmitter).submits("知hello", 300)
		e := r.bind("other", smpp.Transmitter)
		r.Resume()
		pass(5 * time.Second)
		numbers := e.submits("知hello", 5)
		pass(1100 * time.Millisecond) // eleven calls, every other one
		for _, n := range numbers {
			if st := r.status(n); st.State == store.StateAccepted {
				t.Errorf("message %s waits behind another account's backlog", n)
			}
		}
	})
}

// TestMixedWays: of one account, three thousand messages of a template whose route is down hold up none of another template's,
// and are sent when the route is well again.
func TestMixedWays(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if c.Route == "part" && down.Load() {
				return unreachable
			}
			return accept(c)
		}
		e := r.bind("mixed", smpp.Transmitter)
		const n = 3000
		e.submits("知hello", n)
		r.Resume()
		pass(3 * time.Second)
		if got := r.circuitOf("part"); got != "open" {
			t.Fatalf("the route that is down is %s, want open", got)
		}
		for range 5 {
			m := e.accepted("批hello")
			pass(200 * time.Millisecond)
			if st := r.status(m); st.State != store.StateSent {
				t.Errorf("a message that goes another way is %v, want sent", st.State)
			}
		}
		down.Store(false)
		pass(30 * time.Second)
		sent := 0
		for i := range n {
			if r.status(store.Number(i+1)).State == store.StateSent {
				sent++
			}
		}
		if sent != n {
			t.Errorf("%d of %d were sent when the route was well again", sent, n)
		}
	})
}

// TestLanesTakeTurnsAcrossAccounts: urgent messages of one account go before a backlog of others.
func TestLanesTakeTurnsAcrossAccounts(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.bind("one", smpp.Transmitter).submits("知hello", 100)
		r.bind("other", smpp.Transmitter).submits("码4711", 20)
		r.Resume()
		pass(10 * time.Second)
		order := r.order(func(c Call) string { return c.Template[4:] })
		if got := strings.Count(order[:24], "1"); len(order) != 120 || got < 19 {
			t.Errorf("%d of the first 24 calls are urgent, of %d: %s", got, len(order), order)
		}
	})
}

// TestNoRoundWithoutAReason: what cannot go does not keep the dispatcher busy.
func TestNoRoundWithoutAReason(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		release, _ := r.gate()
		r.api.send = func(c Call) Answer {
			if c.Route == "one" {
				<-release
			}
			return unreachable
		}
		r.bind("one", smpp.Transmitter).submits("知hello", 50)  // full
		r.bind("main", smpp.Transmitter).submits("知hello", 50) // rests
		r.bind("slow", smpp.Transmitter).submits("推hello", 50) // paced, or not in its hours
		r.Resume()
		pass(20 * time.Second)
		before := testutil.ToFloat64(r.metrics.rounds)
		pass(20 * time.Second)
		// One a second by itself, and some for calls, rests that end, and retries that become due.
		if got := testutil.ToFloat64(r.metrics.rounds) - before; got > 20*12 {
			t.Errorf("%v rounds in 20 s with nothing to do", got)
		}
	})
}

// TestWaitingIsNotReadAgain: what has no way is read once, if other messages of its account may have one, and else not at all.
func TestWaitingIsNotReadAgain(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.bind("main", smpp.Transmitter).submits("知hello", 200)
		r.bind("mixed", smpp.Transmitter).submits("知hello", 200)
		d := newDispatcher(r.Bridge)
		pol := r.policy.Load()
		d.mu.Lock()
		for _, route := range []string{"a1", "part"} {
			d.exitOf(pol.routes[route]).circuit.trip(r.cfg.Steady(), "timeout")
		}
		d.mu.Unlock()
		looks := func() int {
			dr := &draft{policy: pol, now: r.clock(), free: 64, listed: make(map[store.Number]bool), wait: idleScan}
			d.queue(dr)
			if err := d.divide(dr); err != nil {
				t.Fatal(err)
			}
			dr.end()
			if len(dr.calls) > 0 || len(dr.closing) > 0 {
				t.Errorf("%d calls, %d closed; want none", len(dr.calls), len(dr.closing))
			}
			return dr.looks
		}
		for i, want := range []int{200, 0, 0} {
			if got := looks(); got != want {
				t.Errorf("round %d reads %d messages, want %d", i+1, got, want)
			}
		}
	})
}
