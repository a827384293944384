package bridge

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// first makes every later command of type C have the fate applied.
func first[C store.Command](what fate, times int32) func(store.Command) fate {
	var n atomic.Int32
	return func(cmd store.Command) fate {
		if _, ok := cmd.(C); ok && n.Add(1) <= times {
			return what
		}
		return applied
	}
}

// TestNoCallWithoutGrantedBegin: the API is called only for what a Begin granted. One whose outcome
// is unknown grants nothing; if it happened, its attempts are resolved by a query (promise 3).
func TestNoCallWithoutGrantedBegin(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Begin](what, 1))
				n := r.bind("any", smpp.Transmitter).accepted("hello")
				pass(10 * time.Second)
				if what != hidden {
					if got := len(r.api.called()); got != 1 {
						t.Errorf("%d calls, want 1", got)
					}
					return
				}
				if got := len(r.api.called()); got != 0 {
					t.Errorf("%d calls under a Begin whose outcome was unknown", got)
				}
				r.jump(20, 30*time.Second) // it is asked for, not known, and sent
				if got := len(r.api.called()); got != 1 || r.api.asked() == 0 {
					t.Errorf("%d calls after %d queries, want 1 after some", got, r.api.asked())
				}
				if st := r.status(n); st.Tries != 2 {
					t.Errorf("attempts %d, want 2", st.Tries)
				}
			})
		})
	}
}

// TestNoCallBeforeBegin: while its Begin is on the way nothing is called (promise 3).
func TestNoCallBeforeBegin(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		committed, commit := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Begin); ok {
				<-committed
			}
			return applied
		})
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		if got := len(r.api.called()); got != 0 {
			t.Errorf("%d calls before the Begin was committed", got)
		}
		returned := time.Now()
		commit()
		pass(time.Second)
		calls := r.api.called()
		if len(calls) != 1 {
			t.Fatalf("%d calls, want 1", len(calls))
		}
		a, err := r.store.AttemptByOutID(calls[0].OutID)
		if err != nil || a.Members[0].Number != n {
			t.Errorf("the call's OutId names %+v, %v, want message %s", a, err, n)
		}
		// A call starts within one second after its Begin has returned.
		if by := calls[0].Before.Sub(returned); by <= 0 || by > time.Second {
			t.Errorf("the call may start up to %v after its Begin, want at most 1 s", by)
		}
	})
}

// TestUncertainIsResolvedFirst: an attempt of which nothing is known is not repeated before the API
// has said, resend_after later, that it does not know it. A query that fails says nothing (promise 3).
func TestUncertainIsResolvedFirst(t *testing.T) {
	unknown := func(string) (Found, error) { return Found{}, nil }
	tests := []struct {
		name, account, text string
		find                func(outID string) (Found, error)
		calls               int // after an hour
		state               store.State
		ending              store.Ending
	}{
		{"notice, not known", "any", "hello", unknown, 2, store.StateSent, 0},
		{"code, not known", "otp", "您的验证码是4711。", unknown, 1, store.StateFinal, store.EndUnknown},
		{"queries fail", "any", "hello", func(string) (Found, error) { return Found{}, errors.New("503") }, 1, store.StateUncertain, 0},
		{"known", "any", "hello", func(string) (Found, error) { return Found{Known: true}, nil }, 1, store.StateUncertain, 0},
		{"known and delivered", "any", "hello", func(string) (Found, error) {
			return Found{Known: true, Final: true, Ending: store.EndDelivered, Err: "000", DoneAt: time.Now()}, nil
		}, 1, store.StateFinal, store.EndDelivered},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				var calls atomic.Int32
				r.api.send = func(Call) Answer {
					if calls.Add(1) == 1 {
						return Answer{Kind: store.OutcomeUncertain}
					}
					return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
				}
				r.api.find = tt.find
				n := r.bind(tt.account, smpp.Transmitter).accepted(tt.text)
				pass(time.Second)
				r.jump(9, 30*time.Second)
				if got := len(r.api.called()); got != 1 {
					t.Errorf("%d calls before resend_after, want 1", got)
				}
				r.jump(30, 2*time.Minute)
				if got := len(r.api.called()); got != tt.calls {
					t.Errorf("%d calls after an hour, want %d", got, tt.calls)
				}
				if st := r.status(n); st.State != tt.state || st.Ending != tt.ending {
					t.Errorf("message is %v, ending %d; want %v, %d", st.State, st.Ending, tt.state, tt.ending)
				}
				if r.api.asked() == 0 {
					t.Error("the API was not asked about the attempt")
				}
			})
		})
	}
}

