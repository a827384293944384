package store

import (
	"slices"
	"strings"
	"testing"
)

// codes returns the codes of an account's receipts and of some messages.
func (h *harness) codes(account string, numbers ...Number) (codes []string) {
	h.t.Helper()
	for _, r := range h.outbox(account) {
		codes = append(codes, "receipt "+r.Code)
	}
	for _, n := range numbers {
		m, _, err := h.Lookup(n)
		if err != nil {
			h.t.Fatal(err)
		}
		codes = append(codes, m.Code)
	}
	return codes
}

// TestCodeIsKept: what the API said is with the final message and its receipt, whether its texts are erased or not.
func TestCodeIsKept(t *testing.T) {
	for _, keep := range []bool{false, true} {
		for _, texts := range []bool{false, true} {
			h := newNamed(t)
			m := message("shop")
			m.KeepText, m.OneReceipt = keep, keep // OneReceipt: a record with three octets of flags
			if m.Code = "of nobody"; !texts {
				m.Text, m.Params = "", ""
			}
			numbers := h.accept(m, m, m)
			if got := h.codes("shop", numbers...); !slices.Equal(got, []string{"", "", ""}) {
				t.Errorf("accepted with %q", got)
			}
			for i, n := range numbers {
				a := h.begin(n)
				switch i {
				case 0:
					h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "b"})
					h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndUndeliverable, Err: "119", Code: "MK:0001"})
				case 1:
					h.finish(Outcome{Attempt: a.ID, Kind: OutcomeRejected, Ending: EndRejected, Err: "031", Code: "isv." + strings.Repeat("X", 80)})
				case 2:
					h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "c"})
					h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered, Err: "000"})
				}
			}
			h.restart()
			long := "isv." + strings.Repeat("X", 60)
			want := []string{"receipt MK:0001", "receipt " + long, "receipt ", "MK:0001", long, ""}
			if got := h.codes("shop", numbers...); !slices.Equal(got, want) {
				t.Errorf("keep %t, texts %t: codes %q, want %q", keep, texts, got, want)
			}
			got, _, err := h.Lookup(numbers[0])
			if err != nil || (got.Text == m.Text) != (keep || !texts) || got.OneReceipt != keep || got.Phone != m.Phone || got.TemplateCode != m.TemplateCode {
				t.Errorf("keep %t, texts %t: %+v, %v", keep, texts, got, err)
			}
		}
	}
}

// TestCodeOfALongText: the parts' receipts have what was said of the whole.
func TestCodeOfALongText(t *testing.T) {
	h := newNamed(t)
	var parts []Message
	for i := range uint8(2) {
		m := message("shop")
		m.Segment = Segment{Ref: 1, Total: 2, Seq: i + 1}
		parts = append(parts, m)
	}
	numbers := h.accept(parts...)
	whole := h.status(numbers[0]).Whole
	a := h.begin(whole)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "b"})
	h.report(DeliveryReport{Number: whole, Attempt: a.ID, Ending: EndDelivered, Code: "DELIVERED"})
	want := []string{"receipt DELIVERED", "receipt DELIVERED", "DELIVERED", "DELIVERED", "DELIVERED"}
	if got := h.codes("shop", numbers[0], numbers[1], whole); !slices.Equal(got, want) {
		t.Errorf("codes %q, want %q", got, want)
	}
}

// TestCodeOfAnOrphan: a report that waits for its message waits with its code.
func TestCodeOfAnOrphan(t *testing.T) {
	h := newNamed(t)
	h.report(DeliveryReport{BizID: "b", Phone: "138", Ending: EndDelivered, Code: "DELIVERED"})
	if got, err := h.Orphans("b"); err != nil || len(got) != 1 || got[0].Code != "DELIVERED" {
		t.Errorf("orphans %+v, %v", got, err)
	}
}

// TestFoundPollsWhatWasSent: that nothing is known yet of a sent message moves when it is looked at again, and
// nothing else.
func TestFoundPollsWhatWasSent(t *testing.T) {
	h := newNamed(t)
	n := h.accept(message("shop"))[0]
	a := h.begin(n)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "b", DueAt: t0 + 1000})
	outcome, cancel := h.Watch(WatchOutcome)
	defer cancel()
	was := h.want(n, StateSent, ActionReport)
	found := func(it FoundItem) int {
		it.Number, it.DueAt = n, t0+9000
		return h.apply(&Found{Items: []FoundItem{it}}).(*FoundResult).Applied
	}
	for name, it := range map[string]FoundItem{
		"sent": {Revision: was.Revision, Sent: true}, "retry": {Revision: was.Revision, Retry: true}, "another revision": {Revision: was.Revision - 1},
	} {
		if found(it) != 0 || h.status(n) != was {
			t.Errorf("%s: %+v, want %+v", name, h.status(n), was)
		}
	}
	h.now += 500
	if found(FoundItem{Revision: was.Revision}) != 1 {
		t.Error("not applied")
	}
	want := was
	want.Revision, want.ChangedAt, want.DueAt = was.Revision+1, t0+500, t0+9000
	if got := h.status(n); got != want {
		t.Errorf("status %+v, want %+v", got, want)
	}
	select {
	case <-outcome:
		t.Error("who waits for an outcome was woken")
	default:
	}
	if early, err := h.Due(ActionReport, t0+8999, 9); err != nil || len(early) != 0 {
		t.Errorf("due before: %+v, %v", early, err)
	}
	if due, err := h.Due(ActionReport, t0+9000, 9); err != nil || len(due) != 1 || due[0].Number != n {
		t.Errorf("due: %+v, %v", due, err)
	}
	if code := h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered}); code != ReportApplied {
		t.Errorf("the report: %d", code)
	}
}
