package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestIncomingParts: the parts of a long text fit an SMS each, say in their headers which they are, have one reference however
// often they are made, and joined are the text; no character is cut in two.
func TestIncomingParts(t *testing.T) {
	euro, emoji := strings.Repeat("€", 100), strings.Repeat("好😀", 60)
	for _, tt := range []struct {
		name     string
		text     string
		alphabet smpp.Alphabet
		parts    int
		coding   byte
	}{
		{"one", strings.Repeat("a", 160), smpp.AlphabetGSM7, 1, 0},
		{"two", strings.Repeat("a", 161), smpp.AlphabetGSM7, 2, 0},
		{"two of 153", strings.Repeat("a", 306), smpp.AlphabetGSM7, 2, 0},
		{"three", strings.Repeat("a", 307), smpp.AlphabetGSM7, 3, 0},
		{"two septets a character", euro, smpp.AlphabetGSM7, 2, 0},
		{"one in UCS-2", strings.Repeat("好", 70), smpp.AlphabetGSM7, 1, 8},
		{"two in UCS-2", strings.Repeat("好", 71), smpp.AlphabetGSM7, 2, 8},
		{"surrogates", emoji, smpp.AlphabetGSM7, 3, 8},
		{"Latin-1", strings.Repeat("é", 141), smpp.AlphabetLatin1, 2, 0},
		{"UTF-8", strings.Repeat("好", 47), smpp.AlphabetUTF8, 2, 0},
		{"GBK", strings.Repeat("好", 71), smpp.AlphabetGBK, 2, 0},
		{"as long as may be", "好" + strings.Repeat("a", maxIncomingText-3), smpp.AlphabetGSM7, 245, 8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := incomingForm{alphabet: tt.alphabet}
			r := &store.Receipt{Incoming: true, Seq: 0x1234, Text: tt.text}
			var joined strings.Builder
			for i := range tt.parts {
				m, of := f.deliverSM(r, i)
				if err := m.Check(); err != nil || of != tt.parts || m.DataCoding != tt.coding {
					t.Fatalf("part %d: %v, of %d, data_coding %d; want of %d, %d", i, err, of, m.DataCoding, tt.parts, tt.coding)
				}
				if m.ESMClass&smpp.ESMClassUDHI == 0 != (tt.parts == 1) || len(m.ShortMessage) > 160 || tt.coding == 8 && len(m.ShortMessage) > 140 {
					t.Errorf("part %d: esm_class %#x, %d octets", i, m.ESMClass, len(m.ShortMessage))
				}
				place, octets, _, err := (*smpp.SubmitSM)(m).Segment()
				if want := (smpp.Concat{Ref: 0x34, Total: uint8(tt.parts), Seq: uint8(i + 1)}); err != nil || tt.parts > 1 && place != want {
					t.Errorf("part %d: %+v, %v; want %+v", i, place, err, want)
				}
				text, err := smpp.DecodeText(m.DataCoding, tt.alphabet, octets) // by itself: no character is cut
				if err != nil {
					t.Fatalf("part %d: %v", i, err)
				}
				joined.WriteString(text)
			}
			if joined.String() != tt.text {
				t.Error("the joined parts are another text")
			}
		})
	}
}

// TestIncomingPayload: an account may have long texts in message_payload, but not over a session of SMPP 3.3.
func TestIncomingPayload(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		long := strings.Repeat("长", 500)
		deep := func(m *IncomingMessage) { m.DestCode = "10690777" }
		e := r.bind("deep", smpp.Receiver)
		r.comes(up(long, deep), up("short", deep))
		seq, m := e.incoming()
		if octets, ok := m.TLVs.Get(smpp.TagMessagePayload); !ok || m.ShortMessage != "" || m.ESMClass != 0 || len(octets) != 1000 || textOf(t, m) != long {
			t.Errorf("esm_class %#x, %d octets in short_message, %d in message_payload", m.ESMClass, len(m.ShortMessage), len(octets))
		}
		e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
		if got := e.hears(smpp.StatusOK); got != "short" {
			t.Errorf("got %q", got)
		}
		e.Close()
		pass(time.Second)
		old := r.dial()
		old.Send(&smpp.Bind{Type: smpp.Receiver, SystemID: "deep", Password: rigPassword, InterfaceVersion: 0x33})
		old.Expect(smpp.BindReceiverRespID)
		r.comes(up(long, deep, func(m *IncomingMessage) { m.ID = "3" }))
		seq, m = old.incoming()
		if place, _, ok, _ := (*smpp.SubmitSM)(m).Segment(); !ok || place.Total != 8 || m.TLVs != "" {
			t.Errorf("to SMPP 3.3: %+v, %d octets of optional parameters", place, len(m.TLVs))
		}
		old.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
	})
}

