package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestCallsStartSoonOrNotAtAll: a call may start within a second of its Begin's commit, and within two of its proposal: later
// the attempt may have been given up by another leader, which sends the message itself (promise 3).
func TestCallsStartSoonOrNotAtAll(t *testing.T) {
	for commit, want := range map[time.Duration]time.Duration{
		0:                       callWithin,
		1500 * time.Millisecond: beginWithin - 1500*time.Millisecond,
		3 * time.Second:         -time.Second,
	} {
		t.Run(commit.String(), func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(func(c store.Command) fate {
					if _, ok := c.(*store.Begin); ok {
						<-time.After(commit) // in fake time
					}
					return applied
				})
				left := make(chan time.Duration, 1)
				r.api.send = func(c Call) Answer {
					left <- time.Until(c.Before)
					return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
				}
				r.bind("any", smpp.Transmitter).accepted("hello")
				if got := <-left; got != want {
					t.Errorf("a call whose Begin took %v may start within %v, want %v", commit, got, want)
				}
			})
		})
	}
}

// TestWorkersComeBackFromCallsPutOff: calls that a phone's limit puts off hold no worker of their route, or it would
// stand still after a few of them, for all its accounts.
func TestWorkersComeBackFromCallsPutOff(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.putPolicy(strings.Replace(promisePolicy, "validity: 5m,", "validity: 5m, phone_limits: [{per: day, limit: 1}],", 1))
		pass(time.Second)
		e := r.bind("otp", smpp.Transmitter)
		for range 10 { // more than the route has workers
			e.accepted("您的验证码是4711。")
			pass(time.Second)
		}
		if got := len(r.api.called()); got != 1 {
			t.Fatalf("%d calls to one phone, want 1", got)
		}
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(5 * time.Second)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("another account's message is %v, want sent", st.State)
		}
	})
}

// TestRetryEndsWithTheValidity: what the API puts off for longer than a message is valid ends when its validity does, not
// when it would be tried again: its ESME waits for the receipt.
func TestRetryEndsWithTheValidity(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer { return Answer{Kind: store.OutcomeRetry, After: 3 * time.Hour} }
		n := r.bind("otp", smpp.Transmitter).accepted("您的验证码是4711。")
		r.jump(6, time.Minute)
		if st := r.status(n); st.State != store.StateFinal || st.Ending != store.EndExpired {
			t.Errorf("message is %v, ending %v, six minutes after it was accepted for five, want expired", st.State, st.Ending)
		}
		if got := len(r.api.called()); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
}
