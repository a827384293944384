package bridge

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestAcceptOverALeaderChange: when the leader dies with a message on the way to it, the message is proposed again the
// moment there is another one, with its token, and is accepted once; the ESME of another node sees nothing but the wait.
func TestAcceptOverALeaderChange(t *testing.T) {
	for name, what := range map[string]fate{"it had not committed it": lost, "it had committed it": hidden} {
		t.Run(name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				e := f.at(2).bind("any", smpp.Transmitter)
				f.decide(func(_ *member, c store.Command) fate {
					if _, ok := c.(*store.Accept); ok {
						f.lead(nil)
						f.decide(nil)
						return what
					}
					return applied
				})
				e.submit("hello")
				pass(1500 * time.Millisecond)
				f.lead(f.at(3))
				began := time.Now()
				if n := e.number(); n != 1 || f.book.LastNumber() != 1 {
					t.Errorf("number %d of %d, want 1 of 1", n, f.book.LastNumber())
				}
				if took := time.Since(began); took > 0 {
					t.Errorf("answered %v after there was a leader, want at once", took)
				}
			})
		})
	}
}

// TestUnknownIsRepeatedAtOnce: nothing is waited for when the answer to a proposal got lost.
func TestUnknownIsRepeatedAtOnce(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.node.decide(first[*store.Accept](hidden, 1))
		e := r.bind("any", smpp.Transmitter)
		began := time.Now()
		e.accepted("hello")
		if took := time.Since(began); took > 0 {
			t.Errorf("answered after %v", took)
		}
	})
}

// TestUnknownThenFull: a message whose first proposal is unknown is not refused because there is no room for its
// repetition: it is proposed until it is known, or its session ends unanswered.
func TestUnknownThenFull(t *testing.T) {
	then := func(first fate, full int32) func(store.Command) fate {
		var tries atomic.Int32
		return func(c store.Command) fate {
			if _, ok := c.(*store.Accept); !ok {
				return applied
			}
			switch n := tries.Add(1); {
			case n == 1:
				return first
			case n <= full+1:
				return noRoom
			}
			return applied
		}
	}
	inRig(t, func(t *testing.T, r *rig) {
		r.node.decide(then(hidden, 60)) // for longer than fullPatience
		e := r.bind("any", smpp.Transmitter)
		if n := e.accepted("hello"); n != 1 || r.stored() != 1 {
			t.Errorf("number %d of %d, want 1 of 1", n, r.stored())
		}
	})
	inRig(t, func(t *testing.T, r *rig) {
		r.node.decide(then(lost, 1_000_000))
		e := r.bind("any", smpp.Transmitter)
		e.submit("hello")
		expectClosedUnanswered(t, e)
	})
}

// freezer is a node's cluster; the node is frozen when its next Begin has been committed, and before it learns of that.
type freezer struct {
	Cluster
	frozen atomic.Bool
	woken  chan struct{}
}

func (z *freezer) Propose(ctx context.Context, c store.Command) (store.Result, error) {
	res, err := z.Cluster.Propose(ctx, c)
	if _, ok := c.(*store.Begin); ok && z.frozen.CompareAndSwap(false, true) {
		<-z.woken
	}
	return res, err
}

// TestFrozenLeaderDoesNotCall: a leader that was frozen while its Begin was on the way makes no call when it wakes up:
// another one leads, which has found out that the attempt was not made, and has made another (promise 3).
func TestFrozenLeaderDoesNotCall(t *testing.T) {
	z := &freezer{}
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		var calls, late atomic.Int32
		f.api.send = func(c Call) Answer { // as every Sender does, whatever its ctx says
			if !time.Now().Before(c.Before) {
				late.Add(1)
				return Answer{Kind: store.OutcomeRetry}
			}
			calls.Add(1)
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
		}
		e := f.at(2).bind("any", smpp.Transmitter)
		n := e.accepted("hello")
		pass(time.Second)
		f.lead(f.at(2))
		pass(10 * time.Minute)
		if got := calls.Load(); got != 1 {
			t.Fatalf("%d calls of the new leader, want 1", got)
		}
		close(z.woken)
		pass(time.Minute)
		if calls.Load() != 1 || late.Load() != 1 {
			t.Errorf("%d calls, %d tried too late, want no second one by the leader that was frozen", calls.Load(), late.Load())
		}
		if st := f.at(2).status(n); st.State != store.StateSent {
			t.Errorf("message is %v, want sent", st.State)
		}
	}, func(c *Config) {
		c.Session.EnquireLink = 1000 * time.Hour
		if c.NodeID == "n1" {
			z.Cluster, z.woken = c.Cluster, make(chan struct{}) // of the bubble
			c.Cluster = z
		}
	})
}

// TestCallsOutliveTheReign: a call that runs when leadership ends is not cut short: its outcome is committed by the node
// that made it, and the next leader sends nothing again.
func TestCallsOutliveTheReign(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		answered, answer := f.at(1).gate()
		f.api.send = func(Call) Answer {
			<-answered
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
		}
		n := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		f.lead(nil)
		pass(500 * time.Millisecond)
		answer() // nobody leads
		pass(500 * time.Millisecond)
		f.lead(f.at(2))
		pass(3 * time.Second) // before the new leader asks for it
		if st := f.at(3).status(n); st.State != store.StateSent {
			t.Errorf("message is %v, want sent", st.State)
		}
		f.lead(f.at(1)) // whose work of the reign before has ended
		m := f.at(2).bind("any", smpp.Transmitter).accepted("hello")
		pass(3 * time.Second)
		if st := f.at(1).status(m); st.State != store.StateSent {
			t.Errorf("message of the next reign is %v, want sent", st.State)
		}
		if got := len(f.api.called()); got != 2 {
			t.Errorf("%d calls for two messages", got)
		}
	})
}

// TestFrozenNodeDoesNotAnswer: a node that was frozen while an Accept was on the way answers nothing when it wakes up after
// other nodes have let the receipt go: the session is closed, and its ESME does not know (promise 4).
func TestFrozenNodeDoesNotAnswer(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, f *fleet) {
		frozen := acceptPatience / 2
		f.decide(func(_ *member, c store.Command) fate {
			if _, ok := c.(*store.Accept); ok {
				time.Sleep(frozen)
			}
			return applied
		})
		e := f.at(2).bind("any", smpp.Transmitter)
		e.accepted("in time")
		frozen = acceptPatience + answerSlack
		e.submit("late")
		e.ExpectClosed()
	}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
}
