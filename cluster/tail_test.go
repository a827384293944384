package cluster

import (
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

func commandsAt(from, to uint64) (es []*raft.Log) {
	for i := from; i <= to; i++ {
		es = append(es, &raft.Log{Index: i, Term: 1, Type: raft.LogCommand, Data: []byte{byte(i)}})
	}
	return es
}

// TestTail: what is added is there to be read at once, and is waited for until it is written; what gathers meanwhile is
// written together.
func TestTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		writes, goOn := make(chan []*raft.Log, 1), make(chan error)
		tl := newTail(func(es []*raft.Log) error { writes <- es; return <-goOn })
		state := func(last, synced uint64) {
			t.Helper()
			if tl.last() != last || tl.synced() != synced {
				t.Errorf("last %d and synced %d, want %d and %d", tl.last(), tl.synced(), last, synced)
			}
		}
		state(0, math.MaxUint64)
		tl.add(commandsAt(5, 6))
		synctest.Wait()
		tl.add(commandsAt(7, 7))
		tl.add(commandsAt(8, 9))
		state(9, 4)
		var e raft.Log
		for i := uint64(3); i <= 11; i++ {
			if got := tl.get(i, &e); got != (i >= 5 && i <= 9) || got && e.Index != i {
				t.Errorf("entry %d: %v, %+v", i, got, e)
			}
		}
		ended := make(chan uint64, 4)
		wait := func(name uint64, wait func() error) {
			if err := wait(); err != nil {
				t.Errorf("the wait for %d: %v", name, err)
			}
			ended <- name
		}
		for _, i := range []uint64{4, 6, 7} {
			go wait(i, func() error { return tl.await(i) })
		}
		go wait(9, tl.settle)
		var all []uint64
		want := func(what string, indexes ...uint64) {
			t.Helper()
			for synctest.Wait(); len(ended) > 0; {
				all = append(all, <-ended)
			}
			if slices.Sort(all); !slices.Equal(all, indexes) {
				t.Errorf("%s: the waits for %d have ended, want %d", what, all, indexes)
			}
		}
		want("while the first are written", 4)
		if first := <-writes; len(first) != 2 {
			t.Errorf("%d entries are written first, want 2", len(first))
		}
		goOn <- nil
		want("while the others are written", 4, 6)
		state(9, 6)
		if rest := <-writes; len(rest) != 3 || rest[0].Index != 7 {
			t.Errorf("%d entries are written then, want 3", len(rest))
		}
		tl.add(commandsAt(10, 10)) // settle is not about it
		goOn <- nil
		want("with a later one", 4, 6, 7, 9)
		<-writes
		closed := make(chan struct{})
		go func() { tl.close(); close(closed) }()
		synctest.Wait()
		select {
		case <-closed:
			t.Error("closed before all was written")
		default:
		}
		goOn <- nil
		<-closed
		state(0, math.MaxUint64)
	})
}

// TestTailThatCannotBeWritten: who waits for what will not be on the disk is told why, at once and later.
func TestTailThatCannotBeWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		broken := errors.New("broken")
		tl := newTail(func([]*raft.Log) error { return broken })
		tl.add(commandsAt(5, 6))
		got := make(chan error, 1)
		go func() { got <- tl.await(6) }()
		if err := <-got; !errors.Is(err, broken) {
			t.Errorf("await: %v", err)
		}
		tl.add(commandsAt(7, 7))
		if err := tl.settle(); !errors.Is(err, broken) {
			t.Errorf("settle: %v", err)
		}
		if err := tl.await(4); err != nil {
			t.Errorf("await what was written before: %v", err)
		}
		if tl.synced() != 4 {
			t.Errorf("synced %d, want 4", tl.synced())
		}
		tl.close()
	})
}

// TestOnlyALeadersCommandsAreWrittenLate: everything else is on the disk when the log returns, and what came before
// with it.
func TestOnlyALeadersCommandsAreWrittenLate(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 1)
	s := newSite(t, nil)
	cfg := s.config().withDefaults()
	cfg.step = func(place string) {
		if place == stepAppend {
			select {
			case held <- struct{}{}:
			default:
			}
			<-hold
		}
	}
	l, err := openLog(cfg, newFault(nil), newRaftLogger(cfg.Log))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		close(hold)
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}()
	sends := false
	l.sends = func() bool { return sends }
	l.applied, l.held = func() uint64 { return 0 }, func(uint64, uint64) (uint64, bool) { return 0, false }
	limit := time.After(patience)
	// late has do change the log and says whether it may return before the disk has taken anything.
	late := func(what string, want bool, do func() error) {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- do() }()
		goOn := hold
		if want {
			goOn = nil
		} else {
			select {
			case <-held:
			case <-limit:
				t.Fatalf("%s: nothing is appended", what)
			}
			select {
			case err := <-done:
				t.Fatalf("%s: did not wait for the disk: %v", what, err)
			default:
			}
		}
		for { // what it waits for may be several appends
			select {
			case goOn <- struct{}{}:
			case err := <-done:
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				return
			case <-limit:
				t.Fatalf("%s: does not end", what)
			}
		}
	}
	store := func(e raft.Log) func() error { return func() error { return l.StoreLogs([]*raft.Log{&e}) } }
	late("a follower's command", false, store(raft.Log{Index: 1, Term: 1, Data: []byte("a")}))
	sends = true
	late("a leader's first entry", false, store(raft.Log{Index: 2, Term: 2, Type: raft.LogNoop}))
	late("a leader's command", true, store(raft.Log{Index: 3, Term: 2, Data: []byte("b")}))
	var e raft.Log
	if err := l.GetLog(3, &e); err != nil || string(e.Data) != "b" {
		t.Errorf("entry 3: %q, %v", e.Data, err)
	}
	if last, err := l.LastIndex(); last != 3 || err != nil {
		t.Errorf("last index %d, %v", last, err)
	}
	late("a barrier", false, store(raft.Log{Index: 4, Term: 2, Type: raft.LogBarrier}))
	late("another command", true, store(raft.Log{Index: 5, Term: 2, Data: []byte("c")}))
	sends = false
	late("a follower's command behind it", false, store(raft.Log{Index: 6, Term: 3, Data: []byte("d")}))
	sends = true
	late("a third command", true, store(raft.Log{Index: 7, Term: 4, Data: []byte("e")}))
	late("another leader's entries in its place", false, func() error { return l.DeleteRange(6, 7) })
	if last, err := l.LastIndex(); last != 5 || err != nil {
		t.Errorf("last index %d, %v", last, err)
	}
}
