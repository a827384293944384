package upstream

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode/utf16"

	"smppbridge/bridge"
	"smppbridge/configs"
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
					late = func() { w.send(tt.status, h.Sequence, &smpp.SubmitSMResp{MessageID: "17"}) }
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
			inRig(t, func(t *testing.T, r *rig) {
				r.centre.answersSubmits(func(int) (smpp.Status, string, bool) { return 0, "", false })
				r.centre.wrap = func(c net.Conn) net.Conn { return &faultyConn{c, tt.after} }
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

// joined is the text of a message's parts, after checking that they are one.
func joined(t *testing.T, list []*smpp.SubmitSM, most int) string {
	t.Helper()
	var b strings.Builder
	var ref uint16
	for i, m := range list {
		c, payload, ok, err := m.Segment()
		if err != nil || !ok || int(c.Total) != len(list) || int(c.Seq) != i+1 || i > 0 && c.Ref != ref {
			t.Fatalf("part %d is %+v (%v, %v), want one of %d", i+1, c, ok, err, len(list))
		}
		if ref = c.Ref; len(m.ShortMessage) > most {
			t.Errorf("part %d has %d octets, want at most %d", i+1, len(m.ShortMessage), most)
		}
		if err := smpp.CheckPart(m.DataCoding, smpp.AlphabetGSM7, payload); err != nil {
			t.Errorf("part %d by itself: %v", i+1, err)
		}
		if want := i == len(list)-1; (m.RegisteredDelivery != 0) != want {
			t.Errorf("part %d has registered_delivery %d, want it on the last alone", i+1, m.RegisteredDelivery)
		}
		text, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, payload)
		if err != nil {
			t.Fatalf("part %d: %v", i+1, err)
		}
		b.WriteString(text)
	}
	return b.String()
}

// TestParts: a long text is cut between characters, and its parts are one message again.
func TestParts(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		parts      int
		most       int // octets of one, with its header
	}{
		{"GSM, one", strings.Repeat("a", 160), 1, 160},
		{"GSM, two", strings.Repeat("a", 161), 2, 159},
		{"GSM, an escape at the edge", strings.Repeat("a", 152) + "€" + strings.Repeat("b", 20), 2, 159},
		{"UCS-2, one", strings.Repeat("码", 70), 1, 140},
		{"UCS-2, two", strings.Repeat("码", 71), 2, 140},
		{"UCS-2, a pair at the edge", strings.Repeat("码", 66) + "😀" + strings.Repeat("码", 10), 2, 140},
		{"UCS-2, many", strings.Repeat("码", 67*6), 6, 140},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				a := r.submit("o", tt.text)
				got := r.centre.got()
				if len(got) != tt.parts || a.Kind != store.OutcomeAccepted {
					t.Fatalf("%d parts, %+v; want %d, accepted", len(got), a, tt.parts)
				}
				if tt.parts == 1 {
					return
				}
				if text := joined(t, got, tt.most); text != tt.text {
					t.Errorf("joined %d UTF-16 units, want %d", len(utf16.Encode([]rune(text))), len(utf16.Encode([]rune(tt.text))))
				}
				if want := "acct/m" + string(rune('0'+tt.parts)); a.BizID != want {
					t.Errorf("goes by %s, want the last part's %s", a.BizID, want)
				}
			})
		})
	}
}