// TestKnownLateIsNotSentAgain: the API shows a call only some minutes after it was made.
func TestKnownLateIsNotSentAgain(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		begun := r.node.now()
		r.api.send = func(Call) Answer { return Answer{Kind: store.OutcomeUncertain} }
		r.api.find = func(string) (Found, error) { return Found{Known: r.node.now().Sub(begun) > 4*time.Minute}, nil }
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		r.jump(30, time.Minute)
		if got := len(r.api.called()); got != 1 || r.status(n).State != store.StateUncertain {
			t.Errorf("%d calls, message %v; want 1, uncertain", got, r.status(n).State)
		}
	})
}

// TestKnownIsAskedForUntilItHasEnded: the API knows a call whose answer was lost, and says later how it ended. It is
// asked until then, because a report without OutId is in vain: nobody knows the call's BizId (promise 4).
func TestKnownIsAskedForUntilItHasEnded(t *testing.T) {
	for name, after := range map[string]time.Duration{"soon": 10 * time.Second, "in a day": 24 * time.Hour, "never": 100 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				begun := r.node.now()
				r.api.send = func(Call) Answer { return Answer{Kind: store.OutcomeUncertain} }
				r.api.find = func(string) (Found, error) {
					f := Found{Known: true, Final: r.node.now().Sub(begun) > after}
					if f.Final {
						f.Ending, f.Err, f.DoneAt = store.EndDelivered, "000", r.node.now()
					}
					return f, nil
				}
				n := r.bind("any", smpp.Transmitter).accepted("hello")
				pass(time.Second)
				if err := r.Report(context.Background(), []IncomingReport{{
					BizID: "biz^1", Phone: r.api.called()[0].Recipients[0].Phone, Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now(),
				}}); err != nil {
					t.Error(err)
				}
				r.jump(8, 5*time.Second)
				r.jump(min(80, int(after/time.Hour)+8), time.Hour)
				want := store.EndDelivered
				if name == "never" {
					want = store.EndUnknown
				}
				if st := r.status(n); st.State != store.StateFinal || st.Ending != want {
					t.Errorf("message %v, ending %d; want final, %d", st.State, st.Ending, want)
				}
				if got := len(r.api.called()); got != 1 {
					t.Errorf("%d calls, want 1", got)
				}
				if got := r.api.asked(); got > 100 {
					t.Errorf("asked %d times", got)
				}
			})
		})
	}
}

// TestOutcomeIsOfferedUntilRecorded: what the API answered is recorded although the first proposals
// of it fail; where none succeeds, the attempt is uncertain, not free to be repeated (promise 3).
func TestOutcomeIsOfferedUntilRecorded(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Finish](what, 3))
				n := r.bind("any", smpp.Transmitter).accepted("hello")
				pass(5 * time.Second)
				if st := r.status(n); st.State != store.StateSent {
					t.Errorf("message is %v, want sent", st.State)
				}
			})
		})
	}
	t.Run("never", func(t *testing.T) {
		inRig(t, func(t *testing.T, r *rig) {
			r.node.decide(func(cmd store.Command) fate {
				f, ok := cmd.(*store.Finish)
				if ok && f.Outcomes[0].Kind == store.OutcomeAccepted {
					return lost
				}
				return applied
			})
			n := r.bind("any", smpp.Transmitter).accepted("hello")
			pass(30 * time.Second)
			if st := r.status(n); st.State != store.StateUncertain {
				t.Errorf("message is %v, want uncertain", st.State)
			}
			if got := len(r.api.called()); got != 1 {
				t.Errorf("%d calls, want 1", got)
			}
		})
	})
}

