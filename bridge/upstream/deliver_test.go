package upstream

import (
	"errors"
	"strings"
	"testing"
	"time"

	"smppbridge/bridge"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

const receiptText = "id:0A1b sub:001 dlvrd:001 submit date:2601021504 done date:2601021505 stat:%s err:%s text:stat:UNDELIV err:777"

func receiptOf(stat, err string) string {
	return strings.Replace(strings.Replace(receiptText, "%s", stat, 1), "%s", err, 1)
}

// TestReceipts: what centres write in receipts.
func TestReceipts(t *testing.T) {
	tlv := func(id string, state byte) smpp.TLVs {
		return smpp.TLVs("").With(smpp.TagReceiptedMessageID, id+"\x00").WithByte(smpp.TagMessageState, state)
	}
	for _, tt := range []struct {
		name string
		m    smpp.DeliverSM
		ids  string
		want bridge.IncomingReport
	}{
		{"text", smpp.DeliverSM{ShortMessage: receiptOf("DELIVRD", "000")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Ending: store.EndDelivered, Err: "000", Code: "DELIVRD:000"}},
		{"refused", smpp.DeliverSM{ShortMessage: receiptOf("UNDELIV", "034")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Ending: store.EndUndeliverable, Err: "034", Code: "UNDELIV:034"}},
		{"an err of another form", smpp.DeliverSM{ShortMessage: receiptOf("REJECTD", "MK:0001")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Ending: store.EndRejected, Err: "199", Code: "REJECTD:MK:0001"}},
		{"another order and case", smpp.DeliverSM{ShortMessage: "ID:7 STAT:expired ERR:012"}, "",
			bridge.IncomingReport{BizID: "acct/7", Ending: store.EndExpired, Err: "012", Code: "expired:012"}},
		{"in message_payload", smpp.DeliverSM{TLVs: smpp.TLVs("").With(smpp.TagMessagePayload, receiptOf("UNKNOWN", "000"))}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Ending: store.EndUnknown, Err: "199", Code: "UNKNOWN:000"}},
		{"parameters alone", smpp.DeliverSM{TLVs: tlv("0A1b", 5).With(smpp.TagNetworkErrorCode, "\x03\x00\x22")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Ending: store.EndUndeliverable, Err: "034"}},
		{"parameters are preferred", smpp.DeliverSM{ShortMessage: receiptOf("DELIVRD", "000"), TLVs: tlv("99", 8)}, "",
			bridge.IncomingReport{BizID: "acct/99", Ending: store.EndRejected, Err: "199", Code: "DELIVRD:000"}},
		{"on its way", smpp.DeliverSM{ShortMessage: receiptOf("ENROUTE", "000")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Err: "000", Code: "ENROUTE:000"}},
		{"accepted there", smpp.DeliverSM{ShortMessage: receiptOf("ACCEPTD", "000")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Err: "000", Code: "ACCEPTD:000"}},
		{"intermediate", smpp.DeliverSM{ESMClass: typeInterim, ShortMessage: receiptOf("UNDELIV", "001")}, "",
			bridge.IncomingReport{BizID: "acct/0A1b", Err: "000", Code: "UNDELIV:001"}},
		{"decimal of a hexadecimal id", smpp.DeliverSM{ShortMessage: "id:2587 stat:DELIVRD err:000"}, configs.ReceiptDecimal,
			bridge.IncomingReport{BizID: "acct/a1b", Ending: store.EndDelivered, Err: "000", Code: "DELIVRD:000"}},
		{"hexadecimal of a decimal id", smpp.DeliverSM{ShortMessage: receiptOf("DELIVRD", "000")}, configs.ReceiptHex,
			bridge.IncomingReport{BizID: "acct/a1b", Ending: store.EndDelivered, Err: "000", Code: "DELIVRD:000"}},
		{"not a number after all", smpp.DeliverSM{ShortMessage: "id:x-y stat:DELIVRD err:000"}, configs.ReceiptDecimal,
			bridge.IncomingReport{BizID: "acct/x-y", Ending: store.EndDelivered, Err: "000", Code: "DELIVRD:000"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			now := time.Unix(1_700_000_000, 0)
			c, err := New(Config{Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			cfg := testRoute(nil)
			cfg.SMPP.ReceiptIDs = tt.ids
			r := &route{Route: cfg, c: c}
			tt.m.SourceAddr = "+86" + testPhone
			if tt.m.ESMClass == 0 {
				tt.m.ESMClass = smpp.ESMClassReceipt
			}
			tt.want.Phone, tt.want.DoneAt = "86"+testPhone, now
			got, ok := r.readReceipt(&tt.m)
			if !ok || got != tt.want || !isReceipt(&tt.m) {
				t.Errorf("got  %+v (%v)\nwant %+v", got, ok, tt.want)
			}
		})
	}
}

// TestMessageIDs: the id of an answer and that of its receipt become one, however they are spelt.
func TestMessageIDs(t *testing.T) {
	for _, tt := range []struct{ ids, answer, receipt string }{
		{configs.ReceiptSame, "00Ab", "00Ab"},
		{configs.ReceiptDecimal, "00AB", "171"},
		{configs.ReceiptDecimal, "ab", "0000000171"},
		{configs.ReceiptHex, "0171", "AB"},
	} {
		r := &route{Route: Route{Account: "a", SMPP: configs.RouteSMPP{ReceiptIDs: tt.ids}}}
		if a, b := r.bizID(tt.answer, r.answerBase()), r.bizID(tt.receipt, r.receiptBase()); a != b || a == "" {
			t.Errorf("%s: %s is %s, its receipt's %s is %s", tt.ids, tt.answer, a, tt.receipt, b)
		}
	}
}

// TestIsReceipt: receipts are told from what phones send.
func TestIsReceipt(t *testing.T) {
	for _, tt := range []struct {
		m    smpp.DeliverSM
		want bool
	}{
		{smpp.DeliverSM{ESMClass: 0x04}, true},
		{smpp.DeliverSM{ESMClass: 0x20}, true},
		{smpp.DeliverSM{ESMClass: 0x44}, true},
		{smpp.DeliverSM{TLVs: smpp.TLVs("").With(smpp.TagReceiptedMessageID, "1")}, true},
		{smpp.DeliverSM{}, false},
		{smpp.DeliverSM{ESMClass: 0x40}, false},
		{smpp.DeliverSM{ESMClass: 0x08}, false}, // a phone's own acknowledgement
	} {
		if got := isReceipt(&tt.m); got != tt.want {
			t.Errorf("esm_class %#x: got %v, want %v", tt.m.ESMClass, got, tt.want)
		}
	}
}

// TestAnsweredAfterCommit: a deliver_sm is answered when what it says is committed, and refused for the moment when it cannot be.
func TestAnsweredAfterCommit(t *testing.T) {
	for _, tt := range []struct {
		name string
		m    *smpp.DeliverSM
		err  error
		want smpp.Status
	}{
		{"receipt", &smpp.DeliverSM{ESMClass: smpp.ESMClassReceipt, ShortMessage: receiptOf("DELIVRD", "000"), SourceAddr: testPhone}, nil, smpp.StatusOK},
		{"receipt, no majority", &smpp.DeliverSM{ESMClass: smpp.ESMClassReceipt, ShortMessage: receiptOf("DELIVRD", "000")},
			errors.New("not committed"), smpp.StatusXTAppn},
		{"incoming", &smpp.DeliverSM{ShortMessage: testText, SourceAddr: testPhone, DestinationAddr: "10690001"}, nil, smpp.StatusOK},
		{"incoming, no majority", &smpp.DeliverSM{ShortMessage: testText}, errors.New("not committed"), smpp.StatusXTAppn},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				pass(time.Second)
				gate := r.sink.holds(tt.err)
				r.centre.last().send(smpp.StatusOK, 41, tt.m)
				pass(3 * time.Second)
				if n := len(r.centre.answered()); n != 0 {
					t.Fatalf("%d answers before the commit", n)
				}
				if a := r.submit("o", testText); a.Kind != store.OutcomeAccepted {
					t.Errorf("meanwhile a submit is %+v: receipts must not hold answers up", a)
				}
				close(gate)
				pass(time.Second)
				got := r.centre.answered()
				if len(got) != 1 || got[0].Sequence != 41 || got[0].Status != tt.want {
					t.Fatalf("answers %+v, want %s to 41", got, tt.want)
				}
				if n := len(r.sink.reports) + len(r.sink.incoming); (n == 1) != (tt.err == nil) {
					t.Errorf("%d were committed", n)
				}
			})
		})
	}
}

