package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestOwnersAreFixed: nodes of all versions find the same owner, and have equal parts.
func TestOwnersAreFixed(t *testing.T) {
	three := candidates([]store.Bind{
		{Node: "n1", Receives: true}, {Node: "n1", Session: 2, Receives: true}, {Node: "n2", Receives: true},
		{Node: "n3", Receives: true}, {Node: "n4", Receives: false}})
	for n, want := range map[store.Number]string{1: "n2", 2: "n1", 3: "n2", 4: "n2", 5: "n2", 1000: "n3", 1 << 40: "n1", 1<<63 + 7: "n3"} {
		if got := owner(three, n); got != want {
			t.Errorf("owner of %d is %s, want %s", uint64(n), got, want)
		}
	}
	parts := make(map[string]int)
	moved := 0
	for n := range store.Number(30000) {
		was := owner(three, n)
		parts[was]++
		if now := owner(three[:2], n); was != "n3" && now != was {
			moved++
		}
	}
	for node, n := range parts {
		if n < 9700 || n > 10300 {
			t.Errorf("%s owns %d of 30000, want a third", node, n)
		}
	}
	if len(parts) != 3 || moved > 0 {
		t.Errorf("%d owners, and %d changed although their owner stayed", len(parts), moved)
	}
	if got := owner(nil, 1); got != "" {
		t.Errorf("owner without candidates is %q", got)
	}
}

// TestReceiptsGoOverAllNodes: two nodes with receivers deliver an account's receipts, each those that it owns, each once.
func TestReceiptsGoOverAllNodes(t *testing.T) {
	inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
		for _, n := range []int{2, 3, 3} {
			l.terminal(f.at(n), "any", takesAll)
		}
		const n = 60
		l.submitted(f.at(1), "any", n)
		pass(time.Second)
		l.once(n)
		for i := 2; i <= 3; i++ {
			if got := l.at(f.at(i)); got < n/4 {
				t.Errorf("%s delivered %d of %d, want about half", f.at(i).id, got, n)
			}
		}
	})
}

// answersAfter answers after a while.
func answersAfter(after time.Duration) func(string) (time.Duration, smpp.Status, bool) {
	return func(string) (time.Duration, smpp.Status, bool) { return after, smpp.StatusOK, true }
}

// TestNewBindMovesNothingInFlight: what is in flight when a receiver binds to another node is answered where it is. What
// is not answered there in time is delivered by its new owner (promise 4).
func TestNewBindMovesNothingInFlight(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 40
		answers := func(id string) (time.Duration, smpp.Status, bool) {
			if id < store.Number(n/2).String() {
				return 5 * time.Second, smpp.StatusOK, true
			}
			return takesNothing(id)
		}
		l.terminal(f.at(1), "any", answers)
		l.submitted(f.at(1), "any", n)
		if got := l.at(f.at(1)); got != n {
			t.Fatalf("%d delivered by n1, want all %d", got, n)
		}
		l.terminal(f.at(2), "any", takesAll)
		pass(3 * time.Second)
		if got := l.at(f.at(2)); got != 0 {
			t.Errorf("%d delivered by n2 while they were in flight at n1", got)
		}
		pass(20 * time.Second)
		mine := 0
		for i := store.Number(n / 2); i <= n; i++ {
			times, accepted := l.heard(i)
			if mine2 := owner(candidates(f.book.Binds("any")), i) == "n2"; mine2 && (times != 2 || accepted != 1) {
				t.Errorf("receipt %d: %d times, taken %d; want it moved", i, times, accepted)
			} else if mine2 {
				mine++
			}
		}
		for i := store.Number(1); i < n/2; i++ {
			if times, accepted := l.heard(i); times != 1 || accepted != 1 {
				t.Errorf("receipt %d: %d times, taken %d; want once", i, times, accepted)
			}
		}
		if mine == 0 {
			t.Errorf("n2 owns none")
		}
	})
}

