package bridge

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/smpp"
	"smppbridge/store"
)

// silence is the API that answers nothing before it is let.
func (r *rig) silence() (answer func()) {
	answered, open := r.gate()
	r.api.send = func(Call) Answer {
		<-answered
		return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
	}
	return open
}

// nothing fails the test if the ESME has got anything by now.
func (e *esme) nothing() {
	e.r.t.Helper()
	e.Send(&smpp.EnquireLink{})
	e.Expect(smpp.EnquireLinkRespID)
}

// TestAckWaitsForTheAPI: with ack: submitted a message that is accepted has no submit_sm_resp before the API
// has answered, and then at once.
func TestAckWaitsForTheAPI(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		answer := r.silence()
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello")
		pass(2 * time.Second)
		e.nothing()
		if got := r.stored(); got != 1 {
			t.Fatalf("%d messages stored, want 1", got)
		}
		began := time.Now()
		answer()
		if st := r.status(e.number()); st.State != store.StateSent {
			t.Errorf("answered while the message is %v", st.State)
		}
		if took := time.Since(began); took > 10*time.Millisecond {
			t.Errorf("answered %v after the API", took)
		}
	})
}

// TestAckRefused: what ends a message before its submit_sm_resp is the ESME's answer, with no message_id
// and no receipt.
func TestAckRefused(t *testing.T) {
	reject := func(err string) Answer {
		return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: err}
	}
	retry := Answer{Kind: store.OutcomeRetry, Err: "097", After: 100 * time.Millisecond}
	tests := []struct {
		name    string
		answers []Answer // the last one again and again
		change  func(*smpp.SubmitSM)
		want    smpp.Status
	}{
		{"rejected", []Answer{reject("033")}, nil, smpp.StatusInvDstAdr},
		{"rejected, unknown err", []Answer{reject("199")}, nil, smpp.StatusSubmitFail},
		{"rejected without an error", []Answer{reject("000")}, nil, smpp.StatusSubmitFail},
		{"retried, then rejected", []Answer{retry, retry, reject("033")}, nil, smpp.StatusInvDstAdr},
		{"retried, then expired", []Answer{retry}, func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000002000R" }, smpp.StatusInvExpiry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.api.send = func(Call) Answer {
					return tt.answers[min(len(r.api.called()), len(tt.answers))-1]
				}
				e := r.bind("acked", smpp.Transceiver)
				if tt.change == nil {
					tt.change = func(*smpp.SubmitSM) {}
				}
				e.submit("hello", tt.change)
				h, p := e.Expect(smpp.SubmitSMRespID)
				if id := p.(*smpp.SubmitSMResp).MessageID; h.Status != tt.want || id != "" {
					t.Errorf("answered %v with message_id %q, want %v without one", h.Status, id, tt.want)
				}
				pass(10 * time.Second)
				if got := r.waiting(); got != 0 {
					t.Errorf("%d receipts of a message that was refused", got)
				}
				e.nothing()
			}, statusOf033)
		})
	}
}

// statusOf033 is a table of errs with one entry, and one that makes no sense.
func statusOf033(c *Config) {
	c.StatusOf = func(err string) smpp.Status {
		return map[string]smpp.Status{"033": smpp.StatusInvDstAdr, "000": smpp.StatusOK, "199": smpp.StatusSubmitFail}[err]
	}
}

// TestAckTimesOut: when the API has not answered within ack_within, nothing is known, or it can only be
// tried again, the ESME is told that the message is accepted; what becomes of it has its receipt.
func TestAckTimesOut(t *testing.T) {
	rejected := Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
	for name, answer := range map[string]Answer{
		"no answer": {Kind: store.OutcomeUncertain}, // given after the time
		"uncertain": {Kind: store.OutcomeUncertain},
		"retry":     {Kind: store.OutcomeRetry, After: 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.api.send = func(Call) Answer {
					if len(r.api.called()) > 1 || name == "no answer" {
						time.Sleep(6 * time.Second) // of fake time
						return rejected
					}
					return answer
				}
				e := r.bind("acked", smpp.Transmitter)
				began := time.Now()
				n := e.accepted("hello")
				if took := time.Since(began); took < 5*time.Second || took > 5200*time.Millisecond {
					t.Errorf("answered after %v, want 5 s", took)
				}
				r.jump(12, 30*time.Second)
				if got := r.bind("acked", smpp.Receiver).take(smpp.StatusOK); got.MessageID != n.String() || got.Err != "033" {
					t.Errorf("receipt %+v, want one of %s with err 033", got, n)
				}
			})
		})
	}
}

