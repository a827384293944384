package bridge

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// ask sends a request and returns the status and body of its response.
func (e *esme) ask(p smpp.PDU) (smpp.Status, smpp.PDU) {
	e.r.t.Helper()
	e.Send(p)
	id, _ := p.CommandID().Response()
	h, resp := e.Expect(id)
	return h.Status, resp
}

// query asks for a message's state.
func (e *esme) query(n store.Number) smpp.MessageState {
	e.r.t.Helper()
	st, resp := e.ask(&smpp.QuerySM{MessageID: n.String()})
	if st != smpp.StatusOK {
		e.r.t.Fatalf("query_sm answered %v", st)
	}
	return resp.(*smpp.QuerySMResp).MessageState
}

// refuses checks the status of a request that must be refused.
func (e *esme) refuses(what string, p smpp.PDU, want smpp.Status) {
	e.r.t.Helper()
	if st, _ := e.ask(p); st != want {
		e.r.t.Errorf("%s: %s answered %v, want %v", what, p.CommandID(), st, want)
	}
}

// inAnHour schedules a message for an hour from now, so that it waits.
func inAnHour(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000010000000R" }

func TestQuerySM(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		waits := e.accepted("one", inAnHour)
		if got := e.query(waits); got != smpp.StateEnroute {
			t.Errorf("a message that waits is %v", got)
		}
		sent := e.accepted("two", func(m *smpp.SubmitSM) { m.SourceAddr = "1069" })
		pass(time.Second)
		if got := e.query(sent); got != smpp.StateEnroute {
			t.Errorf("a message without report is %v", got)
		}
		outID := r.api.called()[0].OutID
		done := r.node.now()
		if err := r.Report(t.Context(), []IncomingReport{{OutID: outID, Phone: "13800138000",
			Ending: store.EndUndeliverable, Err: "027", DoneAt: done}}); err != nil {
			t.Fatal(err)
		}
		_, resp := e.ask(&smpp.QuerySM{MessageID: sent.String(), SourceAddr: "1069"})
		want := smpp.QuerySMResp{MessageID: sent.String(), FinalDate: smpp.FormatTime(done.Truncate(time.Millisecond)),
			MessageState: smpp.StateUndeliverable, ErrorCode: 27}
		if got := *resp.(*smpp.QuerySMResp); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
		e.refuses("of another source", &smpp.QuerySM{MessageID: sent.String(), SourceAddr: "1070"}, smpp.StatusInvMsgID)
		e.refuses("unknown", &smpp.QuerySM{MessageID: "00000fffff"}, smpp.StatusInvMsgID)
		e.refuses("no id", &smpp.QuerySM{MessageID: "zzz"}, smpp.StatusInvMsgID)
		e.refuses("empty id", &smpp.QuerySM{}, smpp.StatusInvMsgID)
		r.bind("keep", smpp.Transmitter).refuses("of another account", &smpp.QuerySM{MessageID: sent.String()}, smpp.StatusInvMsgID)
	})
}

func TestCancelSM(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e, receiver := r.bind("any", smpp.Transmitter), r.bind("any", smpp.Receiver)
		n := e.accepted("one", inAnHour)
		e.refuses("another destination", &smpp.CancelSM{MessageID: n.String(), DestinationAddr: "13911111111"}, smpp.StatusInvMsgID)
		e.refuses("another service", &smpp.CancelSM{MessageID: n.String(), ServiceType: "WAP"}, smpp.StatusInvMsgID)
		r.bind("keep", smpp.Transmitter).refuses("another account", &smpp.CancelSM{MessageID: n.String()}, smpp.StatusInvMsgID)
		e.refuses("its own", &smpp.CancelSM{MessageID: n.String(), DestinationAddr: "+8613800138000"}, smpp.StatusOK)
		if got := receiver.take(smpp.StatusOK); got.MessageID != n.String() || got.State != smpp.StateDeleted {
			t.Errorf("receipt %+v", got)
		}
		if got := e.query(n); got != smpp.StateDeleted {
			t.Errorf("a cancelled message is %v", got)
		}
		e.refuses("again", &smpp.CancelSM{MessageID: n.String()}, smpp.StatusOK)
		r.jump(3, time.Hour)
		if got := len(r.api.called()); got != 0 {
			t.Errorf("%d calls for a cancelled message", got)
		}
		sent := e.accepted("two")
		pass(time.Second)
		e.refuses("sent", &smpp.CancelSM{MessageID: sent.String()}, smpp.StatusCancelFail)
		if got := r.status(sent).State; got != store.StateSent {
			t.Errorf("a message that was sent is %v after cancel_sm", got)
		}
	})
}

