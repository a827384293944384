package upstream

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/bridge"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestOriginalText: the message is submitted as its ESME wrote it, and goes by the centre's message_id.
func TestOriginalText(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		c := call("o1", testText)
		o := c.Recipients[0].Original
		o.ServiceType, o.Priority, o.ProtocolID = "VMN", 2, 0x40
		o.Expires = time.Date(2030, 1, 2, 3, 4, 5, 0, time.FixedZone("", 8*3600))
		a := r.Send(context.Background(), c)
		if a.Kind != store.OutcomeAccepted || a.BizID != "acct/m1" || a.Code != codeOK {
			t.Fatalf("got %+v, want accepted as acct/m1", a)
		}
		want := smpp.SubmitSM{
			ServiceType: "VMN", SourceAddrTON: 3, SourceAddrNPI: 1, SourceAddr: "10690001",
			DestAddrTON: 1, DestAddrNPI: 1, DestinationAddr: "8613912345678", ProtocolID: 0x40, PriorityFlag: 2,
			ValidityPeriod: "300101190405000+", RegisteredDelivery: 1, ShortMessage: testText,
		}
		if got := r.centre.got(); len(got) != 1 || *got[0] != want {
			t.Errorf("got  %+v\nwant %+v", got[0], want)
		}
		b := r.centre.binds[0]
		if b.Type != smpp.Transceiver || b.SystemID != "esme" || b.Password != testPassword || b.InterfaceVersion != 0x34 {
			t.Errorf("bound as %v %q, version %#x", b.Type, b.SystemID, b.InterfaceVersion)
		}
	})
}

// TestStatuses: what a refusal means. None of them is uncertain: a status that is not ESME_ROK says that there is no message.
func TestStatuses(t *testing.T) {
	tests := []struct {
		status    smpp.Status
		kind      store.OutcomeKind
		code, err string
		blames    string
	}{
		{smpp.StatusThrottled, store.OutcomeRetry, "ESME_RTHROTTLED", "096", "throttled"},
		{smpp.StatusMsgQFul, store.OutcomeRetry, "ESME_RMSGQFUL", "096", "throttled"},
		{smpp.StatusSysErr, store.OutcomeRetry, "ESME_RSYSERR", "021", "outage"},
		{smpp.StatusInvBndSts, store.OutcomeRetry, "ESME_RINVBNDSTS", "021", "outage"},
		{smpp.StatusProhibited, store.OutcomeRetry, "ESME_RPROHIBITED", "055", "account"},
		{smpp.StatusInvDstAdr, store.OutcomeRejected, "ESME_RINVDSTADR", "033", ""},
		{smpp.StatusInvSrcAdr, store.OutcomeRejected, "ESME_RINVSRCADR", "053", ""},
		{smpp.StatusInvMsgLen, store.OutcomeRejected, "ESME_RINVMSGLEN", "044", ""},
		{smpp.StatusSubmitFail, store.OutcomeRejected, "ESME_RSUBMITFAIL", "199", ""},
		{smpp.StatusUnknownErr, store.OutcomeRejected, "ESME_RUNKNOWNERR", "199", ""},
		{0x0452, store.OutcomeRejected, "other", "199", ""},
	}
	inRig(t, func(t *testing.T, r *rig) {
		for _, tt := range tests {
			r.centre.answersSubmits(func(int) (smpp.Status, string, bool) { return tt.status, "", true })
			a := r.submit("o", testText)
			blames := ""
			switch {
			case a.Throttled:
				blames = "throttled"
			case a.Outage:
				blames = "outage"
			case a.Account:
				blames = "account"
			}
			if a.Kind != tt.kind || a.Code != tt.code || a.Err != tt.err || blames != tt.blames || !a.Whole {
				t.Errorf("%s: got %+v, want kind %d code %s err %s blaming %q", tt.status, a, tt.kind, tt.code, tt.err, tt.blames)
			}
			if a.Said != tt.status.String() {
				t.Errorf("%s: kept as %q", tt.status, a.Said)
			}
		}
	})
}

// TestNackIsAnAnswer: a centre that cannot read a request may say so by generic_nack.
func TestNackIsAnAnswer(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.centre.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
			_, ok := p.(*smpp.SubmitSM)
			if ok {
				w.send(smpp.StatusThrottled, h.Sequence, new(smpp.GenericNack))
			}
			return ok
		})
		if a := r.submit("o", testText); a.Kind != store.OutcomeRetry || !a.Throttled {
			t.Errorf("got %+v, want a retry, throttled", a)
		}
	})
}

// TestUnansweredIsUncertain: what was written and not answered may have been sent. The answer that comes late settles it.
func TestUnansweredIsUncertain(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status smpp.Status
		want   store.OutcomeKind
	}{
		{"accepted late", smpp.StatusOK, store.OutcomeAccepted},
		{"throttled late", smpp.StatusThrottled, store.OutcomeRetry},
		{"refused late", smpp.StatusInvDstAdr, store.OutcomeRejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				var late func()
				r.centre.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
					_, ok := p.(*smpp.SubmitSM)
					if ok {
						late = func() { w.send(tt.status, h.Sequence, &smpp.SubmitSMResp{MessageID: "17"}) }
					}
					return ok
				})
				start := time.Now()
				a := r.submit("out-1", testText)
				if a.Kind != store.OutcomeUncertain || a.Code != codeTimeout || !a.Outage || time.Since(start) != 3*time.Second {
					t.Fatalf("after %v got %+v, want uncertain by a timeout of 3 s", time.Since(start), a)
				}
				if len(r.centre.got()) != 1 {
					t.Fatalf("%d submits, want 1", len(r.centre.got()))
				}
				synctest.Wait()
				late()
				pass(time.Second)
				got, ok := r.sink.settled["out-1"]
				if !ok || got.Kind != tt.want || tt.want == store.OutcomeAccepted && got.BizID != "acct/17" {
					t.Errorf("settled with %+v (%v), want kind %d", got, ok, tt.want)
				}
			})
		})
	}
}

