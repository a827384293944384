package store

import (
	"fmt"
	"slices"
	"testing"
)

// multi makes the messages of one submit_multi, one for each destination.
func multi(destinations ...string) []Message {
	var messages []Message
	for i, d := range destinations {
		m := message("shop")
		m.Dest.Addr, m.Phone, m.Grouped = d, d, i > 0
		messages = append(messages, m)
	}
	return messages
}

// items accepts messages, whatever becomes of them.
func (h *harness) items(messages ...Message) []AcceptItem {
	h.t.Helper()
	c := &Accept{}
	for _, m := range messages {
		c.Messages = append(c.Messages, Submission{Message: m, Charges: -1})
	}
	return h.apply(c).(*AcceptResult).Items
}

func (h *harness) wantGroup(head Number, want ...Number) {
	h.t.Helper()
	if got, err := h.Group(head); err != nil || !slices.Equal(got, want) || len(want) == 0 && got != nil {
		h.t.Fatalf("group of %s: %v, want %v: %v", head, got, want, err)
	}
}

// reject ends a message.
func (h *harness) reject(n Number) {
	h.t.Helper()
	c := &Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: EndRejected}}}
	if h.apply(c).(*CloseResult).Applied != 1 {
		h.t.Fatalf("message %s was not closed", n)
	}
}

// TestGroupGoesByTheFirstAccepted: one that is refused does not stop the others, and does not count.
func TestGroupGoesByTheFirstAccepted(t *testing.T) {
	h := newHarness(t)
	messages := multi("1", "2", "3", "4")
	messages[0].PolicyVersion, messages[2].PolicyVersion = 99, 99 // refused
	messages = append(messages, multi("5")...)
	messages = append(messages, multi("6", "7")...)
	messages[6].Shape, messages[6].Echo = ShapeHex8, "e"
	it := h.items(messages...)
	for i, want := range []AcceptCode{AcceptStalePolicy, AcceptOK, AcceptStalePolicy, AcceptOK, AcceptOK, AcceptOK, AcceptOK} {
		if it[i].Code != want {
			t.Fatalf("message %d: %+v", i, it[i])
		}
	}
	h.restart()
	n2, n4, n5, n6, n7 := it[1].Number, it[3].Number, it[4].Number, it[5].Number, it[6].Number
	h.wantGroup(n2, n2, n4)
	h.wantGroup(n6, n6, n7)
	for _, n := range []Number{n4, n5, n7, 99} {
		h.wantGroup(n)
	}
	for _, n := range []Number{n7, n4, n5, n2} {
		h.reject(n)
	}
	want := []string{
		fmt.Sprint(n6, " 7 1 e"), fmt.Sprint(n2, " 4 0 "), fmt.Sprint(n5, " 5 0 "), fmt.Sprint(n2, " 2 0 "),
	}
	for i, r := range h.outbox("shop") {
		if got := fmt.Sprintf("%s %s %d %s", r.Number, r.Dest.Addr, r.Shape, r.Echo); got != want[i] {
			t.Errorf("receipt %d: %s, want %s", i, got, want[i])
		}
	}
}

// TestGroupBeginsWithItsAccept: a grouped message at the head of a command has nothing before it.
func TestGroupBeginsWithItsAccept(t *testing.T) {
	h := newHarness(t)
	first := h.accept(multi("1", "2")...)
	second := h.accept(multi("1", "2", "3")[1:]...)
	h.wantGroup(first[0], first...)
	h.wantGroup(second[0], second...)
}

// TestGroupOutlivesItsHead: what is left of a group keeps the message_id, also when the head is
// deleted.
func TestGroupOutlivesItsHead(t *testing.T) {
	h := newHarness(t)
	n := h.accept(multi("1", "2", "3", "4")...)
	h.reject(n[0])
	h.reject(n[2])
	h.apply(&Delivered{Account: "shop", Seqs: []uint64{1, 2}})
	h.now += 10
	purge := func(want int) {
		t.Helper()
		if r := h.apply(&Purge{Before: h.now}).(*PurgeResult); r.Messages != want {
			t.Fatalf("%d messages were deleted, want %d", r.Messages, want)
		}
	}
	purge(2)
	h.wantGroup(n[0], n[1], n[3])
	h.restart()
	h.reject(n[3])
	if r := h.outbox("shop")[0]; r.Number != n[0] || r.Dest.Addr != "4" {
		t.Errorf("receipt %+v", r)
	}
	h.apply(&Delivered{Account: "shop", Seqs: []uint64{3}})
	h.reject(n[1])
	h.apply(&Delivered{Account: "shop", Seqs: []uint64{4}})
	h.now += 10
	purge(2)
	h.wantGroup(n[0])
	if k, v := h.first(bktGroups); k != nil {
		t.Errorf("a group without members is there: %x %x", k, v)
	}
}

// TestPartsOfGroups: a long text to several destinations is several groups, one for each of its
// parts; each part's receipt goes by its own group's message_id.
func TestPartsOfGroups(t *testing.T) {
	h := newHarness(t)
	var heads, second []Number
	for seq := range uint8(2) {
		messages := multi("1", "2")
		for i := range messages {
			messages[i].Segment = Segment{Ref: 9, Total: 2, Seq: seq + 1}
		}
		n := h.accept(messages...)
		heads, second = append(heads, n[0]), append(second, n[1])
	}
	for _, n := range second {
		st := h.want(n, StateJoined, 0)
		if m, _, _ := h.Lookup(st.Whole); m.Grouped || len(m.Parts) != 2 {
			t.Errorf("whole %+v", m)
		}
	}
	h.reject(h.status(second[0]).Whole)
	for i, r := range h.outbox("shop") {
		if r.Number != heads[i] || r.Dest.Addr != "2" {
			t.Errorf("receipt %d: %+v", i, r)
		}
	}
}
