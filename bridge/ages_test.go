package bridge

import (
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

func TestAges(t *testing.T) {
	const s, m = time.Second, time.Minute
	begin := time.Unix(1_900_000_000, 0)
	clock, steady := begin, begin
	a := newAges(func() time.Time { return clock }, func() time.Time { return steady })
	steps := []struct {
		name         string
		clock, pass  time.Duration // go by before the look
		begun        time.Duration // after the beginning
		want         time.Duration
		wantOfBefore time.Duration // of what began with it all
	}{
		{"at once", 0, 0, 0, 0, 0},
		{"a second later", s, s, 0, s, s},
		{"ten minutes that were one second", 10 * m, s, 0, 2 * s, 2 * s},
		{"begun between look and leap", 0, 0, 1500 * time.Millisecond, s / 2, 2 * s},
		{"begun after the leap", 5 * s, 5 * s, 10*m + s, 5 * s, 7 * s},
		{"another leap", 3 * m, s, 10*m + s, 6 * s, 8 * s},
		{"set back: what is not known is not counted", -m, s, 0, 0, 0},
	}
	for _, step := range steps {
		clock, steady = clock.Add(step.clock), steady.Add(step.pass)
		if got := a.since(begin.Add(step.begun)); got != step.want {
			t.Errorf("%s: %v, want %v", step.name, got, step.want)
		}
		if got := a.since(begin); got != step.wantOfBefore {
			t.Errorf("%s: %v since the beginning, want %v", step.name, got, step.wantOfBefore)
		}
	}
}

// TestAgesAreKeptThroughManyLeaps: those that are not told apart any more make nothing older.
func TestAgesAreKeptThroughManyLeaps(t *testing.T) {
	begin := time.Unix(1_900_000_000, 0)
	clock, steady := begin, begin
	a := newAges(func() time.Time { return clock }, func() time.Time { return steady })
	for range 3 * leapsMost {
		clock, steady = clock.Add(time.Hour), steady.Add(time.Second)
		a.since(begin)
	}
	if got, want := a.since(begin), 3*leapsMost*time.Second; got != want || len(a.leaps) != leapsMost {
		t.Errorf("%v with %d leaps, want %v with %d", got, len(a.leaps), want, leapsMost)
	}
}

// TestLeapDoublesNothing: the clock leaps while a call is under way, and the stamps with it: no majority knows better.
// The API does not know the call yet, which is not old enough for that to mean anything (promise 3).
func TestLeapDoublesNothing(t *testing.T) {
	for name, account := range map[string]string{"resent": "any", "given up": "otp"} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				answered, answer := r.gate()
				r.api.send = func(Call) Answer {
					<-answered
					return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
				}
				n := r.bind(account, smpp.Transmitter).accepted("您的验证码是4711。")
				pass(time.Second)
				r.node.ahead.Add(int64(10 * time.Minute))
				pass(10 * time.Second)
				if r.api.asked() == 0 {
					t.Error("the API was not asked for it: this tests nothing")
				}
				answer()
				pass(10 * time.Second)
				if calls := r.api.called(); len(calls) != 1 {
					t.Errorf("%d calls for one message", len(calls))
				}
				if st := r.status(n); st.State != store.StateSent {
					t.Errorf("%v, ending %v, want it sent", st.State, st.Ending)
				}
			})
		})
	}
}

// TestLeapOfTheLeaderBefore: the next leader knows that what the one before began is not as old as it looks.
func TestLeapOfTheLeaderBefore(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		var sent []Call
		f.api.send = func(c Call) Answer {
			sent = append(sent, c)
			return Answer{Kind: store.OutcomeUncertain}
		}
		f.at(2).bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		f.at(1).node.ahead.Add(int64(10 * time.Minute))
		f.at(3).bind("any", smpp.Transmitter).accepted("hello") // stamps the state
		pass(time.Second)
		f.at(1).node.ahead.Store(0)
		f.lead(f.at(2))
		pass(time.Minute)
		if len(sent) != 2 {
			t.Errorf("%d calls for two messages", len(sent))
		}
	})
}

// TestLeapEndsNothing: the leader's clock leaps, and the stamps do not. What waits is not ended by it, and the leader does not
// insist.
func TestLeapEndsNothing(t *testing.T) {
	var leap atomic.Int64
	inRig(t, func(t *testing.T, r *rig) {
		r.Pause()
		n := r.bind("otp", smpp.Transmitter).accepted("您的验证码是4711。")
		leap.Store(int64(10 * time.Minute))
		r.Resume()
		pass(3 * time.Second)
		leap.Store(0)
		if got := proposed[*store.Close](r.node); got < 1 || got > 60 {
			t.Errorf("%d times proposed to end it in 3 s, want some, not more", got)
		}
		pass(3 * time.Second)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("%v, ending %v, want it sent", st.State, st.Ending)
		}
	}, func(c *Config) {
		now := c.Now
		c.Now = func() time.Time { return now().Add(time.Duration(leap.Load())) }
	})
}
