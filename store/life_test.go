package store

import (
	"errors"
	"testing"
)

func TestLifeOfAMessage(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"))[0]
	st := h.want(n, StateAccepted, ActionSend)
	if st.DueAt != t0 || st.AcceptedAt != t0 || st.Revision != 1 {
		t.Fatalf("first status: %+v", st)
	}
	due, err := h.due(ActionSend, "shop", t0, 10)
	if err != nil || len(due) != 1 || due[0].Number != n || due[0].Message.Text != "your code is 1" {
		t.Fatalf("due: %+v, %v", due, err)
	}

	h.now += 10
	a := h.begin(n)
	if a.ID != 1 || a.OutID != "test-1-1" || !a.Members[0].Granted {
		t.Fatalf("begun: %+v", a)
	}
	h.want(n, StateSending, ActionCall)

	h.now += 50
	if !h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "biz^0", DueAt: h.now + 1000}) {
		t.Fatal("the answer had no effect")
	}
	h.want(n, StateSent, ActionReport)
	for name, find := range map[string]func() (Attempt, error){
		"OutId": func() (Attempt, error) { return h.AttemptByOutID("test-1-1") },
		"BizId": func() (Attempt, error) { return h.AttemptByBizID("biz^0") },
	} {
		if got, err := find(); err != nil || got.ID != a.ID || got.Members[0].Number != n || got.Route != "main" {
			t.Errorf("attempt by %s: %+v, %v", name, got, err)
		}
	}

	h.now += 900
	r := DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered, Err: "000", DoneAt: h.now - 300}
	if code := h.report(r); code != ReportApplied {
		t.Fatalf("report: %d", code)
	}
	st = h.want(n, StateFinal, 0)
	if st.Ending != EndDelivered || st.Err != "000" || st.DoneAt != h.now-300 || st.Receipt != 1 {
		t.Fatalf("final status: %+v", st)
	}
	m, _, _ := h.Lookup(n)
	if m.Text != "" || m.Params != "" {
		t.Fatal("the text of a final message was not erased")
	}
	if m.Dest.Addr != "8613800000000" || m.TemplateCode != "SMS_1" {
		t.Fatalf("more than the text was erased: %+v", m)
	}
	if _, err := h.AttemptByBizID("biz^0"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a final message's attempt is still in the index: %v", err)
	}
	if code := h.report(r); code != ReportDuplicate {
		t.Errorf("second report: %d, want ReportDuplicate", code)
	}

	box := h.outbox("shop")
	if len(box) != 1 {
		t.Fatalf("outbox: %d entries", len(box))
	}
	want := Receipt{
		Seq: 1, Account: "shop", Number: n, Origin: m.Origin, Source: m.Source, Dest: m.Dest, ServiceType: "CMT", DataCoding: 8,
		Ending: EndDelivered, Err: "000", AcceptedAt: t0, DoneAt: h.now - 300, QueuedAt: h.now,
	}
	if box[0] != want {
		t.Errorf("receipt:\n got %+v\nwant %+v", box[0], want)
	}
	if got := h.apply(&Delivered{Account: "shop", Seqs: []uint64{1, 1, 99}}).(*DeliveredResult).Applied; got != 1 {
		t.Errorf("delivered: %d, want 1", got)
	}
	if box := h.outbox("shop"); len(box) != 0 || len(h.OutboxAccounts()) != 0 {
		t.Errorf("after delivery: %d entries, accounts %v", len(box), h.OutboxAccounts())
	}
}

