package main

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
)

// A plan is a rate that changes: stretches of time with a constant rate, a ramp or a
// pause, one after the other. How many messages have been due by a time is exact at
// the stretches' edges, so that none is lost or doubled between them.
type plan struct {
	text      string
	stretches []stretch
	total     int64 // messages
}

// A stretch is a part of a plan in which the rate is constant or changes evenly.
type stretch struct {
	start, length time.Duration
	from, to      int64 // messages per second at its beginning and at its end
	base          int64 // what was due before it, in units of due
	first, end    int64 // its messages; end is the next stretch's first
}

// due is how many units a message has: what two rates that meet in the middle, whole
// numbers per second, add to in a millisecond is a whole number of them.
const due = 2000

// Bounds of a plan. Their product in units of due is far from an int64's end.
const (
	mostStretches = 1000
	mostRate      = 10_000_000
	longestPlan   = 7 * 24 * time.Hour
)

// parsePlan reads a plan such as 100/s:10s,0:5s,100-1000/s:60s.
func parsePlan(text string) (*plan, error) {
	p := &plan{text: text}
	var start time.Duration
	var base int64
	for _, field := range strings.Split(text, ",") {
		s, err := parseStretch(field)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", field, err)
		}
		s.start, s.base = start, base
		start += s.length
		base += (s.from + s.to) * s.length.Milliseconds()
		s.first, s.end = wholeDue(s.base), wholeDue(base)
		if s.end > s.first { // not a pause
			p.stretches = append(p.stretches, s)
		}
		if start > longestPlan || len(p.stretches) > mostStretches {
			return nil, fmt.Errorf("more than %v or %d stretches", longestPlan, mostStretches)
		}
	}
	if p.total = wholeDue(base); p.total == 0 {
		return nil, errors.New("no message is due in it")
	}
	return p, nil
}

// wholeDue is how many messages are due before so many units: the first is due at none.
func wholeDue(units int64) int64 { return (units + due - 1) / due }

// parseStretch reads RATE:DURATION or FROM-TO:DURATION; behind a rate there may be /s.
func parseStretch(text string) (stretch, error) {
	rates, length, ok := strings.Cut(strings.TrimSpace(text), ":")
	if !ok {
		return stretch{}, errors.New("want RATE/s:DURATION or RATE-RATE/s:DURATION")
	}
	var s stretch
	var err error
	if s.length, err = time.ParseDuration(length); err != nil {
		return stretch{}, errors.New("the duration cannot be read")
	}
	if s.length <= 0 || s.length > longestPlan || s.length%time.Millisecond != 0 {
		return stretch{}, errors.New("the duration is not a positive number of milliseconds, or too long")
	}
	from, to, ramp := strings.Cut(rates, "-")
	if !ramp {
		to = from
	}
	if s.from, err = parseRate(from); err == nil {
		s.to, err = parseRate(to)
	}
	return s, err
}

func parseRate(text string) (int64, error) {
	n, err := strconv.ParseInt(strings.TrimSuffix(text, "/s"), 10, 64)
	if err != nil || n < 0 || n > mostRate {
		return 0, fmt.Errorf("a rate is not a whole number from 0 to %d per second", mostRate)
	}
	return n, nil
}

// at returns when message n is due, one of p's.
func (p *plan) at(n int64) time.Duration {
	s := p.stretch(n)
	return s.start + s.slice(n)*slice
}

// length is the plan's, to the end of its last message's stretch.
func (p *plan) length() time.Duration {
	last := &p.stretches[len(p.stretches)-1]
	return last.start + last.length
}

// from returns the lowest message that is not below n and leaves on the bind that is
// turn-th of so many; total if there is none.
func (p *plan) from(n, turn, binds int64) int64 {
	for n < p.total {
		s := p.stretch(n)
		if n = s.next(n, turn, binds); n < s.end {
			return n
		}
		n = s.end
	}
	return p.total
}

// turn is the bind that message n leaves on.
func (p *plan) turn(n, binds int64) int64 {
	s := p.stretch(n)
	return s.share(n) % binds
}

// stretch returns that of message n, one of p's.
func (p *plan) stretch(n int64) *stretch {
	i := sort.Search(len(p.stretches), func(i int) bool { return n < p.stretches[i].end })
	return &p.stretches[i]
}

// bySlice reports whether slices take turns, not messages: see schedule.
func (s *stretch) bySlice() bool { return max(s.from, s.to) > int64(time.Second/slice) }

// share is what is dealt out among the binds: message n, or its slice of the run.
func (s *stretch) share(n int64) int64 {
	if s.bySlice() {
		return int64(s.start/slice) + int64(s.slice(n))
	}
	return n
}

// next is plan.from within s; the result may be beyond its end.
func (s *stretch) next(n, turn, binds int64) int64 {
	for n < s.end {
		share := s.share(n)
		ahead := (turn - share%binds + binds) % binds
		switch {
		case ahead == 0:
			return n
		case !s.bySlice():
			return n + ahead
		}
		n = s.sliceStart(s.slice(n) + time.Duration(ahead))
	}
	return n
}

// slice is how many slices after the stretch's start message n is due.
func (s *stretch) slice(n int64) time.Duration { return s.time(n) / slice }

// time is how long after the stretch's start message n is due.
func (s *stretch) time(n int64) time.Duration {
	u := n*due - s.base
	if s.from == s.to {
		perMilli := 2 * s.from
		return time.Duration(u/perMilli)*time.Millisecond + time.Duration(u%perMilli*int64(time.Millisecond)/perMilli)
	}
	// Due by t milliseconds are 2*from*t + slope*t*t units. Solved for t in the form
	// that subtracts nothing from its like.
	slope := float64(s.to-s.from) / float64(s.length.Milliseconds())
	from := float64(s.from)
	root := from + math.Sqrt(max(from*from+slope*float64(u), 0))
	if root == 0 {
		return 0 // nothing is due before a ramp from 0
	}
	return min(time.Duration(float64(u)/root*float64(time.Millisecond)), s.length-1)
}

// sliceStart is the lowest message not due before that slice of s.
func (s *stretch) sliceStart(k time.Duration) int64 {
	t := float64(k*slice) / float64(time.Millisecond)
	slope := float64(s.to-s.from) / float64(s.length.Milliseconds())
	n := (s.base + int64(2*float64(s.from)*t+slope*t*t)) / due
	n = min(max(n, s.first), s.end)
	// The estimate is at most a rounding away, and time has the last word.
	for n < s.end && s.slice(n) < k {
		n++
	}
	for n > s.first && s.slice(n-1) >= k {
		n--
	}
	return n
}
