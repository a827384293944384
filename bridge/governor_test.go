package bridge

import (
	rtmetrics "runtime/metrics"
	"testing"
	"time"

	"smppbridge/store"
)

func TestGovernorGivesWayToAccepting(t *testing.T) {
	g := newGovernor()
	g.most = 256
	for range 50 {
		g.adjust(100*time.Microsecond, 0)
	}
	if g.limit != 256 {
		t.Errorf("with idle processors the limit is %v, want all 256 workers", g.limit)
	}
	g.adjust(2*time.Millisecond, 5000)
	if g.limit != 256 {
		t.Errorf("between the bounds the limit moved to %v", g.limit)
	}
	for range 50 {
		g.adjust(20*time.Millisecond, 5000)
	}
	if g.limit != governLeast {
		t.Errorf("with busy processors the limit is %v, want %d", g.limit, governLeast)
	}
	g.adjust(0, 5000)
	if g.limit <= governLeast {
		t.Error("the limit does not come back")
	}
}

// TestGovernorLeavesFewCallsAlone: where others keep the processors busy, limiting the few calls that are made helps nobody: what
// is accepted meanwhile would wait until it expires.
func TestGovernorLeavesFewCallsAlone(t *testing.T) {
	g := newGovernor()
	now := time.Unix(1, 0)
	limit := 0
	for i := range 200 {
		limit = g.allow(now, 256, store.Number(i+1))
		g.adjust(20*time.Millisecond, governSlow/2)
		now = now.Add(governEvery)
	}
	if limit != 256 {
		t.Errorf("with few calls and busy processors the limit is %d, want all 256 workers", limit)
	}
	for i := range 50 {
		g.begun = 100 // in 50 ms: 2,000 a second
		g.allow(now, 256, store.Number(i+1))
		g.adjust(20*time.Millisecond, 2000)
		now = now.Add(governEvery)
	}
	if g.limit > 2*governLeast {
		t.Errorf("with many calls and busy processors the limit is %v", g.limit)
	}
}

func TestGovernorNinthDecile(t *testing.T) {
	g := newGovernor()
	h := &rtmetrics.Float64Histogram{Counts: []uint64{0, 0, 0, 0}, Buckets: []float64{0, 0.001, 0.01, 0.1, 1}}
	tests := []struct {
		name string
		add  [4]uint64 // to the counts since the last look
		want time.Duration
	}{
		{"nothing", [4]uint64{}, 0},
		{"all short", [4]uint64{100, 0, 0, 0}, 0},
		{"one in twenty long", [4]uint64{95, 0, 0, 5}, 0},
		{"one in five long", [4]uint64{80, 0, 20, 0}, 10 * time.Millisecond},
		{"spread over the long ones", [4]uint64{80, 8, 6, 6}, 10 * time.Millisecond},
		{"all long", [4]uint64{0, 0, 0, 7}, 100 * time.Millisecond},
	}
	for _, tt := range tests {
		for i, n := range tt.add {
			h.Counts[i] += n
		}
		if got := g.since(h); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestGovernorHasNothingToGiveWayTo: a second after the last message was accepted the wait does not count, and with the next one
// it does again.
func TestGovernorHasNothingToGiveWayTo(t *testing.T) {
	g, now := newGovernor(), time.Unix(1, 0)
	for i, step := range []struct {
		after    time.Duration
		accepted store.Number
		want     time.Duration
	}{
		{0, 7, waitTooLong}, {governQuiet - 1, 7, waitTooLong}, {1, 7, 0}, {time.Hour, 7, 0}, {1, 8, waitTooLong}, {governQuiet, 8, 0},
	} {
		now = now.Add(step.after)
		g.allow(now, 256, step.accepted)
		if got := g.felt(now, waitTooLong); got != step.want {
			t.Errorf("step %d: %v counts, want %v", i, got, step.want)
		}
	}
}
