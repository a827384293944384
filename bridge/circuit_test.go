package bridge

import (
	"testing"
	"time"
)

// TestCircuit: a run of faults opens it, its rest doubles until it was well again, probes in a row close it.
func TestCircuit(t *testing.T) {
	now := time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)
	var c circuit
	for range 3 {
		for range circuitFaults - 1 {
			if c.fault(c.turn, now, "timeout") {
				t.Fatal("opened before a run of faults")
			}
		}
		c.good(c.turn, now)
	}
	for i, want := range []time.Duration{5, 10, 20, 40, 60, 60} {
		want *= time.Second
		late := c.turn
		for range circuitFaults {
			c.fault(late, now, "timeout") // while half-open the first of them counts
		}
		if c.state != circuitOpen || c.until.Sub(now) != want || c.why != "timeout" {
			t.Fatalf("opening %d: %v for %v by %q, want open for %v", i, c.state, c.until.Sub(now), c.why, want)
		}
		if c.good(late, now); c.state != circuitOpen {
			t.Fatal("closed by a call that began before it opened")
		}
		if c.wake(c.until.Add(-1)) || !c.wake(c.until) || !c.wantsProbe() {
			t.Fatal("its rest does not end when it is over")
		}
		now = c.until
	}
	if c.good(c.turn, now) || !c.good(c.turn, now) || !c.closed() {
		t.Fatalf("after two probes that went well it is %v, want closed", c.state)
	}
	if c.trip(now, "keys"); c.until.Sub(now) != circuitRest {
		t.Errorf("the next rest is %v, want %v", c.until.Sub(now), circuitRest)
	}
	c.wake(c.until)
	if c.nothing(c.turn, now); c.state != circuitOpen || c.rest != circuitRest {
		t.Errorf("a probe that told nothing leaves it %v with a rest of %v, want open as before", c.state, c.rest)
	}
}