// TestIncoming: what a phone sends arrives as text, with its addresses, and again if it is written again.
func TestIncoming(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		octets, err := smpp.EncodeText(smpp.DataCodingUCS2, smpp.AlphabetGSM7, "退订")
		if err != nil {
			t.Fatal(err)
		}
		part := string(smpp.Concat{Ref: 7, Total: 2, Seq: 1}.AppendUDH(nil)) + octets
		for i, m := range []*smpp.DeliverSM{
			{ShortMessage: "TD", SourceAddr: testPhone, DestinationAddr: "10690001"},
			{ShortMessage: octets, DataCoding: smpp.DataCodingUCS2, SourceAddr: testPhone, DestinationAddr: "10690001"},
			{ShortMessage: part, DataCoding: smpp.DataCodingUCS2, ESMClass: smpp.ESMClassUDHI, SourceAddr: testPhone, DestinationAddr: "10690001"},
		} {
			r.centre.last().send(smpp.StatusOK, uint32(i+1), m)
			pass(time.Second)
		}
		want := []string{"TD", "退订", "退订"}
		if len(r.sink.incoming) != len(want) {
			t.Fatalf("%d incoming messages, want %d", len(r.sink.incoming), len(want))
		}
		for i, m := range r.sink.incoming {
			if m.Text != want[i] || m.Phone != testPhone || m.DestCode != "10690001" || m.SentAt.IsZero() {
				t.Errorf("message %d is %+v", i, m)
			}
		}
		if a, b := r.sink.incoming[1], r.sink.incoming[2]; a.SentAt.Equal(b.SentAt) {
			t.Error("two messages alike have one time: the second would be taken for the first")
		}
	})
}

