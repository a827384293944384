package store

import (
	"slices"
	"testing"
)

func part(ref uint16, total, seq uint8, text string) Message {
	m := message("shop")
	m.Segment = Segment{Ref: ref, Total: total, Seq: seq}
	m.Text, m.Params = text, ""
	return m
}

func TestPartsAreJoined(t *testing.T) {
	h := newHarness(t)
	third := part(7, 3, 3, "!")
	third.Expires, third.SendAt = t0+50_000, t0+20
	first := part(7, 3, 1, "hello ")
	first.Wants = WantsFailure
	n3 := h.accept(third)[0]
	n1 := h.accept(first)[0]
	other := part(7, 3, 2, "elsewhere")
	other.Dest.Addr = "8613911111111"
	h.accept(other)
	if st := h.want(n3, StatePart, ActionParts); st.DueAt != t0+50_000 {
		t.Errorf("the set is given up at t0%+d", st.DueAt-t0)
	}
	h.want(n1, StatePart, 0)
	h.restart()
	n2 := h.accept(part(7, 3, 2, "world"))[0]
	whole := h.status(n2).Whole
	if whole != n2+1 {
		t.Fatalf("the whole is %s", whole)
	}
	for _, n := range []Number{n1, n2, n3} {
		if st := h.want(n, StateJoined, 0); st.Whole != whole {
			t.Errorf("part %s is of %s", n, st.Whole)
		}
	}
	m, st, err := h.Lookup(whole)
	if err != nil || m.Text != "hello world!" || !slices.Equal(m.Parts, []Number{n1, n2, n3}) || m.Segment != (Segment{}) {
		t.Fatalf("whole: %+v, %v", m, err)
	}
	if m.Wants != 0 || m.Expires != t0+50_000 || m.SendAt != t0+20 || st.DueAt != t0+20 || st.State != StateAccepted || st.Counted {
		t.Fatalf("whole: %+v, %+v", m, st)
	}

	h.now += 20
	a := h.begin(whole)
	h.report(DeliveryReport{Number: whole, Attempt: a.ID, Ending: EndDelivered, Err: "000"})
	h.want(whole, StateFinal, 0)
	for _, n := range []Number{n1, n2, n3} {
		if st := h.want(n, StateFinal, 0); st.Ending != EndDelivered || st.Err != "000" {
			t.Errorf("part %s ended as %+v", n, st)
		}
		if m, _, _ := h.Lookup(n); m.Text != "" {
			t.Errorf("part %s has kept its text", n)
		}
	}
	var receipts []Number
	for _, r := range h.outbox("shop") {
		receipts = append(receipts, r.Number)
	}
	if !slices.Equal(receipts, []Number{n2, n3}) { // the first wanted failures only, the whole has none
		t.Errorf("receipts for %v", receipts)
	}
}

// TestRepeatedPartOpensNewSet: clients use a reference again soon.
func TestRepeatedPartOpensNewSet(t *testing.T) {
	h := newHarness(t)
	a1 := h.accept(part(1, 2, 1, "a1"))[0]
	b1 := h.accept(part(1, 2, 1, "b1"))[0]
	b2 := h.accept(part(1, 2, 2, "b2"))[0]
	whole := h.status(b2).Whole
	if m, _, err := h.Lookup(whole); err != nil || m.Text != "b1b2" || h.status(b1).Whole != whole {
		t.Fatalf("whole: %+v, %v", m, err)
	}
	// The older set is the newest again: a late second part still completes it.
	a2 := h.accept(part(1, 2, 2, "a2"))[0]
	if st := h.want(a1, StateJoined, 0); st.Whole != h.status(a2).Whole {
		t.Errorf("the first set was not completed")
	}
	if m, _, _ := h.Lookup(h.status(a2).Whole); m.Text != "a1a2" {
		t.Errorf("first set: %q", m.Text)
	}
}

func TestIncompleteSetIsClosed(t *testing.T) {
	h := newHarness(t)
	open := [][]Charge{{{Key: OpenKey("shop"), Amount: 1, Rules: []Rule{{Kind: RuleLevel, Limit: 2}}}}}
	c := &Accept{Charges: open, Messages: []Submission{
		{Message: part(1, 3, 2, "b")}, {Message: part(1, 3, 1, "a")}, {Message: part(1, 3, 3, "c")},
	}}
	items := h.apply(c).(*AcceptResult).Items
	if items[2].Code != AcceptOverLimit {
		t.Fatalf("third part: %+v", items[2])
	}
	first, second := items[0].Number, items[1].Number
	st := h.want(first, StatePart, ActionParts)
	if st.DueAt != t0+keptParts {
		t.Errorf("given up at t0%+d", st.DueAt-t0)
	}
	if h.apply(&Close{Items: []CloseItem{{Number: second, Revision: 1, Ending: EndExpired}}}).(*CloseResult).Applied != 0 {
		t.Error("a part that did not begin its set closed it")
	}
	h.now = st.DueAt
	if h.apply(&Close{Items: []CloseItem{{Number: first, Revision: st.Revision, Ending: EndExpired}}}).(*CloseResult).Applied != 1 {
		t.Fatal("not closed")
	}
	for _, n := range []Number{first, second} {
		if st := h.want(n, StateFinal, 0); st.Ending != EndExpired || st.Counted {
			t.Errorf("part %s: %+v", n, st)
		}
	}
	if got := len(h.outbox("shop")); got != 2 {
		t.Errorf("%d receipts, want 2", got)
	}
	// Both have left the level, and the next part begins a new set.
	items = h.apply(c).(*AcceptResult).Items
	if items[0].Code != AcceptOK || items[1].Code != AcceptOK {
		t.Errorf("after the close: %+v", items)
	}
	h.want(items[0].Number, StatePart, ActionParts)
}

// TestSegmentOutsideItsSetStandsAlone covers what the bridge should have refused.
func TestSegmentOutsideItsSetStandsAlone(t *testing.T) {
	h := newHarness(t)
	for _, s := range []Segment{{Ref: 1, Total: 2}, {Ref: 1, Total: 2, Seq: 3}, {Ref: 1, Total: 1, Seq: 1}, {Ref: 5}} {
		m := part(0, 0, 0, "x")
		m.Segment = s
		h.want(h.accept(m)[0], StateAccepted, ActionSend)
	}
}

func TestLongestSet(t *testing.T) {
	h := newHarness(t)
	var last Number
	for seq := 255; seq >= 1; seq-- {
		last = h.accept(part(9, 255, uint8(seq), string(rune('a'+seq%26))))[0]
	}
	whole := h.status(last).Whole
	m, _, err := h.Lookup(whole)
	if err != nil || len(m.Parts) != 255 || len(m.Text) != 255 || m.Parts[0] != last || m.Text[0] != 'b' {
		t.Fatalf("whole of %d parts, %d octets, %v", len(m.Parts), len(m.Text), err)
	}
}
