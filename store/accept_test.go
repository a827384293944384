package store

import (
	"reflect"
	"testing"
)

func tokenAccept(incarnation, seq, lowest uint64) *Accept {
	return &Accept{
		Token:    Token{Node: "n1", Incarnation: incarnation, Seq: seq, Lowest: lowest},
		Messages: []Submission{{Message: message("shop"), Charges: -1}, {Message: message("shop"), Charges: -1}},
	}
}

// TestRepeatedTokenHasFirstResult is promise 2: a message is accepted once.
func TestRepeatedTokenHasFirstResult(t *testing.T) {
	h := newHarness(t)
	h.apply(&NodeUp{Node: "n1", Incarnation: 7})
	first := h.apply(tokenAccept(7, 1, 1))
	next := h.Figures().NextNumber
	h.restart()
	if again := h.apply(tokenAccept(7, 1, 1)); !reflect.DeepEqual(again, first) {
		t.Errorf("repeated: %+v, want %+v", again, first)
	}
	if h.Figures().NextNumber != next {
		t.Error("a repetition accepted messages")
	}
	// With 2 open, 1 is remembered until it is given up.
	h.apply(tokenAccept(7, 2, 1))
	if again := h.apply(tokenAccept(7, 1, 1)); !reflect.DeepEqual(again, first) {
		t.Errorf("repeated behind 2: %+v, want %+v", again, first)
	}
	h.apply(tokenAccept(7, 3, 2))
	wantGone(t, "below the lowest", h.apply(tokenAccept(7, 1, 1)))
	wantGone(t, "of an earlier incarnation", h.apply(tokenAccept(6, 1, 1)))
	wantGone(t, "of an incarnation that is not up yet", h.apply(tokenAccept(8, 1, 1)))
	h.apply(&NodeUp{Node: "n1", Incarnation: 8})
	wantGone(t, "of the incarnation before", h.apply(tokenAccept(7, 2, 2)))
	if r := h.apply(tokenAccept(8, 1, 1)).(*AcceptResult); r.Items[0].Code != AcceptOK {
		t.Errorf("first of the new incarnation: %+v", r)
	}
	if next := h.Figures().NextNumber; next != 9 {
		t.Errorf("next number %s, want 9: four accepts of two", next)
	}
}

func wantGone(t *testing.T, what string, r Result) {
	t.Helper()
	for _, it := range r.(*AcceptResult).Items {
		if it.Code != AcceptTokenGone {
			t.Errorf("a token %s: %+v, want AcceptTokenGone", what, it)
		}
	}
}

