package bridge

import (
	"testing"
	"time"
)

// TestNewOwnerThatLags: what was in flight elsewhere was answered and removed, and the new owner, which has been told that
// nothing is in flight, has not applied that yet. It does not deliver it again (promise 4).
func TestNewOwnerThatLags(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 20
		l.terminal(f.at(1), "any", answersAfter(2*time.Second))
		l.submitted(f.at(1), "any", n)
		l.terminal(f.at(2), "any", takesAll)
		pass(100 * time.Millisecond)
		f.at(2).hold()
		pass(8 * time.Second)
		if got := f.at(1).waiting(); got != 0 {
			t.Fatalf("%d in the outbox, want none", got)
		}
		if got := l.at(f.at(2)); got != 0 {
			t.Errorf("%d delivered by n2 although n1 has delivered them", got)
		}
		f.at(2).release()
		pass(2 * time.Second)
		l.once(n)
	})
}
