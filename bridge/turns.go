package bridge

import (
	"cmp"
	"slices"
	"time"

	"smppbridge/store"
)

// lanes are what is due to be sent, the first first: a backlog of notices must not make one-time codes
// late. A lane behind another still gets an eighth of the calls while it has something due, so that
// whoever can fill a lane cannot stop those behind it. Within a lane the accounts take turns, one call each.
var lanes = [3]store.Action{store.ActionUrgent, store.ActionPrefer, store.ActionSend}

// laneShare is what part of the calls a lane behind others gets at least.
const laneShare = 8

// turns divides the calls of a round among the lanes and accounts. Touched by the dispatcher's loop only.
type turns struct {
	// owed is how many calls a lane is behind its share, in parts of laneShare. It grows by the calls of all
	// lanes and shrinks by its own.
	owed     [len(lanes)]int
	backlogs [len(lanes)]map[string]*backlog
	last     uint64 // turns so far
}

// A draft is what a round is about to do.
type draft struct {
	policy  *policy
	now     time.Time
	free    int // calls that may start
	calls   []*call
	closing []store.CloseItem
	listed  map[store.Number]bool // what was read; nothing is in two calls
	members int                   // of all calls
	looks   int                   // messages read
	more    bool                  // not all was read that could go
	wait    time.Duration         // until something that was held back is to go
	served  [len(lanes)]int       // calls by lane
	lines   [len(lanes)]laneLine
}

// A laneLine is the backlogs of a lane with something due, who had no turn for longest first.
type laneLine struct {
	backlogs []*backlog
	next     int // whose turn it is
	waiting  int // of backlogs that are not done
}

// full reports whether no call more can be begun with this round.
func (dr *draft) full() bool { return len(dr.calls) >= dr.free || dr.members >= beginMost }

// wake has the next round come when d is over.
func (dr *draft) wake(d time.Duration) { dr.wait = min(dr.wait, max(d, time.Millisecond)) }

// queue has the backlogs of all lanes ready for a round.
func (d *dispatcher) queue(dr *draft) {
	for i, lane := range lanes {
		l := &dr.lines[i]
		if d.turns.backlogs[i] == nil {
			d.turns.backlogs[i] = make(map[string]*backlog)
		}
		for _, a := range d.b.store.DueAccounts(lane) {
			if d.brakes.holds(BrakeAccount, a.Account) {
				continue
			}
			q := d.turns.backlogs[i][a.Account]
			if q == nil {
				q = &backlog{name: a.Account, lane: lane, behind: make(map[ways]store.DueCursor)}
				d.turns.backlogs[i][a.Account] = q
			}
			q.begin(d, dr.policy.accounts[a.Account], dr.now)
			if !q.done {
				l.waiting++
			}
			l.backlogs = append(l.backlogs, q)
		}
		slices.SortStableFunc(l.backlogs, func(a, b *backlog) int { return cmp.Compare(a.served, b.served) })
	}
}

// divide makes the calls of a round: for each lane what it is owed, then the lanes in their order. What is
// owed stands first, because it may be the only room of a route.
func (d *dispatcher) divide(dr *draft) error {
	t := &d.turns
	for i := 1; i < len(lanes); i++ {
		share := min(t.owed[i]/laneShare, max(1, dr.free/laneShare))
		if share <= 0 {
			continue
		}
		if err := d.serve(dr, i, share); err != nil {
			return err
		}
		if len(dr.lines[i].backlogs) == 0 {
			t.owed[i] = 0 // nothing waits: it is not behind
		}
	}
	for i := range lanes {
		if err := d.serve(dr, i, dr.free); err != nil {
			return err
		}
	}
	return nil
}

// serve gives the backlogs of a lane turns, up to most calls.
func (d *dispatcher) serve(dr *draft, lane, most int) error {
	l, looked := &dr.lines[lane], dr.looks
	for left := most; left > 0 && l.waiting > 0 && !dr.full(); {
		if dr.looks-looked >= roundLooks { // each lane has its own: a search in one must not make another late
			dr.more = true
			return nil
		}
		q := l.backlogs[l.next%len(l.backlogs)]
		l.next++
		if q.done {
			continue
		}
		c, err := d.next(dr, q, 1+(min(left, dr.free-len(dr.calls))-1)/l.waiting)
		if err != nil {
			return err
		}
		if q.done {
			l.waiting--
		}
		if c == nil && q.looks < looksMost {
			continue
		}
		d.turns.last++ // a long search was a turn, too
		q.served = d.turns.last
		if c == nil {
			continue
		}
		d.add(dr, c)
		dr.served[lane]++
		left--
	}
	return nil
}

// add puts a call into a draft.
func (d *dispatcher) add(dr *draft, c *call) {
	d.take(c)
	dr.calls = append(dr.calls, c)
	dr.members += len(c.members)
}

// taken notes how many calls of each lane a round makes.
func (t *turns) taken(served [len(lanes)]int) {
	all := 0
	for _, n := range served {
		all += n
	}
	for i := 1; i < len(lanes); i++ {
		t.owed[i] = min(max(t.owed[i]+all-laneShare*served[i], 0), laneShare*callsMost)
	}
}

// end keeps what a round has read and not sent.
func (dr *draft) end() {
	for i := range dr.lines {
		for _, q := range dr.lines[i].backlogs {
			q.end()
		}
	}
}

// untilNext says how long nothing becomes due, at most idleScan.
func (d *dispatcher) untilNext(now time.Time) (time.Duration, error) {
	wait := idleScan
	for _, lane := range lanes {
		ms, has, err := d.b.store.NextDue(lane, now.UnixMilli())
		if err != nil {
			return 0, err
		}
		if has {
			wait = min(wait, max(store.FromMillis(ms).Sub(now), time.Millisecond))
		}
	}
	return wait, nil
}