// TestPartsEnd: what a refusal or silence in the middle of a long text means.
func TestPartsEnd(t *testing.T) {
	for _, tt := range []struct {
		name      string
		part      int // that is answered with
		status    smpp.Status
		silent    bool
		submitted int
		want      store.OutcomeKind
	}{
		{"first throttled: nothing was sent", 1, smpp.StatusThrottled, false, 1, store.OutcomeRetry},
		{"second throttled: the first was", 2, smpp.StatusThrottled, false, 2, store.OutcomeRejected},
		{"last refused", 3, smpp.StatusSubmitFail, false, 3, store.OutcomeRejected},
		{"second silent", 2, 0, true, 2, store.OutcomeUncertain},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.centre.answersSubmits(func(n int) (smpp.Status, string, bool) {
					if n == tt.part {
						return tt.status, "", !tt.silent
					}
					return smpp.StatusOK, "id", true
				})
				a := r.submit("o", strings.Repeat("a", 153*3))
				if n := len(r.centre.got()); a.Kind != tt.want || n != tt.submitted {
					t.Errorf("got %+v after %d parts, want kind %d after %d", a, n, tt.want, tt.submitted)
				}
			})
		})
	}
}

// TestPayload: a route may want long texts in message_payload.
func TestPayload(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		text := strings.Repeat("长", 300)
		if a := r.submit("o", text); a.Kind != store.OutcomeAccepted {
			t.Fatalf("got %+v", a)
		}
		m := r.centre.got()[0]
		payload, _ := m.TLVs.Get(smpp.TagMessagePayload)
		if got, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, payload); err != nil || got != text || m.ShortMessage != "" || m.ESMClass != 0 {
			t.Errorf("payload of %d octets (%v), short_message of %d", len(payload), err, len(m.ShortMessage))
		}
	}, func(r *Route) { r.SMPP.Long = configs.LongPayload })
}

// TestPartsArePaced: the meter counts a long text as one call, so its other parts keep to the route's rate by themselves.
func TestPartsArePaced(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		start := time.Now()
		r.submit("o", strings.Repeat("a", 153*6))
		if took := time.Since(start); took < 5*500*time.Millisecond {
			t.Errorf("six parts at 2/s took %v", took)
		}
	}, func(r *Route) { r.QPS = 2 })
}

// TestEncoding: data_coding stays as submitted where the text can be written so.
func TestEncoding(t *testing.T) {
	for _, tt := range []struct {
		name   string
		wanted byte
		zero   smpp.Alphabet
		text   string
		want   byte
	}{
		{"the same", 0, smpp.AlphabetGSM7, "hello", 0},
		{"their 0 was another alphabet", 0, smpp.AlphabetGSM7, "你好", 8},
		{"our 0 is another alphabet", 0, smpp.AlphabetGBK, "你好", 0},
		{"flash", 0x18, smpp.AlphabetGSM7, "你好", 0x18},
		{"ASCII as UCS-2", 8, smpp.AlphabetGSM7, "hello", 8},
		{"GB 18030", 0x0F, smpp.AlphabetGSM7, "你好", 8},
		{"not text", 4, smpp.AlphabetGSM7, "hello", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			coding, octets, err := encode(tt.wanted, tt.zero, tt.text)
			if err != nil || coding != tt.want {
				t.Fatalf("data_coding %#x (%v), want %#x", coding, err, tt.want)
			}
			if back, err := smpp.DecodeText(coding, tt.zero, octets); err != nil || back != tt.text {
				t.Errorf("reads as %q (%v), want %q", back, err, tt.text)
			}
		})
	}
}

// TestSignature: a route may want a signature in front of texts that have none.
func TestSignature(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		for text, want := range map[string]string{"hello": "【速通】hello", "【甲】hello": "【甲】hello", "hello【甲】 ": "hello【甲】 "} {
			r.submit("o", text)
			list := r.centre.got()
			m := list[len(list)-1]
			if got, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, m.ShortMessage); err != nil || got != want {
				t.Errorf("%q was sent as %q (%v), want %q", text, got, err, want)
			}
			if m.SourceAddr != "SUTONG" || m.SourceAddrTON != 5 || m.SourceAddrNPI != 0 {
				t.Errorf("from %q, TON %d, NPI %d; want the route's own address", m.SourceAddr, m.SourceAddrTON, m.SourceAddrNPI)
			}
		}
	}, func(r *Route) { r.SMPP.Signature, r.SMPP.SourceAddr = configs.SignatureFront, "SUTONG" })
}
