package store

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestDueIsByAccount: a backlog of one account is not read for another's, whatever their names.
func TestDueIsByAccount(t *testing.T) {
	h := newHarness(t)
	names := []string{"", "a", "aa", "ab", "b", "\x00", "\x01a", "\xff\xff", strings.Repeat("n", 300)}
	want := map[string][]Number{}
	for i := range 4 * len(names) {
		m := message(names[i%len(names)])
		m.SendAt = t0 + int64(100-i)
		want[m.Account] = append([]Number{h.accept(m)[0]}, want[m.Account]...) // the later, the sooner
	}
	check := func() {
		t.Helper()
		var counts []DueAccount
		var all []DueItem
		for _, name := range names {
			items, err := readDueOf(h, ActionSend, name, maxTime)
			var got []Number
			for _, it := range items {
				got = append(got, it.Number)
			}
			if err != nil || !slices.Equal(got, want[name]) {
				t.Errorf("due of %q: %v, want %v: %v", name, got, want[name], err)
			}
			all = append(all, items...)
			if len(got) > 0 {
				counts = append(counts, DueAccount{name, len(got)})
			}
		}
		slices.SortFunc(counts, func(a, b DueAccount) int { return strings.Compare(a.Account, b.Account) })
		if got := h.DueAccounts(ActionSend); !slices.Equal(got, counts) {
			t.Errorf("accounts: %v, want %v", got, counts)
		}
		if at, ok, err := h.NextDue(ActionSend, 0); at != nextAfter(all, 0) || !ok || err != nil {
			t.Errorf("next of all at t0%+d, want t0%+d: %v", at-t0, nextAfter(all, 0)-t0, err)
		}
	}
	check()
	h.now = t0 + 1000
	for i, name := range names {
		for _, n := range want[name][:i%5] {
			h.begin(n)
		}
		want[name] = want[name][i%5:]
	}
	check()
	h.restart()
	check()

	var snapshot bytes.Buffer
	s, err := h.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.WriteTo(&snapshot); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	h = newHarness(t)
	if err := h.Restore(&snapshot); err != nil {
		t.Fatal(err)
	}
	check()
	if got := h.DueAccounts(ActionUrgent); len(got) != 0 {
		t.Errorf("urgent: %v", got)
	}
	if got := h.DueAccounts(ActionCall); len(got) != 0 {
		t.Errorf("of an action that does not send: %v", got)
	}
}

// TestDueOfGoesOn: who looks on behind a place sees nothing twice, and what came before it from the front.
func TestDueOfGoesOn(t *testing.T) {
	h := newHarness(t)
	n := h.accept(message("shop"), message("shop"), message("shop"), message("bank"))
	later := message("shop")
	later.SendAt = t0 + 500
	n = append(n, h.accept(later)[0])
	read := func(after DueCursor, until int64, limit int, want ...Number) DueCursor {
		t.Helper()
		items, next, err := h.DueOf(ActionSend, "shop", after, until, limit)
		var got []Number
		for _, it := range items {
			got = append(got, it.Number)
		}
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("behind %+v: %v, want %v: %v", after, got, want, err)
		}
		return next
	}
	c := read(DueCursor{}, t0, 2, n[0], n[1])
	if c != (DueCursor{t0, n[1]}) {
		t.Errorf("cursor %+v", c)
	}
	h.begin(n[1]) // the place stays, though what stood there is gone
	c = read(c, t0, 2, n[2])
	if next := read(c, t0, 2); next != c {
		t.Errorf("nothing was read, and the cursor went from %+v to %+v", c, next)
	}
	read(c, t0+500, 2, n[4])
	read(DueCursor{}, t0+500, 9, n[0], n[2], n[4])
	read(DueCursor{}, t0+500, 0)

	for _, tt := range []struct{ after, want int64 }{{0, t0}, {t0 - 1, t0}, {t0, t0 + 500}, {t0 + 499, t0 + 500}, {t0 + 500, 0}} {
		if at, ok, err := h.NextDueOf(ActionSend, "shop", tt.after); at != tt.want || ok != (tt.want != 0) || err != nil {
			t.Errorf("next after t0%+d: t0%+d, %t, %v", tt.after-t0, at-t0, ok, err)
		}
	}
	if at, ok, err := h.NextDueOf(ActionSend, "bank", t0); ok || err != nil {
		t.Errorf("next of the bank: %d, %v", at, err)
	}
	if at, ok, err := h.NextDue(ActionSend, t0); at != t0+500 || !ok || err != nil {
		t.Errorf("next of all: t0%+d, %t, %v", at-t0, ok, err)
	}
	if at, ok, err := h.NextDue(ActionCall, 0); at != h.status(n[1]).DueAt || !ok || err != nil {
		t.Errorf("next call: t0%+d, %t, %v", at-t0, ok, err)
	}
	if _, err := h.Due(ActionSend, t0, 9); !errors.Is(err, errByAccount) {
		t.Errorf("what is to be sent, over all accounts: %v", err)
	}
}

// TestUnresolved: what is uncertain is listed by number, page by page, with the call that it is about.
func TestUnresolved(t *testing.T) {
	h := newHarness(t)
	var want []Number
	for i := range 20 {
		n := h.accept(message("shop"), message("bank"))
		h.now++
		a := h.begin(n...)
		if i%3 == 0 {
			h.finish(Outcome{Attempt: a.ID, Kind: OutcomeUncertain, DueAt: h.now + int64(1000-7*i)}) // the first are due last
			want = append(want, n...)
		}
	}
	var got []Uncertain
	for limit := 1; ; limit++ {
		after := Number(0)
		if len(got) > 0 {
			after = got[len(got)-1].Number
		}
		page, err := h.Unresolved(after, limit)
		if err != nil || len(page) > limit {
			t.Fatalf("%d behind %s: %v", len(page), after, err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	var numbers []Number
	for _, u := range got {
		numbers = append(numbers, u.Number)
		if a, err := h.AttemptByOutID(u.OutID); err != nil || a.ID != u.Status.Attempt {
			t.Errorf("%+v is of attempt %d, %v", u.Status, a.ID, err)
		}
		if u.Route != "main" || u.Since != u.Status.AcceptedAt+1 || u.Members != 2 || u.DueAt != u.Status.DueAt || u.Message.Text == "" {
			t.Errorf("%+v", u)
		}
	}
	if !slices.Equal(numbers, want) {
		t.Errorf("uncertain: %v, want %v", numbers, want)
	}
	if f := h.Figures(); f.Messages[StateUncertain] != uint64(len(want)) {
		t.Errorf("figures: %d uncertain, want %d", f.Messages[StateUncertain], len(want))
	}
	for _, limit := range []int{0, -1} {
		if page, err := h.Unresolved(0, limit); len(page) != 0 || err != nil {
			t.Errorf("limit %d: %d, %v", limit, len(page), err)
		}
	}
}