// TestMessageIDsOutliveTheirShape: when the policy gives an account another shape, the ids it was given stay those of
// its messages, and no id means a message that was given another.
func TestMessageIDsOutliveTheirShape(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		submit := func() string {
			e.submit("hello", inAnHour)
			_, p := e.Expect(smpp.SubmitSMRespID)
			return p.(*smpp.SubmitSMResp).MessageID
		}
		ids := make([]string, 1, 20) // by number
		for len(ids) < 12 {
			ids = append(ids, submit())
		}
		r.putPolicy(strings.Replace(promisePolicy, "system_id: any,", "system_id: any, message_id: dec10,", 1))
		pass(time.Second)
		for len(ids) < 20 {
			ids = append(ids, submit())
		}
		if ids[10] != "000000000a" || ids[12] != "0000000012" || ids[18] != "0000000018" {
			t.Fatalf("ids are %q", ids)
		}
		e.refuses("18 as the old shape spells it, 12 as the new one does", &smpp.CancelSM{MessageID: ids[12]}, smpp.StatusOK)
		e.refuses("of the old shape", &smpp.CancelSM{MessageID: ids[10]}, smpp.StatusOK)
		e.refuses("10 as the new shape spells it", &smpp.CancelSM{MessageID: "0000000010"}, smpp.StatusInvMsgID)
		for n := store.Number(1); n < 20; n++ {
			if got, want := r.status(n).State == store.StateFinal, n == 10 || n == 12; got != want {
				t.Errorf("message %s, given as %s: cancelled %v, want %v", n, ids[n], got, want)
			}
		}
	})
}

// TestCancelLosesAgainstBegin: while the call's Begin is on the way, one of the two wins, never both
// (DESIGN: by revision).
func TestCancelLosesAgainstBegin(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		closed, let := r.gate()
		r.node.decide(func(cmd store.Command) fate {
			if c, ok := cmd.(*store.Close); ok && c.Items[0].Ending == store.EndDeleted {
				<-closed
			}
			return applied
		})
		e := r.bind("any", smpp.Transceiver)
		n := e.accepted("one", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000001000000R" })
		e.Send(&smpp.CancelSM{MessageID: n.String()})
		r.jump(1, 11*time.Minute) // the message is begun and sent meanwhile
		let()
		if h, _ := e.Expect(smpp.CancelSMRespID); h.Status != smpp.StatusCancelFail {
			t.Errorf("cancel_sm answered %v", h.Status)
		}
		if got := len(r.api.called()); got != 1 {
			t.Errorf("%d calls, want 1", got)
		}
	})
}

// TestCancelIsSettled: what becomes of the proposal does not change what the ESME is told.
func TestCancelIsSettled(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				e := r.bind("any", smpp.Transmitter)
				n := e.accepted("one", inAnHour)
				r.node.decide(first[*store.Close](what, 2))
				e.refuses("its own", &smpp.CancelSM{MessageID: n.String()}, smpp.StatusOK)
				if st := r.status(n); st.Ending != store.EndDeleted {
					t.Errorf("message is %v", st.State)
				}
			})
		})
	}
}

