package bridge

import (
	"errors"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestOperationsWaitForTheLeader: query_sm, cancel_sm and replace_sm on a node that lags are about what is, not about
// what that node knows: it waits until it has caught up.
func TestOperationsWaitForTheLeader(t *testing.T) {
	text := "good bye"
	tests := []struct {
		name string
		ask  func(store.Number) smpp.PDU
		want smpp.Status
	}{
		{"query_sm", func(n store.Number) smpp.PDU { return &smpp.QuerySM{MessageID: n.String()} }, smpp.StatusOK},
		{"cancel_sm", func(n store.Number) smpp.PDU { return &smpp.CancelSM{MessageID: n.String()} }, smpp.StatusOK},
		{"cancel_sm of all", func(store.Number) smpp.PDU {
			return &smpp.CancelSM{SourceAddr: submitSM("").SourceAddr, DestinationAddr: submitSM("").DestinationAddr}
		}, smpp.StatusOK},
		{"replace_sm", func(n store.Number) smpp.PDU {
			return &smpp.ReplaceSM{MessageID: n.String(), SourceAddr: submitSM("").SourceAddr, ShortMessage: text}
		}, smpp.StatusOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				lags := f.at(3).bind("any", smpp.Transmitter)
				f.at(3).hold()
				n := f.at(2).bind("any", smpp.Transmitter).accepted("hello", inAnHour)
				p := tt.ask(n)
				lags.Send(p)
				pass(time.Second)
				f.at(3).release()
				id, _ := p.CommandID().Response()
				if h, _ := lags.Expect(id); h.Status != tt.want {
					t.Errorf("answered %v, want %v", h.Status, tt.want)
				}
			})
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				cut := f.at(3).bind("any", smpp.Transmitter)
				n := cut.accepted("hello", inAnHour)
				f.at(3).cut(refused)
				if got, _ := cut.ask(tt.ask(n)); got != smpp.StatusSysErr {
					t.Errorf("on a node that is cut off: answered %v, want ESME_RSYSERR", got)
				}
			})
		})
	}
}

// TestOutcomeIsReadWhenItIsThere: what a node that lags has had committed it looks at when it has applied it, and does
// not propose over and over what it cannot see.
func TestOutcomeIsReadWhenItIsThere(t *testing.T) {
	for _, p := range []smpp.PDU{
		&smpp.CancelSM{MessageID: store.Number(1).String()},
		&smpp.ReplaceSM{MessageID: store.Number(1).String(), SourceAddr: submitSM("").SourceAddr, ShortMessage: "good bye"},
	} {
		t.Run(p.CommandID().String(), func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				e := f.at(3).bind("any", smpp.Transmitter)
				e.accepted("hello", inAnHour)
				f.decide(func(_ *member, c store.Command) fate {
					switch c.(type) {
					case *store.Close, *store.Replace:
						f.at(3).hold()
						f.decide(nil)
						return hidden
					}
					return applied
				})
				e.Send(p)
				pass(time.Second)
				f.at(3).release()
				id, _ := p.CommandID().Response()
				if h, _ := e.Expect(id); h.Status != smpp.StatusOK {
					t.Errorf("answered %v, want ESME_ROK", h.Status)
				}
				if got := proposals[*store.Close](f) + proposals[*store.Replace](f); got != 2 {
					t.Errorf("%d proposals, want 2: the one that was lost, and its repetition", got)
				}
			})
		})
	}
}

// TestQueryIsOfNow: a message that has ended on another node is not under way on this one.
func TestQueryIsOfNow(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(3).bind("any", smpp.Transmitter)
		n := e.accepted("hello")
		pass(time.Second)
		f.at(3).hold()
		f.at(2).report(n)
		e.Send(&smpp.QuerySM{MessageID: n.String()})
		pass(time.Second)
		f.at(3).release()
		if _, p := e.Expect(smpp.QuerySMRespID); p.(*smpp.QuerySMResp).MessageState != smpp.StateDelivered {
			t.Errorf("message is %v, want delivered", p.(*smpp.QuerySMResp).MessageState)
		}
	})
}

