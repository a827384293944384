package store

import (
	"errors"
	"slices"
	"testing"
)

// TestWaitingLooksAtFew: one call is one short read transaction, however much waits.
func TestWaitingLooksAtFew(t *testing.T) {
	h := newHarness(t)
	var want []Number
	for i := range 40 {
		m := message([]string{"shop", "bank"}[i%2])
		m.Urgent, m.Preferred, m.SendAt = i%3 == 0, i%4 == 0, t0+int64(i)
		n := h.accept(m)[0]
		if m.Account == "bank" {
			want = append(want, n)
		}
	}
	set := h.accept(part(1, 3, 2, "x"), part(1, 3, 1, "y")) // the shop's
	sent := h.accept(message("bank"))[0]
	h.begin(sent)
	looked := 0
	read := func(account string, looks int) (got []Number, calls int) {
		for cursor, more := (WaitCursor{}), true; more; calls++ {
			looked = 0
			items, next, again, err := h.Waiting(account, cursor, looks, func(*Message) bool { looked++; return true })
			if err != nil || looked > max(looks, 1) {
				t.Fatalf("looked at %d, not at %d: %v", looked, looks, err)
			}
			for _, it := range items {
				got = append(got, it.Number)
			}
			cursor, more = next, again
		}
		slices.Sort(got)
		return got, calls
	}
	for _, tt := range []struct{ looks, calls int }{{1000, 1}, {21, 1}, {10, 3}, {1, 21}, {0, 21}} {
		if got, calls := read("bank", tt.looks); !slices.Equal(got, want) || calls != tt.calls {
			t.Errorf("%d at a time: %v in %d calls, want %v in %d", tt.looks, got, calls, want, tt.calls)
		}
	}
	if got, _ := read("shop", 7); len(got) != 21 || got[20] != set[0] {
		t.Errorf("of the shop: %v; the set began with %s", got, set[0])
	}
	if got, _ := read("nobody", 7); got != nil {
		t.Errorf("of nobody: %v", got)
	}
	if _, next, more, err := h.Waiting("bank", WaitCursor{}, 9, func(*Message) bool { return false }); err != nil || !more || next == (WaitCursor{}) {
		t.Errorf("nothing matches: more %t, next %+v, %v", more, next, err)
	}
}

// TestSetOf: a Close names the first part that came, whichever part the ESME names.
func TestSetOf(t *testing.T) {
	h := newHarness(t)
	a := h.accept(part(1, 3, 2, ""), part(1, 3, 1, ""))
	b := h.accept(part(1, 3, 1, "")) // opens another set
	other := h.accept(part(2, 3, 1, ""))
	joined := h.accept(part(3, 2, 1, ""), part(3, 2, 2, ""))
	for part, want := range map[Number]Number{a[0]: a[0], a[1]: a[0], b[0]: b[0], other[0]: other[0]} {
		if got, err := h.SetOf(part); err != nil || got != want {
			t.Errorf("set of %s: %s, want %s: %v", part, got, want, err)
		}
	}
	for _, n := range []Number{joined[0], joined[1], joined[1] + 1, 99} {
		if got, err := h.SetOf(n); !errors.Is(err, ErrNotFound) {
			t.Errorf("set of %s: %s, %v", n, got, err)
		}
	}
}

func TestByMessageID(t *testing.T) {
	h := newHarness(t)
	short := message("shop")
	short.Shape = ShapeHex8
	first := h.accept(short, short)
	group := multi("1", "2") // 3 and 4
	group[0].Shape, group[1].Shape = ShapeHex8, ShapeHex8
	h.accept(group...)
	h.machine.meta.nextNumber = 1 << 32
	h.accept(message("bank")) // has the short spelling of the shop's first
	mine := h.accept(short)[0]
	if mine != 1<<32+5 { // 2 to 4 are in use
		t.Fatalf("the second round begins at %d", mine)
	}
	h.reject(3)
	h.apply(&Delivered{Account: "shop", Seqs: []uint64{1}})
	h.now += 10
	h.apply(&Purge{Before: h.now})
	tests := []struct {
		account string
		shape   Shape
		id      string
		want    Number
	}{
		{"shop", ShapeHex8, "00000001", first[0]},
		{"shop", ShapeHex8, "00000002", first[1]},
		{"shop", ShapeHex8, "00000003", 3}, // of which the second destination is left
		{"shop", ShapeHex8, "00000005", mine},
		{"bank", ShapeHex10, "0100000001", 1<<32 + 1},
		{"bank", ShapeHex10, "0000000001", 0},
		{"shop", ShapeHex8, "00000006", 0},
		{"shop", ShapeHex8, "0000000x", 0},
		{"nobody", ShapeHex8, "00000001", 0},
	}
	for _, tt := range tests {
		got, err := h.ByMessageID(tt.account, tt.shape, tt.id)
		if got != tt.want || (tt.want == 0) != errors.Is(err, ErrNotFound) {
			t.Errorf("%s of %s: %d, want %d: %v", tt.id, tt.account, got, tt.want, err)
		}
	}
	for _, n := range first {
		h.reject(n)
	}
	h.apply(&Delivered{Account: "shop", Seqs: []uint64{2, 3}})
	h.now += 10
	h.apply(&Purge{Before: h.now}) // the oldest message is 4 now
	if got, err := h.ByMessageID("shop", ShapeHex8, "00000003"); err != nil || got != 3 {
		t.Errorf("of a group older than all messages: %d, %v", got, err)
	}
}

// TestPreferredIsBetweenUrgentAndOthers: an action of its own, counted like the others.
func TestPreferredIsBetweenUrgentAndOthers(t *testing.T) {
	h := newHarness(t)
	var numbers []Number
	woken, cancel := h.Watch(WatchSend)
	defer cancel()
	for i, want := range []Action{ActionSend, ActionPrefer, ActionUrgent, ActionUrgent} {
		m := message("shop")
		m.Preferred, m.Urgent, m.SendAt = i&1 != 0, i&2 != 0, t0+100-int64(i)
		n := h.accept(m)[0]
		h.want(n, StateAccepted, want)
		numbers = append(numbers, n)
		select {
		case <-woken:
		default:
			t.Errorf("action %d woke nobody", want)
		}
	}
	h.reject(numbers[3])
	h.reject(numbers[2])
	f := h.Figures()
	if f.Due[ActionPrefer] != 1 || f.OldestSend != t0+99 {
		t.Errorf("figures %+v", f)
	}
	h.now = t0 + 99
	if a := h.begin(numbers[1]); !a.Members[0].Granted {
		t.Error("a preferred message was not granted")
	}
	h.finish(Outcome{Attempt: h.status(numbers[1]).Attempt, Kind: OutcomeRetry, DueAt: h.now + 5})
	h.want(numbers[1], StateRetry, ActionPrefer)
}
