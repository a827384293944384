package store

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
)

// acceptFor accepts a message for each phone.
func (h *harness) acceptFor(phones ...int) []Number {
	h.t.Helper()
	messages := make([]Message, len(phones))
	for i := range phones {
		messages[i] = message("shop")
		messages[i].Phone = batchPhone(phones[i])
	}
	return h.accept(messages...)
}

func batchPhone(i int) string { return fmt.Sprintf("138%08d", i) }

// phoneCharge lets a phone have limit messages a minute.
func phoneCharge(phone string, limit uint32) []Charge {
	return []Charge{{Key: PhoneKeyPrefix + phone, Amount: 1, Rules: []Rule{{Kind: RuleWindow, Limit: limit, Period: 60_000, Offset: utc8}}}}
}

// routeCharge lets a route have two calls, and one more each second.
func routeCharge() []Charge {
	return []Charge{
		{Key: "calls/main", Amount: 1, Rules: []Rule{{Kind: RuleWindow, Limit: 1000, Period: 60_000}}},
		{Key: "route/main", Amount: 1, Rules: []Rule{{Kind: RuleBucket, Limit: 1, Burst: 2, Period: 1000}}},
	}
}

// beginCall begins a call that is charged as a whole, and each member on its phone.
func (h *harness) beginCall(numbers ...Number) BegunAttempt {
	h.t.Helper()
	a := BeginAttempt{Route: "main", CallBy: h.now + 30_000}
	c := &Begin{Charges: [][]Charge{routeCharge()}}
	for i, n := range numbers {
		m, st, err := h.Lookup(n)
		if err != nil {
			h.t.Fatal(err)
		}
		c.Charges = append(c.Charges, phoneCharge(m.Phone, 1))
		a.Members = append(a.Members, BeginMember{Number: n, Revision: st.Revision, Phone: m.Phone, Charges: i + 1})
	}
	c.Attempts = []BeginAttempt{a}
	return h.apply(c).(*BeginResult).Attempts[0]
}

func granted(a BegunAttempt) (which []int) {
	for i, m := range a.Members {
		if m.Granted {
			which = append(which, i)
		}
	}
	return which
}

// TestCallIsChargedOnce: a call costs the same with one member as with many, and nothing when nobody is granted.
func TestCallIsChargedOnce(t *testing.T) {
	h := newHarness(t)
	n := h.acceptFor(1, 2, 1, 2, 3)
	first := h.beginCall(n[0], n[1])
	if got := granted(first); !slices.Equal(got, []int{0, 1}) || first.Limit != -1 || first.Again != 0 {
		t.Fatalf("first call: %+v", first)
	}
	if got := h.beginCall(n[0]); got.ID != 0 || got.Limit != -1 {
		t.Fatalf("a call of what is under way: %+v", got)
	}
	// Both phones have had theirs, so the members wait for the next minute, and the call costs nothing.
	late := h.beginCall(n[2], n[3])
	if late.ID != 0 || late.Limit != -1 || late.Members[0].Limit != 0 || late.Members[0].DueAt != t0+60_000 {
		t.Fatalf("a call to phones over their limit: %+v", late)
	}
	h.apply(&Finish{Outcomes: []Outcome{{Attempt: first.ID, Kind: OutcomeRetry, DueAt: h.now}}})
	if second := h.beginCall(n[0], n[1]); len(granted(second)) != 2 { // the phones have theirs back, and the second token is there
		t.Fatalf("second call: %+v", second)
	}

	was := h.status(n[4])
	sum := h.machine.meta.nextSend
	refused := h.beginCall(n[4])
	want := BegunAttempt{Limit: 1, Again: t0 + 1000, Members: []BegunMember{{Limit: -1}}} // a retry gave no token back
	if !reflect.DeepEqual(refused, want) {
		t.Errorf("a call over the route's rate: %+v, want %+v", refused, want)
	}
	if st := h.status(n[4]); st != was || h.machine.meta.nextSend != sum {
		t.Errorf("a refused call rewrote its member: %+v, was %+v", st, was)
	}
	h.restart()
	h.now = refused.Again - 1
	if got := h.beginCall(n[4]); got.Limit != 1 || got.Again != refused.Again {
		t.Errorf("a ms too early: %+v", got)
	}
	h.now = refused.Again
	if got := h.beginCall(n[4]); len(granted(got)) != 1 {
		t.Errorf("in time: %+v", got)
	}
}

