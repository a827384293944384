package bridge

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestOutageMovesTraffic: while the preferred route is down messages go by the next one at once, those that failed too, and
// come back after it is well (done when 4).
func TestOutageMovesTraffic(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if c.Route == "a1" && down.Load() {
				return unreachable
			}
			return accept(c)
		}
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		pass(time.Second)
		numbers := e.submits("知hello", 50)
		pass(500 * time.Millisecond)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent {
				t.Errorf("half a second into an outage message %s is %v, want sent", n, st.State)
			}
		}
		if a, b := r.circuitOf("a1"), r.callsOn("a1"); a != "open" || b > 12 {
			t.Errorf("after %d calls the route that is down is %s", b, a)
		}
		if got := r.callsOn("b1"); got != 0 {
			t.Errorf("%d calls on a route of a later priority, want 0 while one before it is well", got)
		}
		down.Store(false)
		for range 6 { // what comes along tries it
			e.accepted("知hello")
			pass(2 * time.Second)
		}
		before := r.callsOn("a2")
		e.submits("知hello", 20)
		pass(time.Second)
		if a, moved := r.circuitOf("a1"), r.callsOn("a2")-before; a != "closed" || moved != 0 {
			t.Errorf("twelve seconds after the outage the route is %s, and %d of 20 messages went elsewhere", a, moved)
		}
	})
}

// TestAccountFaultMovesToAnotherAccount: what is wrong with an Alibaba Cloud account is not tried on another of its routes (done
// when 4).
func TestAccountFaultMovesToAnotherAccount(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(c Call) Answer {
			if strings.HasPrefix(c.Route, "a") {
				return Answer{Kind: store.OutcomeRetry, Account: true, Code: "isv.AMOUNT_NOT_ENOUGH", Err: "045", Whole: true}
			}
			return accept(c)
		}
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		pass(time.Second)
		numbers := e.submits("知hello", 50)
		pass(500 * time.Millisecond)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent {
				t.Errorf("message %s is %v, want sent by the other account", n, st.State)
			}
		}
		if a1, a2 := r.callsOn("a1"), r.callsOn("a2"); a1 == 0 || a1 > 4 || a2 != 0 {
			t.Errorf("%d calls on the route of the account and %d on its other one, want those under way at once and 0", a1, a2)
		}
		for _, route := range []string{"a1", "a2"} {
			if got := r.circuitOf(route); got != "open" {
				t.Errorf("route %s of the account is %s, want open", route, got)
			}
		}
		if got := r.circuitOf("b1"); got != "closed" {
			t.Errorf("the other account's route is %s, want closed", got)
		}
	})
}

// TestHopsAreBounded: where all routes fail a message is tried on each once, and then backs off.
func TestHopsAreBounded(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer { return unreachable }
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		pass(time.Second)
		e.accepted("知hello")
		pass(500 * time.Millisecond)
		if got := r.order(func(c Call) string { return c.Route }); got != "a1a2b1" {
			t.Errorf("calls on %s in half a second, want one on each", got)
		}
	})
}

// TestProbeIsNoCode: whether a route is well is not tried with a one-time code while something else waits that may be late.
func TestProbeIsNoCode(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if down.Load() {
				return unreachable
			}
			return accept(c)
		}
		e := r.bind("main", smpp.Transmitter)
		e.submits("知hello", 5)
		r.Resume()
		pass(time.Second)
		if got := r.circuitOf("a1"); got != "open" {
			t.Fatalf("after five faults the route is %s, want open", got)
		}
		e.submits("码4711", 20)
		e.submits("知hello", 20)
		e.submits("批hello", 20)
		down.Store(false)
		before := len(r.api.called())
		pass(7 * time.Second)
		calls := r.api.called()[before:]
		if len(calls) < circuitProbes {
			t.Fatalf("%d calls after the rest", len(calls))
		}
		for _, c := range calls[:circuitProbes] {
			if c.Template != "SMS_3" || len(c.Recipients) != 1 {
				t.Errorf("a probe is of template %s to %d phones, want one message of a class with batching", c.Template, len(c.Recipients))
			}
		}
	})
}