// TestWhatBecameOfAnOperation: when the outcome of a cancel_sm or replace_sm stays unknown to the end, what the state says
// afterwards is answered. Only what may happen yet is an error.
func TestWhatBecameOfAnOperation(t *testing.T) {
	cancel := func(n store.Number) smpp.PDU { return &smpp.CancelSM{MessageID: n.String()} }
	replace := func(n store.Number) smpp.PDU {
		return &smpp.ReplaceSM{MessageID: n.String(), SourceAddr: submitSM("").SourceAddr, ShortMessage: "good bye"}
	}
	const (
		nothing = iota
		sent
	)
	tests := []struct {
		name string
		ask  func(store.Number) smpp.PDU
		what fate
		then int // what else happens to the message meanwhile
		want smpp.Status
	}{
		{"cancelled", cancel, hidden, nothing, smpp.StatusOK},
		{"not cancelled", cancel, lost, nothing, smpp.StatusSysErr},
		{"sent", cancel, lost, sent, smpp.StatusCancelFail},
		{"replaced", replace, hidden, nothing, smpp.StatusOK},
		{"not replaced", replace, lost, nothing, smpp.StatusSysErr},
		{"replaced and sent", replace, hidden, sent, smpp.StatusOK},
		{"sent as it was", replace, lost, sent, smpp.StatusReplaceFail},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inFleet(t, 3, func(t *testing.T, f *fleet) {
				e := f.at(3).bind("keep", smpp.Transmitter)
				f.at(1).Pause()
				n := e.accepted("hello")
				f.decide(func(m *member, c store.Command) fate {
					switch c.(type) {
					case *store.Close, *store.Replace:
						if m == f.at(3) {
							return tt.what
						}
					}
					return applied
				})
				p := tt.ask(n)
				e.Send(p)
				pass(2 * time.Second)
				if tt.then == sent {
					f.at(1).Resume()
				}
				id, _ := p.CommandID().Response()
				if h, _ := e.Expect(id); h.Status != tt.want {
					t.Errorf("answered %v, want %v", h.Status, tt.want)
				}
			})
		})
	}
}

// TestWhereOnANodeThatIsCutOff: it says what it knows, as of when, and does not say that there is no such message.
func TestWhereOnANodeThatIsCutOff(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(2).bind("any", smpp.Transmitter)
		n := e.accepted("hello", inAnHour)
		n3 := f.at(3)
		if w, err := n3.Where(t.Context(), n.String()); err != nil || !w.AsOf.IsZero() {
			t.Errorf("in touch: %+v, %v", w, err)
		}
		if _, err := n3.Where(t.Context(), "00000fffff"); !errors.Is(err, store.ErrNotFound) {
			t.Errorf("in touch, unknown: %v", err)
		}
		n3.cut(lost)
		clock := n3.store.Clock()
		pass(time.Minute)
		later := f.at(2).bind("any", smpp.Transmitter).accepted("hello", inAnHour)
		if w, err := n3.Where(t.Context(), n.String()); err != nil || w.AsOf.UnixMilli() != clock || w.State != "accepted" {
			t.Errorf("cut off: %+v, %v, want it as of %v", w, err, time.UnixMilli(clock))
		}
		_, err := n3.Where(t.Context(), later.String())
		if !errors.Is(err, errOutOfTouch) || errors.Is(err, store.ErrNotFound) {
			t.Errorf("cut off, accepted since: %v", err)
		}
		n3.heal()
		if w, err := n3.Where(t.Context(), later.String()); err != nil || !w.AsOf.IsZero() {
			t.Errorf("healed: %+v, %v", w, err)
		}
	})
}

// TestAnswerOfTheAPIOnANodeThatLags: a message that this node has had accepted and does not have yet was not purged: its
// submit_sm_resp waits for the API like any other.
func TestAnswerOfTheAPIOnANodeThatLags(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n3 := f.at(3)
		e := n3.bind("acked", smpp.Transmitter)
		n3.hold()
		e.submit("hello")
		pass(time.Second)
		n3.release()
		e.number()

		f.api.send = func(Call) Answer {
			return Answer{Kind: store.OutcomeRejected, Ending: store.EndUndeliverable, Err: "027"}
		}
		n3.hold()
		e.submit("hello")
		pass(time.Second)
		n3.release()
		if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusSubmitFail {
			t.Errorf("answered %v, want the API's refusal, ESME_RSUBMITFAIL", h.Status)
		}
	})
}

// TestPolicyThatOthersHave: a message that was decided under an older policy, because this node lags, is decided again
// once it has the new one; a node that does not get it refuses, for the message surely was not accepted.
func TestPolicyThatOthersHave(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		n3 := f.at(3)
		e := n3.bind("any", smpp.Transmitter)
		n3.hold()
		f.putPolicy(promisePolicy)
		e.submit("hello")
		pass(3 * time.Second)
		n3.release()
		n := e.number()
		if m, _, err := n3.store.Lookup(n); err != nil || m.PolicyVersion != 2 {
			t.Errorf("accepted under policy %d, %v, want 2", m.PolicyVersion, err)
		}
		n3.hold()
		f.putPolicy(promisePolicy)
		for range 3 {
			e.submit("hello")
		}
		began := time.Now()
		for range 3 {
			if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusSysErr {
				t.Errorf("answered %v, want ESME_RSYSERR", h.Status)
			}
		}
		if took := time.Since(began); took > 2*acceptPatience {
			t.Errorf("answered after %v", took)
		}
		if last := f.book.LastNumber(); last != n {
			t.Errorf("number %d was given, want none behind %d", last, n)
		}
	})
}
