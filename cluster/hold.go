package cluster

import (
	"sync"
	"time"
)

// What the log is held for.
const (
	// holdLinger is for how long a snapshot's entries are held whatever is heard of its receiver: at its
	// beginning, and from its end until the receiver has said how far it is.
	holdLinger = 10 * time.Second
	// stallAfter is after how long without an entry applied a member is not waited for.
	stallAfter = 10 * time.Second
)

// holds know which entries of the log others will still want, so that a follower that is sent the file under load
// need not be sent it again, and again: those after a snapshot that is on its way, and those that its
// receiver lacks while it answers and comes nearer. A member that is away has no claim: it gets the file.
type holds struct {
	mu       sync.Mutex
	streams  map[*fileSource]*streamHold // guarded by mu
	catching map[string]advance          // guarded by mu; members that were below a stream, by id
}

// A streamHold is the claim of a snapshot's receiver, whoever it is.
type streamHold struct {
	index   uint64    // the receiver will ask for the term of this entry, and for all after it
	touched time.Time // when it began, or ended
	ended   bool
}

// An advance is how far a member was when it was last seen to have come further.
type advance struct {
	applied uint64
	at      time.Time
}

func newHolds() *holds {
	return &holds{streams: make(map[*fileSource]*streamHold), catching: make(map[string]advance)}
}

// begin holds the log from index on.
func (h *holds) begin(src *fileSource, index uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams[src] = &streamHold{index: index, touched: time.Now()}
}

// end lets the receiver's own progress take the place of the stream, after a while in which it is heard of.
// A stream that never began has no receiver.
func (h *holds) end(src *fileSource, began bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if hold := h.streams[src]; hold != nil && began {
		hold.touched, hold.ended = time.Now(), true
		return
	}
	delete(h.streams, src)
}

// A standing is how far a member is that answers.
type standing struct {
	id      string
	applied uint64
}

// from returns the lowest index that somebody will want, of the members that answer now, and of a log that
// begins with first and would be cut at cut. A stream that has been open for a while holds only for a
// member that is below it.
func (h *holds) from(members []standing, first, cut uint64, now time.Time) (index uint64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	low := func(i uint64) {
		if !ok || i < index {
			index, ok = i, true
		}
	}
	for src, s := range h.streams {
		wanted := now.Sub(s.touched) < holdLinger
		for _, m := range members {
			if m.applied < s.index && !s.ended {
				wanted = true
				h.catching[m.id] = advance{applied: m.applied, at: now}
			}
		}
		if wanted {
			low(s.index)
		} else if s.ended {
			delete(h.streams, src)
		}
	}
	for _, m := range members {
		if h.catchesUp(m, cut, now) && m.applied >= first { // else it will be sent the file
			low(m.applied)
		}
	}
	return index, ok
}

// catchesUp says whether a member that was sent the file comes nearer, and is not near yet.
func (h *holds) catchesUp(m standing, cut uint64, now time.Time) bool {
	a, ok := h.catching[m.id]
	if !ok {
		return false
	}
	if a.applied != m.applied {
		a = advance{applied: m.applied, at: now}
		h.catching[m.id] = a
	}
	if m.applied > cut || now.Sub(a.at) >= stallAfter {
		delete(h.catching, m.id)
		return false
	}
	return true
}

// heldFrom is raftLog.held: what the log keeps for others.
func (n *Node) heldFrom(first, cut uint64) (index uint64, ok bool) {
	var members []standing
	for _, s := range n.book.servers() {
		p := n.sightings.get(string(s.ID))
		if string(s.ID) != n.cfg.NodeID && p.heardWithin(n.fresh()) {
			members = append(members, standing{string(s.ID), p.pulse.applied})
		}
	}
	return n.snaps.holds.from(members, first, cut, time.Now())
}