func TestAllChargesOrNone(t *testing.T) {
	h := newHarness(t)
	bucket := Rule{Kind: RuleBucket, Limit: 10, Burst: 10, Period: 1000}
	level := Rule{Kind: RuleLevel, Limit: 3}
	c := &Accept{Charges: [][]Charge{{
		{Key: "rate/shop", Amount: 1, Rules: []Rule{bucket}},
		{Key: OpenKey("shop"), Amount: 1, Rules: []Rule{level}},
	}}}
	for range 5 {
		c.Messages = append(c.Messages, Submission{Message: message("shop")})
	}
	check := func(want ...AcceptItem) {
		t.Helper()
		if got := h.apply(c).(*AcceptResult).Items; !reflect.DeepEqual(got, want) {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
	}
	over := AcceptItem{Code: AcceptOverLimit, Limit: 1}
	check(AcceptItem{Code: AcceptOK, Number: 1}, AcceptItem{Code: AcceptOK, Number: 2}, AcceptItem{Code: AcceptOK, Number: 3}, over, over)
	h.restart()
	check(over, over, over, over, over)
	// One message ends, one is let in: the refused ones took no tokens, 6 are left.
	h.apply(&Close{Items: []CloseItem{{Number: 2, Revision: 1, Ending: EndRejected}}})
	check(AcceptItem{Code: AcceptOK, Number: 4}, over, over, over, over)
	c.Charges[0][1].Rules[0].Limit = 100
	none := AcceptItem{Code: AcceptOverLimit, Limit: 0}
	check(AcceptItem{Code: AcceptOK, Number: 5}, AcceptItem{Code: AcceptOK, Number: 6}, AcceptItem{Code: AcceptOK, Number: 7},
		AcceptItem{Code: AcceptOK, Number: 8}, AcceptItem{Code: AcceptOK, Number: 9})
	check(AcceptItem{Code: AcceptOK, Number: 10}, none, none, none, none)
	h.now += 100 // one token
	check(AcceptItem{Code: AcceptOK, Number: 11}, none, none, none, none)
}

func TestStalePolicyIsDecidedAgain(t *testing.T) {
	h := newHarness(t)
	put := func(base uint64) PolicyResult {
		return *h.apply(&PutPolicy{Base: base, Doc: []byte("accounts: []"), Author: "ops"}).(*PolicyResult)
	}
	if r := put(0); r != (PolicyResult{OK: true, Version: 1}) {
		t.Fatalf("first policy: %+v", r)
	}
	if r := put(0); r != (PolicyResult{Version: 1}) {
		t.Fatalf("policy on a stale base: %+v", r)
	}
	m := message("shop")
	m.PolicyVersion = 1
	c := &Accept{Messages: []Submission{{Message: m, Charges: -1}}}
	if it := h.apply(c).(*AcceptResult).Items[0]; it.Code != AcceptOK {
		t.Errorf("under the policy in force: %+v", it)
	}
	wake, cancel := h.Watch(WatchPolicy)
	defer cancel()
	put(1)
	if len(wake) != 1 {
		t.Error("a watcher of the policy was not woken")
	}
	if it := h.apply(c).(*AcceptResult).Items[0]; it.Code != AcceptStalePolicy {
		t.Errorf("under an old policy: %+v", it)
	}
	h.restart()
	p := h.Policy()
	if p.Version != 2 || string(p.Doc) != "accounts: []" || p.Author != "ops" || p.At != t0 {
		t.Errorf("policy: %+v", p)
	}
	if p, err := h.PolicyVersion(1); err != nil || p.Version != 1 {
		t.Errorf("version 1: %+v, %v", p, err)
	}
}

func TestBinds(t *testing.T) {
	h := newHarness(t)
	open := func(node string, incarnation, session uint64, limit uint32) BindResult {
		b := Bind{Node: node, Incarnation: incarnation, Session: session, Account: "shop", Receives: true, Since: h.now}
		return *h.apply(&BindOpen{Bind: b, Limit: limit}).(*BindResult)
	}
	h.apply(&NodeUp{Node: "n1", Incarnation: 1})
	h.apply(&NodeUp{Node: "n2", Incarnation: 1})
	steps := []struct {
		name string
		got  BindResult
		want BindResult
	}{
		{"first", open("n1", 1, 1, 2), BindResult{true, 1}},
		{"again", open("n1", 1, 1, 2), BindResult{true, 1}},
		{"other node", open("n2", 1, 1, 2), BindResult{true, 2}},
		{"over the limit", open("n2", 1, 2, 2), BindResult{false, 2}},
		{"without limit", open("n2", 1, 2, 0), BindResult{true, 3}},
		{"of an incarnation that is gone", open("n2", 9, 2, 0), BindResult{false, 3}},
	}
	for _, s := range steps {
		if s.got != s.want {
			t.Errorf("%s: %+v, want %+v", s.name, s.got, s.want)
		}
	}
	h.apply(&BindClose{Node: "n1", Incarnation: 1, Session: 1})
	h.apply(&BindClose{Node: "n1", Incarnation: 1, Session: 1})
	h.restart()
	binds := h.Binds("shop")
	if len(binds) != 2 || binds[0].Session != 1 || binds[1].Session != 2 || binds[0].Node != "n2" || !binds[0].Receives {
		t.Fatalf("binds: %+v", binds)
	}
	if !reflect.DeepEqual(h.AllBinds(), binds) || h.Figures().Binds != 2 {
		t.Errorf("all binds: %+v", h.AllBinds())
	}
	h.apply(&NodeUp{Node: "n2", Incarnation: 2})
	if len(h.Binds("shop")) != 0 || h.Figures().Binds != 0 {
		t.Errorf("binds of an incarnation that is gone: %+v", h.Binds("shop"))
	}
	if h.Incarnation("n2") != 2 || h.Incarnation("n3") != 0 {
		t.Errorf("incarnations %d, %d", h.Incarnation("n2"), h.Incarnation("n3"))
	}
	if r := open("n2", 2, 1, 1); r != (BindResult{true, 1}) {
		t.Errorf("after the new incarnation: %+v", r)
	}
}

// TestNodeUpLeavesOthersAlone: only what the node had open before goes.
func TestNodeUpLeavesOthersAlone(t *testing.T) {
	h := newHarness(t)
	for _, node := range []string{"n1", "n10", "n2"} {
		for session := range uint64(5) {
			for _, account := range []string{"bank", "shop"} {
				h.apply(&BindOpen{Bind: Bind{Node: node, Incarnation: 1, Session: session*256 + uint64(account[0]), Account: account}})
			}
		}
		h.apply(&Accept{Token: Token{Node: node, Incarnation: 1, Seq: 1}, Messages: []Submission{{Message: message("shop"), Charges: -1}}})
	}
	h.apply(&NodeUp{Node: "n1", Incarnation: 2})
	h.restart()
	for _, account := range []string{"bank", "shop"} {
		binds := h.Binds(account)
		if len(binds) != 10 || binds[0].Node != "n10" || binds[9].Node != "n2" {
			t.Errorf("binds of %s: %+v", account, binds)
		}
	}
	again := h.apply(&Accept{Token: Token{Node: "n10", Incarnation: 1, Seq: 1}, Messages: []Submission{{Message: message("shop"), Charges: -1}}})
	if it := again.(*AcceptResult).Items[0]; it.Number != 2 {
		t.Errorf("another node's token was forgotten: %+v", it)
	}
}
