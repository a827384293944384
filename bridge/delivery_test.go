package bridge

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// report ends message n as delivered.
func (r *rig) report(n store.Number) {
	r.t.Helper()
	a, err := r.store.Attempt(r.status(n).Attempt)
	if err != nil {
		r.t.Fatal(err)
	}
	in := []IncomingReport{{OutID: a.OutID, Ending: store.EndDelivered, Err: "000", DoneAt: r.node.now()}}
	if err := r.Report(context.Background(), in); err != nil {
		r.t.Fatal(err)
	}
}

// delivered submits a text over e, sends it and reports it.
func (e *esme) delivered(text string, change ...func(*smpp.SubmitSM)) store.Number {
	e.r.t.Helper()
	n := e.accepted(text, change...)
	pass(time.Second)
	e.r.report(n)
	return n
}

// receipt reads a deliver_sm, without answering it.
func (e *esme) receipt() (seq uint32, r smpp.Receipt, m *smpp.DeliverSM) {
	e.r.t.Helper()
	for asked := 0; ; {
		h, p := e.Next()
		switch p := p.(type) {
		case *smpp.EnquireLink:
			if asked++; asked == 5 {
				e.r.t.Fatal("no deliver_sm within some minutes")
			}
			e.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
		case *smpp.DeliverSM:
			r, err := smpp.ParseReceipt(p.ShortMessage, time.UTC)
			if err != nil {
				e.r.t.Fatal(err)
			}
			return h.Sequence, r, p
		default:
			e.r.t.Fatalf("got %v, want a deliver_sm", h.ID)
		}
	}
}

// take reads a deliver_sm and answers it.
func (e *esme) take(st smpp.Status) smpp.Receipt {
	e.r.t.Helper()
	seq, r, _ := e.receipt()
	e.Respond(seq, st, &smpp.DeliverSMResp{})
	return r
}

func (r *rig) waiting() int { return int(r.store.Figures().Outbox) }

// TestReceiptLeavesWhenAnswered: an entry stays in the outbox until its deliver_sm is answered. One
// that was not answered in time, or whose session ended, is delivered again (promise 4).
func TestReceiptLeavesWhenAnswered(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		n := e.delivered("hello")
		e.receipt()
		pass(5 * time.Second)
		if got := r.waiting(); got != 1 {
			t.Errorf("%d receipts wait after the deliver_sm was written, want 1", got)
		}
		if got := e.receiptID(); got != n.String() { // the response time-out has passed
			t.Errorf("second deliver_sm is of %s, want %s", got, n)
		}
		e.Close()
		pass(time.Second)
		if got := r.waiting(); got != 1 {
			t.Errorf("%d receipts wait after the session ended, want 1", got)
		}
		again := r.bind("any", smpp.Receiver)
		if got := again.take(smpp.StatusOK).MessageID; got != n.String() {
			t.Errorf("third deliver_sm is of %s, want %s", got, n)
		}
		pass(time.Second)
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait after the answer, want 0", got)
		}
	})
}

func (e *esme) receiptID() string {
	e.r.t.Helper()
	_, r, _ := e.receipt()
	return r.MessageID
}

// TestReceiptIsKeptWithoutReceiver: also when the account had a receiver before, and a transmitter
// is bound (promise 4).
func TestReceiptIsKeptWithoutReceiver(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		gone := r.bind("any", smpp.Receiver)
		pass(time.Second)
		gone.Close()
		pass(time.Second)
		n := e.delivered("hello")
		r.jump(10, 7*time.Hour)
		if got := r.waiting(); got != 1 {
			t.Fatalf("%d receipts wait, want 1", got)
		}
		if got := r.bind("any", smpp.Receiver).take(smpp.StatusOK).MessageID; got != n.String() {
			t.Errorf("receipt of %s, want %s", got, n)
		}
	}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour })
}

// TestReceiptRemovalIsRepeated: a receipt that was answered is removed although the first proposals
// of it fail, and is not delivered twice meanwhile (promise 4).
func TestReceiptRemovalIsRepeated(t *testing.T) {
	for name, what := range map[string]fate{"refused": refused, "fails": lost, "fails but happened": hidden} {
		t.Run(name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				r.node.decide(first[*store.Delivered](what, 5))
				e := r.bind("any", smpp.Transceiver)
				e.delivered("hello")
				e.take(smpp.StatusOK)
				pass(20 * time.Second)
				if got := r.waiting(); got != 0 {
					t.Errorf("%d receipts wait, want 0", got)
				}
				second := e.delivered("again")
				if got := e.take(smpp.StatusOK).MessageID; got != second.String() {
					t.Errorf("receipt of %s, want %s", got, second)
				}
			})
		})
	}
}

// TestReceiptID: the message_id reads the same in submit_sm_resp, text and TLV, letters too (promise 4).
func TestReceiptID(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		for range 12 { // up to 000000000c
			e.submit("hello")
			_, p := e.Expect(smpp.SubmitSMRespID)
			want := p.(*smpp.SubmitSMResp).MessageID
			n, err := store.ParseNumber(want)
			if err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
			r.report(n)
			seq, got, m := e.receipt()
			e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
			tlv, _ := m.TLVs.Get(smpp.TagReceiptedMessageID)
			if got.MessageID != want || strings.TrimRight(tlv, "\x00") != want {
				t.Errorf("submit_sm_resp %s, text %s, TLV %q", want, got.MessageID, tlv)
			}
		}
	})
}