// TestOutcomes: every outcome from every state in which an attempt can be when it comes.
func TestOutcomes(t *testing.T) {
	tests := []struct {
		name      string
		uncertain bool // a new leader has taken over
		outcome   Outcome
		state     State
		action    Action
		applied   bool
	}{
		{"accepted", false, Outcome{Kind: OutcomeAccepted, DueAt: t0 + 5000}, StateSent, ActionReport, true},
		{"rejected", false, Outcome{Kind: OutcomeRejected, Ending: EndRejected, Err: "033"}, StateFinal, 0, true},
		{"retry", false, Outcome{Kind: OutcomeRetry, DueAt: t0 + 5000}, StateRetry, ActionSend, true},
		{"uncertain", false, Outcome{Kind: OutcomeUncertain, DueAt: t0 + 5000}, StateUncertain, ActionResolve, true},
		{"accepted late", true, Outcome{Kind: OutcomeAccepted, DueAt: t0 + 5000}, StateSent, ActionReport, true},
		{"rejected late", true, Outcome{Kind: OutcomeRejected, Ending: EndRejected}, StateFinal, 0, true},
		{"retry late", true, Outcome{Kind: OutcomeRetry, DueAt: t0 + 5000}, StateRetry, ActionSend, true},
		{"uncertain late", true, Outcome{Kind: OutcomeUncertain, DueAt: t0 + 5000}, StateUncertain, ActionResolve, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			n := h.accept(message("shop"))[0]
			a := h.begin(n)
			if tt.uncertain {
				h.apply(&Lead{Node: "n2", DueAt: t0 + 100})
				h.want(n, StateUncertain, ActionResolve)
			}
			tt.outcome.Attempt = a.ID
			if got := h.finish(tt.outcome); got != tt.applied {
				t.Errorf("applied: %t, want %t", got, tt.applied)
			}
			st := h.want(n, tt.state, tt.action)
			if tt.applied && tt.action != 0 && st.DueAt != t0+5000 {
				t.Errorf("due at t0%+d", st.DueAt-t0)
			}
			if h.finish(tt.outcome) {
				t.Error("the same outcome again had an effect")
			}
		})
	}
}

func TestRetriedAttemptLeavesNewOneAlone(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"))[0]
	first := h.begin(n)
	h.finish(Outcome{Attempt: first.ID, Kind: OutcomeUncertain, DueAt: t0})
	h.apply(&Found{Items: []FoundItem{{Number: n, Revision: h.status(n).Revision, Retry: true, DueAt: t0}}})
	h.want(n, StateRetry, ActionSend)
	second := h.begin(n)
	if second.ID != first.ID+1 || h.status(n).Tries != 2 {
		t.Fatalf("second attempt %d, tries %d", second.ID, h.status(n).Tries)
	}
	if h.finish(Outcome{Attempt: first.ID, Kind: OutcomeRejected, Ending: EndRejected}) {
		t.Error("the first attempt's outcome ended the second")
	}
	h.want(n, StateSending, ActionCall)
	// A report of the first says that it was sent after all.
	if code := h.report(DeliveryReport{Number: n, Attempt: first.ID, Ending: EndDelivered}); code != ReportApplied {
		t.Errorf("report of the first attempt: %d", code)
	}
	h.want(n, StateFinal, 0)
	// The second's answer only leaves its BizID.
	h.finish(Outcome{Attempt: second.ID, Kind: OutcomeAccepted, BizID: "b2", DueAt: t0})
	h.want(n, StateFinal, 0)
	if a, err := h.Attempt(second.ID); err != nil || a.BizID != "b2" {
		t.Errorf("second attempt: %+v, %v", a, err)
	}
}

func TestBeginGrantsOnlyWhatItNames(t *testing.T) {
	h := newHarness(t)
	m := message("shop")
	expired, later := m, m
	expired.Expires = t0 + 100
	later.SendAt = t0 + 5000
	n := h.accept(m, expired, later, m)
	h.now += 100
	a := BeginAttempt{CallBy: h.now + 1000, Charges: -1, Members: []BeginMember{
		{Number: n[0], Revision: 1, Charges: -1},
		{Number: n[0], Revision: 1, Charges: -1}, // named twice
		{Number: n[1], Revision: 1, Charges: -1}, // expires this ms
		{Number: n[2], Revision: 1, Charges: -1}, // not due yet
		{Number: n[3], Revision: 2, Charges: -1}, // another revision
		{Number: 999, Revision: 1, Charges: -1},  // no such message
	}}
	r := h.apply(&Begin{Attempts: []BeginAttempt{a, {Charges: -1, Members: a.Members[1:]}}}).(*BeginResult)
	for i, m := range r.Attempts[0].Members {
		if m.Granted != (i == 0) || m.Limit != -1 {
			t.Errorf("member %d: %+v", i, m)
		}
	}
	if r.Attempts[1].ID != 0 || r.Attempts[1].OutID != "" {
		t.Errorf("an attempt without members has the id %d", r.Attempts[1].ID)
	}
	if got, _ := h.Attempt(r.Attempts[0].ID); len(got.Members) != 1 {
		t.Errorf("the attempt has %d members, want the granted one", len(got.Members))
	}
	h.want(n[1], StateAccepted, ActionSend)
}

