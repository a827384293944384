package store

import (
	"errors"
	"math/rand/v2"
	"reflect"
	"testing"
)

// TestStagedIsDecidedAndNotSeen: a result is there before the commit, readers see nothing of it until then.
func TestStagedIsDecidedAndNotSeen(t *testing.T) {
	h := newHarness(t)
	first := h.accept(message("shop"))[0]
	before, sum := h.Figures(), h.sum()
	changed, stop := h.Watch(WatchSend)
	defer stop()
	for len(changed) > 0 {
		<-changed
	}
	for range 3 {
		h.index++
		c := &Accept{Messages: []Submission{{Message: message("shop"), Charges: -1}}}
		results, err := h.Stage([]Entry{{Index: h.index, Term: 1, Command: Encode(h.now, c)}})
		if err != nil {
			t.Fatal(err)
		}
		if r := results[0].(*AcceptResult); r.Items[0].Number != first+Number(h.index-1) {
			t.Errorf("entry %d: %+v", h.index, r)
		}
	}
	if index, _ := h.Applied(); index != 1 || h.LastNumber() != first || h.Figures() != before || h.sum() != sum || len(changed) != 0 {
		t.Errorf("before the commit: applied %d, last number %v, %d wakes", index, h.LastNumber(), len(changed))
	}
	if _, _, err := h.Lookup(first + 1); !errors.Is(err, ErrNotFound) {
		t.Errorf("a staged message can be looked up: %v", err)
	}
	if err := h.Commit(); err != nil {
		t.Fatal(err)
	}
	if index, _ := h.Applied(); index != 4 || h.LastNumber() != first+3 || len(changed) != 1 {
		t.Errorf("after the commit: applied %d, last number %v, %d wakes", index, h.LastNumber(), len(changed))
	}
	h.want(first+3, StateAccepted, ActionSend)
}

// TestStagedAndLostIsDecidedAlikeAgain stages a random sequence of commands in groups, commits some and loses
// others, as a crash does, and wants in the end the results and the file that the entries make one by one.
func TestStagedAndLostIsDecidedAlikeAgain(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 5
	}
	lost := 0
	for seed := range uint64(rounds) {
		rnd := rand.New(rand.NewPCG(seed, 78))
		single := newHarness(t)
		d := &driver{h: single, rnd: rnd, inc: 1}
		var entries []Entry
		var want []Result
		for range 250 {
			c := d.next()
			single.index++
			e := Entry{Index: single.index, Term: 1, Command: Encode(single.now, c)}
			results, err := single.Apply([]Entry{e})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			entries, want = append(entries, e), append(want, results[0])
		}
		other := newHarness(t)
		for at := 0; at < len(entries); {
			n := min(1+rnd.IntN(20), len(entries)-at)
			got, err := other.Stage(entries[at : at+n])
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if !reflect.DeepEqual(got, want[at:at+n]) {
				t.Fatalf("seed %d: other results from entry %d on", seed, at+1)
			}
			at += n
			switch rnd.IntN(6) {
			case 0, 1:
				if err := other.Commit(); err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
			case 2:
				other.restart()
				index, _ := other.Applied()
				lost += at - int(index)
				at = int(index)
			}
		}
		if err := other.Commit(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if other.sum() != single.sum() {
			t.Errorf("seed %d: another file", seed)
		}
		if got, want := other.Figures(), single.Figures(); !sameFigures(got, want) {
			t.Errorf("seed %d: figures\n got %+v\nwant %+v", seed, got, want)
		}
	}
	if lost == 0 {
		t.Error("nothing was ever lost")
	}
}

// TestStageThatFailsTakesAllBack: what was staged before it is not committed either, and the store stands still.
func TestStageThatFailsTakesAllBack(t *testing.T) {
	h := newHarness(t)
	h.accept(message("shop"))
	sum := h.sum()
	good := Entry{Index: 2, Term: 1, Command: Encode(h.now, &Accept{Messages: []Submission{{Message: message("shop"), Charges: -1}}})}
	if _, err := h.Stage([]Entry{good}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Stage([]Entry{{Index: 3, Term: 1, Command: []byte("no command")}}); err == nil {
		t.Fatal("staged what is no command")
	}
	if err := h.Commit(); err == nil {
		t.Error("committed after a failure")
	}
	if _, err := h.Stage([]Entry{good}); err == nil {
		t.Error("staged after a failure")
	}
	if err := h.RestoreFile(h.path); err == nil {
		t.Error("restored after a failure")
	}
	h.restart()
	if index, _ := h.Applied(); index != 1 || h.sum() != sum {
		t.Errorf("the file is at %d", index)
	}
}

// TestRestoreCountsWhatIsStaged: a snapshot that is ahead of the file, but not of what is staged, is of our past.
func TestRestoreCountsWhatIsStaged(t *testing.T) {
	h, other := newHarness(t), newHarness(t)
	var entries []Entry
	for i := range uint64(6) {
		entries = append(entries, numberedEntry(i+1))
	}
	if _, err := h.Apply(entries[:1]); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Apply(entries[:3]); err != nil {
		t.Fatal(err)
	}
	if err := other.Store.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Stage(entries[1:]); err != nil {
		t.Fatal(err)
	}
	if err := h.RestoreFile(other.path); err != nil {
		t.Fatal(err)
	}
	if index, _ := h.Applied(); index != 6 {
		t.Errorf("applied %d after a snapshot of 3 over a staged 6", index)
	}
}