// TestAckGoesByTheState: this node's clock is ahead of the leader's. What the API refuses while an entry may still
// refuse the message is the ESME's answer, although the time is over by this node's clock.
func TestAckGoesByTheState(t *testing.T) {
	const ahead = 1500 * time.Millisecond
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer {
			time.Sleep(5500 * time.Millisecond) // the state's AnswerBy is 6.5 s after the submit
			return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
		}
		e := r.bind("acked", smpp.Transceiver)
		e.submit("hello")
		if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDstAdr {
			t.Errorf("answered %v, want ESME_RINVDSTADR", h.Status)
		}
		if st := r.status(1); !st.Refused || st.Receipt != 0 {
			t.Errorf("refused %v, receipt %d; want refused without a receipt", st.Refused, st.Receipt)
		}
	}, statusOf033, func(c *Config) {
		now := c.Now
		c.Now = func() time.Time { return now().Add(ahead) }
	})
}

// TestAckOfARepetition: a submit that repeats one whose answer waits is answered as that one is: ESME_ROK would
// promise a receipt that does not come. Once that has failed, the same submit is a new message.
func TestAckOfARepetition(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer {
			if len(r.api.called()) > 1 {
				return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
			}
			time.Sleep(3 * time.Second) // of fake time
			return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
		}
		e := r.bind("ackonce", smpp.Transmitter)
		e.submit("hello")
		pass(time.Second)
		e.submit("hello")
		for range 2 {
			if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDstAdr {
				t.Errorf("answered %v, want ESME_RINVDSTADR", h.Status)
			}
		}
		first := e.accepted("hello")
		if again := e.accepted("hello"); again != first {
			t.Errorf("repeated as %s, want the id of the first, %s", again, first)
		}
		if got := len(r.api.called()); got != 2 {
			t.Errorf("%d calls, want one that failed and one", got)
		}
	}, statusOf033)
}

// TestAckUnsettled: while nothing can be committed it cannot be known whether the message will be refused: its
// session is closed, in time and without an answer.
func TestAckUnsettled(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.silence()
				e := r.bind("acked", smpp.Transmitter)
				e.submit("hello")
				pass(time.Second)
				r.node.decide(func(store.Command) fate { return what })
				began := time.Now()
				expectClosedUnanswered(t, e)
				if took := time.Since(began); took < 12*time.Second || took > 13*time.Second {
					t.Errorf("closed after %v, want ack_within and %v", took, acceptPatience)
				}
				r.node.decide(nil)
			})
		})
	}
}

// TestAckFailsButHappened: the proposals that move the state's clock seem to fail, and the ESME is answered in time.
func TestAckFailsButHappened(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.silence()
		e := r.bind("acked", smpp.Transmitter)
		r.node.decide(func(cmd store.Command) fate {
			if _, ok := cmd.(*store.Close); ok {
				return hidden
			}
			return applied
		})
		began := time.Now()
		e.accepted("hello")
		if took := time.Since(began); took > 5200*time.Millisecond {
			t.Errorf("answered after %v, want 5 s", took)
		}
	})
}

// TestAckBeforeUnbind: an ESME that unbinds has its answers first.
func TestAckBeforeUnbind(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		answer := r.silence()
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello")
		pass(time.Second)
		e.Send(&smpp.Unbind{})
		pass(time.Second)
		answer()
		frames := smpp.NewReader(e.Conn(), smpp.MaxPDU) // both may have come when the connection is closed
		for _, want := range []smpp.CommandID{smpp.SubmitSMRespID, smpp.UnbindRespID} {
			if h, _, err := frames.Next(); err != nil || h.ID != want || h.Status != smpp.StatusOK {
				t.Fatalf("got %v, %v (%v), want %v", h.ID, h.Status, err, want)
			}
		}
	})
}

// TestAckWhileDraining: a server that drains has its answers written before it unbinds; a message that fails later
// has its receipt.
func TestAckWhileDraining(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer {
			time.Sleep(7 * time.Second) // of fake time
			return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
		}
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello")
		pass(time.Second)
		drained := make(chan error, 1)
		go func() { drained <- r.server.Drain(context.Background()) }()
		n := e.number()
		h, _ := e.Expect(smpp.UnbindID)
		e.Respond(h.Sequence, smpp.StatusOK, &smpp.UnbindResp{})
		if err := <-drained; err != nil {
			t.Fatal(err)
		}
		pass(10 * time.Second)
		if st := r.status(n); st.State != store.StateFinal || st.Refused || st.Receipt == 0 {
			t.Errorf("message is %v, refused %v, receipt %d; want final with a receipt", st.State, st.Refused, st.Receipt)
		}
	})
}

// TestAckWhenStopped: a bridge that stops says nothing of what is not decided.
func TestAckWhenStopped(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer {
			time.Sleep(time.Minute)
			return Answer{Kind: store.OutcomeUncertain}
		}
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello")
		pass(time.Second)
		began := time.Now()
		go r.stopRun()
		expectClosedUnanswered(t, e)
		if took := time.Since(began); took > time.Second {
			t.Errorf("the session was open for another %v", took)
		}
	})
}

