package store

import (
	"bytes"
	"reflect"
	"testing"

	bolt "go.etcd.io/bbolt"
)

// first returns the first entry of a bucket.
func (h *harness) first(id bucketID) (k, v []byte) {
	h.t.Helper()
	if err := h.read(func(tx *bolt.Tx) error {
		k, v = id.find(tx).Cursor().First()
		k, v = bytes.Clone(k), bytes.Clone(v)
		return nil
	}); err != nil {
		h.t.Fatal(err)
	}
	return k, v
}

// once makes a message that is not to be accepted twice within a second.
func once(account string, content byte) Message {
	m := message(account)
	m.Digest, m.DedupeFor = [16]byte{content, 15: 1}, 1000
	return m
}

// item accepts one message.
func (h *harness) item(m Message) AcceptItem {
	h.t.Helper()
	return h.items(m)[0]
}

// TestDuplicateGetsTheFirstsNumber: an account may have its messages compared with those of a
// moment ago.
func TestDuplicateGetsTheFirstsNumber(t *testing.T) {
	h := newHarness(t)
	n := h.accept(once("shop", 1))[0]
	again := AcceptItem{Code: AcceptDuplicate, Number: n}
	check := func(what string, m Message, want AcceptItem) {
		t.Helper()
		if got := h.item(m); got != want {
			t.Errorf("%s: %+v, want %+v", what, got, want)
		}
	}
	check("at once", once("shop", 1), again)
	check("another content", once("shop", 2), AcceptItem{Code: AcceptOK, Number: n + 1})
	check("another account", once("bank", 1), AcceptItem{Code: AcceptOK, Number: n + 2})
	plain := once("shop", 1)
	plain.Digest = [16]byte{}
	check("without a digest", plain, AcceptItem{Code: AcceptOK, Number: n + 3})
	longer := once("shop", 1)
	longer.DedupeFor = 60_000
	h.now = t0 + 999
	check("in the last moment, with a window of its own", longer, again)
	h.restart()
	check("after a restart", once("shop", 1), again)
	follower := newHarness(t)
	if err := follower.Restore(bytes.NewReader(h.snapshot())); err != nil {
		t.Fatal(err)
	}
	follower.index, follower.now = h.index, h.now
	for _, h := range []*harness{h, follower} {
		if got := h.item(once("shop", 1)); got != again {
			t.Errorf("on both sides of a snapshot: %+v", got)
		}
	}
	h.now = t0 + 1000
	check("a second later", once("shop", 1), AcceptItem{Code: AcceptOK, Number: n + 4})
	check("of the second one", once("shop", 1), AcceptItem{Code: AcceptDuplicate, Number: n + 4})
}

// TestDuplicateIsNotCharged: it is no message, whatever limits are reached.
func TestDuplicateIsNotCharged(t *testing.T) {
	h := newHarness(t)
	c := &Accept{
		Token:   Token{Node: "n1", Incarnation: 1, Seq: 1, Lowest: 1},
		Charges: [][]Charge{{{Key: "rate/shop", Amount: 1, Rules: []Rule{{Kind: RuleBucket, Limit: 1, Burst: 2, Period: 1e6}}}}},
	}
	for _, content := range []byte{1, 1, 1, 2, 2, 3} {
		c.Messages = append(c.Messages, Submission{Message: once("shop", content)})
	}
	want := &AcceptResult{Items: []AcceptItem{
		{Code: AcceptOK, Number: 1}, {Code: AcceptDuplicate, Number: 1}, {Code: AcceptDuplicate, Number: 1},
		{Code: AcceptOK, Number: 2}, {Code: AcceptDuplicate, Number: 2}, {Code: AcceptOverLimit},
	}}
	for range 2 { // the second time the token is answered, from the file
		if got := h.apply(c); !reflect.DeepEqual(got, want) {
			t.Fatalf("\n got %+v\nwant %+v", got, want)
		}
		h.restart()
	}
	if f := h.Figures(); f.NextNumber != 3 || f.Messages[StateAccepted] != 2 {
		t.Errorf("figures %+v", f)
	}
}

// TestFailedMessageMayComeAgain: a duplicate of what was not delivered would be lost with it.
func TestFailedMessageMayComeAgain(t *testing.T) {
	tests := []struct {
		name string
		end  func(h *harness, n Number)
		want AcceptCode
	}{
		{"waits", func(*harness, Number) {}, AcceptDuplicate},
		{"delivered", func(h *harness, n Number) {
			h.report(DeliveryReport{Number: n, Attempt: h.begin(n).ID, Ending: EndDelivered})
		}, AcceptDuplicate},
		{"unknown", func(h *harness, n Number) {
			h.finish(Outcome{Attempt: h.begin(n).ID, Kind: OutcomeUncertain})
			h.apply(&Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: EndUnknown}}})
		}, AcceptDuplicate},
		{"undeliverable", func(h *harness, n Number) {
			h.report(DeliveryReport{Number: n, Attempt: h.begin(n).ID, Ending: EndUndeliverable})
		}, AcceptOK},
		{"rejected", func(h *harness, n Number) {
			h.finish(Outcome{Attempt: h.begin(n).ID, Kind: OutcomeRejected, Ending: EndRejected})
		}, AcceptOK},
		{"deleted", func(h *harness, n Number) {
			h.apply(&Close{Items: []CloseItem{{Number: n, Revision: 1, Ending: EndDeleted}}})
		}, AcceptOK},
		{"replaced", func(h *harness, n Number) {
			h.apply(&Replace{Number: n, Revision: 1, Message: once("shop", 1)})
		}, AcceptOK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHarness(t)
			n := h.accept(once("shop", 1))[0]
			tt.end(h, n)
			h.restart()
			it := h.item(once("shop", 1))
			if it.Code != tt.want || it.Code == AcceptDuplicate && it.Number != n {
				t.Errorf("%+v, want code %d", it, tt.want)
			}
		})
	}
}

