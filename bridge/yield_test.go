package bridge

import (
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestLeadershipGoesWithACallUnderWay: leadership is handed over, by an operator or because the node stops, while the API
// has not answered a call. The call was recorded before it was made, so the next leader does not repeat it, although it
// knows nothing of it and the API does not either, and what comes of it is recorded, however late.
func TestLeadershipGoesWithACallUnderWay(t *testing.T) {
	for name, stops := range map[string]bool{"the node goes on": false, "the node stops": true} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				answered, answer := f.at(1).gate()
				f.api.send = func(Call) Answer {
					<-answered
					return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
				}
				e := f.at(2).bind("any", smpp.Transmitter)
				n := e.accepted("hello")
				pass(time.Second)
				if st := f.at(2).status(n); st.State != store.StateSending {
					t.Fatalf("message is %v when its call runs, want sending", st.State)
				}
				f.lead(f.at(2))
				var stopped sync.WaitGroup
				if stops {
					stopped.Go(f.at(1).stop)
				}
				pass(8 * time.Second)
				if st := f.at(2).status(n); st.State != store.StateUncertain || f.api.asked() == 0 {
					t.Errorf("message is %v and was asked for %d times under the next leader, want uncertain and asked for", st.State, f.api.asked())
				}
				answer()
				pass(time.Second)
				stopped.Wait()
				if st := f.at(2).status(n); st.State != store.StateSent {
					t.Errorf("message is %v after the answer, want sent", st.State)
				}
				pass(10 * time.Minute) // beyond resend_after
				if got := len(f.api.called()); got != 1 {
					t.Errorf("%d calls for one message", got)
				}
				if stops {
					f.at(1).start()
				}
			}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
		})
	}
}
