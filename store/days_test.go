package store

import (
	"bytes"
	"slices"
	"testing"
)

// midnight is the beginning of 2026-03-02 at UTC+8.
const midnight = t0 + 12*3600*1000

// call begins a call by a route with a template for messages at their present revisions, of 3 segments each.
func (h *harness) call(route, template string, numbers ...Number) AttemptID {
	h.t.Helper()
	a := BeginAttempt{Route: route, Template: template, CallBy: h.now + 30_000, Charges: -1}
	for _, n := range numbers {
		a.Members = append(a.Members, BeginMember{Number: n, Revision: h.status(n).Revision, Phone: n.String(), Segments: 3, Charges: -1})
	}
	id := h.apply(&Begin{Attempts: []BeginAttempt{a}}).(*BeginResult).Attempts[0].ID
	if id == 0 {
		h.t.Fatal("nothing was granted")
	}
	return id
}

func (h *harness) wantDays(what string, want ...DayCount) {
	h.t.Helper()
	got, err := h.Days("00000000", "99999999")
	if err != nil || !slices.Equal(got, want) {
		h.t.Errorf("%s:\n got %+v\nwant %+v, %v", what, got, want, err)
	}
}

// TestDays: a message counts for the day, route and template of the attempt that sent it.
func TestDays(t *testing.T) {
	h := newNamed(t)
	h.now = midnight - 1
	numbers := h.accept(message("shop"), message("shop"), message("bank"))
	first := h.call("main", "SMS_2", numbers[:2]...)
	h.now = midnight
	second := h.call("main", "SMS_10", numbers[2])
	h.wantDays("before an answer")
	h.finish(Outcome{Attempt: second, Kind: OutcomeAccepted, BizID: "2"})
	h.finish(Outcome{Attempt: first, Kind: OutcomeAccepted, BizID: "1"})
	h.finish(Outcome{Attempt: first, Kind: OutcomeAccepted, BizID: "1"})
	yesterday := DayCount{Day: "20260301", Route: "main", Template: "SMS_2", Sent: 2, Segments: 6}
	today := DayCount{Day: "20260302", Route: "main", Template: "SMS_10", Sent: 1, Segments: 3}
	h.wantDays("accepted", yesterday, today)
	h.now += 3600_000
	h.report(DeliveryReport{Number: numbers[0], Attempt: first, Ending: EndDelivered})
	h.report(DeliveryReport{Number: numbers[0], Attempt: first, Ending: EndDelivered})
	h.report(DeliveryReport{Number: numbers[1], Attempt: first, Ending: EndRejected})
	h.apply(&Close{Items: []CloseItem{{Number: numbers[2], Revision: h.status(numbers[2]).Revision, Ending: EndUnknown}}})
	yesterday.Delivered, yesterday.Failed, today.Unknown = 1, 1, 1
	for range 2 {
		h.wantDays("ended", yesterday, today)
		h.restart()
	}
	for _, tt := range []struct {
		from, to string
		want     int
	}{{"20260301", "20260301", 1}, {"20260302", "20260302", 1}, {"20260301", "20260302", 2}, {"20260303", "20270101", 0}, {"", "20260228", 0}} {
		if got, err := h.Days(tt.from, tt.to); err != nil || len(got) != tt.want {
			t.Errorf("from %s to %s: %+v, %v", tt.from, tt.to, got, err)
		}
	}
}