func TestCancelAllBetweenTwoAddresses(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		from := func(addr string) func(*smpp.SubmitSM) { return func(m *smpp.SubmitSM) { m.SourceAddr = addr } }
		var meant []store.Number
		for range 3 {
			meant = append(meant, e.accepted("hello", inAnHour, from("1069")))
		}
		other := e.accepted("hello", inAnHour, from("1070"))
		elsewhere := e.accepted("hello", inAnHour, from("1069"), func(m *smpp.SubmitSM) { m.DestinationAddr = "13911111111" })
		foreign := r.bind("keep", smpp.Transmitter).accepted("hello", inAnHour, from("1069"))

		all := &smpp.CancelSM{SourceAddr: "1069", DestinationAddr: "13800138000"}
		e.refuses("without destination", &smpp.CancelSM{SourceAddr: "1069"}, smpp.StatusInvDstAdr)
		e.refuses("all", all, smpp.StatusOK)
		for _, n := range meant {
			if got := r.status(n); got.Ending != store.EndDeleted {
				t.Errorf("message %s is %v", n, got.State)
			}
		}
		for _, n := range []store.Number{other, elsewhere, foreign} {
			if got := r.status(n); got.State != store.StateAccepted {
				t.Errorf("message %s is %v", n, got.State)
			}
		}
		e.refuses("none left", all, smpp.StatusCancelFail)
	})
}

func TestReplaceSM(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		n := e.accepted("one", inAnHour, func(m *smpp.SubmitSM) { m.SourceAddr = "1069" })
		replace := &smpp.ReplaceSM{MessageID: n.String(), SourceAddr: "1069", ShortMessage: submitSM("two").ShortMessage,
			RegisteredDelivery: smpp.RegisteredDeliveryAlways}
		e.refuses("its own", replace, smpp.StatusOK)
		r.jump(1, 30*time.Minute)
		if got := len(r.api.called()); got != 0 {
			t.Fatalf("a replaced message was sent before its time: %d calls", got)
		}
		r.jump(1, 31*time.Minute)
		calls := r.api.called()
		if len(calls) != 1 || calls[0].Recipients[0].Params != `{"content":"two"}` {
			t.Errorf("calls %+v", calls)
		}
		e.refuses("sent", replace, smpp.StatusReplaceFail)
		e.refuses("unknown", &smpp.ReplaceSM{MessageID: "00000fffff"}, smpp.StatusInvMsgID)
	})
}

// TestReplaceIsDecidedLikeASubmit: a text that no template takes leaves the message as it was.
func TestReplaceIsDecidedLikeASubmit(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("otp", smpp.Transmitter)
		coded := func(text string) string { return submitSM(text).ShortMessage }
		soon := func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000000030000R" }
		n := e.accepted("您的验证码是4711。", soon)
		e.refuses("unmatched", &smpp.ReplaceSM{MessageID: n.String(), ShortMessage: coded("别的")}, smpp.StatusInvDftMsgID)
		e.refuses("matched", &smpp.ReplaceSM{MessageID: n.String(), ShortMessage: coded("您的验证码是4712。")}, smpp.StatusOK)
		r.jump(1, time.Minute)
		if calls := r.api.called(); len(calls) != 1 || calls[0].Recipients[0].Params != `{"code":"4712"}` {
			t.Errorf("calls %+v", calls)
		}
	})
}

