package store

import (
	"errors"
	"math/bits"
	"slices"
)

const (
	// maxPeriod bounds Period, Offset and Guard (49 days), so that Burst * Period fits 64 bits.
	maxPeriod = 1 << 32

	// never is the time at which a charge fits that never will.
	never = int64(maxTime)

	// levelPause is how long a charge on a full RuleLevel waits before it is tried again: when
	// the level will go down cannot be computed.
	levelPause = 1000
)

// checkCharges reports what the meters cannot charge. It guards Encode and Decode alike.
func checkCharges(set []Charge) error {
	for i := range set {
		phone := isPhoneKey(set[i].Key)
		for j := range set[i].Rules {
			switch k := set[i].Rules[j].Kind; {
			case k < RuleBucket || k > RuleLevel:
				return errors.New("rule kind")
			case phone && k != RuleWindow && k != RuleRolling:
				return errors.New("phone meters know windows only")
			}
		}
		for j := range i {
			if set[j].Key == set[i].Key {
				return errors.New("a key twice in a set of charges")
			}
		}
	}
	return nil
}

// apart reports whether the charges of a call and of its members have no key in common. Room is looked for
// by set, so that two sets with one key could together be more than their rule allows.
func (c *Begin) apart(a *BeginAttempt) bool {
	if a.Charges < 0 {
		return true
	}
	for i := range a.Members {
		if set := a.Members[i].Charges; set >= 0 && shareKey(c.Charges[a.Charges], c.Charges[set]) {
			return false
		}
	}
	return true
}

func shareKey(a, b []Charge) bool {
	return slices.ContainsFunc(a, func(c Charge) bool {
		return slices.ContainsFunc(b, func(o Charge) bool { return o.Key == c.Key })
	})
}

// period is r.Period, at least 1 ms.
func (r *Rule) period() int64 { return max(r.Period, 1) }

// guard is r.Guard, at most one period: a charge then touches three windows at most.
func (r *Rule) guard() int64 { return min(r.Guard, r.period()) }

// window numbers the calendar window that holds t.
func (r *Rule) window(t int64) int64 {
	t += r.Offset
	w := t / r.period()
	if t%r.period() < 0 {
		w--
	}
	return w
}

// start is the first ms of window w.
func (r *Rule) start(w int64) int64 { return w*r.period() - r.Offset }

// span is how long a charge counts in a rolling window.
func (r *Rule) span() int64 { return r.period() + r.Guard }

// windowRoom returns the first time from now on at which amount fits into every window that it
// would touch; count tells what is in a window.
func windowRoom(r *Rule, amount uint32, now int64, count func(w int64) uint64) int64 {
	if amount > r.Limit {
		return never
	}
	g := r.guard()
	for t := now; ; {
		full := false
		for w := r.window(t + g); w >= r.window(t-g) && !full; w-- {
			if count(w)+uint64(amount) > uint64(r.Limit) {
				t, full = r.start(w+1)+g, true
			}
		}
		if !full {
			return t
		}
	}
}

// A spent is an amount that was charged, seq its entry in the bucket sends, if it has one.
type spent struct {
	at     int64
	seq    uint64
	amount uint32
}

// rollingRoom returns the first time from now on at which amount fits beside what was charged
// within the rule's span before. charges ascend in time.
func rollingRoom(r *Rule, amount uint32, now int64, charges []spent) int64 {
	if amount > r.Limit {
		return never
	}
	var sum uint64
	for i := range charges {
		if charges[i].at+r.span() > now {
			sum += uint64(charges[i].amount)
		}
	}
	t := now
	for i := range charges {
		if sum+uint64(amount) <= uint64(r.Limit) {
			break
		}
		if out := charges[i].at + r.span(); out > now {
			sum -= uint64(charges[i].amount)
			t = out
		}
	}
	return t
}

// A bucket is a token bucket. It counts tokens times period, so that a refill of Limit tokens per
// period is a whole number each ms and nothing is ever rounded.
type bucket struct {
	at     int64 // when level was right
	period int64 // the unit of level; changes with the rule
	level  uint64
}

// refilled returns b as it stands at now under r. It depends on nothing but b, r and now, and
// filling in two steps comes to the same as in one.
func (b bucket) refilled(r *Rule, now int64) bucket {
	full := uint64(r.Burst) * uint64(r.period())
	if b.period == 0 { // new
		return bucket{at: now, period: r.period(), level: full}
	}
	if b.period != r.period() {
		b.level = scale(b.level, uint64(r.period()), uint64(b.period))
		b.period = r.period()
	}
	b.level = min(b.level, full)
	if dt := uint64(max(now-b.at, 0)); r.Limit > 0 && dt > 0 {
		if dt > (full-b.level)/uint64(r.Limit) {
			b.level = full
		} else {
			b.level += dt * uint64(r.Limit)
		}
	}
	b.at = max(b.at, now)
	return b
}

// scale is v * mul / div, or the largest number when that does not fit.
func scale(v, mul, div uint64) uint64 {
	hi, lo := bits.Mul64(v, mul)
	if hi >= div {
		return 1<<64 - 1
	}
	q, _ := bits.Div64(hi, lo, div)
	return q
}

// room returns the first time from now on at which the bucket holds amount.
func (b bucket) room(r *Rule, amount uint32, now int64) int64 {
	b = b.refilled(r, now)
	cost := uint64(amount) * uint64(r.period())
	switch {
	case cost <= b.level:
		return now
	case amount > r.Burst || r.Limit == 0:
		return never
	}
	short := cost - b.level
	wait := (short-1)/uint64(r.Limit) + 1
	return min(now+int64(min(wait, maxTime)), never)
}
