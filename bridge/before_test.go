package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestCallStartsSoonAfterItsBegin: a call may start within a second of its Begin's commit, however soon that came after
// its proposal (DESIGN, 3).
func TestCallStartsSoonAfterItsBegin(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, f *fleet) {
		f.at(1).bind("any", smpp.Transmitter).accepted("hello")
		pass(time.Second)
		calls := f.api.called()
		if len(calls) != 1 {
			t.Fatalf("%d calls, want 1", len(calls))
		}
		if left := time.Until(calls[0].Before) + time.Second; left <= 0 || left > callWithin {
			t.Errorf("the call might have started up to %v after its Begin, want %v at most", left, callWithin)
		}
	})
}