// TestDaysCountOnce: whatever way it became known that a call sent a message, it counts once; and what was surely not
// sent does not.
func TestDaysCountOnce(t *testing.T) {
	day := func(c DayCount) DayCount {
		c.Day, c.Route, c.Template, c.Segments = "20260301", "main", "SMS_1", 3*c.Sent
		return c
	}
	accepted := func(h *harness, id AttemptID) { h.finish(Outcome{Attempt: id, Kind: OutcomeAccepted, BizID: "b"}) }
	uncertain := func(h *harness, id AttemptID) { h.finish(Outcome{Attempt: id, Kind: OutcomeUncertain}) }
	found := func(h *harness, n Number, it FoundItem) {
		it.Number, it.Revision = n, h.status(n).Revision
		h.apply(&Found{Items: []FoundItem{it}})
	}
	report := func(h *harness, n Number, id AttemptID) {
		h.report(DeliveryReport{Number: n, Attempt: id, Ending: EndDelivered})
	}
	giveUp := func(h *harness, n Number) {
		h.apply(&Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: EndUnknown}}})
	}
	recovered := func(h *harness) {
		h.apply(&Raise{Version: Version})
		h.apply(&Recover{Leap: 10, DueAt: h.now, Lineage: Lineage{2}})
	}
	tests := []struct {
		name string
		do   func(h *harness, n Number, id AttemptID)
		want []DayCount
	}{
		{"the report before the answer", func(h *harness, n Number, id AttemptID) { report(h, n, id); accepted(h, id) }, []DayCount{day(DayCount{Sent: 1, Delivered: 1})}},
		{"found, then reported", func(h *harness, n Number, id AttemptID) {
			uncertain(h, id)
			found(h, n, FoundItem{Sent: true})
			report(h, n, id)
		}, []DayCount{day(DayCount{Sent: 1, Delivered: 1})}},
		{"found, then answered", func(h *harness, n Number, id AttemptID) {
			uncertain(h, id)
			found(h, n, FoundItem{Sent: true})
			accepted(h, id)
		}, []DayCount{day(DayCount{Sent: 1})}},
		{"a late answer", func(h *harness, n Number, id AttemptID) { uncertain(h, id); accepted(h, id) }, []DayCount{day(DayCount{Sent: 1})}},
		{"polled", func(h *harness, n Number, id AttemptID) { accepted(h, id); found(h, n, FoundItem{}) }, []DayCount{day(DayCount{Sent: 1})}},
		{"refused", func(h *harness, n Number, id AttemptID) {
			h.finish(Outcome{Attempt: id, Kind: OutcomeRejected, Ending: EndRejected})
		}, nil},
		{"given up uncertain", func(h *harness, n Number, id AttemptID) { uncertain(h, id); giveUp(h, n) }, []DayCount{day(DayCount{Uncertain: 1})}},
		{"given up, sent", func(h *harness, n Number, id AttemptID) { accepted(h, id); giveUp(h, n) }, []DayCount{day(DayCount{Sent: 1, Unknown: 1})}},
		{"refused late", func(h *harness, n Number, id AttemptID) {
			uncertain(h, id)
			h.finish(Outcome{Attempt: id, Kind: OutcomeRejected, Ending: EndRejected})
		}, nil},
		{"not sent, sent again", func(h *harness, n Number, id AttemptID) {
			h.finish(Outcome{Attempt: id, Kind: OutcomeRetry, DueAt: h.now})
			accepted(h, h.call("main", "SMS_1", n))
		}, []DayCount{day(DayCount{Sent: 1})}},
		{"sent twice", func(h *harness, n Number, id AttemptID) {
			uncertain(h, id)
			found(h, n, FoundItem{Retry: true, DueAt: h.now})
			accepted(h, h.call("other", "SMS_1", n))
			report(h, n, id) // of the one that was thought unsent
		}, []DayCount{day(DayCount{Sent: 1, Delivered: 1}), {Day: "20260301", Route: "other", Template: "SMS_1", Sent: 1, Segments: 3}}},
		{"found after a recovery", func(h *harness, n Number, id AttemptID) {
			accepted(h, id)
			recovered(h)
			found(h, n, FoundItem{Sent: true})
			report(h, n, id)
		}, []DayCount{day(DayCount{Sent: 1, Delivered: 1})}},
		{"not found after a recovery", func(h *harness, n Number, id AttemptID) {
			accepted(h, id)
			recovered(h)
			found(h, n, FoundItem{Retry: true, DueAt: h.now})
		}, []DayCount{day(DayCount{})}},
		{"given up after a recovery", func(h *harness, n Number, id AttemptID) { accepted(h, id); recovered(h); giveUp(h, n) }, []DayCount{day(DayCount{Sent: 1, Unknown: 1})}},
	}
	for _, tt := range tests {
		h := newNamed(t)
		n := h.accept(message("shop"))[0]
		tt.do(h, n, h.call("main", "SMS_1", n))
		h.wantDays(tt.name, tt.want...)
		h.Store.Close()
	}
}