// TestExpiredIsNotBeforeItsTime: a leader whose clock has leapt ahead of the state's ends nothing by it. A joined
// message may be past the validity of its class, which the state does not know.
func TestExpiredIsNotBeforeItsTime(t *testing.T) {
	h := newHarness(t)
	m := message("shop")
	m.Expires = t0 + 5000
	waits := h.accept(m)[0]
	var parts []Number
	for i := range 2 {
		m := part(1, 2, uint8(i+1), "x")
		m.Expires = t0 + 5000
		parts = append(parts, h.accept(m)...)
	}
	whole := h.status(parts[0]).Whole
	alone := h.accept(part(2, 2, 1, "x"))[0]
	until := h.want(alone, StatePart, ActionParts).DueAt
	expire := func(n Number) int {
		c := &Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: EndExpired}}}
		return h.apply(c).(*CloseResult).Applied
	}
	steps := []struct {
		name string
		n    Number
		at   int64
		want int
	}{
		{"a message before its time", waits, t0 + 4999, 0},
		{"a joined one before its time", whole, t0 + 4999, 1},
		{"a message in time", waits, t0 + 5000, 1},
		{"a set of parts before its time", alone, until - 1, 0},
		{"a set of parts in time", alone, until, 1},
	}
	for _, s := range steps {
		h.now = s.at
		if got := expire(s.n); got != s.want {
			t.Errorf("%s: %d applied, want %d", s.name, got, s.want)
		}
	}
}

// TestClose: which endings may end a message in which state.
func TestClose(t *testing.T) {
	states := map[string]func(h *harness, n Number){
		"accepted": func(*harness, Number) {},
		"sending":  func(h *harness, n Number) { h.begin(n) },
		"sent": func(h *harness, n Number) {
			h.finish(Outcome{Attempt: h.begin(n).ID, Kind: OutcomeAccepted, DueAt: h.now})
		},
		"uncertain": func(h *harness, n Number) {
			h.finish(Outcome{Attempt: h.begin(n).ID, Kind: OutcomeUncertain, DueAt: h.now})
		},
		"retry": func(h *harness, n Number) {
			h.finish(Outcome{Attempt: h.begin(n).ID, Kind: OutcomeRetry, DueAt: h.now})
		},
	}
	allowed := map[string][]Ending{
		"accepted": {EndExpired, EndDeleted, EndRejected, EndUnknown, EndUndeliverable},
		"retry":    {EndExpired, EndDeleted, EndRejected, EndUnknown, EndUndeliverable},
		"sent":     {EndUnknown, EndUndeliverable}, "uncertain": {EndUnknown, EndUndeliverable},
	}
	for name, reach := range states {
		for _, e := range []Ending{EndExpired, EndDeleted, EndRejected, EndUnknown, EndUndeliverable} {
			h := newHarness(t)
			n := h.accept(message("shop"))[0]
			reach(h, n)
			rev := h.status(n).Revision
			if h.apply(&Close{Items: []CloseItem{{Number: n, Revision: rev + 1, Ending: e}}}).(*CloseResult).Applied != 0 {
				t.Errorf("%s: closed at another revision", name)
			}
			want := 0
			for _, ok := range allowed[name] {
				if ok == e {
					want = 1
				}
			}
			got := h.apply(&Close{Items: []CloseItem{{Number: n, Revision: rev, Ending: e, Err: "too long an err"}}}).(*CloseResult).Applied
			if got != want {
				t.Errorf("%s closed as %d: applied %d, want %d", name, e, got, want)
			}
			if box := h.outbox("shop"); len(box) != want || want == 1 && (box[0].Ending != e || box[0].Err != "too long") {
				t.Errorf("%s closed as %d: outbox %+v", name, e, box)
			}
		}
	}
}

func TestReceiptsAsWanted(t *testing.T) {
	for _, wants := range []Wants{0, WantsSuccess, WantsFailure, WantsSuccess | WantsFailure} {
		for _, e := range []Ending{EndDelivered, EndUndeliverable} {
			h := newHarness(t)
			m := message("shop")
			m.Wants, m.KeepText = wants, true
			n := h.accept(m)[0]
			a := h.begin(n)
			h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: e})
			want := 0
			if wants&WantsSuccess != 0 && e == EndDelivered || wants&WantsFailure != 0 && e != EndDelivered {
				want = 1
			}
			if got := len(h.outbox("shop")); got != want {
				t.Errorf("wants %b, ending %d: %d receipts, want %d", wants, e, got, want)
			}
			if kept, _, _ := h.Lookup(n); kept.Text != m.Text || kept.Params != m.Params {
				t.Error("KeepText did not keep the text")
			}
		}
	}
}