// TestReceiptsThroughAFullWindow: more receipts wait than a session may have unanswered; all are
// delivered, each once, while only some at a time are answered.
func TestReceiptsThroughAFullWindow(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		const n, window = 20, 3
		sender := r.bind("three", smpp.Transmitter)
		for i := range n {
			sender.delivered(fmt.Sprintf("hello %d", i))
		}
		e := r.bind("three", smpp.Receiver)
		seen := make(map[string]int)
		var unanswered []uint32
		for len(seen) < n {
			seq, got, _ := e.receipt()
			seen[got.MessageID]++
			if unanswered = append(unanswered, seq); len(unanswered) == window {
				for _, seq := range unanswered {
					e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
				}
				unanswered = nil
			}
		}
		for _, seq := range unanswered {
			e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
		}
		pass(time.Second)
		for id, k := range seen {
			if k != 1 {
				t.Errorf("%d receipts of %s", k, id)
			}
		}
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait, want 0", got)
		}
	})
}

// TestTemporaryRefusals: what other message centres try again on is tried again; after any other
// refusal the receipt is gone (promise 4).
func TestTemporaryRefusals(t *testing.T) {
	tests := map[smpp.Status]bool{
		0x08: true, 0x14: true, 0x45: true, 0x58: true, 0x64: true, 0x67: true, 0xFE: true, 0xFF: true,
		0x01: false, 0x03: false, 0x0B: false, 0x65: false, 0x66: false,
	}
	for st, again := range tests {
		t.Run(st.String(), func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				e := r.bind("any", smpp.Transceiver)
				first := e.delivered("hello")
				e.take(st)
				pass(500 * time.Millisecond)
				if want := map[bool]int{true: 1}[again]; r.waiting() != want {
					t.Fatalf("%d receipts wait, want %d", r.waiting(), want)
				}
				if again {
					if got := e.take(smpp.StatusOK).MessageID; got != first.String() {
						t.Errorf("receipt of %s, want %s", got, first)
					}
				}
			})
		})
	}
}

// TestReceiptWaitsForTheResponse: also over another session: while the submit_sm_resp is not written,
// because its ESME does not read, nobody gets the receipt (promise 4).
func TestReceiptWaitsForTheResponse(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		sender, receiver := r.bind("any", smpp.Transmitter), r.bind("any", smpp.Receiver)
		sender.submit("hello")
		pass(time.Second)
		r.report(1)
		pass(5 * time.Second)
		if got := r.waiting(); got != 1 {
			t.Fatalf("%d receipts wait, want 1", got)
		}
		receiver.Send(&smpp.EnquireLink{})
		receiver.Expect(smpp.EnquireLinkRespID) // and no receipt before it
		want := sender.number().String()
		if got := receiver.take(smpp.StatusOK).MessageID; got != want {
			t.Errorf("receipt of %s, want %s", got, want)
		}
	})
}

// TestReceiptsGoToAnyReceiver: one that does not answer does not hold up the others.
func TestReceiptsGoToAnyReceiver(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		stuck, sender := r.bind("one", smpp.Receiver), r.bind("one", smpp.Transmitter)
		sender.delivered("hello")
		stuck.receipt() // and does not answer: its window is full
		other := r.bind("one", smpp.Receiver)
		for range 3 {
			n := sender.delivered("hello again")
			if got := other.take(smpp.StatusOK).MessageID; got != n.String() {
				t.Errorf("receipt of %s, want %s", got, n)
			}
		}
	})
}

// TestOneReceiptForAllParts: an account may have one receipt for a long message in parts: with the id of the last part,
// when all is over, whichever part asked for it and in whatever order they came.
func TestOneReceiptForAllParts(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("last", smpp.Transceiver)
		part := func(seq, registered uint8) store.Number {
			return e.accepted("hello", func(m *smpp.SubmitSM) {
				m.ESMClass, m.RegisteredDelivery = smpp.ESMClassUDHI, registered
				m.ShortMessage = string(smpp.Concat{Ref: 7, Total: 3, Seq: seq}.AppendUDH(nil)) + m.ShortMessage
			})
		}
		part(2, smpp.RegisteredDeliveryNone)
		last := part(3, smpp.RegisteredDeliveryNone)
		first := part(1, smpp.RegisteredDeliveryAlways)
		pass(time.Second)
		r.report(r.status(first).Whole)
		if got := e.take(smpp.StatusOK); got.MessageID != last.String() || got.State != smpp.StateDelivered {
			t.Errorf("receipt of %s, %v; want of %s, delivered", got.MessageID, got.State, last)
		}
		pass(time.Second)
		if got := r.waiting(); got != 0 {
			t.Errorf("%d receipts wait, want none", got)
		}
		e.nothing()
	})
}