// TestNewOwnerWaitsForOneThatLags: the node that delivered so far does not know of the new bind yet, and begins to deliver
// what is the new one's (promise 4).
func TestNewOwnerWaitsForOneThatLags(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		slow := l.terminal(f.at(1), "one", answersAfter(300*time.Millisecond)) // one at a time
		_ = slow
		l.submitted(f.at(1), "one", 20)
		f.lead(f.at(2))
		f.at(1).hold()
		l.terminal(f.at(2), "one", takesAll)
		before := l.at(f.at(1))
		pass(1500 * time.Millisecond)
		if got := l.at(f.at(2)); got != 0 {
			t.Errorf("%d delivered by n2 while n1 did not know of it", got)
		}
		if got := l.at(f.at(1)); got == before {
			t.Errorf("n1 has delivered nothing meanwhile")
		}
		f.at(1).release()
		pass(10 * time.Second)
		l.once(20)
		if got := l.at(f.at(2)); got == 0 {
			t.Errorf("none delivered by n2 in the end")
		}
	})
}

// TestBindGoesBehindItsAnswers: an ESME answers and unbinds, before the answers are committed. The node that owns its
// receipts next does not deliver them again, nor does a session that binds again at once (promise 4).
func TestBindGoesBehindItsAnswers(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 20
		first := l.terminal(f.at(1), "any", answersAfter(2*time.Second))
		l.submitted(f.at(1), "any", n)
		l.terminal(f.at(2), "any", takesAll)
		f.decide(func(_ *member, c store.Command) fate {
			if _, ok := c.(*store.Delivered); ok {
				time.Sleep(time.Second) // in a bubble: the commit takes so long
			}
			return applied
		})
		pass(2010 * time.Millisecond)
		first.unbind()
		pass(100 * time.Millisecond)
		l.terminal(f.at(1), "any", takesAll)
		pass(20 * time.Second)
		for i := range n {
			if times, _ := l.heard(store.Number(i + 1)); times != 1 {
				t.Errorf("receipt %d delivered %d times, want once", i+1, times)
			}
		}
		l.once(n)
	})
}

// TestReceiptsMoveWhenABindGoes: at once, without an answer of the node that had it (promise 4).
func TestReceiptsMoveWhenABindGoes(t *testing.T) {
	for name, crash := range map[string]bool{"unbind": false, "crash": true} {
		t.Run(name, func(t *testing.T) {
			inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
				const n = 30
				goes := l.terminal(f.at(2), "any", takesNothing)
				l.terminal(f.at(3), "any", takesAll)
				l.submitted(f.at(1), "any", n)
				left := n - l.at(f.at(3))
				if left == 0 || left == n {
					t.Fatalf("%d of %d left to n2", left, n)
				}
				if crash {
					f.at(2).crash()
					pass(reapAfter)
					f.reap(f.at(2))
				} else {
					goes.unbind()
				}
				pass(2 * courierIdle)
				l.once(n)
				if crash {
					f.at(2).start()
					l.terminal(f.at(2), "any", takesAll)
					l.submitted(f.at(1), "any", n)
					pass(time.Second)
					l.once(2 * n)
				}
			})
		})
	}
}

// TestNoDeliveryOutOfTouch: a node that has not heard of a leader for a while begins no deliver_sm. What its ESMEs have
// answered is not delivered again when it is back (promise 4).
func TestNoDeliveryOutOfTouch(t *testing.T) {
	inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
		const n = 20
		l.terminal(f.at(3), "one", answersAfter(200*time.Millisecond)) // one at a time
		l.submitted(f.at(1), "one", n)
		f.at(3).cut(refused)
		pass(reapAfter / 3)
		before := l.at(f.at(3))
		pass(2 * time.Second)
		if got := l.at(f.at(3)); got != before || before == 0 || before > n/2 {
			t.Errorf("%d delivered, %d before it was out of touch, want no more", got, before)
		}
		f.at(3).heal()
		pass(10 * time.Second)
		l.once(n)
	})
}