// TestLateEndLeavesTheSecondAlone: when the first one's time is over, its end says nothing about
// the second one with its content.
func TestLateEndLeavesTheSecondAlone(t *testing.T) {
	h := newHarness(t)
	first := h.accept(once("shop", 1))[0]
	h.now += 1000
	second := h.accept(once("shop", 1))[0]
	h.reject(first)
	if it := h.item(once("shop", 1)); it != (AcceptItem{Code: AcceptDuplicate, Number: second}) {
		t.Errorf("%+v, want a duplicate of %s", it, second)
	}
}

// TestDuplicateOfAGroupGoesByItsHead: that is the only message_id of it that the ESME was given.
func TestDuplicateOfAGroupGoesByItsHead(t *testing.T) {
	h := newHarness(t)
	group := func() []Message {
		m := multi("1", "2", "3", "4")
		for i, content := range []byte{1, 2, 2, 3} { // the third repeats the second
			m[i].Digest, m[i].DedupeFor = once("", content).Digest, 1000
		}
		return m
	}
	ok, dup := AcceptOK, AcceptDuplicate
	if got, want := h.items(group()...), []AcceptItem{{ok, 1, 0}, {ok, 2, 0}, {dup, 1, 0}, {ok, 3, 0}}; !reflect.DeepEqual(got, want) {
		t.Fatalf("first: %+v, want %+v", got, want)
	}
	h.wantGroup(1, 1, 2, 3)
	if got, want := h.items(group()...), []AcceptItem{{dup, 1, 0}, {dup, 1, 0}, {dup, 1, 0}, {dup, 1, 0}}; !reflect.DeepEqual(got, want) {
		t.Fatalf("again: %+v, want %+v", got, want)
	}
	h.reject(1) // may come again, and is a group of its own then, beside its duplicates
	if got, want := h.items(group()...), []AcceptItem{{ok, 4, 0}, {dup, 1, 0}, {dup, 1, 0}, {dup, 1, 0}}; !reflect.DeepEqual(got, want) {
		t.Fatalf("after the head failed: %+v, want %+v", got, want)
	}
	h.wantGroup(4)
	h.wantGroup(1, 1, 2, 3)
}

// TestRecentIsForgotten: memory and file are bounded by what counts, with and without a Purge.
func TestRecentIsForgotten(t *testing.T) {
	h := newHarness(t)
	for i := range 100 {
		m := once("shop", byte(i))
		if i == 50 {
			m.DedupeFor = 3_600_000
		}
		h.accept(m)
	}
	entries := func() (file int) {
		if err := h.read(func(tx *bolt.Tx) error {
			return bktRecent.find(tx).ForEach(func(_, _ []byte) error { file++; return nil })
		}); err != nil {
			t.Fatal(err)
		}
		memory := 0
		for _, byDigest := range h.machine.recent {
			memory += len(byDigest)
		}
		if memory != file {
			t.Errorf("%d entries in memory, %d in the file", memory, file)
		}
		return file
	}
	if n := entries(); n != 100 {
		t.Fatalf("%d entries, want 100", n)
	}
	h.now += 1000
	for i := range 50 {
		h.accept(once("bank", byte(i)))
	}
	if n := entries(); n != 51 { // two went for each that came, but for the one with a long window
		t.Errorf("%d entries, want 51", n)
	}
	h.now += 1000
	h.apply(&Purge{})
	if n := entries(); n != 1 {
		t.Errorf("%d entries after a purge, want 1", n)
	}
	h.now += 3_600_000
	h.apply(&Purge{})
	if n := entries(); n != 0 || len(h.machine.recent) != 0 {
		t.Errorf("%d entries, %d accounts at the end", n, len(h.machine.recent))
	}
}

// TestForgottenDigestIsTheSameAfterRestart: whether a node has restarted must not show in what it applies.
func TestForgottenDigestIsTheSameAfterRestart(t *testing.T) {
	run := func(restart bool) uint64 {
		h := newHarness(t)
		h.now = t0
		var burst []Message
		for i := byte(1); i <= 8; i++ { // a burst: more entries run out at once than the next Accept drops
			burst = append(burst, once("shop", i))
		}
		n := h.accept(burst...)
		h.apply(&Raise{Version: 2})
		first := n[7]
		h.now = t0 + 2000 // none counts any more; the Accept below drops two of them
		second := h.accept(once("shop", 8))[0]
		end := func(n Number) {
			h.apply(&Close{Items: []CloseItem{{Number: n, Revision: h.status(n).Revision, Ending: EndDeleted}}})
		}
		end(second)
		if restart {
			h.restart()
		}
		end(first)
		h.apply(&Mark{})
		_, hash := h.Marked()
		return hash
	}
	if a, b := run(false), run(true); a != b {
		t.Errorf("hash %016x without a restart, %016x with one", a, b)
	}
}
