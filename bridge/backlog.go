package bridge

import (
	"math"
	"time"

	"smppbridge/store"
)

// How much of a backlog is read.
const (
	chunkMost = 128  // messages at a time
	looksMost = 1024 // messages of one backlog in a round; the next round goes on
	rewindAge = 2 * time.Second
	rewindAll = 30 * time.Second // what is behind far unnoticed waits for this long
)

// A backlog is what one account has due in one lane, as far as the dispatcher has read it. Messages that cannot go now
// stay where they are, and are not read again until one of their ways has room: so that a hundred thousand of them, on
// a route that rests, cost nothing, and hold up nothing that goes another way. What is between the front and far waits
// behind the cursor of its ways; what is behind far was not read yet.
//
// A message may become due before far: it was stamped before and applied after what was read there, or its call has failed
// and it is to go another way. So far goes back over the last moments once a second, to the time of each retry that
// is recorded here, and to the front from time to time.
type backlog struct {
	name   string // of the account
	lane   store.Action
	served uint64 // when it had its last turn

	far       store.DueCursor
	behind    map[ways]store.DueCursor // nothing that waits for these ways, and was read, is before it
	rewound   time.Time
	refreshed time.Time

	// Of one round:
	ready   []planned // read and not told of yet
	looked  int       // of ready, from the front: those before were looked at
	looks   int
	sources []source
	done    bool // nothing more can go
}

// A source is where a backlog is read in a round.
type source struct {
	only *ways // what is waiting behind far for these ways; nil = all, from far on
	at   store.DueCursor
}

// before is the place right before a message.
func before(it *store.DueItem) store.DueCursor {
	return store.DueCursor{At: it.DueAt, Number: it.Number - 1}
}

// less orders places.
func less(a, b store.DueCursor) bool { return a.At < b.At || a.At == b.At && a.Number < b.Number }

// putBack notes that a message that was read still waits.
func (q *backlog) putBack(p *planned) {
	at := before(&p.DueItem)
	if old, waits := q.behind[p.ways]; !waits || less(at, old) {
		q.behind[p.ways] = at
	}
}

// rewind has everything read again that is due at a time or later.
func (q *backlog) rewind(at int64) {
	if to := (store.DueCursor{At: at - 1, Number: math.MaxUint64}); less(to, q.far) {
		q.far = to
	}
}

// begin prepares a backlog for a round: where it is to be read. acct is nil when the policy has it no more.
func (q *backlog) begin(d *dispatcher, acct *account, now time.Time) {
	q.ready, q.looked, q.looks, q.sources, q.done = q.ready[:0], 0, 0, q.sources[:0], false
	switch {
	case len(q.behind) == 0 || now.Sub(q.refreshed) >= rewindAll:
		clear(q.behind)
		q.far, q.refreshed, q.rewound = store.DueCursor{}, now, now
	case now.Sub(q.rewound) >= idleScan:
		q.rewind(now.Add(-rewindAge).UnixMilli())
		q.rewound = now
	}
	for w, at := range q.behind {
		if d.room(w, now) {
			q.sources = append(q.sources, source{only: &w, at: at})
			delete(q.behind, w) // what is not read to its end comes back
		}
	}
	if all := (source{at: q.far}); d.leads(&all, acct, now) {
		q.sources = append(q.sources, all)
	}
	q.done = len(q.sources) == 0
}

// leads reports whether what is read at a source may go now. The calls of a round use up the room of routes, and what waits for
// one that has none left is not to be searched to its end. What belongs to no account is to be closed.
func (d *dispatcher) leads(s *source, acct *account, now time.Time) bool {
	if s.only != nil {
		return d.room(*s.only, now)
	}
	return acct == nil || d.anyRoom(acct, now)
}

// end keeps for the next round what this one has read and not sent.
func (q *backlog) end() {
	for i := range q.sources {
		s := &q.sources[i]
		if s.only == nil {
			q.far = s.at
			continue
		}
		if old, waits := q.behind[*s.only]; !waits || less(s.at, old) {
			q.behind[*s.only] = s.at
		}
	}
	for i := range q.ready {
		if p := &q.ready[i]; p.state != inCall {
			q.putBack(p)
		}
	}
}

// read reads up to limit messages more, and reports whether there were any. What is to be closed goes to the
// draft.
func (d *dispatcher) read(dr *draft, q *backlog, limit int) (bool, error) {
	for i := 0; i < len(q.sources); {
		s := &q.sources[i]
		if !d.leads(s, dr.policy.accounts[q.name], dr.now) {
			i++
			continue
		}
		if q.looks >= looksMost {
			dr.more = true
			return false, nil
		}
		limit = min(limit, chunkMost, looksMost-q.looks)
		items, next, err := d.b.store.DueOf(q.lane, q.name, s.at, dr.now.UnixMilli(), limit)
		if err != nil {
			return false, err
		}
		s.at = next
		q.looks += len(items)
		dr.looks += len(items)
		found := d.sort(dr, q, s, items)
		switch end := len(items) < limit; {
		case s.only == nil && end:
			q.far = s.at
			fallthrough
		case s.only != nil && (end || !less(s.at, q.far)):
			q.sources = append(q.sources[:i], q.sources[i+1:]...)
		}
		if found {
			return true, nil
		}
	}
	return false, nil
}

// sort tells the messages that can be sent from those that are to be closed, and reports whether there are any of
// the first.
func (d *dispatcher) sort(dr *draft, q *backlog, s *source, items []store.DueItem) (found bool) {
	for i := range items {
		it := &items[i]
		if dr.listed[it.Number] {
			continue
		}
		p, end, ok := d.examine(dr.policy, it, dr.now)
		switch {
		case !ok:
			dr.listed[it.Number] = true
			dr.closing = append(dr.closing, end)
		case s.only == nil || *s.only == p.ways: // others have a source of their own, or no room
			dr.listed[it.Number] = true
			p.from = q
			q.ready = append(q.ready, p)
			found = true
		}
	}
	return found
}
