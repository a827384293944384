package cluster

import (
	"testing"
	"time"
)

func TestClocksAreCompared(t *testing.T) {
	const s = time.Second
	tests := []struct {
		name     string
		ahead    []time.Duration // by how much the others are
		voters   int
		offset   time.Duration // by how much this node is
		outvoted bool
	}{
		{"nobody heard", nil, 3, 0, false},
		{"all agree", []time.Duration{s / 10, s / 5}, 3, -s / 10, false},
		{"this node is ahead of both", []time.Duration{-5 * s, -6 * s}, 3, 5 * s, true},
		{"this node is behind both", []time.Duration{3 * s, 4 * s}, 3, -3 * s, true},
		{"one of two others is off", []time.Duration{time.Hour, s / 2}, 3, -s / 2, false},
		{"one of two others is off the other way", []time.Duration{-time.Hour, -s / 2}, 3, s / 2, false},
		{"all three differ", []time.Duration{5 * s, 10 * s}, 3, -5 * s, false},
		{"only one other heard", []time.Duration{-time.Hour}, 3, time.Hour, false},
		{"two nodes", []time.Duration{-time.Hour}, 2, time.Hour, false},
		{"at the bound", []time.Duration{2 * s, 2 * s}, 3, -2 * s, false},
		{"five, two off with this one", []time.Duration{0, 0, -9 * s, -9 * s}, 5, 0, false},
		{"five, three agree against this one", []time.Duration{-9 * s, -9 * s, -9 * s, 0}, 5, 9 * s, true},
		{"five, two agree against this one, two away", []time.Duration{-9 * s, -9 * s}, 5, 9 * s, false},
	}
	for _, test := range tests {
		got := compareClocks(test.ahead, test.voters/2+1)
		if got.offset != test.offset || got.outvoted != test.outvoted || got.known != (len(test.ahead) > 0) {
			t.Errorf("%s: %+v, want offset %v, outvoted %v", test.name, got, test.offset, test.outvoted)
		}
	}
}

// TestSteadyClockDoesNotFollowALeap that the others disagree with, and follows one that they agree with.
func TestSteadyClockDoesNotFollowALeap(t *testing.T) {
	begin := time.Unix(1_900_000_000, 0)
	for _, leap := range []time.Duration{time.Hour, -time.Hour} {
		wall, outvoted := begin, false
		c := &steadyClock{wall: func() time.Time { return wall }, outvoted: func() bool { return outvoted }}
		if got := c.now(); got != begin {
			t.Errorf("first look: %v, want %v", got, begin)
		}
		wall, outvoted = begin.Add(leap), true
		got := c.now()
		if d := got.Sub(begin); d <= 0 || d > time.Minute {
			t.Errorf("after a leap of %v that the others disagree with: %v later, want a little", leap, d)
		}
		if later := c.now(); !later.After(got) {
			t.Errorf("%v after %v: it stands still", later, got)
		}
		outvoted = false
		if got := c.now(); got != wall {
			t.Errorf("after a leap that the others have made too: %v, want %v", got, wall)
		}
		wall, outvoted = begin, true
		c.reset()
		if got := c.now(); got != wall {
			t.Errorf("in another reign: %v, want %v", got, wall)
		}
	}
}