func TestFound(t *testing.T) {
	for _, tt := range []struct {
		item   FoundItem
		state  State
		action Action
	}{
		{FoundItem{Sent: true, DueAt: t0 + 9}, StateSent, ActionReport},
		{FoundItem{Retry: true, DueAt: t0 + 9}, StateRetry, ActionSend},
		{FoundItem{DueAt: t0 + 9}, StateUncertain, ActionResolve},
	} {
		h := newHarness(t)
		n := h.accept(message("shop"))[0]
		a := h.begin(n)
		tt.item.Number, tt.item.Revision = n, h.status(n).Revision
		if h.apply(&Found{Items: []FoundItem{tt.item}}).(*FoundResult).Applied != 0 {
			t.Error("found while the call was under way")
		}
		h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain, DueAt: t0})
		if h.apply(&Found{Items: []FoundItem{tt.item}}).(*FoundResult).Applied != 0 {
			t.Error("found at another revision")
		}
		tt.item.Revision = h.status(n).Revision
		if h.apply(&Found{Items: []FoundItem{tt.item}}).(*FoundResult).Applied != 1 {
			t.Error("not found")
		}
		if st := h.want(n, tt.state, tt.action); st.DueAt != t0+9 {
			t.Errorf("due at t0%+d", st.DueAt-t0)
		}
	}
}

// TestDoneDateIsPlausible: the API's clock is not ours, and its reports are to the second.
func TestDoneDateIsPlausible(t *testing.T) {
	for _, tt := range []struct {
		name           string
		reported, want int64
	}{
		{"as reported", t0 + 300, t0 + 300},
		{"not given", 0, t0 + 1000},
		{"before the message was accepted", t0 - 700, t0},
		{"from the future", t0 + 5000, t0 + 1000},
	} {
		h := newHarness(t)
		n := h.accept(message("shop"))[0]
		a := h.begin(n)
		h.now += 1000
		h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered, DoneAt: tt.reported})
		if st, r := h.status(n), h.outbox("shop")[0]; st.DoneAt != tt.want || r.DoneAt != tt.want {
			t.Errorf("%s: done at t0%+d, its receipt at t0%+d, want t0%+d", tt.name, st.DoneAt-t0, r.DoneAt-t0, tt.want-t0)
		}
	}
}

func TestReportsThatDoNotMatch(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"), message("shop"))
	a := h.begin(n[0])
	for _, r := range []DeliveryReport{
		{Number: n[1], Attempt: a.ID, Ending: EndDelivered}, // not a member
		{Number: n[0], Attempt: 99, Ending: EndDelivered},   // no such attempt
		{Number: 999, Attempt: a.ID, Ending: EndDelivered},  // no such message
	} {
		if code := h.report(r); code != ReportMismatch {
			t.Errorf("%+v: code %d, want ReportMismatch", r, code)
		}
	}
}

func TestOrphans(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"))[0]
	a := h.begin(n)
	early := DeliveryReport{BizID: "b1", Phone: "13800000000", Ending: EndDelivered, DoneAt: t0 + 5}
	if code := h.report(early); code != ReportOrphaned {
		t.Fatalf("early report: %d", code)
	}
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "b1", DueAt: t0})
	h.restart()
	got, err := h.Orphans("b1")
	early.Orphan = 1
	if err != nil || len(got) != 1 || got[0] != early {
		t.Fatalf("orphans: %+v, %v", got, err)
	}
	r := got[0]
	if code := h.report(r); code != ReportOrphaned { // still without a number
		t.Errorf("orphan without number: %d", code)
	}
	if f := h.Figures(); f.Orphans != 1 {
		t.Errorf("%d orphans after it was kept twice", f.Orphans)
	}
	r.Number, r.Attempt = n, a.ID
	if code := h.report(r); code != ReportApplied {
		t.Errorf("orphan tried again: %d", code)
	}
	if got, _ := h.Orphans("b1"); len(got) != 0 {
		t.Errorf("the orphan that applied is still there")
	}
	h.report(DeliveryReport{BizID: "b2", Ending: EndDelivered})
	h.now += keptOrphans + 1
	h.apply(&Purge{Limit: 10})
	if got, _ := h.Orphans("b2"); len(got) != 0 {
		t.Errorf("an orphan is older than 72 h")
	}
}
