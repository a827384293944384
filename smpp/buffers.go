package smpp

import (
	"cmp"
	"slices"
)

// What sessions may hold of octets that wait to be written, or of a PDU that has not
// wholly arrived.
//
// Half of Config.MaxBuffered is divided among the open sessions: with half of its share
// waiting to be written a session is not read any more, with all of it it takes no
// deliver_sm, which a flood of submits would otherwise keep out. That alone
// keeps everything far below the bound, as long as ESMEs come before what they leave
// unread. What gathered while there were few and shares were large, answers to a full
// window, and long PDUs that arrive slowly come on top; when all that exceeds
// MaxBuffered, sessions that hold the most are cut.
const (
	maxShare = 256 << 10
	minShare = 4 << 10
)

// shareLocked divides anew.
func (s *Server) shareLocked() {
	share := s.cfg.MaxBuffered / 2 / max(1, len(s.sessions))
	s.share.Store(int64(min(max(share, minShare), maxShare)))
}

// heldLocked is how many octets wait to be written, those included that the writer has
// taken.
func (s *Session) heldLocked() int { return len(s.out) + s.writing + len(s.early) }

// overShareLocked reports whether so much waits that nothing may be added which would
// make for more.
func (s *Session) overShareLocked() bool { return int64(s.heldLocked()) > s.srv.share.Load() }

// held is what counts for the server's bound. What a session held that was cut is as good as gone: were it
// counted until its goroutines have ended, others would be cut in its place.
func (s *Session) held() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state == stateClosed {
		return 0
	}
	return int64(s.heldLocked() + s.frames.beyondIdle())
}

// relieve is called at each tick: it sums up what the listener's sessions hold. If all listeners'
// together hold too much, some are cut.
func (v *serving) relieve(sessions []*Session) {
	var sum int64
	for _, sess := range sessions {
		sum += sess.held()
	}
	v.hold(sum)
	if v.srv.buffered.Load() > int64(v.srv.cfg.MaxBuffered) {
		v.hold(sum - v.srv.cutLargest(v))
	}
}

// cutLargest cuts the sessions that hold the most, of whatever listener, until the others hold no more than
// MaxBuffered. It returns what those of v held that were cut.
func (s *Server) cutLargest(v *serving) (ours int64) {
	type holder struct {
		*Session
		octets int64
	}
	s.mu.Lock()
	sessions := s.snapshotLocked()
	s.mu.Unlock()
	holders := make([]holder, 0, len(sessions))
	over := -int64(s.cfg.MaxBuffered) // counted anew: what other listeners held at their last tick may be gone
	for _, sess := range sessions {
		h := holder{sess, sess.held()}
		over += h.octets
		holders = append(holders, h)
	}
	slices.SortFunc(holders, func(a, b holder) int { return cmp.Compare(b.octets, a.octets) })
	for _, h := range holders {
		if over <= 0 || h.octets == 0 {
			break
		}
		h.cut(endBuffers, nil)
		over -= h.octets
		if h.serving == v {
			ours += h.octets
		}
	}
	return ours
}

// hold makes octets this listener's part of the server's sum.
func (v *serving) hold(octets int64) {
	sum := v.srv.buffered.Add(octets - v.held)
	v.srv.metrics.buffered.Set(float64(sum))
	v.held = octets
}