// TestSilentAttemptBecomesUncertain: a Begin that happened and of which the leader knows nothing is
// resolved like any uncertain attempt; a message without a report ends after 72 h.
func TestSilentAttemptBecomesUncertain(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		r.jump(1, 71*time.Hour)
		if st := r.status(n); st.State != store.StateSent {
			t.Fatalf("message is %v, want sent", st.State)
		}
		r.jump(1, 2*time.Hour)
		if st := r.status(n); st.State != store.StateFinal || st.Ending != store.EndUnknown {
			t.Errorf("message is %v, ending %d, want final and unknown", st.State, st.Ending)
		}
	}, func(c *Config) { c.Retention = 100 * time.Hour })
}

// TestReportOvertakesAnswer: a report without an OutId whose proposal is on the way while the answer
// to its call is committed finds its message all the same.
func TestReportOvertakesAnswer(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		reporting, report := r.gate()
		finished, finish := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if rep, ok := cmd.(*store.Report); ok && rep.Reports[0].Number == 0 {
				report()
				<-finished
			}
			return applied
		})
		r.api.send = func(Call) Answer {
			<-reporting
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^7"}
		}
		reported := make(chan error, 1)
		go func() {
			reported <- r.Report(context.Background(), []IncomingReport{
				{BizID: "biz^7", Phone: "13800138000", Ending: store.EndDelivered, Err: "000", DoneAt: time.Now()}})
		}()
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		if st := r.status(n); st.State != store.StateSent {
			t.Fatalf("message is %v, want sent", st.State)
		}
		finish()
		if err := <-reported; err != nil {
			t.Fatal(err)
		}
		if st := r.status(n); st.State != store.StateFinal || st.Ending != store.EndDelivered {
			t.Errorf("message is %v, ending %d, want final and delivered", st.State, st.Ending)
		}
	})
}

// TestReportIsOfferedAgain: an error tells the source of a report to come again; until then it may
// be lost, afterwards not.
func TestReportIsOfferedAgain(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		r.node.decide(first[*store.Report](lost, 2))
		out := r.api.called()[0].OutID
		err := r.Report(context.Background(), []IncomingReport{{OutID: out, Phone: "8613800138000", Ending: store.EndDelivered, Err: "000"}})
		if err != nil {
			t.Fatal(err)
		}
		if st := r.status(n); st.State != store.StateFinal {
			t.Errorf("the report was taken and the message is %v", st.State)
		}
	})
}

// TestStopRecordsOutcomes: a bridge that stops waits for its calls and records how they ended
// (promise 3).
func TestStopRecordsOutcomes(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		calling, called := r.gate()
		answered, answer := r.gate()
		r.api.send = func(Call) Answer {
			called()
			<-answered
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
		}
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		await(t, "the call", calling)
		time.AfterFunc(time.Second, answer)
		r.stopRun()
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("message is %v after the bridge has stopped, want sent", st.State)
		}
	})
}

// TestEarlyReport: a report that comes before the answer to its call, and names only the BizId of
// that answer, ends the message as soon as the answer is recorded.
func TestEarlyReport(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		answered, answer := r.gate()
		r.api.send = func(Call) Answer {
			<-answered
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^7"}
		}
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		in := []IncomingReport{{BizID: "biz^7", Phone: "13800138000", Ending: store.EndDelivered, Err: "000"}}
		if err := r.Report(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		answer()
		pass(time.Second)
		if st := r.status(n); st.State != store.StateFinal || st.Ending != store.EndDelivered {
			t.Errorf("message is %v, ending %d, want final and delivered", st.State, st.Ending)
		}
	})
}

// TestReportOfAnotherPhone: a report with the OutId of a call but another phone is not that message's.
func TestReportOfAnotherPhone(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		n := r.bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		a, err := r.store.Attempt(r.status(n).Attempt)
		if err != nil {
			t.Fatal(err)
		}
		in := []IncomingReport{{OutID: a.OutID, Phone: "13800138999", Ending: store.EndUndeliverable, Err: "101"}}
		if err := r.Report(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("message is %v, want sent", st.State)
		}
		in[0].Phone, in[0].Ending = "+86"+a.Members[0].Phone, store.EndDelivered
		if err := r.Report(context.Background(), in); err != nil {
			t.Fatal(err)
		}
		if st := r.status(n); st.Ending != store.EndDelivered {
			t.Errorf("its own report, with the country code: ending %d, want delivered", st.Ending)
		}
	})
}
