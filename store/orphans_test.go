package store

import (
	"slices"
	"testing"
)

// TestOrphansAfter: kept reports are read from where the last look ended, each once, with what they are kept as; one that
// has applied is there no more.
func TestOrphansAfter(t *testing.T) {
	h := newHarness(t)
	for _, bizID := range []string{"biz^1", "biz^2", "biz^1", "biz^3"} {
		h.apply(&Report{Reports: []DeliveryReport{{BizID: bizID, Phone: "13800138000", Ending: EndDelivered}}})
	}
	var got []string
	for seen := uint64(0); ; {
		list, err := h.OrphansAfter(seen, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(list) == 0 {
			break
		}
		for _, d := range list {
			if d.Orphan <= seen {
				t.Errorf("orphan %d behind %d", d.Orphan, seen)
			}
			seen = d.Orphan
			got = append(got, d.BizID)
		}
	}
	if want := []string{"biz^1", "biz^2", "biz^1", "biz^3"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if list, err := h.OrphansAfter(1<<64-1, 3); err != nil || len(list) != 0 {
		t.Errorf("behind the last of all: %v, %v", list, err)
	}
}

// TestOrphansAnswered: the BizIDs of kept reports that a call with open messages was answered with, and no others.
func TestOrphansAnswered(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("bank"))[0]
	for _, bizID := range []string{"biz^2", "biz^1", "biz^1"} {
		h.apply(&Report{Reports: []DeliveryReport{{BizID: bizID, Phone: "13800138000", Ending: EndDelivered}}})
	}
	if got := h.OrphansAnswered(); len(got) != 0 {
		t.Errorf("before the call: %q", got)
	}
	attempt := h.begin(n).ID
	h.apply(&Finish{Outcomes: []Outcome{{Attempt: attempt, Kind: OutcomeAccepted, BizID: "biz^1", DueAt: h.now + 1000}}})
	if got := h.OrphansAnswered(); !slices.Equal(got, []string{"biz^1"}) {
		t.Errorf("answered: %q, want biz^1", got)
	}
	list, err := h.Orphans("biz^1")
	if err != nil || len(list) != 2 {
		t.Fatalf("%d reports, %v", len(list), err)
	}
	for i := range list {
		list[i].Number, list[i].Attempt = n, attempt
	}
	h.apply(&Report{Reports: list})
	if got := h.OrphansAnswered(); len(got) != 0 {
		t.Errorf("when they have applied: %q", got)
	}
}