// TestCallThatNeverFits is tried again later: its rules may have changed by then.
func TestCallThatNeverFits(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"))[0]
	c := &Begin{
		Charges:  [][]Charge{{{Key: "route/off", Amount: 1, Rules: []Rule{{Kind: RuleBucket, Period: 1000}}}}},
		Attempts: []BeginAttempt{{Members: []BeginMember{{Number: n, Revision: 1, Charges: -1}}}},
	}
	if got := h.apply(c).(*BeginResult).Attempts[0]; got.Limit != 0 || got.Again != h.now+neverPause || got.ID != 0 {
		t.Errorf("%+v", got)
	}
}

// TestBatchIsResolvedOneByOne: a call for several has one BizId, and each of them its own report, query and receipt.
func TestBatchIsResolvedOneByOne(t *testing.T) {
	h := newHarness(t)
	n := h.acceptFor(0, 1, 2, 3, 4)
	a := h.beginCall(n...)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain, DueAt: h.now})
	for _, n := range n {
		h.want(n, StateUncertain, ActionResolve)
	}
	byPhone := func(phone string) Number {
		call, err := h.AttemptByOutID(a.OutID)
		if err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(call.Members, func(m Member) bool { return m.Phone == phone })
		return call.Members[i].Number
	}
	if code := h.report(DeliveryReport{Number: byPhone(batchPhone(2)), Attempt: a.ID, Ending: EndDelivered, Err: "000"}); code != ReportApplied {
		t.Fatalf("report: %d", code)
	}
	h.want(n[2], StateFinal, 0)
	found := &Found{Items: []FoundItem{
		{Number: n[0], Sent: true, DueAt: h.now + 100}, {Number: n[1], Retry: true, DueAt: h.now}, {Number: n[3], DueAt: h.now + 200},
		{Number: n[2], Retry: true, DueAt: h.now}, // has had its report
	}}
	for i := range found.Items {
		found.Items[i].Revision = h.status(found.Items[i].Number).Revision
	}
	if got := h.apply(found).(*FoundResult).Applied; got != 3 {
		t.Fatalf("%d found, want 3", got)
	}
	h.want(n[0], StateSent, ActionReport)
	h.want(n[1], StateRetry, ActionSend)
	for i := range n {
		if h.status(n[i]).Alone {
			t.Errorf("member %d goes alone, for an answer that was lost", i)
		}
	}
	h.want(n[4], StateUncertain, ActionResolve)

	// The answer comes late: it settles those that still wait for it, and tells the BizId of all.
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "b^0", DueAt: h.now + 500})
	h.want(n[3], StateSent, ActionReport)
	h.want(n[4], StateSent, ActionReport)
	h.want(n[1], StateRetry, ActionSend)
	other := h.begin(h.acceptFor(9)...)
	if code := h.report(DeliveryReport{Number: n[4], Attempt: other.ID, Ending: EndDelivered}); code != ReportMismatch {
		t.Errorf("a report of another's call: %d", code)
	}
	for _, i := range []int{0, 3, 4} {
		if call, err := h.AttemptByBizID("b^0"); err != nil || call.ID != a.ID {
			t.Errorf("before the report of member %d: %+v, %v", i, call, err)
		}
		if code := h.report(DeliveryReport{Number: byPhone(batchPhone(i)), Attempt: a.ID, Ending: EndUndeliverable, Err: "001"}); code != ReportApplied {
			t.Errorf("report of member %d: %d", i, code)
		}
	}
	var receipts []Number
	for _, r := range h.outbox("shop") {
		receipts = append(receipts, r.Number)
	}
	if want := []Number{n[2], n[0], n[3], n[4]}; !slices.Equal(receipts, want) {
		t.Errorf("receipts of %v, want %v", receipts, want)
	}

	again := h.beginCall(n[1]) // its phone was given back
	if len(granted(again)) != 1 {
		t.Fatalf("again, alone: %+v", again)
	}
	if _, err := h.AttemptByBizID("b^0"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no message of it is open, but the call is in the index: %v", err)
	}
}

