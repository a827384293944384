package store

import (
	"fmt"
	"slices"
	"testing"
)

func heard(account string, digest byte, keepFor int64) IncomingItem {
	return IncomingItem{
		Account: account, Digest: [16]byte{3: digest}, KeepFor: keepFor, Source: Address{1, 1, "8613800000000"}, Dest: Address{5, 0, "10690000"},
		ServiceType: "MO", Text: fmt.Sprint("退订", digest), At: t0 - 500,
	}
}

func (h *harness) hear(items ...IncomingItem) []bool {
	h.t.Helper()
	return h.apply(&Incoming{Items: items}).(*IncomingResult).Taken
}

// TestIncomingEntersTheOutbox: among the receipts, in order, and leaves it as they do.
func TestIncomingEntersTheOutbox(t *testing.T) {
	h := newest(t)
	wake, cancel := h.Watch(WatchOutbox)
	defer cancel()
	finish := func() {
		n := h.accept(message("shop"))[0]
		h.apply(&Close{Items: []CloseItem{{Number: n, Revision: 1, Ending: EndRejected, Err: "1"}}})
		<-wake
	}
	finish()
	h.now += 1000
	if got := h.hear(heard("shop", 1, 1000), heard("bank", 2, 1000)); !slices.Equal(got, []bool{true, true}) {
		t.Fatalf("taken %v", got)
	}
	select {
	case <-wake:
	default:
		t.Error("the outbox's watcher was not told")
	}
	finish()
	for range 2 {
		box := h.outbox("shop")
		if len(box) != 3 || box[0].Incoming || !box[1].Incoming || box[2].Incoming || box[0].Seq >= box[1].Seq || box[1].Seq >= box[2].Seq {
			t.Fatalf("outbox %+v", box)
		}
		want := Receipt{
			Seq: box[1].Seq, Account: "shop", Incoming: true, Text: "退订1", Source: Address{1, 1, "8613800000000"}, Dest: Address{5, 0, "10690000"},
			ServiceType: "MO", AcceptedAt: t0 - 500, QueuedAt: t0 + 1000,
		}
		if box[1] != want {
			t.Errorf("entry %+v\nwant %+v", box[1], want)
		}
		if f := h.Figures(); f.Outbox != 2 || f.Incoming != 2 || f.OldestOutbox != t0 || !slices.Equal(h.OutboxAccounts(), []string{"bank", "shop"}) {
			t.Errorf("figures %+v, accounts %v", f, h.OutboxAccounts())
		}
		h.restart()
	}
	seqs := []uint64{h.outbox("shop")[0].Seq, h.outbox("shop")[1].Seq}
	if r := h.apply(&Delivered{Account: "shop", Seqs: append(seqs, seqs...)}).(*DeliveredResult); r.Applied != 2 {
		t.Errorf("%d delivered, want 2", r.Applied)
	}
	if f := h.Figures(); f.Outbox != 1 || f.Incoming != 1 || f.OldestOutbox != t0+1000 {
		t.Errorf("figures %+v", f)
	}
	h.apply(&Delivered{Account: "bank", Seqs: []uint64{h.outbox("bank")[0].Seq}})
	if f := h.Figures(); f.Incoming != 0 || len(h.OutboxAccounts()) != 1 {
		t.Errorf("figures %+v", f)
	}
}

// TestIncomingComesAgain: what comes again within its time is not taken, whoever's it would be now, also by a node that
// has started anew; after it, it is another.
func TestIncomingComesAgain(t *testing.T) {
	h := newest(t)
	if got := h.hear(heard("shop", 1, 1000), heard("shop", 1, 1000), heard("bank", 1, 1000), heard("shop", 0, 1000), heard("shop", 0, 1000)); !slices.Equal(got, []bool{true, false, false, true, true}) {
		t.Errorf("taken %v", got)
	}
	for _, step := range []struct {
		at   int64
		want bool
	}{{999, false}, {1000, true}, {1999, false}, {2000, true}} {
		h.now = t0 + step.at
		h.restart()
		if got := h.hear(heard("shop", 1, 1000)); got[0] != step.want {
			t.Errorf("%d ms after the first it is taken: %t", step.at, got[0])
		}
	}
	if got := h.hear(heard("shop", 1, 5000)); got[0] {
		t.Error("a longer KeepFor of the second one made it another")
	}
}

// TestIncomingIsForgotten: what counts no more leaves memory and file, by a Purge or by what comes after it.
func TestIncomingIsForgotten(t *testing.T) {
	h := newest(t)
	for i := range byte(20) {
		h.hear(heard("shop", i+1, 1000))
	}
	h.now += 1000
	for i := range byte(5) {
		h.hear(heard("shop", 100+i, 1000))
	}
	if n := len(h.machine.heard); n != 20-10+5 {
		t.Errorf("%d are remembered, want 15", n)
	}
	h.apply(&Purge{Before: h.now})
	h.restart()
	if n := len(h.machine.heard); n != 5 {
		t.Errorf("%d are remembered, want 5", n)
	}
}
