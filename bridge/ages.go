package bridge

import (
	"sync"
	"time"
)

// ages tells for how long something of the state has really been. The state's clock may leap: a wall clock
// is set, or a virtual machine is woken, and no majority knows better. What began before the leap is not older for it:
// its call may still be under way, and if it were thought to be over it would be made twice. So leaps are noticed by
// a clock that is never set, and what began before one does not count it. They are noticed by every node, from its start on,
// so that a new leader does not take for age what the clock of the one before it has leapt.
type ages struct {
	clock  func() time.Time // the state's
	steady func() time.Time // never set

	mu    sync.Mutex
	shown time.Time // guarded by mu; what clock showed at the last look
	at    time.Time // guarded by mu; of the last look, by steady
	leaps []leap    // guarded by mu; in the order they were made
}

// A leap is by how much the state's clock went too far.
type leap struct {
	until time.Time // what began later than that, by the state's clock, began after the leap
	by    time.Duration
}

const (
	leapLeast = 250 * time.Millisecond // no leap: two clocks are not read at once
	leapsMost = 32                     // kept
)

func newAges(clock, steady func() time.Time) *ages {
	a := &ages{clock: clock, steady: steady}
	a.at, a.shown = steady(), clock()
	return a
}

// since returns the time since the state's clock showed begun.
func (a *ages) since(begun time.Time) time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lookLocked()
	age := a.shown.Sub(begun)
	for _, l := range a.leaps {
		if !begun.After(l.until) {
			age -= l.by
		}
	}
	return max(age, 0)
}

func (a *ages) lookLocked() {
	before := a.steady()
	shown := a.clock().Round(0)
	// From before the last look to after this one: who is held up between two readings sees no leap.
	until := a.shown.Add(a.steady().Sub(a.at))
	if by := shown.Sub(until); by > leapLeast {
		a.leaps = append(a.leaps, leap{until: until, by: by})
	}
	if len(a.leaps) > leapsMost {
		a.leaps[1].by += a.leaps[0].by // what began between the two is taken for younger than it is
		a.leaps = a.leaps[1:]
	}
	a.shown, a.at = shown, before
}