// TestUnreadable: what will never be understood is not asked for again and again.
func TestUnreadable(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		for i, m := range []*smpp.DeliverSM{
			{ESMClass: smpp.ESMClassReceipt, ShortMessage: "nothing to be read"},
			{ESMClass: smpp.ESMClassUDHI, ShortMessage: "\x40"},
			{DataCoding: 0x04, ShortMessage: "\x00\x01"},
		} {
			r.centre.last().send(smpp.StatusOK, uint32(i+1), m)
		}
		pass(time.Second)
		got := r.centre.answered()
		if len(got) != 3 {
			t.Fatalf("%d answers, want 3", len(got))
		}
		for _, h := range got {
			if h.Status != smpp.StatusOK {
				t.Errorf("%d was answered %s, want ESME_ROK", h.Sequence, h.Status)
			}
		}
		if n := len(r.sink.reports) + len(r.sink.incoming); n != 0 {
			t.Errorf("%d were committed, want 0", n)
		}
	})
}

// TestFloodOfReceipts: more than can wait is refused for the moment, and the connection lives.
func TestFloodOfReceipts(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		pass(time.Second)
		gate := r.sink.holds(nil)
		const n = deliveriesMost + commitMost + 200
		w := r.centre.last()
		for i := range n {
			w.send(smpp.StatusOK, uint32(i+1), &smpp.DeliverSM{ESMClass: smpp.ESMClassReceipt, ShortMessage: receiptOf("DELIVRD", "000")})
		}
		pass(time.Second)
		refused := len(r.centre.answered())
		if refused < 200 {
			t.Errorf("%d of %d refused while nothing is committed, want those for which there is no room", refused, n)
		}
		close(gate)
		pass(time.Second)
		if got, taken := len(r.centre.answered()), len(r.sink.reports); got != n || taken != n-refused {
			t.Errorf("%d of %d answered, %d committed; want all, and %d", got, n, taken, n-refused)
		}
	})
}
