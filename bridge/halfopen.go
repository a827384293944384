package bridge

import (
	"maps"
	"slices"
	"time"

	"smppbridge/store"
)

// How a message is chosen that tries whether a route is well again: it may be late, or uncertain, for it.
const (
	probeLooks    = 64               // messages of a backlog that are looked at
	probeBacklogs = 32               // of a lane, in one search
	probePatience = 10 * time.Second // until an urgent message tries a route that it does not need
)

// tryHalfOpen drafts a call for one message by each route that asks whether it is well again.
func (d *dispatcher) tryHalfOpen(dr *draft) error {
	for _, name := range slices.Sorted(maps.Keys(dr.policy.routes)) {
		r := dr.policy.routes[name]
		if !d.wantsProbe(r, dr.now) {
			continue
		}
		p, err := d.candidate(dr, r)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		dr.listed[p.Number] = true
		c := newCall(p, r)
		c.probe = true
		d.add(dr, c)
		dr.served[slices.Index(lanes[:], p.from.lane)]++
	}
	return nil
}

func (d *dispatcher) wantsProbe(r *route, now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.exitOf(r)
	return x.circuit.wantsProbe() && !x.stopped && x.room(r, now) > 0
}

// candidate is the message that tries a route: one of a class with batching if there is one, else one that is not
// urgent. An urgent one, such as a one-time code, is the last choice, and no choice for a while where it can go
// another way. nil: there is none.
func (d *dispatcher) candidate(dr *draft, r *route) (*planned, error) {
	var second *planned
	turn := d.searchTurn(r)
	for i := len(lanes) - 1; i >= 0; i-- {
		for _, q := range dr.using(i, r, turn) {
			items, _, err := d.b.store.DueOf(q.lane, q.name, q.waitsFor(r), dr.now.UnixMilli(), probeLooks)
			if err != nil {
				return nil, err
			}
			for j := range items {
				p, _, ok := d.examine(dr.policy, &items[j], dr.now)
				if !ok || dr.listed[p.Number] || !p.ways.goesBy(r.Name) || p.ways.wait(dr.now) {
					continue
				}
				p.from = q
				switch urgent := q.lane == store.ActionUrgent; {
				case !urgent && p.batch() > 1:
					return &p, nil
				case second == nil && (!urgent || d.mayProbe(&p, r)):
					second = &p
				}
			}
		}
	}
	return second, nil
}

// searchTurn counts the searches for a message that tries a route: each begins behind the one before, so that it is found
// in whichever backlog it is.
func (d *dispatcher) searchTurn(r *route) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := d.exitOf(r)
	x.searches++
	return x.searches - 1
}

// using are the backlogs of a lane whose accounts go by a route, as many as are looked at in one search.
func (dr *draft) using(lane int, r *route, turn int) []*backlog {
	var list []*backlog
	for _, q := range dr.lines[lane].backlogs {
		if acct := dr.policy.accounts[q.name]; acct != nil && slices.Contains(acct.routes, r) {
			list = append(list, q)
		}
	}
	if len(list) <= probeBacklogs {
		return list
	}
	first := turn * probeBacklogs % len(list)
	return slices.Concat(list[first:], list[:first])[:probeBacklogs]
}

// waitsFor is where to begin to read for messages that may go by a route.
func (q *backlog) waitsFor(r *route) store.DueCursor {
	first, found := q.far, false // what is behind far was not read yet
	consider := func(w ways, at store.DueCursor) {
		if w.goesBy(r.Name) && (!found || less(at, first)) {
			first, found = at, true
		}
	}
	for w, at := range q.behind {
		consider(w, at)
	}
	for i := range q.sources {
		if s := &q.sources[i]; s.only != nil {
			consider(*s.only, s.at)
		}
	}
	return first
}

// mayProbe reports whether an urgent message may try a route: it has no other way, or there was nothing else for long.
func (d *dispatcher) mayProbe(p *planned, r *route) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for range d.well(p.ways, nil) {
		return d.b.cfg.Steady().Sub(d.exitOf(r).circuit.since) >= probePatience
	}
	return true
}
