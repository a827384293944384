package bridge

import (
	"context"
	"log/slog"
	"time"

	"smppbridge/store"
)

// learn draws the conclusions about routes from the answer to a call.
func (d *dispatcher) learn(c *call, a *Answer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x, now := d.exits[c.route.Name], d.b.cfg.Steady()
	changed := false
	switch {
	case a.Account:
		d.tripAccount(c, now, a.Code)
		return
	case a.Outage:
		changed = x.circuit.fault(c.turn, now, a.Code)
	case a.Throttled:
		x.rate.halve(c.route.QPS, now)
		changed = x.circuit.good(c.turn, now)
	case a.Kind == store.OutcomeAccepted || a.Kind == store.OutcomeRejected:
		changed = x.circuit.good(c.turn, now)
	default:
		changed = x.circuit.nothing(c.turn, now)
	}
	if changed {
		d.logCircuit(c.route.Name, x)
	}
}

// tripAccount opens the circuits of all routes of one Alibaba Cloud account: what is wrong with it is so on each of them, and a
// message that failed for it must not be tried on the next. A circuit that has changed since the call began is left alone. d.mu is
// held.
func (d *dispatcher) tripAccount(c *call, now time.Time, why string) {
	for name, r := range d.b.policy.Load().routes {
		x := d.exitOf(r)
		if r.Account == c.route.Account && name != c.route.Name && !x.circuit.since.After(c.drafted) && x.circuit.trip(now, why) {
			d.logCircuit(name, x)
		}
	}
	// The policy may not have it any more, but it must not be left half open.
	x := d.exits[c.route.Name]
	if x.circuit.turn == c.turn && x.circuit.trip(now, why) {
		d.logCircuit(c.route.Name, x)
	}
}

// logCircuit tells of a change of a circuit. d.mu is held.
func (d *dispatcher) logCircuit(route string, x *exit) {
	switch x.circuit.state {
	case circuitOpen:
		d.b.log.Warn("route rests", "route", route, "code", x.circuit.why, "rest", x.circuit.until.Sub(x.circuit.since))
	case circuitHalfOpen:
		d.b.log.Info("route is tried again", "route", route)
	case circuitClosed:
		d.b.log.Info("route is well again", "route", route)
	}
}

// logAnswer tells of an answer that is not the usual one.
func (d *dispatcher) logAnswer(ctx context.Context, c *call, id store.AttemptID, a *Answer) {
	if a.Kind == store.OutcomeAccepted {
		return
	}
	level := slog.LevelInfo
	if a.Kind == store.OutcomeRetry { // during an outage that is every call, again and again
		level = slog.LevelDebug
	}
	d.b.log.Log(ctx, level, "call not accepted", "message_id", c.members[0].Number.String(), "messages", len(c.members),
		"attempt", uint64(id), "route", c.route.Name, "code", a.Code, "outcome", outcomeName(a.Kind), "err", a.Cause)
}
