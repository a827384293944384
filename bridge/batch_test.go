package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestBatch: a call is for several messages of one account, template and route, up to the class's batch, and never for one
// phone twice; classes without batching have a call for each.
func TestBatch(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		e := r.bind("main", smpp.Transmitter)
		e.submits("批hello", 25)
		e.submits("众hello", 5)
		e.submits("批again", 5) // to phones that have one above
		e.submits("码4711", 3)
		e.submits("知hello", 3)
		r.bind("any", smpp.Transmitter).submits("批hello", 5)
		r.Resume()
		pass(time.Second)
		count := make(map[string]int)
		for _, c := range r.api.called() {
			phones := make(map[string]bool)
			for _, to := range c.Recipients {
				if phones[to.Phone] {
					t.Errorf("a call is for one phone twice")
				}
				phones[to.Phone] = true
			}
			n := len(c.Recipients)
			count[c.Template] += n
			if batched := c.Template == "SMS_3" || c.Template == "SMS_4"; n > 10 || n > 1 && !batched {
				t.Errorf("a call of template %s is for %d messages", c.Template, n)
			}
		}
		if count["SMS_1"] != 3 || count["SMS_2"] != 3 || count["SMS_3"] != 35 || count["SMS_4"] != 5 {
			t.Errorf("messages by template: %v", count)
		}
		// 25+5 and 5 of one account make three full calls and at most two for phones that are in one; 5 of another; 5 of the other
		// template; 6 alone.
		if got := len(r.api.called()); got > 3+2+1+1+6 {
			t.Errorf("%d calls", got)
		}
	})
}

// TestBatchGathers: a message that comes alone is sent at once; those that come while such a call is under way wait for each
// other, no longer than batch_within.
func TestBatchGathers(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(c Call) Answer { time.Sleep(time.Second); return accept(c) } // of fake time
		e := r.bind("main", smpp.Transmitter)
		r.Resume()
		pass(time.Second)
		e.accepted("批hello", to(100))
		pass(time.Millisecond)
		if got := len(r.api.called()); got != 1 {
			t.Fatalf("%d calls a moment after a message that comes alone, want 1", got)
		}
		e.accepted("众hello", to(100))
		pass(time.Millisecond)
		if got := len(r.api.called()); got != 2 {
			t.Errorf("%d calls after one of another template, want 2", got)
		}
		for i := range 6 {
			e.accepted("批hello", to(i))
			pass(5 * time.Millisecond)
		}
		if got := len(r.api.called()); got != 2 {
			t.Errorf("%d calls while messages gather, want 2", got)
		}
		pass(30 * time.Millisecond)
		if calls := r.api.called(); len(calls) != 3 || len(calls[2].Recipients) != 6 {
			t.Errorf("%d calls when batch_within is over, want one more for 6", len(calls))
		}
		e.submits("批hello", 10)
		pass(time.Millisecond)
		if calls := r.api.called(); len(calls) != 4 || len(calls[3].Recipients) != 10 {
			t.Errorf("%d calls, want a full one at once", len(calls))
		}
	})
}

// TestBatchInDoubt: an answer that may be about one recipient says nothing of each. They are asked for one by one, and who
// was not sent goes again alone.
func TestBatchInDoubt(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(c Call) Answer {
			if len(c.Recipients) > 1 {
				return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033", Code: "isv.MOBILE_NUMBER_ILLEGAL"}
			}
			return accept(c)
		}
		numbers := r.bind("main", smpp.Transmitter).submits("批hello", 4)
		r.Resume()
		pass(time.Second)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateUncertain {
				t.Errorf("message %s is %v, want uncertain", n, st.State)
			}
		}
		r.jump(12, 30*time.Second)
		calls := r.api.called()
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent || !st.Alone {
				t.Errorf("message %s is %v (alone: %v), want sent alone", n, st.State, st.Alone)
			}
		}
		if len(calls) != 5 {
			t.Errorf("%d calls, want one for 4 and 4 for one", len(calls))
		}
	})
}

// TestBatchLost: who was in a call of which nothing came, neither answer nor SMS, goes with the others again. An outage must
// not turn each batch into a hundred calls.
func TestBatchLost(t *testing.T) {
	inWays(t, func(t *testing.T, r *rig) {
		lost := true
		r.api.send = func(c Call) Answer {
			if lost {
				return Answer{Kind: store.OutcomeUncertain, Outage: true, Whole: true}
			}
			return accept(c)
		}
		numbers := r.bind("main", smpp.Transmitter).submits("批hello", 4)
		r.Resume()
		pass(time.Second)
		lost = false
		r.jump(12, 30*time.Second)
		for _, n := range numbers {
			if st := r.status(n); st.State != store.StateSent || st.Alone {
				t.Errorf("message %s is %v (alone: %v), want sent with others", n, st.State, st.Alone)
			}
		}
		if got := len(r.api.called()); got != 2 {
			t.Errorf("%d calls, want 2 for 4 each", got)
		}
	})
}

// TestBatchAnsweredAsAWhole: an answer about the call holds for all of its messages.
func TestBatchAnsweredAsAWhole(t *testing.T) {
	for _, tt := range []struct {
		name   string
		answer Answer
		want   store.State
	}{
		{"rejected", Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "031", Whole: true}, store.StateFinal},
		{"retry", Answer{Kind: store.OutcomeRetry, Err: "062", Whole: true, After: time.Minute}, store.StateRetry},
		{"uncertain", Answer{Kind: store.OutcomeUncertain, Outage: true, Whole: true}, store.StateUncertain},
		{"accepted", Answer{Kind: store.OutcomeAccepted, BizID: "biz^1", Whole: true}, store.StateSent},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inWays(t, func(t *testing.T, r *rig) {
				r.api.send = func(Call) Answer { return tt.answer }
				numbers := r.bind("main", smpp.Transmitter).submits("批hello", 4)
				r.Resume()
				pass(time.Second)
				for _, n := range numbers {
					if st := r.status(n); st.State != tt.want {
						t.Errorf("message %s is %v, want %v", n, st.State, tt.want)
					}
				}
				if got := len(r.api.called()); got != 1 {
					t.Errorf("%d calls, want 1", got)
				}
			})
		})
	}
}
