package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

const leap = 1 << 20

// A broken cluster has a message in each state.
type broken struct {
	*harness
	accepted, scheduled, soon, sending, sent, retry, uncertain, final Number
	part, joined, whole                                               Number
	outIDs                                                            map[Number]string
}

func newBroken(t *testing.T) *broken {
	h := &broken{harness: newHarness(t), outIDs: map[Number]string{}}
	h.apply(&Genesis{ClusterID: "blue", Lineage: Lineage{1}})
	h.apply(&Raise{Version: 2})
	h.apply(&NodeUp{Node: "n1", Incarnation: 5})
	h.apply(&BindOpen{Bind: Bind{Node: "n1", Incarnation: 5, Session: 1, Account: "shop"}})
	h.apply(&BindOpen{Bind: Bind{Node: "n2", Incarnation: 7, Session: 1, Account: "bank"}})
	scheduled, soon := message("shop"), message("shop")
	scheduled.SendAt, soon.SendAt = t0+3600_000, t0+30_000
	n := h.accept(message("shop"), scheduled, soon, message("shop"), message("shop"), message("shop"), message("shop"), message("shop"))
	h.accepted, h.scheduled, h.soon, h.sending, h.sent, h.retry, h.uncertain, h.final = n[0], n[1], n[2], n[3], n[4], n[5], n[6], n[7]
	for _, n := range n[3:] {
		a := h.begin(n)
		h.outIDs[n] = a.OutID
		o := Outcome{Attempt: a.ID, Kind: OutcomeAccepted, BizID: "biz-" + n.String(), DueAt: t0 + 1000, Err: "e", Ending: EndRejected}
		switch n {
		case h.sending:
			continue
		case h.retry:
			o.Kind = OutcomeRetry
		case h.uncertain:
			o.Kind = OutcomeUncertain
		case h.final:
			o.Kind = OutcomeRejected
		}
		h.finish(o)
	}
	part := func(ref uint16, seq uint8) Number {
		m := message("shop")
		m.Segment = Segment{Ref: ref, Total: 2, Seq: seq}
		return h.accept(m)[0]
	}
	h.part, h.joined = part(1, 1), part(2, 1)
	part(2, 2)
	h.whole = h.status(h.joined).Whole
	return h
}

// TestRecoverHoldsWhatMayHaveBeenSent: all but what is final, waits for its other parts or cannot have been
// due yet.
func TestRecoverHoldsWhatMayHaveBeenSent(t *testing.T) {
	h := newBroken(t)
	h.apply(&Accept{Token: Token{Node: "n1", Incarnation: 5, Seq: 1, Lowest: 1}})
	before := h.machine.meta
	outbox := len(h.outbox("shop"))
	h.now += 1000
	lineage := Lineage{7, 15: 8}
	h.apply(&Recover{Leap: leap, DueAt: h.now + 500, Lineage: lineage})
	for restarted := range 2 {
		for _, n := range []Number{h.accepted, h.soon, h.sending, h.sent, h.retry, h.uncertain, h.whole} {
			st := h.want(n, StateUncertain, ActionResolve)
			a, err := h.Attempt(st.Attempt)
			if err != nil || !st.Held || st.DueAt != h.now+500 || len(a.Members) != 1 || a.Members[0] != (Member{n, "13800000000"}) {
				t.Errorf("message %s: %+v under %+v, %v", n, st, a, err)
			}
			if known := h.outIDs[n]; known != "" && a.OutID != known || known == "" && (a.Route != "" || a.Begun != st.AcceptedAt) {
				t.Errorf("message %s is held under %+v, its OutId was %q", n, a, known)
			}
		}
		h.want(h.scheduled, StateAccepted, ActionSend)
		h.want(h.final, StateFinal, 0)
		h.want(h.part, StatePart, ActionParts)
		h.want(h.joined, StateJoined, 0)
		if len(h.AllBinds()) != 0 || len(h.Nodes()) != 0 || h.Figures().Binds != 0 || h.Epoch() != 2 || h.ClusterID() != "blue" ||
			h.Lineage() != lineage {
			t.Errorf("restarted %d: binds %+v, nodes %v, epoch %d, lineage %s", restarted, h.AllBinds(), h.Nodes(), h.Epoch(), h.Lineage())
		}
		if at, err := h.Recovered(); err != nil || at != h.now {
			t.Errorf("recovered at %d, want %d: %v", at, h.now, err)
		}
		h.restart()
	}
	if len(h.outbox("shop")) != outbox {
		t.Errorf("outbox has %d entries, had %d", len(h.outbox("shop")), outbox)
	}
	if n := h.accept(message("shop"))[0]; n != Number(before.nextNumber+leap+1) {
		t.Errorf("the next number is %s, the last was %s", n, Number(before.nextNumber))
	}
	if m := h.machine.meta; m.nextAttempt < before.nextAttempt+leap || m.nextReceipt != before.nextReceipt+leap ||
		m.nextOrphan != before.nextOrphan+leap || m.nextSend != before.nextSend+leap {
		t.Errorf("counters %+v, were %+v", m, before)
	}
	r := h.apply(&Accept{Token: Token{Node: "n1", Incarnation: 5, Seq: 1, Lowest: 1}, Messages: []Submission{{Message: message("shop"), Charges: -1}}})
	if items := r.(*AcceptResult).Items; len(items) != 1 || items[0].Code != AcceptOK {
		t.Errorf("the token was remembered: %+v", items)
	}
}

