package store

import "testing"

// TestRefused: what ends before its submit_sm_resp was written, and was never sent, is told there,
// and has no receipt.
func TestRefused(t *testing.T) {
	finish := func(k OutcomeKind, e Ending) func(h *harness, n Number) {
		return func(h *harness, n Number) {
			h.finish(Outcome{Attempt: h.status(n).Attempt, Kind: k, Ending: e, Err: "010", DueAt: h.now})
		}
	}
	closed := func(e Ending) func(h *harness, n Number) {
		return func(h *harness, n Number) {
			h.apply(&Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: e, Err: "010"}}})
		}
	}
	begin := func(h *harness, n Number) { h.begin(n) }
	lead := func(h *harness, _ Number) { h.apply(&Lead{DueAt: h.now}) }
	report := func(h *harness, n Number) {
		h.report(DeliveryReport{Number: n, Attempt: h.status(n).Attempt, Ending: EndUndeliverable, Err: "010"})
	}
	late := func(h *harness, _ Number) { h.now = t0 + 5000 }
	tests := []struct {
		name    string
		steps   []func(h *harness, n Number)
		refused bool
	}{
		{"rejected", []func(*harness, Number){begin, finish(OutcomeRejected, EndRejected)}, true},
		{"rejected, without a word why not undeliverable", []func(*harness, Number){begin, finish(OutcomeRejected, EndUndeliverable)}, true},
		{"retried, then rejected", []func(*harness, Number){begin, finish(OutcomeRetry, 0), begin, finish(OutcomeRejected, EndRejected)}, true},
		{"uncertain, then rejected late", []func(*harness, Number){begin, lead, finish(OutcomeRejected, EndRejected)}, true},
		{"closed before an attempt", []func(*harness, Number){closed(EndRejected)}, true},
		{"cancelled", []func(*harness, Number){closed(EndDeleted)}, true},
		{"expired between attempts", []func(*harness, Number){begin, finish(OutcomeRetry, 0), closed(EndExpired)}, true},
		{"rejected when the answer was due", []func(*harness, Number){begin, late, finish(OutcomeRejected, EndRejected)}, false},
		{"closed when the answer was due", []func(*harness, Number){late, closed(EndRejected)}, false},
		{"reported", []func(*harness, Number){begin, report}, false},
		{"sent, then reported", []func(*harness, Number){begin, finish(OutcomeAccepted, 0), report}, false},
		{"sent, then given up", []func(*harness, Number){begin, finish(OutcomeAccepted, 0), closed(EndUnknown)}, false},
		{"uncertain, then given up: it may have been sent", []func(*harness, Number){begin, lead, closed(EndUnknown)}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			m := message("shop")
			m.AnswerBy = t0 + 5000
			n := h.accept(m)[0]
			h.now = t0 + 4999
			for _, step := range tt.steps {
				step(h, n)
			}
			h.restart()
			st, receipts := h.want(n, StateFinal, 0), 1
			if tt.refused {
				receipts = 0
			}
			if st.Refused != tt.refused || len(h.outbox("shop")) != receipts || (st.Receipt != 0) != (receipts == 1) || st.Err != "010" && !tt.refused {
				t.Errorf("%+v with %d receipts, want refused: %t", st, len(h.outbox("shop")), tt.refused)
			}
		})
	}
}

// TestPartsAreNeverRefused: each part was answered when it was accepted.
func TestPartsAreNeverRefused(t *testing.T) {
	h := newHarness(t)
	one, two := part(1, 2, 1, "a"), part(1, 2, 2, "b")
	one.AnswerBy, two.AnswerBy = t0+5000, t0+5000
	n := h.accept(one, two)
	h.reject(h.status(n[0]).Whole)
	other := part(2, 2, 1, "c")
	other.AnswerBy = t0 + 5000
	n = append(n, h.accept(other)...)
	h.reject(n[2])
	for _, n := range n {
		if st := h.want(n, StateFinal, 0); st.Refused || st.Receipt == 0 {
			t.Errorf("part %s: %+v", n, st)
		}
	}
}

// TestRefusedMessageMayComeAgain: its ESME was told that it was not accepted.
func TestRefusedMessageMayComeAgain(t *testing.T) {
	h := newHarness(t)
	m := once("shop", 1)
	m.AnswerBy = t0 + 5000
	n := h.accept(m)[0]
	h.apply(&Close{Items: []CloseItem{{Number: n, Revision: 1, Ending: EndUnknown}}})
	if st := h.status(n); !st.Refused {
		t.Fatalf("%+v", st)
	}
	if it := h.item(m); it.Code != AcceptOK {
		t.Errorf("%+v, want it accepted", it)
	}
}

// TestOneReceiptForASet: an account may ask for one receipt of a long message, the last part's.
func TestOneReceiptForASet(t *testing.T) {
	tests := []struct {
		name   string
		wants  [3]Wants
		one    [3]bool
		ending Ending
		want   []int // parts with a receipt
	}{
		{"each wants it", [3]Wants{3, 3, 3}, [3]bool{true, true, true}, EndDelivered, []int{2}},
		{"only the first asks", [3]Wants{WantsSuccess, 0, 0}, [3]bool{true, true, true}, EndDelivered, []int{2}},
		{"only failures", [3]Wants{0, WantsFailure, 0}, [3]bool{true, true, true}, EndDelivered, nil},
		{"a failure", [3]Wants{0, WantsFailure, 0}, [3]bool{true, true, true}, EndUndeliverable, []int{2}},
		{"none wants it", [3]Wants{}, [3]bool{true, true, true}, EndUndeliverable, nil},
		{"the account has changed its mind", [3]Wants{3, 3, 3}, [3]bool{true, true, false}, EndDelivered, []int{1, 2}},
		{"each for itself", [3]Wants{3, 0, 3}, [3]bool{}, EndDelivered, []int{0, 2}},
	}
	for _, tt := range tests {
		for _, complete := range []bool{true, false} {
			if !complete && tt.ending == EndDelivered {
				continue // what does not complete is never delivered
			}
			h := newHarness(t)
			total := uint8(3)
			if !complete {
				total = 4
			}
			var numbers [3]Number
			for _, i := range []int{2, 0, 1} { // they come out of order
				m := part(1, total, uint8(i+1), "x")
				m.Wants, m.OneReceipt = tt.wants[i], tt.one[i]
				numbers[i] = h.accept(m)[0]
			}
			if complete {
				whole := h.status(numbers[0]).Whole
				h.report(DeliveryReport{Number: whole, Attempt: h.begin(whole).ID, Ending: tt.ending})
			} else {
				h.now = h.status(numbers[2]).DueAt
				h.apply(&Close{Items: []CloseItem{{Number: numbers[2], Revision: h.status(numbers[2]).Revision, Ending: EndExpired}}})
			}
			box := h.outbox("shop")
			if len(box) != len(tt.want) {
				t.Errorf("%s, complete %t: %d receipts, want %d", tt.name, complete, len(box), len(tt.want))
				continue
			}
			for i, r := range box {
				if r.Number != numbers[tt.want[i]] || h.status(r.Number).Receipt != r.Seq {
					t.Errorf("%s, complete %t: receipt %d is of %s", tt.name, complete, i, r.Number)
				}
			}
		}
	}
}
