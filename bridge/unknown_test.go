package bridge

import (
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestRespAfterCommit: while its Accept is on the way a message has no submit_sm_resp (promise 1).
func TestRespAfterCommit(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		proposing := make(chan struct{})
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				close(proposing)
				<-committed
			}
			return applied
		})
		e := r.bind("any", smpp.Transmitter)
		e.submit("hello")
		await(t, "the proposal", proposing)
		e.Send(&smpp.EnquireLink{})
		e.Expect(smpp.EnquireLinkRespID) // and not the submit_sm_resp
		commit()
		if n := e.number(); r.status(n).State == 0 {
			t.Errorf("message %s was answered and is not in the store", n)
		}
	})
}

// TestUnknownAcceptIsSettled: whatever becomes of its first proposals, a message is accepted once
// and its ESME gets one message_id (promise 2).
func TestUnknownAcceptIsSettled(t *testing.T) {
	tests := []struct {
		name  string
		fates []fate // of the first proposals; the next is applied
	}{
		{"refused", []fate{refused, refused}},
		{"fails", []fate{lost, lost, lost}},
		{"fails but happened", []fate{hidden}},
		{"fails but happened, again and again", []fate{hidden, hidden, lost, refused, hidden}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				var tries atomic.Int32
				r.node.decide(func(cmd store.Command) fate {
					if _, ok := cmd.(*store.Accept); !ok {
						return applied
					}
					if n := int(tries.Add(1)); n <= len(tt.fates) {
						return tt.fates[n-1]
					}
					return applied
				})
				e := r.bind("any", smpp.Transmitter)
				if n := e.accepted("hello"); n != 1 {
					t.Errorf("message %d, want the first result, 1", n)
				}
				if got := r.stored(); got != 1 {
					t.Errorf("%d messages in the store, want 1", got)
				}
				if got := int(tries.Load()); got != len(tt.fates)+1 {
					t.Errorf("proposed %d times, want %d", got, len(tt.fates)+1)
				}
			})
		})
	}
}

// TestUnknownAcceptBesideOthers: the result of a proposal whose outcome is unknown is kept while
// later ones are answered (promise 2).
func TestUnknownAcceptBesideOthers(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		first := make(chan struct{})
		again, repeat := r.gate()
		var tries atomic.Int32 // of the first message
		r.node.decide(func(cmd store.Command) fate {
			a, ok := cmd.(*store.Accept)
			if !ok || a.Token.Seq != 1 {
				return applied
			}
			if tries.Add(1) == 1 {
				close(first)
				return hidden
			}
			<-again
			return applied
		})
		a, b := r.bind("any", smpp.Transmitter), r.bind("any", smpp.Transmitter)
		a.submit("first")
		await(t, "the first proposal", first)
		b.submit("second")
		pass(time.Second)
		if got := proposed[*store.Accept](r.node); got != 3 {
			t.Fatalf("%d proposals, want the first twice and the second once", got)
		}
		repeat()
		one, two := a.number(), b.number()
		if one != 1 || two != 2 || r.stored() != 2 {
			t.Errorf("messages %d and %d of %d, want 1 and 2 of 2", one, two, r.stored())
		}
	})
}

// TestUnsettledIsNotAnswered: an error is answered only for what surely never entered the log. What
// stays unknown ends the session without a submit_sm_resp (promise 2).
func TestUnsettledIsNotAnswered(t *testing.T) {
	tests := []struct {
		name   string
		first  fate // of the first proposal
		then   fate // of all others
		closed bool
	}{
		{"never proposed", refused, refused, false},
		{"unknown", lost, lost, true},
		{"unknown but happened", hidden, hidden, true},
		{"unknown at first", lost, refused, true}, // what was unknown once stays so
		{"happened at first", hidden, refused, true},
		{"unknown at last", refused, lost, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				e := r.bind("any", smpp.Transmitter)
				var tries atomic.Int32
				r.node.decide(func(cmd store.Command) fate {
					if _, ok := cmd.(*store.Accept); !ok {
						return applied
					}
					if tries.Add(1) == 1 {
						return tt.first
					}
					return tt.then
				})
				e.submit("hello")
				if tt.closed {
					expectClosedUnanswered(t, e)
					return
				}
				if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusSysErr {
					t.Errorf("answered %v, want ESME_RSYSERR", h.Status)
				}
				if got := r.stored(); got != 0 {
					t.Errorf("%d messages in the store of which an error was answered", got)
				}
			})
		})
	}
}

// expectClosedUnanswered reads until the connection ends; no submit_sm_resp may come.
func expectClosedUnanswered(t *testing.T, e *esme) {
	t.Helper()
	frames := smpp.NewReader(e.Conn(), smpp.MaxPDU)
	for {
		h, _, err := frames.Next()
		if err != nil {
			return
		}
		if h.ID == smpp.SubmitSMRespID {
			t.Fatalf("answered %v, want no answer and the session closed", h.Status)
		}
	}
}

// TestAnsweredOnceGoneIsNotAnError: the node has started again under a later incarnation, and what
// it had proposed may be in the log: no status says so.
func TestAnsweredOnceGoneIsNotAnError(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		r.ends = ErrSucceeded
		if _, err := r.node.apply(&store.NodeUp{Node: "n1", Incarnation: r.incarnation.Load() + 1}); err != nil {
			t.Fatal(err)
		}
		e.submit("hello")
		expectClosedUnanswered(t, e)
	})
}

// TestPolicyChangedOnTheWay: a message that was decided under an older policy is decided again, and
// its ESME sees nothing of it.
func TestPolicyChangedOnTheWay(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		var once atomic.Bool
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok && once.CompareAndSwap(false, true) {
				r.putPolicy(promisePolicy)
			}
			return applied
		})
		n := e.accepted("hello")
		m, _, err := r.store.Lookup(n)
		if err != nil {
			t.Fatal(err)
		}
		if m.PolicyVersion != 2 {
			t.Errorf("accepted under policy %d, want 2", m.PolicyVersion)
		}
	})
}

// TestNoRoomIsQueueFull: without room for anything new, on the disk or in the queue, the ESME is told
// that the queue is full, which its client retries, and within a moment.
func TestNoRoomIsQueueFull(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Accept); ok {
				return noRoom
			}
			return applied
		})
		began := time.Now()
		e.submit("hello")
		if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusMsgQFul {
			t.Errorf("answered %v, want ESME_RMSGQFUL", h.Status)
		}
		if took := time.Since(began); took > 2*fullPatience {
			t.Errorf("answered after %v", took)
		}
		if n := r.stored(); n != 0 {
			t.Errorf("%d messages stored, want none", n)
		}
	})
}