// TestNodeThatComesBackCatchesUp: its binds were given away while it was cut off, and another node has delivered. When it
// hears the leader again, but does not know yet what has happened, it delivers nothing (promise 4).
func TestNodeThatComesBackCatchesUp(t *testing.T) {
	inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
		const n = 40
		l.terminal(f.at(3), "one", answersAfter(200*time.Millisecond))
		l.submitted(f.at(1), "one", n)
		f.at(3).cut(lost)
		pass(reapAfter)
		cutAt := l.at(f.at(3))
		f.reap(f.at(3))
		l.terminal(f.at(2), "one", takesAll)
		pass(5 * time.Second)
		f.mu.Lock()
		f.at(3).cutOff = false // but applies nothing yet
		f.tellLocked()
		f.mu.Unlock()
		pass(5 * time.Second)
		if got := l.at(f.at(3)); got != cutAt {
			t.Errorf("%d delivered by n3, knowing nothing of n2", got-cutAt)
		}
		f.at(3).release()
		pass(5 * time.Second)
		l.submitted(f.at(1), "one", n)
		pass(20 * time.Second)
		extra := 0
		for i := range 2 * n {
			times, accepted := l.heard(store.Number(i + 1))
			if accepted < 1 {
				t.Errorf("receipt %d taken %d of %d times", i+1, accepted, times)
			}
			extra += accepted - 1
		}
		if extra > reapAfterAnswers {
			t.Errorf("%d receipts twice, want at most those that n3's ESME answered while it was cut off", extra)
		}
		if got := l.at(f.at(3)); got == cutAt {
			t.Errorf("n3 delivers nothing any more")
		}
	})
}

// reapAfterAnswers is what an ESME that takes 200 ms for each can have answered before its node knows that it is cut off.
const reapAfterAnswers = 7

// TestUnreachableNodeIsWaitedFor: the nodes cannot reach each other, but both the leader. The new owner waits as long as
// the other one may have receipts in flight, and no longer; what is queued later is not held up (promise 4).
func TestUnreachableNodeIsWaitedFor(t *testing.T) {
	inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
		const n = 20
		l.terminal(f.at(2), "any", answersAfter(8*time.Second))
		l.submitted(f.at(1), "any", n)
		f.links(func(from, to *member, subject string) (time.Duration, error) {
			if from != f.at(1) && to != f.at(1) {
				return 100 * time.Millisecond, errCut
			}
			return 0, nil
		})
		l.terminal(f.at(3), "any", takesAll)
		pass(time.Second)
		l.submitted(f.at(1), "any", n)
		if got := l.at(f.at(3)); got == 0 {
			t.Errorf("what was queued later is held up")
		}
		pass(30 * time.Second)
		l.once(2 * n)
	})
}

// TestBacklogOfOthersCostsNothing: entries that another node owns are read once, kept by nobody, and read again when that
// node goes, however often it comes and goes not all the time.
func TestBacklogOfOthersCostsNothing(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 300
		e := l.terminal(f.at(1), "any", takesNothing)
		l.submitted(f.at(1), "any", n)
		l.terminal(f.at(2), "any", takesAll)
		pass(15 * time.Second)
		box := f.at(2).courier.mailboxes["any"]
		taken := l.at(f.at(2))
		box.mu.Lock() // each round takes it: what it has done is seen here
		if box.reading.passed < n || box.reading.passed > n+mailboxRead || len(box.held) != 0 || len(box.known) != 0 {
			t.Errorf("%d entries read of %d, %d held, %d known", box.reading.passed, n, len(box.held), len(box.known))
		}
		if taken < n/3 || taken > 2*n/3 {
			t.Errorf("%d of %d taken by n2, want half", taken, n)
		}
		began := box.reading.began
		box.mu.Unlock()
		pass(20 * time.Second)
		box.mu.Lock()
		if box.reading.began != began {
			t.Errorf("read again although no node went")
		}
		box.mu.Unlock()
		e.unbind()
		pass(time.Second)
		l.once(n)
	})
}

// TestRemovedEntriesAreNotReadAgain: a node that lags has had entries removed that its own store still has. Reading its
// outbox from the beginning, it does not deliver them again (promise 4).
func TestRemovedEntriesAreNotReadAgain(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 10
		l.terminal(f.at(2), "any", answersAfter(2*time.Second))
		l.submitted(f.at(1), "any", n)
		f.at(2).hold()
		pass(5 * time.Second)
		if got, there := f.at(1).waiting(), f.at(2).waiting(); got != 0 || there != n {
			t.Fatalf("%d in the outbox, %d by the node that lags, want 0 and %d", got, there, n)
		}
		box := f.at(2).courier.mailboxes["any"]
		box.mu.Lock() // each round takes it
		box.again = true
		box.mu.Unlock()
		pass(5 * time.Second)
		l.once(n)
		f.at(2).release()
		pass(time.Second)
		box.mu.Lock()
		defer box.mu.Unlock()
		if len(box.known) != 0 {
			t.Errorf("%d entries are known that are gone", len(box.known))
		}
	})
}
