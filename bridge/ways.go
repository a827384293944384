package bridge

import (
	"cmp"
	"iter"
	"slices"
	"time"

	"smppbridge/configs"
)

// route is a way out, with what it has at hand.
type route struct {
	configs.Route
	templates, signatures map[string]bool // nil = all
	lacks                 *lacks          // nil = nothing
}

func newRoute(c *configs.Route) *route {
	return &route{Route: *c, templates: setOf(c.Templates), signatures: setOf(c.Signatures)}
}

func setOf(names []string) map[string]bool {
	if len(names) == 0 {
		return nil
	}
	set := make(map[string]bool, len(names))
	for _, name := range names {
		set[name] = true
	}
	return set
}

// takesTexts reports whether r sends a message's own text: one to a call.
func (r *route) takesTexts() bool { return r.Kind == configs.KindSMPP }

// offers reports whether messages of a template and signature are meant to go by r.
func (r *route) offers(code, sign string) bool {
	return (r.templates == nil || r.templates[code]) && (r.signatures == nil || r.signatures[sign])
}

// has reports whether they may go by r: whether its account has both, too.
func (r *route) has(code, sign string) bool { return r.offers(code, sign) && r.lacks.has(code, sign) }

// routesOf are the routes that an account goes by: those that it names, or else all that are not kept for those who
// name them. The lowest priority is first, within it the policy's order.
func (p *policy) routesOf(c *configs.Account, doc *configs.Policy) []*route {
	if c.DryRun {
		return []*route{p.routes[configs.RouteDryRun]}
	}
	var list []*route
	for i := range doc.Routes {
		r := p.routes[doc.Routes[i].Name]
		named := r.Name == c.Route || slices.Contains(c.Routes, r.Name)
		if named || c.Route == "" && len(c.Routes) == 0 && !r.OnlyNamed {
			list = append(list, r)
		}
	}
	slices.SortStableFunc(list, func(a, b *route) int { return cmp.Compare(a.Priority, b.Priority) })
	return list[:min(len(list), configs.MaxRoutes)]
}

// ways are where and when a message may go. Messages with the same ways wait for the same things.
type ways struct {
	account *account
	routes  uint64 // bits by place in account.routes; configs.MaxRoutes fit
	hours   configs.Hours
	stopped bool // the template is
}

// wait reports whether they may not be gone now, whatever becomes of the routes.
func (w ways) wait(now time.Time) bool { return w.stopped || w.hours.Wait(now) > 0 }

// ways are those of a's messages of a template and signature.
func (a *account) ways(t *approved, sign string) ways {
	w := ways{account: a, hours: t.hours}
	for i, r := range a.routes {
		if r.has(t.Code, sign) {
			w.routes |= 1 << i
		}
	}
	return w
}

// each yields the routes of w, those of the lowest priority first.
func (w ways) each() iter.Seq[*route] {
	return func(yield func(*route) bool) {
		for i, r := range w.account.routes {
			if w.routes&(1<<i) != 0 && !yield(r) {
				return
			}
		}
	}
}

// goesBy reports whether a's messages may go by the route of that name.
func (a *account) goesBy(name string) bool {
	return slices.ContainsFunc(a.routes, func(r *route) bool { return r.Name == name })
}

// goesBy reports whether one of w is the route of that name.
func (w ways) goesBy(name string) bool {
	for r := range w.each() {
		if r.Name == name {
			return true
		}
	}
	return false
}

// well yields the routes that may be used now, whether or not they have room: of those whose circuits are closed and that
// the message has not just failed on, the ones of the lowest priority. Where it has failed on all that are well, it may
// fail there again. d.mu is held.
func (d *dispatcher) well(w ways, failed []string) iter.Seq2[*route, *exit] {
	fresh := func(r *route) bool { return !slices.Contains(failed, r.Name) }
	priority, found := 0, false
	for r := range w.each() {
		if d.exitOf(r).usable() && fresh(r) {
			priority, found = r.Priority, true
			break
		}
	}
	if !found && len(failed) > 0 {
		return d.well(w, nil)
	}
	return func(yield func(*route, *exit) bool) {
		for r := range w.each() {
			x := d.exitOf(r)
			if found && r.Priority == priority && x.usable() && fresh(r) && !yield(r, x) {
				return
			}
		}
	}
}

// room reports whether a message with these ways could be sent now.
func (d *dispatcher) room(w ways, now time.Time) bool {
	if w.wait(now) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for r, x := range d.well(w, nil) {
		if x.room(r, now) > 0 {
			return true
		}
	}
	return false
}

// anyRoom reports whether some message of an account could perhaps be sent now, be it to try a route.
func (d *dispatcher) anyRoom(a *account, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(a.routes, func(r *route) bool {
		x := d.exitOf(r)
		return (x.circuit.closed() || x.circuit.wantsProbe()) && !x.stopped && x.room(r, now) > 0
	})
}

// pick chooses a route with room for a message, nil if there is none now. Routes of one priority take turns by their
// weights: each gets its weight in credit at every choice that it takes part in, and the richest pays for all.
func (d *dispatcher) pick(p *planned, now time.Time) *route {
	if p.ways.wait(now) {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	failed := d.failed[p.Number]
	best := d.richest(d.well(p.ways, failed), now)
	if best == nil && len(failed) > 0 { // it fails there again, and then rests, rather than wait for a route that is full for long
		best = d.richest(d.well(p.ways, nil), now)
	}
	return best
}

// richest chooses one of the routes that has room, and has it pay. d.mu is held.
func (d *dispatcher) richest(routes iter.Seq2[*route, *exit], now time.Time) *route {
	var best *route
	var pays *exit
	total := 0
	for r, x := range routes {
		if x.room(r, now) == 0 {
			continue
		}
		x.credit += r.Weight
		total += r.Weight
		if best == nil || x.credit > pays.credit {
			best, pays = r, x
		}
	}
	if best != nil {
		pays.credit -= total
	}
	return best
}
