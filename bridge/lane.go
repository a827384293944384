package bridge

import (
	"time"

	"smppbridge/configs"
)

// lane is a route's running calls, its rest after account faults, and its pace under its qps.
type lane struct {
	running   int
	restUntil time.Time
	rest      time.Duration

	paceUntil time.Time // the route's meter has no room before
	pace      int       // calls to begin at a time; 0 = as many as there are workers
}

// free is how many calls may start now, over all routes and under the governor.
func (d *dispatcher) free(pol *policy) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, workers := 0, 0
	for name, r := range pol.routes {
		n += d.freeOf(name, r)
		workers += r.Workers
	}
	return max(0, min(n, d.governor.allow(d.b.now(), workers)-d.running))
}

// freeOf is how many calls may start on a route. d.mu is held.
func (d *dispatcher) freeOf(name string, r *configs.Route) int {
	l := d.routes[name]
	if l == nil {
		l = &lane{}
		d.routes[name] = l
	}
	if now := d.b.now(); now.Before(l.restUntil) || now.Before(l.paceUntil) {
		return 0
	}
	if l.rest > 0 { // one call probes a route that had an account fault
		return max(0, 1-l.running)
	}
	return max(0, r.Workers-l.running)
}

// untilRoom says when the first lane that is closed for a time opens, if no call ends before.
func (d *dispatcher) untilRoom() time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.b.now()
	wait := idleScan
	for _, l := range d.routes {
		for _, at := range []time.Time{l.restUntil, l.paceUntil} {
			if left := at.Sub(now); left > 0 {
				wait = min(wait, left)
			}
		}
	}
	return wait
}

// keepPace notes how many calls the route's meter granted of those asked for, and when it has room
// again. Asking for many more than it grants would rewrite every message of a backlog again and again.
func (d *dispatcher) keepPace(route string, granted, asked int, again time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.routes[route]
	switch {
	case granted < asked:
		l.pace, l.paceUntil = max(1, granted), again
	case l.pace > 0 && asked >= l.pace:
		l.pace *= 2
	}
}

// take claims a worker of the route; planned is how many this round has claimed of it.
func (d *dispatcher) take(r *configs.Route, planned int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if pace := d.routes[r.Name].pace; d.freeOf(r.Name, r) == 0 || pace > 0 && planned >= pace {
		return false
	}
	d.routes[r.Name].running++
	d.running++
	return true
}

// release gives a worker back; fault tells of a fault of the account or route.
func (d *dispatcher) release(route string, fault bool) {
	d.mu.Lock()
	l := d.routes[route]
	l.running--
	d.running--
	if now := d.b.now(); fault && !now.Before(l.restUntil) { // of calls that fail together one counts
		l.rest = min(max(2*l.rest, routeRest), routeRestMost)
		l.restUntil = now.Add(l.rest)
	}
	d.mu.Unlock()
	signal(d.freed)
}

// recover ends a route's rest: a call got through.
func (d *dispatcher) recover(route string) {
	d.mu.Lock()
	d.routes[route].rest = 0
	d.mu.Unlock()
}