// TestPartIsCancelledWithItsWhole: of a long message nothing is sent when one part is cancelled.
func TestPartIsCancelledWithItsWhole(t *testing.T) {
	for name, parts := range map[string]byte{"complete": 2, "incomplete": 1} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				e := r.bind("any", smpp.Transmitter)
				var numbers []store.Number
				for i := byte(1); i <= parts; i++ {
					numbers = append(numbers, e.accepted("text", inAnHour, func(m *smpp.SubmitSM) {
						m.ESMClass = smpp.ESMClassUDHI
						m.ShortMessage = string(smpp.Concat{Ref: 7, Total: 2, Seq: i}.AppendUDH(nil)) + m.ShortMessage
					}))
				}
				last := numbers[len(numbers)-1]
				e.refuses("a part", &smpp.ReplaceSM{MessageID: last.String(), ShortMessage: submitSM("x").ShortMessage}, smpp.StatusReplaceFail)
				e.refuses("a part", &smpp.CancelSM{MessageID: last.String()}, smpp.StatusOK)
				for _, n := range numbers {
					if got := e.query(n); got != smpp.StateDeleted {
						t.Errorf("part %s is %v", n, got)
					}
				}
				r.jump(2, time.Hour)
				if got := len(r.api.called()); got != 0 {
					t.Errorf("%d calls", got)
				}
			})
		})
	}
}

// TestOperationsTakeTurns: an account that has more operations waiting than are carried out holds up its own
// sessions; another account's are read, and its operation is carried out (promise 6). When: see TestJobsTakeTurns.
func TestOperationsTakeTurns(t *testing.T) {
	address := func(i int) string { return fmt.Sprintf("138001%05d", i) }
	flood := map[string]func(int, store.Number) smpp.PDU{
		"of one": func(_ int, n store.Number) smpp.PDU { return &smpp.CancelSM{MessageID: n.String()} },
		"of all": func(i int, _ store.Number) smpp.PDU { return &smpp.CancelSM{DestinationAddr: address(i)} },
	}
	for name, cancel := range flood {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				const n = operationsQueued + 2*operationWorkers
				a, b := r.bind("any", smpp.Transmitter), r.bind("keep", smpp.Transmitter)
				flooded := make([]store.Number, n)
				for i := range flooded {
					flooded[i] = a.accepted("hello", inAnHour, func(m *smpp.SubmitSM) { m.DestinationAddr = address(i) })
				}
				others := b.accepted("hello", inAnHour)
				committed, commit := r.gate()
				r.node.decide(func(cmd store.Command) fate {
					if _, ok := cmd.(*store.Close); ok {
						<-committed
					}
					return applied
				})
				var flooding sync.WaitGroup
				flooding.Go(func() {
					for i := range flooded {
						a.Send(cancel(i, flooded[i]))
					}
				})
				pass(time.Second)
				if name == "of all" {
					b.Send(&smpp.CancelSM{DestinationAddr: "13800138000"})
				} else {
					b.Send(&smpp.CancelSM{MessageID: others.String()})
				}
				b.nothing() // its reader goes on
				commit()
				flooding.Go(func() {
					for answered := 0; answered < n; {
						if h, _ := a.Next(); h.ID == smpp.CancelSMRespID {
							answered++
						}
					}
				})
				b.Expect(smpp.CancelSMRespID)
				flooding.Wait()
				if got := r.status(others); got.Ending != store.EndDeleted {
					t.Errorf("the other account's message is %v", got.State)
				}
			})
		})
	}
}

// TestReplaceHappenedBeforeBegin: a replacement whose outcome was not known, and after which the message was sent, is no
// failure: the new text went out.
func TestReplaceHappenedBeforeBegin(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		closed, let := r.gate()
		fates := make(chan fate, 1)
		fates <- hidden
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Replace); !ok {
				return applied
			}
			select {
			case f := <-fates:
				return f
			default:
				<-closed
				return applied
			}
		})
		e := r.bind("any", smpp.Transmitter)
		n := e.accepted("one", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000001000000R" })
		e.Send(&smpp.ReplaceSM{MessageID: n.String(), ShortMessage: submitSM("two").ShortMessage})
		r.jump(1, 11*time.Minute)
		if calls := r.api.called(); len(calls) != 1 || calls[0].Recipients[0].Params != `{"content":"two"}` {
			t.Fatalf("calls %+v", calls)
		}
		let()
		if h, _ := e.Expect(smpp.ReplaceSMRespID); h.Status != smpp.StatusOK {
			t.Errorf("replace_sm answered %v, and the new text was sent", h.Status)
		}
	})
}
