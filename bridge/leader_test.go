package bridge

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestWorkersComeBackAfterAFailedClose: a round whose Close fails gives back the workers it had claimed.
func TestWorkersComeBackAfterAFailedClose(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("single", smpp.Transmitter)
		r.Pause()
		e.accepted("late", func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000001000R" })
		n := e.accepted("hello")
		pass(2 * time.Second)
		r.node.decide(first[*store.Close](refused, 1))
		r.Resume()
		pass(20 * time.Second)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("message %s is %v, want sent", n, st.State)
		}
	})
}

// TestBacklogAboveQPSIsAskedForOnce: a backlog above a route's qps is not begun, refused and put off over and over.
func TestBacklogAboveQPSIsAskedForOnce(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("slow", smpp.Transmitter)
		r.Pause()
		const n = 2000
		for i := range n {
			e.accepted(fmt.Sprintf("hello %d", i))
		}
		r.Resume()
		pass(10 * time.Second)
		begins, members := 0, 0
		r.node.mu.Lock()
		for _, c := range r.node.log {
			if b, ok := c.(*store.Begin); ok {
				begins++
				members += len(b.Attempts)
			}
		}
		r.node.mu.Unlock()
		if members > 200 {
			t.Errorf("%d attempts in %d Begins proposed for %d calls", members, begins, len(r.api.called()))
		}
	})
}

// TestReceiptsNobodyComesForExpire: a receipt for which no receiver ever binds is dropped in the end, and its message with it.
func TestReceiptsNobodyComesForExpire(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		n := e.delivered("hello")
		r.jump(40, 6*time.Hour)
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait after ten days", got)
		}
		if _, _, err := r.store.Lookup(n); err == nil {
			t.Errorf("the message is still in the store after ten days")
		}
	}, func(c *Config) { c.Session.EnquireLink = 10000 * time.Hour })
}

// TestLongMessageHasItsClassValidity: a message in parts is not sent when its class's validity is over.
func TestLongMessageHasItsClassValidity(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("otp", smpp.Transmitter)
		r.Pause()
		for seq, text := range []string{"您的验证码是", "4711。"} {
			e.accepted(text, func(m *smpp.SubmitSM) {
				m.ESMClass = smpp.ESMClassUDHI
				m.ShortMessage = string(smpp.Concat{Ref: 7, Total: 2, Seq: uint8(seq + 1)}.AppendUDH(nil)) + m.ShortMessage
			})
		}
		r.jump(3, 2*time.Hour)
		r.Resume()
		pass(5 * time.Second)
		if got := len(r.api.called()); got != 0 {
			t.Errorf("a one-time code in two parts was sent six hours late")
		}
	}, func(c *Config) { c.Session.EnquireLink = 10000 * time.Hour })
}

// TestRestDoublesOncePerRest: account faults of calls that ran together count as one.
func TestRestDoublesOncePerRest(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		var good atomic.Bool
		r.api.send = func(Call) Answer {
			if !good.Load() {
				return Answer{Kind: store.OutcomeRetry, Account: true, After: time.Second}
			}
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^1"}
		}
		e := r.bind("any", smpp.Transmitter)
		r.Pause()
		for i := range 8 {
			e.accepted(fmt.Sprintf("hello %d", i))
		}
		r.Resume()
		pass(3 * time.Second)
		good.Store(true)
		pass(10 * time.Second)
		if r.status(1).State != store.StateSent {
			t.Errorf("ten seconds after one burst of four faults the route still rests")
		}
	})
}

// TestHugePartIsRefused: 255 parts of a long message_payload each would be one message of 16 MiB.
func TestHugePartIsRefused(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		const total = 255
		for seq := 1; seq <= total; seq++ {
			m := submitSM("")
			m.TLVs = m.TLVs.With(smpp.TagMessagePayload, string(make([]byte, 60000)))
			m.TLVs = m.TLVs.With(smpp.TagSARMsgRefNum, "\x00\x07").With(smpp.TagSARTotalSegments, "\xff").With(smpp.TagSARSegmentSeqnum, string([]byte{byte(seq)}))
			e.Send(m)
			if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status == smpp.StatusOK && seq == total {
				t.Errorf("a part of 60,000 octets was accepted")
			}
		}
	})
}

// TestClockPutBack: after the wall clock was put back messages are still sent.
func TestClockPutBack(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		e.accepted("hello")
		pass(time.Second)
		r.node.ahead.Add(-int64(time.Hour))
		n := e.accepted("hello again")
		pass(10 * time.Second)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("after the clock was put back by an hour a message is %v, want sent", st.State)
		}
	})
}

// TestIdleBridgeCommitsLittle: a bridge with nothing to do leaves the log alone.
func TestIdleBridgeCommitsLittle(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Minute)
		if n := proposed[*store.Purge](r.node); n > 10 {
			t.Errorf("%d Purges in an idle minute", n)
		}
	})
}

// TestCodesOvertakeABacklog: one account's backlog of notices does not hold up another's one-time code.
func TestCodesOvertakeABacklog(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.api.send = func(c Call) Answer {
			<-time.After(100 * time.Millisecond) // the API's latency, in fake time
			return Answer{Kind: store.OutcomeAccepted, BizID: "biz^" + c.OutID}
		}
		flood, otp := r.bind("any", smpp.Transmitter), r.bind("otp", smpp.Transmitter)
		r.Pause()
		for i := range 2000 {
			flood.accepted(fmt.Sprintf("hello %d", i))
		}
		n := otp.accepted("您的验证码是4711。")
		r.Resume()
		pass(2 * time.Second)
		if st := r.status(n); st.State != store.StateSent {
			t.Errorf("behind another account's 2,000 notices a one-time code is %v after 2 s", st.State)
		}
	})
}