// TestAlone: who goes alone is granted in no call for several, whoever asks, and for good.
func TestAlone(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"), message("shop"), message("shop"))
	a := h.begin(n[0], n[1])
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeRetry, Alone: true, DueAt: h.now})
	h.restart()
	if due, err := h.due(ActionSend, "shop", h.now, 9); err != nil || len(due) != 3 || !due[0].Status.Alone || !due[1].Status.Alone || due[2].Status.Alone {
		t.Fatalf("due: %+v, %v", due, err)
	}
	revision := h.status(n[0]).Revision
	if got := h.begin(n[0], n[2]); !slices.Equal(granted(got), []int{1}) || got.Members[0].Limit != -1 {
		t.Errorf("with another: %+v", got)
	}
	if got := h.begin(n[0], n[1]); got.ID != 0 || h.status(n[0]).Revision != revision {
		t.Errorf("with another that goes alone: %+v", got)
	}
	a = h.begin(n[0])
	if len(granted(a)) != 1 {
		t.Fatalf("alone: %+v", a)
	}
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeRetry, DueAt: h.now})
	if !h.status(n[0]).Alone {
		t.Error("it went alone once, and may go with others now")
	}
	a = h.begin(n[1])
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain, DueAt: h.now})
	h.apply(&Found{Items: []FoundItem{{Number: n[1], Revision: h.status(n[1]).Revision, Retry: true, DueAt: h.now}}})
	if st := h.want(n[1], StateRetry, ActionSend); !st.Alone {
		t.Error("it was found unsent when it went alone, and may go with others now")
	}
	// Outcomes that do not send again say nothing about going alone, nor does a call for one.
	single := h.accept(message("shop"))[0]
	a = h.begin(single)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain, Alone: true, DueAt: h.now})
	h.apply(&Found{Items: []FoundItem{{Number: single, Revision: h.status(single).Revision, Retry: true, DueAt: h.now}}})
	if st := h.want(single, StateRetry, ActionSend); st.Alone {
		t.Error("a call for one that failed has its message go alone")
	}
	// A call for several that may have failed for one of them: what turns out as unsent goes alone.
	several := h.acceptFor(5, 6)
	a = h.beginCall(several...)
	h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain, Alone: true, DueAt: h.now})
	h.apply(&Found{Items: []FoundItem{{Number: several[0], Revision: h.status(several[0]).Revision, Retry: true, DueAt: h.now}}})
	if st := h.want(several[0], StateRetry, ActionSend); !st.Alone {
		t.Error("what may have failed for another one's fault goes with others again")
	}
}

// TestOnePhoneOnceInACall: a report names the call and the phone, so a call has each phone once.
func TestOnePhoneOnceInACall(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"), message("shop"))
	a := BeginAttempt{Charges: -1}
	for _, n := range n {
		a.Members = append(a.Members, BeginMember{Number: n, Revision: 1, Phone: "13800000000", Charges: -1})
	}
	got := h.apply(&Begin{Attempts: []BeginAttempt{a}}).(*BeginResult).Attempts[0]
	if !slices.Equal(granted(got), []int{0}) {
		t.Errorf("granted: %v, want the first", granted(got))
	}
	if st := h.want(n[1], StateAccepted, ActionSend); st.Revision != 1 {
		t.Errorf("the second was rewritten: %+v", st)
	}
}