// TestHeldIsResolved: by a report of its old attempt or of the one it is held under, and by what a query finds.
func TestHeldIsResolved(t *testing.T) {
	h := newBroken(t)
	h.apply(&Recover{Leap: leap, DueAt: h.now})
	for _, n := range []Number{h.sending, h.sent, h.retry, h.uncertain} {
		a, err := h.AttemptByOutID(h.outIDs[n])
		if err != nil {
			t.Fatal(err)
		}
		if code := h.report(DeliveryReport{Number: n, Attempt: a.ID, Ending: EndDelivered, DoneAt: h.now}); code != ReportApplied {
			t.Errorf("report of %s: %d", h.outIDs[n], code)
		}
	}
	if a, err := h.AttemptByBizID("biz-" + h.sent.String()); !errors.Is(err, ErrNotFound) {
		t.Errorf("found by BizId though final: %+v, %v", a, err)
	}
	st := h.status(h.accepted)
	if code := h.report(DeliveryReport{Number: h.accepted, Attempt: st.Attempt, Ending: EndDelivered, DoneAt: h.now}); code != ReportApplied {
		t.Errorf("report of what was held: %d", code)
	}
	if st := h.status(h.accepted); st.Held || st.State != StateFinal {
		t.Errorf("final: %+v", st)
	}
	found := func(n Number, it FoundItem) Status {
		it.Number, it.Revision = n, h.status(n).Revision
		h.apply(&Found{Items: []FoundItem{it}})
		return h.status(n)
	}
	if st := found(h.soon, FoundItem{DueAt: h.now + 9}); !st.Held || st.State != StateUncertain || st.DueAt != h.now+9 {
		t.Errorf("asked about, not known yet: %+v", st)
	}
	if st := found(h.soon, FoundItem{Retry: true, DueAt: h.now}); st.Held || st.State != StateRetry {
		t.Errorf("surely not sent: %+v", st)
	}
	if a := h.begin(h.soon); a.ID <= leap || a.OutID != fmt.Sprintf("blue-2-%x", uint64(a.ID)) {
		t.Errorf("begun again: %+v", a)
	}
	if st := found(h.whole, FoundItem{Sent: true, DueAt: h.now}); st.Held || st.State != StateSent {
		t.Errorf("sent: %+v", st)
	}
}

// TestSnapshotOfAnotherHistory: a node that a recovery gave up neither takes the new cluster's state for its
// own past nor gives the new cluster its own, however far either has come; nor do two that were recovered
// apart, in the same epoch.
func TestSnapshotOfAnotherHistory(t *testing.T) {
	given, kept, apart := newBroken(t), newBroken(t), newBroken(t)
	before := kept.snapshot()
	kept.apply(&Recover{Leap: leap, DueAt: kept.now, Lineage: Lineage{2}})
	first := kept.snapshot()
	apart.apply(&Recover{Leap: leap, DueAt: apart.now, Lineage: Lineage{3}})
	behind := newBroken(t)
	for range 5 {
		given.accept(message("shop"))
		apart.accept(message("shop"))
	}
	for name, tt := range map[string]struct {
		h   *harness
		raw []byte
	}{
		"the given up one takes":           {given.harness, first},
		"one that was not so far takes":    {behind.harness, first},
		"the new one takes":                {kept.harness, given.snapshot()},
		"the new one takes another's":      {kept.harness, apart.snapshot()},
		"another takes that of one behind": {apart.harness, first},
	} {
		want := tt.h.sum()
		if err := tt.h.Restore(bytes.NewReader(tt.raw)); err == nil || !strings.Contains(err.Error(), "lineage 02") || tt.h.sum() != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	want := kept.sum()
	if err := kept.Restore(bytes.NewReader(before)); err != nil || kept.sum() != want {
		t.Errorf("its own past: %v", err)
	}
	fresh := newHarness(t)
	if err := fresh.Restore(bytes.NewReader(first)); err != nil || fresh.Epoch() != 2 || fresh.Lineage() != (Lineage{2}) {
		t.Errorf("one without a past: epoch %d, lineage %s, %v", fresh.Epoch(), fresh.Lineage(), err)
	}
}

func TestLostOutID(t *testing.T) {
	h := newBroken(t)
	last := h.machine.meta.nextAttempt
	check := func(want map[string]bool) {
		t.Helper()
		for id, want := range want {
			if got, err := h.LostOutID(id); err != nil || got != want {
				t.Errorf("epoch %d: OutId %s: lost %t, want %t: %v", h.Epoch(), id, got, want, err)
			}
		}
	}
	known, next := fmt.Sprintf("blue-1-%x", last), fmt.Sprintf("blue-1-%x", last+1)
	check(map[string]bool{known: false, next: false})
	h.apply(&Recover{Leap: leap, DueAt: h.now})
	second := h.begin(h.accept(message("shop"))[0])
	if _, err := h.AttemptByOutID(fmt.Sprintf("blue-1-%x", uint64(second.ID))); !errors.Is(err, ErrNotFound) {
		t.Errorf("an OutId of the last epoch names a call of this one: %v", err)
	}
	check(map[string]bool{
		known: false, next: true, "blue-1-" + fmt.Sprintf("%x", last+leap+9): true, "red" + next[4:]: false,
		second.OutID: false, fmt.Sprintf("blue-2-%x", uint64(second.ID)+1): false, "blue-3-1": false, "": false, "blue-1": false,
	})
	h.apply(&Recover{Leap: leap, DueAt: h.now})
	h.restart()
	check(map[string]bool{known: false, next: true, second.OutID: false, fmt.Sprintf("blue-2-%x", uint64(second.ID)+1): true})
}
