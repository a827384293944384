package bridge

import (
	"time"

	"smppbridge/configs"
)

// lane is a route's running calls and its rest after account faults.
type lane struct {
	running   int
	restUntil time.Time
	rest      time.Duration
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
	if d.b.now().Before(l.restUntil) {
		return 0
	}
	if l.rest > 0 { // one call probes a route that had an account fault
		return max(0, 1-l.running)
	}
	return max(0, r.Workers-l.running)
}

// take claims a worker of the route.
func (d *dispatcher) take(r *configs.Route) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.freeOf(r.Name, r) == 0 {
		return false
	}
	d.routes[r.Name].running++
	d.running++
	return true
}

// release gives a worker back; fault is the route's, nil if the call got through.
func (d *dispatcher) release(route string, fault bool) {
	d.mu.Lock()
	l := d.routes[route]
	l.running--
	d.running--
	if fault {
		l.rest = min(max(2*l.rest, routeRest), routeRestMost)
		l.restUntil = d.b.now().Add(l.rest)
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