// part reads a part of a long incoming message, without answering it.
func (e *esme) part() (seq uint32, place smpp.Concat) {
	e.r.t.Helper()
	seq, m := e.incoming()
	place, _, ok, err := (*smpp.SubmitSM)(m).Segment()
	if !ok || err != nil {
		e.r.t.Fatalf("not a part: %v", err)
	}
	return seq, place
}

var threeParts = strings.Repeat("长", 180)

// TestIncomingPartsAreOne: the parts come in order, also through a window of one, and the entry leaves the outbox when the
// last is answered. What is refused for now comes again by itself.
func TestIncomingPartsAreOne(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		e := r.bind("shop", smpp.Receiver)
		r.comes(up(threeParts, func(m *IncomingMessage) { m.DestCode, m.SignName = "3069", "商店" }))
		want := []struct {
			seq    uint8
			status smpp.Status
		}{{1, 0}, {2, smpp.StatusThrottled}, {2, 0x64}, {2, 0}, {3, 0}}
		var ref uint16
		for i, w := range want {
			seq, place := e.part()
			if i == 0 {
				ref = place.Ref
			}
			if place.Seq != w.seq || place.Total != 3 || place.Ref != ref {
				t.Fatalf("deliver_sm %d is part %+v, want %d of 3, reference %d", i, place, w.seq, ref)
			}
			if got := r.store.Figures().Incoming; got != 1 {
				t.Errorf("%d wait before part %d is answered, want 1", got, w.seq)
			}
			e.Respond(seq, w.status, &smpp.DeliverSMResp{})
		}
		pass(time.Second)
		if got := r.store.Figures().Incoming; got != 0 {
			t.Errorf("%d wait when all are answered, want 0", got)
		}
		e.nothing()
	})
}

// TestIncomingPartsRefused: a part that is refused for good ends the message.
func TestIncomingPartsRefused(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		e := r.bind("bank", smpp.Receiver)
		r.comes(up(threeParts))
		for _, st := range []smpp.Status{0, 0x66} {
			seq, _ := e.part()
			e.Respond(seq, st, &smpp.DeliverSMResp{})
		}
		pass(time.Second)
		e.nothing()
		if got := r.store.Figures().Incoming; got != 0 {
			t.Errorf("%d wait, want 0", got)
		}
	})
}

// TestIncomingPartsStayTogether: all parts go to one receiver, while others get what else there is. When that one goes, or falls
// silent, another one gets all of them.
func TestIncomingPartsStayTogether(t *testing.T) {
	for name, lose := range map[string]func(*esme){
		"goes":         func(e *esme) { e.Close() },
		"falls silent": func(*esme) {},
	} {
		t.Run(name, func(t *testing.T) {
			inIncomingRig(t, func(t *testing.T, r *rig) {
				a := r.bind("bank", smpp.Receiver)
				r.comes(up(threeParts))
				seq, first := a.part()
				b := r.bind("bank", smpp.Receiver)
				pass(time.Second)
				a.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
				for _, text := range []string{"1", "2", "3", "4"} { // b gets some, and no part
					r.comes(up(text, func(m *IncomingMessage) { m.ID = text }))
				}
				if got := b.hears(smpp.StatusOK); len(got) != 1 {
					t.Errorf("the other receiver got a part")
				}
				for { // what else a got before it is lost
					if _, m := a.incoming(); m.ESMClass == smpp.ESMClassUDHI {
						if place, _, _, _ := (*smpp.SubmitSM)(m).Segment(); place.Seq != 2 || place.Ref != first.Ref {
							t.Errorf("then came %+v", place)
						}
						break
					}
				}
				lose(a)
				var seqs []uint8
				texts := map[string]bool{}
				for len(seqs) < 3 {
					seq, m := b.incoming()
					b.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
					place, _, ok, _ := (*smpp.SubmitSM)(m).Segment()
					if !ok {
						texts[textOf(t, m)] = true
						continue
					}
					if seqs = append(seqs, place.Seq); place.Ref != first.Ref || int(place.Seq) != len(seqs) {
						t.Fatalf("parts %v with reference %d, want all from the first, reference %d", seqs, place.Ref, first.Ref)
					}
				}
			})
		})
	}
}

// TestIncomingDoesNotHoldUpReceipts: a long message whose receiver has no room lets receipts pass to others.
func TestIncomingDoesNotHoldUpReceipts(t *testing.T) {
	inIncomingRig(t, func(t *testing.T, r *rig) {
		shop := func(m *IncomingMessage) { m.DestCode, m.SignName = "3069", "商店" }
		a := r.bind("shop", smpp.Receiver) // window 1
		r.comes(up(threeParts, shop))
		seq, _ := a.part()
		a.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
		a.part() // and does not answer: its window is full, and the next part waits for it
		b := r.bind("shop", smpp.Transceiver)
		n := b.delivered("通知hello。")
		if got := b.take(smpp.StatusOK).MessageID; got != n.String() {
			t.Errorf("receipt of %s, want %s", got, n)
		}
	})
}