// TestDaysOfALongText: it is one message, not its parts.
func TestDaysOfALongText(t *testing.T) {
	h := newNamed(t)
	var parts []Message
	for i := range uint8(2) {
		m := message("shop")
		m.Segment = Segment{Ref: 1, Total: 2, Seq: i + 1}
		parts = append(parts, m)
	}
	whole := h.status(h.accept(parts...)[0]).Whole
	id := h.call("main", "SMS_1", whole)
	h.report(DeliveryReport{Number: whole, Attempt: id, Ending: EndDelivered})
	h.wantDays("reported", DayCount{Day: "20260301", Route: "main", Template: "SMS_1", Sent: 1, Segments: 3, Delivered: 1})
}

// TestDaysAreForgotten after 40 days, also those that changed in the same transaction.
func TestDaysAreForgotten(t *testing.T) {
	h := newNamed(t)
	n := h.accept(message("shop"))[0]
	id := h.call("main", "SMS_1", n)
	h.finish(Outcome{Attempt: id, Kind: OutcomeAccepted, BizID: "1"})
	sent := DayCount{Day: "20260301", Route: "main", Template: "SMS_1", Sent: 1, Segments: 3}
	h.now = midnight + 40*24*3600_000 - 1
	h.apply(&Purge{Before: t0})
	h.wantDays("at the end of the last day", sent)
	h.now++
	late := Encode(h.now, &Report{Reports: []DeliveryReport{{Number: n, Attempt: id, Ending: EndDelivered}}})
	purge := Encode(h.now, &Purge{Before: t0})
	if _, err := h.Apply([]Entry{{Index: h.index + 1, Term: 1, Command: late}, {Index: h.index + 2, Term: 1, Command: purge}}); err != nil {
		t.Fatal(err)
	}
	h.index += 2
	h.wantDays("after it")
	if len(h.machine.days) != 0 {
		t.Errorf("%d days in memory", len(h.machine.days))
	}
	h.restart()
	h.wantDays("after a restart")
}

// TestHashSeesDays: nodes that count differently note different hashes, whatever the entries are grouped to.
func TestHashSeesDays(t *testing.T) {
	var hashes []uint64
	for i := range 3 {
		h := newest(t)
		n := h.accept(message("shop"))[0]
		id := h.call("main", "SMS_1", n)
		if i == 2 {
			h.machine.days[dayKey{day: 20513, route: "main", template: "SMS_1"}] = &dayCount{
				dayKey: dayKey{day: 20513, route: "main", template: "SMS_1"}, DayCount: DayCount{Day: "20260301", Route: "main", Template: "SMS_1", Sent: 1},
			}
		}
		finish := Entry{Index: h.index + 1, Term: 1, Command: Encode(h.now, &Finish{Outcomes: []Outcome{{Attempt: id, Kind: OutcomeAccepted, BizID: "b"}}})}
		mark := Entry{Index: h.index + 2, Term: 1, Command: Encode(h.now, &Mark{})}
		batches := [][]Entry{{finish, mark}}
		if i == 1 {
			batches = [][]Entry{{finish}, {mark}}
		}
		for _, b := range batches {
			if _, err := h.Apply(b); err != nil {
				t.Fatal(err)
			}
		}
		_, hash := h.Marked()
		hashes = append(hashes, hash)
	}
	if hashes[0] != hashes[1] || hashes[0] == hashes[2] {
		t.Errorf("hashes %x", hashes)
	}
}

// TestDaysTravel: a node that came by a snapshot goes on counting as the others do.
func TestDaysTravel(t *testing.T) {
	source, h := newest(t), newest(t)
	n := source.accept(message("shop"), message("shop"))
	id := source.call("main", "SMS_1", n...)
	source.report(DeliveryReport{Number: n[0], Attempt: id, Ending: EndDelivered})
	if err := h.Restore(bytes.NewReader(source.snapshot())); err != nil {
		t.Fatal(err)
	}
	h.index, h.now = source.index, source.now
	for _, x := range []*harness{source, h} {
		x.report(DeliveryReport{Number: n[1], Attempt: id, Ending: EndDelivered})
		x.wantDays("counted on", DayCount{Day: "20260301", Route: "main", Template: "SMS_1", Sent: 2, Segments: 6, Delivered: 2})
	}
	if h.sum() != source.sum() {
		t.Error("the files differ")
	}
}
