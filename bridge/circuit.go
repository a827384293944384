package bridge

import "time"

// When a circuit opens and closes. A run of faults, not a share of the last so many: it needs no window of time to be right
// at 1 call a minute and at 1,000 a second, opens within the first round of an outage, and a route of which every other
// call fails will have such a run soon, too. What is sent to a route that is down is not lost but late or uncertain, so a
// few messages must do to notice it.
const (
	circuitFaults = 5               // in a row open it
	circuitProbes = 2               // in a row close it: one may have been lucky
	circuitRest   = 5 * time.Second // doubling
	circuitMost   = time.Minute
)

// circuitState is what a route is used for.
type circuitState uint8

const (
	circuitClosed   circuitState = iota // for everything
	circuitOpen                         // for nothing, for a time
	circuitHalfOpen                     // for one message at a time, to see whether it is well again
)

// circuitNames are the states in metrics, logs and answers to operators.
var circuitNames = [...]string{circuitClosed: "closed", circuitOpen: "open", circuitHalfOpen: "half-open"}

func (s circuitState) String() string { return circuitNames[s] }

// circuit is the breaker of one route. sony/gobreaker would count as well, but cannot be opened by what another
// route's answer says of their account, nor rest longer each time, nor leave the choice of the probe to its user.
type circuit struct {
	state  circuitState
	since  time.Time     // of the state
	until  time.Time     // circuitOpen: the end of its rest
	rest   time.Duration // the last one; 0 = it has been well since
	faults int           // circuitClosed: in a row
	passed int           // circuitHalfOpen: probes in a row
	probes bool          // circuitHalfOpen: one is under way
	why    string        // the code that opened it

	// turn grows with each change. Of the calls that were under way when a circuit opened many fail: they tell nothing new,
	// and must not make its rest longer.
	turn uint64
}

func (c *circuit) closed() bool { return c.state == circuitClosed }

// wantsProbe reports whether a message is to be sent to see whether the route is well again.
func (c *circuit) wantsProbe() bool { return c.state == circuitHalfOpen && !c.probes }

func (c *circuit) become(s circuitState, now time.Time) {
	c.state, c.since = s, now
	c.faults, c.passed, c.probes = 0, 0, false
	c.turn++
}

// wake ends a rest whose time is over, and reports whether it has.
func (c *circuit) wake(now time.Time) bool {
	if c.state != circuitOpen || now.Before(c.until) {
		return false
	}
	c.become(circuitHalfOpen, now)
	return true
}

// trip opens a circuit that is not open, for longer each time until it has been closed.
func (c *circuit) trip(now time.Time, why string) bool {
	if c.state == circuitOpen {
		return false
	}
	c.rest = min(max(2*c.rest, circuitRest), circuitMost)
	c.why, c.until = why, now.Add(c.rest)
	c.become(circuitOpen, now)
	return true
}

// fault notes that a call of a turn has failed for the route's sake.
func (c *circuit) fault(turn uint64, now time.Time, why string) bool {
	if turn != c.turn {
		return false
	}
	c.faults++
	return (c.state == circuitHalfOpen || c.faults >= circuitFaults) && c.trip(now, why)
}

// good notes that a call of a turn was answered.
func (c *circuit) good(turn uint64, now time.Time) bool {
	if turn != c.turn {
		return false
	}
	c.faults, c.probes = 0, false
	if c.state != circuitHalfOpen {
		return false
	}
	if c.passed++; c.passed < circuitProbes {
		return false
	}
	c.rest, c.why = 0, ""
	c.become(circuitClosed, now)
	return true
}

// nothing notes that a call of a turn was not made, or has told nothing. A probe that tells nothing is repeated after a
// rest like the last: it costs a message.
func (c *circuit) nothing(turn uint64, now time.Time) bool {
	if turn != c.turn || c.state != circuitHalfOpen {
		return false
	}
	c.until = now.Add(max(c.rest, circuitRest))
	c.become(circuitOpen, now)
	return true
}
