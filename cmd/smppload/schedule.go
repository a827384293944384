package main

import (
	"math"
	"time"
)

// slice is how finely a rate is cut: the messages of one slice leave together, at
// its beginning. Finer than the kernel wakes a sleeper would only look finer.
const slice = time.Millisecond

// forever is a time that does not come.
const forever = time.Duration(math.MaxInt64)

// A schedule says which messages there are, when each is to leave, counted from the
// start of the run, and on which bind. With a rate it is fixed beforehand and played
// to its end however late: latency is measured from the intended time, so that a
// server that stalls is charged for every message that had to wait, not only for
// those that were on the wire.
//
// A slice's messages all leave on one bind, and the next slice's on the next: split
// over all of them they would cost a system call each, and the generator shares its
// processors with what it measures. Where a slice has at most one message, the
// messages go round instead.
type schedule struct {
	rate     int64         // messages per second; 0 = whenever a window has room
	duration time.Duration // 0 = no end
	messages int64         // 0 = no end
	binds    int64
	plan     *plan // instead of rate and duration, if not nil
}

// timed reports whether messages have a time of their own to leave at.
func (s schedule) timed() bool { return s.rate > 0 || s.plan != nil }

// first returns the first message of the bind that is turn-th in the round.
func (s schedule) first(turn int64) int64 {
	if s.plan != nil {
		return s.plan.from(0, turn, s.binds)
	}
	if s.bySlice() {
		return s.sliceStart(turn)
	}
	return turn
}

// next returns the message that the same bind sends after message n.
func (s schedule) next(n int64) int64 {
	if s.plan != nil {
		return s.plan.from(n+1, s.plan.turn(n, s.binds), s.binds)
	}
	if !s.bySlice() {
		return n + s.binds
	}
	k := int64(s.time(n) / slice)
	if n+1 < s.sliceStart(k+1) {
		return n + 1
	}
	return s.sliceStart(k + s.binds)
}

// at returns when message n is to leave, and whether there is such a message. now
// is the answer for schedules without a rate.
func (s schedule) at(n int64, now time.Duration) (time.Duration, bool) {
	if s.messages > 0 && n >= s.messages {
		return 0, false
	}
	if s.plan != nil {
		if n >= s.plan.total {
			return 0, false
		}
		return s.plan.at(n), true
	}
	at := now
	if s.rate > 0 {
		at = s.time(n)
		at -= at % slice
	}
	return at, s.duration == 0 || at < s.duration
}

// bySlice reports whether slices take turns, not messages.
func (s schedule) bySlice() bool { return s.rate > int64(time.Second/slice) }

// time is n messages at the rate, in two parts: n times a second would overflow.
func (s schedule) time(n int64) time.Duration {
	return time.Duration(n/s.rate)*time.Second + time.Duration(n%s.rate)*time.Second/time.Duration(s.rate)
}

// sliceStart is the lowest message whose time is not before slice k.
func (s schedule) sliceStart(k int64) int64 {
	const slices = int64(time.Second / slice)
	return k/slices*s.rate + (k%slices*s.rate+slices-1)/slices
}