// TestReceiptAfterLateResponse: the answer to a later submit is written, and the report of the first comes before
// the API's answer. No receiver gets its receipt before its submit_sm_resp was written (promise 4).
func TestReceiptAfterLateResponse(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		held, answer := r.gate()
		var calls atomic.Int32
		r.api.send = func(Call) Answer {
			if calls.Add(1) == 1 {
				<-held
			}
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
		}
		sender, receiver := r.bind("acked", smpp.Transmitter), r.bind("acked", smpp.Receiver)
		sender.submit("hello first")
		pass(time.Second)
		second := sender.accepted("hello second")
		if second != 2 {
			t.Fatalf("message %s was answered, want the second", second)
		}
		r.report(2)
		if got := receiver.take(smpp.StatusOK).MessageID; got != second.String() {
			t.Errorf("receipt of %s, want %s, which the first one does not hold up", got, second)
		}
		r.report(1) // and the sender does not read
		pass(3 * time.Second)
		if got := r.waiting(); got != 1 {
			t.Fatalf("%d receipts wait, want 1", got)
		}
		receiver.nothing()
		if first := sender.number(); first != 1 {
			t.Fatalf("message %s was answered, want the first", first)
		}
		if got := receiver.take(smpp.StatusOK).MessageID; got != store.Number(1).String() {
			t.Errorf("receipt of %s, want the first", got)
		}
		answer()
	})
}

// TestAckMetrics: what waits and how it was answered is counted.
func TestAckMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer {
			if len(r.api.called()) == 1 {
				return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033", Cause: errors.New("redacted")}
			}
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
		}
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello")
		e.Expect(smpp.SubmitSMRespID)
		e.accepted("hello")
		open := r.silence()
		e.submit("hello")
		pass(time.Second)
		text := metricsPage(t, reg)
		for _, want := range []string{
			`smppbridge_bridge_acks_total{result="refused"} 1`,
			`smppbridge_bridge_acks_total{result="sent"} 1`,
			`smppbridge_bridge_acks_total{result="timed_out"} 0`,
			`smppbridge_bridge_ack_waiting 1`,
			`smppbridge_bridge_ack_seconds_count 2`,
			`smppbridge_bridge_submits_total{account="acked",status="ESME_ROK"} 1`,
			`smppbridge_bridge_submits_total{account="acked",status="ESME_RSUBMITFAIL"} 1`,
			`smppbridge_bridge_accept_seconds_count 0`,
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
		open()
		e.number()
	}, func(c *Config) { c.Registerer = reg })
}

// TestAckHoldsNoTexts: what waits for the API has left the queue, whose bound it does not count for any more: nothing
// of what its ESME sent is kept but where the answer goes (promise 6).
func TestAckHoldsNoTexts(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		answer := r.silence()
		e := r.bind("acked", smpp.Transmitter)
		e.submit("hello") // what is made once
		pass(time.Second)
		const n, size = 200, 60 << 10
		before := heap()
		for range n {
			e.submit("hello", func(m *smpp.SubmitSM) { m.TLVs = m.TLVs.With(0x3FFF, strings.Repeat("x", size)) })
		}
		pass(time.Second)
		r.node.mu.Lock()
		r.node.log = nil // it keeps the messages
		r.node.mu.Unlock()
		// Of the texts' octets a fourth is what messages and state take anyway, however long the texts are.
		if grown := heap() - before; grown > n*size/2 {
			t.Errorf("%d submits that wait take %d KiB", n, grown>>10)
		}
		e.nothing()
		answer()
		for range n + 1 {
			e.number()
		}
	})
}

// TestAckIsNotRepeatedAtOnce: a submit_multi is answered when it is stored. One that repeats a submit_sm whose answer
// waits is not taken for a repetition: that may yet be refused, without a receipt, and ESME_ROK promises one.
func TestAckIsNotRepeatedAtOnce(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer {
			time.Sleep(3 * time.Second) // of fake time
			return Answer{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033"}
		}
		e := r.bind("ackonce", smpp.Transceiver)
		e.submit("hello")
		pass(time.Second)
		st, resp := e.multi(submitMulti("hello", "13800138000"))
		if st != smpp.StatusOK {
			t.Fatalf("submit_multi answered %v", st)
		}
		if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != smpp.StatusInvDstAdr {
			t.Errorf("submit_sm answered %v, want ESME_RINVDSTADR", h.Status)
		}
		if got := e.take(smpp.StatusOK); got.MessageID != resp.MessageID || got.Err != "033" {
			t.Errorf("receipt of %s with err %s, want one of %s", got.MessageID, got.Err, resp.MessageID)
		}
	}, statusOf033)
}
