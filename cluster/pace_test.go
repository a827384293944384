package cluster

import (
	"testing"
	"time"
)

// TestPacer: a stream keeps to its rate, and rests for as long as it works while others wait.
func TestPacer(t *testing.T) {
	tests := []struct {
		name string
		rate int64
		busy bool
		work time.Duration // for each of 100 pieces of 64 KiB
		want time.Duration // for all of them
	}{
		{"at its rate", 1 << 20, false, 0, 6250 * time.Millisecond},
		{"work counts", 1 << 20, false, 10 * time.Millisecond, 6250 * time.Millisecond},
		{"slower than its rate", 1 << 20, false, 100 * time.Millisecond, 10 * time.Second},
		{"others wait", 1 << 30, true, 10 * time.Millisecond, 2 * time.Second},
		{"others wait, and its rate is lower still", 1 << 20, true, 10 * time.Millisecond, 6250 * time.Millisecond},
		{"small pieces of work add up", 1 << 30, true, 100 * time.Microsecond, 20 * time.Millisecond},
	}
	for _, test := range tests {
		clock := time.Unix(0, 0)
		p := newPacer(test.rate, func() bool { return test.busy })
		p.now = func() time.Time { return clock }
		p.rest = func(d time.Duration) {
			if d > longestRest {
				t.Errorf("%s: a rest of %v", test.name, d)
			}
			clock = clock.Add(d)
		}
		p.sent(0) // its time begins
		for range 100 {
			clock = clock.Add(test.work)
			p.sent(64 << 10)
		}
		if got := clock.Sub(time.Unix(0, 0)); got < test.want*9/10 || got > test.want*11/10 {
			t.Errorf("%s: 100 pieces took %v, want about %v", test.name, got, test.want)
		}
	}
}
