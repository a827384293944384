package bridge

import (
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// defaultQueue is how many octets of submissions a node holds by default. Beyond it sessions are not
// read, and TCP slows their ESMEs down.
const defaultQueue = 64 << 20

// Why a submission finds no place in the queue.
var (
	errNoRoom  = errors.New("no room in the node's queue in time")
	errStalled = errors.New("nothing was committed in time")
)

// queue holds the submissions of all sessions from their decision to their answer, bounded in octets.
//
// Where there is no room a submission waits on its session's reader, which then reads nothing. Those
// who wait get room in the order in which they came, one submission of a session at a time, so that a
// session that floods the node gets no more than its turn. Nobody waits for longer than acceptPatience:
// it is refused then, and surely not accepted.
type queue struct {
	limit  int64
	octets atomic.Int64 // held; changed under mu only
	length atomic.Int64 // of waiting, for those who do not hold mu

	mu      sync.Mutex
	waiting lines     // guarded by mu; admitted, not in a group yet
	outside []*reader // guarded by mu; waiting for room
	closed  bool      // guarded by mu
}

// reader is a session's reader that waits for room.
type reader struct {
	octets int64
	room   chan error // capacity 1: nil, or why there will be none
}

func newQueue(limit int64) *queue {
	if limit <= 0 {
		limit = defaultQueue
	}
	return &queue{limit: limit}
}

// add puts s into the queue, having waited for room, at most for patience.
func (q *queue) add(s *submission, patience time.Duration) error {
	q.mu.Lock()
	switch {
	case q.closed:
		q.mu.Unlock()
		return errStopping
	case len(q.outside) == 0 && q.fits(s.octets):
		q.takeIn(s)
		q.mu.Unlock()
		return nil
	}
	r := &reader{octets: s.octets, room: make(chan error, 1)}
	q.outside = append(q.outside, r)
	q.mu.Unlock()
	if err := q.await(r, patience); err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.octets.Add(-s.octets) // takeIn counts it again
	if q.closed {
		return errStopping
	}
	q.takeIn(s)
	return nil
}

// await waits until r has room; its octets are held for it then.
func (q *queue) await(r *reader, patience time.Duration) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case err := <-r.room:
		return err
	case <-timer.C:
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.outside, r); i >= 0 {
		q.outside = slices.Delete(q.outside, i, i+1)
		q.letIn() // those behind it may be smaller
		return errNoRoom
	}
	return <-r.room // it came just now
}

// fits reports whether there is room for so many octets. Whatever is larger than the queue has it to
// itself.
func (q *queue) fits(octets int64) bool {
	held := q.octets.Load()
	return held == 0 || held+octets <= q.limit
}

func (q *queue) takeIn(s *submission) {
	q.octets.Add(s.octets)
	q.waiting.add(s)
	q.length.Store(int64(q.waiting.length))
}

// letIn gives room to those outside whose turn it is. q.mu is held.
func (q *queue) letIn() {
	n := 0
	for n < len(q.outside) && q.fits(q.outside[n].octets) {
		q.octets.Add(q.outside[n].octets)
		q.outside[n].room <- nil
		n++
	}
	q.outside = slices.Delete(q.outside, 0, n)
}

// back puts a submission in again that was in a group; its octets may have changed. It never waits:
// who calls it is who makes room.
func (q *queue) back(s *submission) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.takeIn(s)
}

// release frees the room of submissions that have been answered.
func (q *queue) release(octets int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.octets.Add(-octets)
	q.letIn()
}

// cut takes the next group out of the queue, and apart from it what came before a time.
func (q *queue) cut(before time.Time) (group, late []*submission, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	group, late = q.waiting.group(before)
	q.length.Store(int64(q.waiting.length))
	return group, late, q.waiting.length > 0
}

// overdue takes those out that came before a time and are in no group yet.
func (q *queue) overdue(before time.Time) []*submission {
	q.mu.Lock()
	defer q.mu.Unlock()
	late := q.waiting.overdue(before)
	q.length.Store(int64(q.waiting.length))
	return late
}

// close lets nobody in any more and returns what still waits.
func (q *queue) close() []*submission {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	for _, r := range q.outside {
		r.room <- errStopping
	}
	q.outside = nil
	q.length.Store(0)
	return q.waiting.all()
}

// fill is how full the queue is, in percent.
func (q *queue) fill() int { return int(min(100, q.octets.Load()*100/q.limit)) }
