package store

import (
	"reflect"
	"testing"
)

// TestReplace: a replace_sm changes what is sent and when, not who sent it to whom.
func TestReplace(t *testing.T) {
	h := newHarness(t)
	old := once("shop", 1)
	old.AnswerBy, old.Shape, old.Echo, old.KeepText, old.ProtocolID = t0+5000, ShapeDec10, "echo", true, 3
	open := [][]Charge{{{Key: OpenKey("shop"), Amount: 1, Rules: []Rule{{Kind: RuleLevel, Limit: 1}}}}}
	n := h.apply(&Accept{Charges: open, Messages: []Submission{{Message: old}}}).(*AcceptResult).Items[0].Number
	m := message("another")
	m.Origin, m.Source.Addr, m.Dest.Addr, m.Phone, m.ServiceType = Origin{Node: "n9"}, "1", "2", "3", "4"
	m.DataCoding, m.ESMClass, m.ProtocolID, m.Priority = 9, 9, 9, 9
	m.Shape, m.Echo, m.AnswerBy, m.Grouped, m.OneReceipt, m.Parts = ShapeHex8, "other", t0+9, true, true, []Number{7}
	m.Segment = Segment{Ref: 1, Total: 2, Seq: 1}
	m.Text, m.Params, m.TemplateCode, m.SignName, m.Class = "new", "new params", "SMS_2", "sign", "notice"
	m.Wants, m.RegisteredDelivery, m.Preferred, m.SendAt, m.Expires = WantsFailure, 2, true, t0+100, t0+900
	if got := h.apply(&Replace{Number: n, Revision: 1, Message: m}); got.(*ReplaceResult).Code != ReplaceOK {
		t.Fatalf("%+v", got)
	}
	want := old
	want.Text, want.Params, want.TemplateCode, want.SignName, want.Class = "new", "new params", "SMS_2", "sign", "notice"
	want.Wants, want.RegisteredDelivery, want.Preferred, want.SendAt, want.Expires = WantsFailure, 2, true, t0+100, t0+900
	want.KeepText, want.Digest, want.DedupeFor = false, [16]byte{}, 0
	h.restart()
	got, st, err := h.Lookup(n)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
	if st.State != StateAccepted || st.Action != ActionPrefer || st.DueAt != t0+100 || st.Revision != 2 || !st.Counted {
		t.Errorf("status %+v", st)
	}
	if items, err := h.due(ActionSend, "shop", maxTime, 9); err != nil || len(items) != 0 {
		t.Errorf("still due as it was: %+v, %v", items, err)
	}
	h.reject(n)
	if m, _, _ := h.Lookup(n); m.Text != "" {
		t.Error("the new text was not erased")
	}
	if level := h.machine.meters[OpenKey("shop")].rules[0].level; level != 0 {
		t.Errorf("the level of open messages is %d", level)
	}
}

// TestReplaceOrBegin: of the two that name a revision one wins, and what is sent is what won.
func TestReplaceOrBegin(t *testing.T) {
	replace := func(h *harness, n Number, revision uint32) ReplaceCode {
		m := message("shop")
		m.Text = "new"
		return h.apply(&Replace{Number: n, Revision: revision, Message: m}).(*ReplaceResult).Code
	}
	h := newHarness(t)
	n := h.accept(message("shop"), message("shop"))
	woken, cancel := h.Watch(WatchSend)
	defer cancel()
	first := &Begin{Attempts: []BeginAttempt{{Charges: -1, Members: []BeginMember{{Number: n[0], Revision: 1, Charges: -1}}}}}
	if code := replace(h, n[0], 1); code != ReplaceOK {
		t.Fatalf("code %d", code)
	}
	if a := h.apply(first).(*BeginResult).Attempts[0]; a.Members[0].Granted {
		t.Error("a message was begun with a text that had been replaced")
	}
	h.want(n[0], StateAccepted, ActionSend)
	select {
	case <-woken:
	default:
		t.Error("who lost was not told to look again")
	}

	h.begin(n[1])
	if code := replace(h, n[1], 1); code != ReplaceLate {
		t.Errorf("behind a Begin: code %d", code)
	}
	if code := replace(h, n[1], 2); code != ReplaceLate {
		t.Errorf("under way: code %d", code)
	}
	if m, _, _ := h.Lookup(n[1]); m.Text != "your code is 1" {
		t.Error("a text was replaced under way")
	}
}

func TestReplaceIsLate(t *testing.T) {
	h := newHarness(t)
	retried := h.accept(message("shop"))[0]
	h.finish(Outcome{Attempt: h.begin(retried).ID, Kind: OutcomeRetry, DueAt: t0 + 60_000, Err: "010"})
	parts := h.accept(part(1, 2, 1, "a"), part(1, 2, 2, "b"), part(2, 2, 1, "c"))
	odd := part(3, 2, 5, "d")
	alone := h.accept(odd)[0]
	uncertain := h.accept(message("shop"))[0]
	h.finish(Outcome{Attempt: h.begin(uncertain).ID, Kind: OutcomeUncertain, DueAt: t0})
	sent := h.accept(message("shop"))[0]
	h.finish(Outcome{Attempt: h.begin(sent).ID, Kind: OutcomeAccepted, DueAt: t0})
	final := h.accept(message("shop"))[0]
	h.reject(final)
	for name, n := range map[string]Number{
		"joined": parts[0], "whole": h.status(parts[0]).Whole, "part": parts[2], "part outside its set": alone,
		"uncertain": uncertain, "sent": sent, "final": final, "unknown": 99,
	} {
		_, st, _ := h.Lookup(n)
		if got := h.apply(&Replace{Number: n, Revision: st.Revision, Message: message("shop")}).(*ReplaceResult); got.Code != ReplaceLate {
			t.Errorf("%s: code %d, want %d", name, got.Code, ReplaceLate)
		}
	}
	stale := message("shop")
	stale.PolicyVersion = 4
	rev := h.status(retried).Revision
	if got := h.apply(&Replace{Number: retried, Revision: rev, Message: stale}).(*ReplaceResult); got.Code != ReplaceStalePolicy {
		t.Errorf("stale policy: code %d", got.Code)
	}
	woken, cancel := h.Watch(WatchSend)
	defer cancel()
	if got := h.apply(&Replace{Number: retried, Revision: rev, Message: message("shop")}).(*ReplaceResult); got.Code != ReplaceOK {
		t.Errorf("to be retried: code %d", got.Code)
	}
	if st := h.want(retried, StateRetry, ActionSend); st.DueAt != t0 || st.Attempt == 0 || st.Err != "010" {
		t.Errorf("status %+v", st)
	}
	select {
	case <-woken:
	default:
		t.Error("nobody was told that the message is due now")
	}
}