// TestCodeProbesWhereNothingElseWaits: a route that only one-time codes use comes back, too.
func TestCodeProbesWhereNothingElseWaits(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		var down atomic.Bool
		down.Store(true)
		r.api.send = func(c Call) Answer {
			if down.Load() && c.Route == "a1" {
				return unreachable
			}
			return accept(c)
		}
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		e.submits("码4711", 5)
		pass(time.Second)
		down.Store(false)
		before := r.callsOn("a1")
		pass(5 * time.Second)
		e.accepted("码4711")
		pass(time.Second)
		if got := r.callsOn("a1") - before; got != 0 {
			t.Errorf("a code tried a route at once though another one is well")
		}
		pass(probePatience)
		for range circuitProbes + 1 {
			e.accepted("码4711")
			pass(time.Second)
		}
		if got := r.circuitOf("a1"); got != "closed" {
			t.Errorf("after long with nothing but codes the route is %s, want closed", got)
		}
	})
}

// TestWeights: routes of one priority share calls by their weights.
func TestWeights(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("shared", smpp.Transmitter)
		r.Resume()
		for i := range 40 {
			e.accepted("知hello", to(i))
			pass(10 * time.Millisecond)
		}
		if one, two := r.callsOn("one"), r.callsOn("two"); one != 30 || two != 10 {
			t.Errorf("%d and %d calls, want 30 and 10 by weights 3 and 1", one, two)
		}
	})
}

// TestThrottling: an answer that the calls per second are used up halves a route's rate, once for those that ran together, and
// it comes back by a tenth of qps a second.
func TestThrottling(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		var throttled atomic.Bool
		throttled.Store(true)
		r.api.send = func(c Call) Answer {
			if throttled.Load() {
				return Answer{Kind: store.OutcomeRetry, Throttled: true, Code: "Throttling.User", Whole: true}
			}
			return accept(c)
		}
		e := r.bind("main", smpp.Transmitter)
		r.Resume()
		pass(time.Second)
		e.submits("知hello", 4)
		pass(10 * time.Millisecond)
		throttled.Store(false)
		rate := func() float64 {
			list, _ := r.Routes()
			return list[0].Rate
		}
		if got := rate(); got < 500 || got > 510 {
			t.Errorf("rate %v after four throttling answers at once, want about 500 of 1000", got)
		}
		pass(2 * time.Second)
		if got := rate(); got < 690 || got > 710 {
			t.Errorf("rate %v two seconds later, want about 700", got)
		}
		pass(4 * time.Second)
		if got := rate(); got != 1000 {
			t.Errorf("rate %v six seconds later, want 1000", got)
		}
		if got := r.circuitOf("a1"); got != "closed" {
			t.Errorf("a route that is throttled is %s, want closed", got)
		}
	})
}

// TestLastErrorIsTold: what runs out of validity while it is retried ends with the err of its last attempt.
func TestLastErrorIsTold(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer { return unreachable }
		n := r.bind("main", smpp.Transmitter).accepted("知hello")
		r.Resume()
		pass(70 * time.Second)
		if st := r.status(n); st.Ending != store.EndExpired || st.Err != "097" {
			t.Errorf("ending %d, err %q; want expired, 097", st.Ending, st.Err)
		}
	})
}

// TestExpiresOnARouteThatRests: nobody reads what waits for a route that has no room, and it expires all the same.
func TestExpiresOnARouteThatRests(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		hang, _ := r.gate()
		r.api.send = func(c Call) Answer { <-hang; return accept(c) }
		numbers := r.bind("one", smpp.Transmitter).submits("知hello", 300)
		r.Resume()
		pass(70 * time.Second)
		for _, n := range numbers[1:] { // the first has the worker
			if st := r.status(n); st.Ending != store.EndExpired || st.Err != errCodeExpired {
				t.Fatalf("message %s is %v, ending %d, err %q; want expired, 117", n, st.State, st.Ending, st.Err)
			}
		}
	})
}

// TestHours: a message of a class with hours waits until they begin.
func TestHours(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		night := r.node.now().Truncate(24 * time.Hour).Add(24*time.Hour + 20*time.Hour) // 4:00 of UTC+8
		r.node.ahead.Store(int64(time.Until(night)))
		e := r.bind("any", smpp.Transmitter)
		r.Resume()
		ad, notice := e.accepted("推hello"), e.accepted("知hello")
		pass(time.Second)
		if st := r.status(ad); st.State != store.StateAccepted {
			t.Errorf("at night an advertisement is %v, want accepted", st.State)
		}
		if st := r.status(notice); st.State != store.StateSent {
			t.Errorf("at night a notice is %v, want sent", st.State)
		}
		r.jump(1, 4*time.Hour)
		if st := r.status(ad); st.State != store.StateSent {
			t.Errorf("in its hours the advertisement is %v, want sent", st.State)
		}
	})
}
