package bridge

import (
	"time"
)

// exit is what the leader knows of a route: its running calls, its circuit, its pace under its qps. It lives as long as the
// leadership.
type exit struct {
	running int
	circuit circuit
	rate    rate
	credit  int  // see pick
	stopped bool // by an operator

	paceUntil time.Time // the route's meter has no room before
	pace      int       // calls to begin at a time; 0 = as many as there are workers
	drafted   int       // calls of the round that is being drafted
	searches  int       // for a message that tries it
}

// exitOf returns the exit of a route. d.mu is held.
func (d *dispatcher) exitOf(r *route) *exit {
	x := d.exits[r.Name]
	if x == nil {
		x = &exit{circuit: circuit{since: d.b.cfg.Steady()}}
		d.exits[r.Name] = x
	}
	return x
}

// usable reports whether messages may go there, as far as its circuit and operators say.
func (x *exit) usable() bool { return x.circuit.closed() && !x.stopped }

// room is how many more calls may begin on a route, whatever its circuit says.
func (x *exit) room(r *route, now time.Time) int {
	if now.Before(x.paceUntil) {
		return 0
	}
	n := r.Workers - x.running
	if x.pace > 0 {
		n = min(n, x.pace-x.drafted)
	}
	return max(n, 0)
}

// open prepares the exits for a round: rests that are over end. It returns how many calls may start, over all
// routes and under the governor, and on how many routes one more that tries whether they are well again: what is few does not
// wait for calls that hang.
func (d *dispatcher) open(pol *policy) (free, tries int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, steady := d.b.now(), d.b.cfg.Steady()
	n, workers := 0, 0
	for _, r := range pol.routes {
		x := d.exitOf(r)
		x.drafted, x.stopped = 0, d.brakes.holds(BrakeRoute, r.Name)
		if x.circuit.wake(steady) {
			d.logCircuit(r.Name, x)
		}
		if x.circuit.state != circuitOpen && !x.stopped {
			n += x.room(r, now)
		}
		if x.circuit.wantsProbe() && !x.stopped && x.room(r, now) > 0 {
			tries++
		}
		workers += r.Workers
	}
	return max(0, min(n, d.governor.allow(now, workers, d.b.store.LastNumber())-d.running)), tries
}

// forget drops the exits of routes that the policy has no more, but those with calls under way.
func (d *dispatcher) forget(pol *policy) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, x := range d.exits {
		if pol.routes[name] == nil && x.running == 0 {
			delete(d.exits, name)
		}
	}
}

// untilRoom says when the first exit that is closed for a time opens, if no call ends before.
func (d *dispatcher) untilRoom() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now, steady := d.b.now(), d.b.cfg.Steady()
	wait := idleScan
	for _, x := range d.exits {
		if left := x.paceUntil.Sub(now); left > 0 {
			wait = min(wait, left)
		}
		if left := x.circuit.until.Sub(steady); x.circuit.state == circuitOpen && left > 0 {
			wait = min(wait, left)
		}
	}
	return wait
}

// keepPace notes how many calls the route's meter granted of those asked for, and when it has room
// again. Asking for many more than it grants would be work for nothing.
func (d *dispatcher) keepPace(route string, granted, asked int, again time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.exits[route]
	switch {
	case granted < asked:
		x.pace, x.paceUntil = max(1, granted), again
	case x.pace > 0 && asked >= x.pace:
		x.pace *= 2
	}
}

// take claims a worker of the call's route.
func (d *dispatcher) take(c *call) {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.exitOf(c.route)
	x.running++
	x.drafted++
	d.running++
	d.groups[c.group]++
	c.turn, c.drafted = x.circuit.turn, d.b.cfg.Steady()
	if c.probe {
		x.circuit.probes = true
	}
}

// release gives the worker of a call back.
func (d *dispatcher) release(c *call) {
	d.mu.Lock()
	d.exits[c.route.Name].running--
	d.running--
	if d.groups[c.group]--; d.groups[c.group] <= 0 {
		delete(d.groups, c.group)
	}
	d.mu.Unlock()
	signal(d.freed)
}

// abandon gives the workers of calls back that were not begun, and their messages.
func (d *dispatcher) abandon(calls []*call) {
	for _, c := range calls {
		for i := range c.members {
			c.members[i].from.putBack(&c.members[i])
		}
		if c.probe {
			d.mu.Lock()
			if x := d.exits[c.route.Name]; x.circuit.turn == c.turn {
				x.circuit.probes = false
			}
			d.mu.Unlock()
		}
		d.release(c)
	}
}