// TestLostConnection: a call whose connection ends before its answer is uncertain; the next one goes over a new bind.
func TestLostConnection(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		r.centre.does(func(w *wire, _ smpp.Header, p smpp.PDU) bool {
			_, ok := p.(*smpp.SubmitSM)
			if ok {
				w.Close()
			}
			return ok
		})
		if a := r.submit("o1", testText); a.Kind != store.OutcomeUncertain || a.Code != codeLost || !a.Outage {
			t.Errorf("got %+v, want uncertain: the connection was lost", a)
		}
		if a := r.submit("o2", testText); a.Kind != store.OutcomeRetry || a.Code != codeNotBound || !a.Outage {
			t.Errorf("while there is no bind: got %+v, want a retry", a)
		}
		r.centre.does(nil)
		pass(time.Second)
		if a := r.submit("o3", testText); a.Kind != store.OutcomeAccepted {
			t.Errorf("after the connection is back: got %+v, want accepted", a)
		}
	})
}

// faultyConn fails a write of a submit_sm after some octets of it; -1 = after all.
type faultyConn struct {
	net.Conn
	after int
}

var errWire = errors.New("wire cut")

func (c *faultyConn) Write(b []byte) (int, error) {
	if len(b) < 8 || b[7] != byte(smpp.SubmitSMID) {
		return c.Conn.Write(b)
	}
	if c.after == 0 {
		return 0, errWire
	}
	if c.after > 0 {
		b = b[:c.after]
	}
	n, err := c.Conn.Write(b)
	if err == nil {
		err = errWire
	}
	return n, err
}

// TestWriteFails: a submit_sm that surely did not leave whole is sent again; one that may have is not.
func TestWriteFails(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after int
		kind  store.OutcomeKind
		code  string
	}{
		{"fails", 0, store.OutcomeRetry, codeNotBound},
		{"fails half-way", 20, store.OutcomeRetry, codeNotBound},
		{"fails but happened", -1, store.OutcomeUncertain, codeLost},
	} {
		t.Run(tt.name, func(t *testing.T) {
			broken := func(c *centre) {
				c.answersSubmits(func(int) (smpp.Status, string, bool) { return 0, "", false })
				c.wrap = func(conn net.Conn) net.Conn { return &faultyConn{conn, tt.after} }
			}
			inRigAfter(t, broken, func(t *testing.T, r *rig) {
				if a := r.submit("o1", testText); a.Kind != tt.kind || a.Code != tt.code || !a.Outage {
					t.Errorf("got %+v, want kind %d, code %s", a, tt.kind, tt.code)
				}
			})
		})
	}
}

// TestTooLate: a call whose time is over is not made, also when it had to wait for the bind.
func TestTooLate(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		c := call("o1", testText)
		c.Before = time.Now().Add(-time.Millisecond)
		if a := r.Send(context.Background(), c); a.Kind != store.OutcomeRetry || a.Code != codeTooLate || a.Outage {
			t.Errorf("got %+v, want a retry: too late", a)
		}
		if n := len(r.centre.got()); n != 0 {
			t.Errorf("%d messages were submitted, want 0", n)
		}
	})
}

// TestAnswersOutOfOrder: answers are matched by sequence_number, of which the centre has its own for its requests.
func TestAnswersOutOfOrder(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		var first smpp.Header
		r.centre.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
			m, ok := p.(*smpp.SubmitSM)
			switch {
			case !ok:
				return false
			case m.ShortMessage == "first":
				first = h
			default:
				// A request of the centre's with the number of one of ours is no answer to it.
				w.send(smpp.StatusOK, first.Sequence, &smpp.DeliverSM{ESMClass: smpp.ESMClassReceipt,
					ShortMessage: "id:x stat:DELIVRD err:000", SourceAddr: testPhone})
				w.send(smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: "of second"})
				w.send(smpp.StatusOK, first.Sequence, &smpp.SubmitSMResp{MessageID: "of first"})
				w.send(smpp.StatusOK, first.Sequence, &smpp.SubmitSMResp{MessageID: "again"})
			}
			return true
		})
		answers := make(chan bridge.Answer, 1)
		go func() { answers <- r.submit("o1", "first") }()
		synctest.Wait()
		if a := r.submit("o2", "second"); a.BizID != "acct/of second" {
			t.Errorf("second: got %+v", a)
		}
		if a := <-answers; a.BizID != "acct/of first" {
			t.Errorf("first: got %+v", a)
		}
		pass(time.Second)
		if n := len(r.sink.reports); n != 1 {
			t.Errorf("%d reports, want the one that looked like an answer", n)
		}
	})
}
