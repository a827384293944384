package cluster

import (
	"testing"
	"time"
	"unsafe"
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
	for _, leap := range []time.Duration{time.Hour, -time.Hour} {
		var off time.Duration
		outvoted := false
		c := &steadyClock{
			wall:     func() time.Time { return setBy(time.Now(), off) },
			outvoted: func() bool { return outvoted },
			leading:  func() bool { return false },
		}
		begin := time.Now().Round(0)
		near := func(when string, want time.Time) {
			t.Helper()
			if got := c.now().Round(0); got.Sub(want).Abs() > time.Minute {
				t.Errorf("%s: %v, want about %v", when, got, want)
			}
		}
		near("first look", begin)
		off, outvoted = leap, true
		near("after a leap that the others disagree with", begin)
		first := c.now()
		if later := c.now(); !later.After(first) {
			t.Errorf("%v after %v: it stands still", later, first)
		}
		outvoted = false
		near("after a leap that the others have made too", begin.Add(leap))
		off, outvoted = 0, true
		c.reset(time.Time{})
		near("in another reign", begin)
	}
}

// TestSteadyClockOfALeaderNeverGoesBack: the state's clock does not, and while stamps stood still no
// bucket of a limit would fill.
func TestSteadyClockOfALeaderNeverGoesBack(t *testing.T) {
	var off time.Duration
	leading := true
	c := &steadyClock{
		wall:     func() time.Time { return setBy(time.Now(), off) },
		outvoted: func() bool { return false },
		leading:  func() bool { return leading },
	}
	ahead := time.Now().Round(0).Add(time.Hour)
	c.reset(ahead)
	for _, set := range []time.Duration{0, -time.Hour} {
		off = set
		begin, was := time.Now(), c.now().Round(0)
		if was.Before(ahead) {
			t.Fatalf("%v, and the state's clock shows %v", was, ahead)
		}
		for time.Since(begin) < 20*time.Millisecond {
			if now := c.now().Round(0); now.Before(was) {
				t.Fatalf("%v after %v", now, was)
			}
		}
		took := time.Since(begin)
		if went := c.now().Round(0).Sub(was); went < 5*time.Millisecond || went > took*3/4 {
			t.Errorf("wall clock behind: %v have gone by in %v, want half", went, took)
		}
	}
	leading, off = false, 0
	if now := c.now(); time.Since(now.Round(0)).Abs() > time.Minute {
		t.Errorf("of a node that leads no longer: %v, want the wall clock's", now)
	}
}

// setBy returns what time.Now had returned at t on a machine whose clock was set by d: its monotonic
// reading is that of t. No function of package time makes such a time.
func setBy(t time.Time, d time.Duration) time.Time {
	type layout struct {
		wall uint64 // with a monotonic reading: 1 bit for that, 33 bits of seconds, 30 bits of nanoseconds
		ext  int64
		loc  *time.Location
	}
	(*layout)(unsafe.Pointer(&t)).wall += uint64(int64(d/time.Second)) << 30
	return t
}

// TestSetBy makes sure of what the tests above stand on.
func TestSetBy(t *testing.T) {
	now := time.Now()
	for _, d := range []time.Duration{time.Hour, -time.Hour} {
		if set := setBy(now, d); set.Sub(now) != 0 || set.Round(0).Sub(now.Round(0)) != d {
			t.Fatalf("%v set by %v: %v", now, d, set)
		}
	}
}
