package store

import (
	"math/rand/v2"
	"testing"
)

// An oracle counts one account's limit from a list of all messages ever accepted.
type oracle struct {
	rule   Rule
	times  []int64 // state clock at which each was accepted
	open   []Number
	tokens int64 // RuleBucket: times Period
	filled int64
}

// fits says whether one more may be accepted at now, and whether it must be: they differ only for a rolling
// limit that is kept in steps.
func (o *oracle) fits(now int64) (may, must bool) {
	count := func(in func(at int64) bool) (n uint32) {
		for _, at := range o.times {
			if in(at) {
				n++
			}
		}
		return n
	}
	r := &o.rule
	switch r.Kind {
	case RuleBucket:
		o.tokens = min(o.tokens+(now-o.filled)*int64(r.Limit), int64(r.Burst)*r.Period)
		o.filled = now
		return o.tokens >= r.Period, o.tokens >= r.Period
	case RuleWindow:
		n := count(func(at int64) bool { return (at+r.Offset)/r.Period == (now+r.Offset)/r.Period })
		return n < r.Limit, n < r.Limit
	case RuleRolling:
		step := max(r.Period/rollingSlots, 1)
		may := count(func(at int64) bool { return at > now-r.Period }) < r.Limit
		return may, count(func(at int64) bool { return at > now-r.Period-step }) < r.Limit
	}
	return uint32(len(o.open)) < r.Limit, uint32(len(o.open)) < r.Limit
}

// TestLimitsHoldWhateverTheStamps: leaders whose clocks differ by seconds follow one another, one's clock
// stands still, another's leaps. Stamps are never before the state clock, and by it every limit is exact:
// nothing more than allowed is accepted, nothing that fits refused.
func TestLimitsHoldWhateverTheStamps(t *testing.T) {
	rules := []Rule{
		{Kind: RuleBucket, Limit: 3, Burst: 5, Period: 1000},
		{Kind: RuleBucket, Limit: 7, Burst: 9, Period: 3333},
		{Kind: RuleWindow, Limit: 6, Period: 5000, Offset: 1234},
		{Kind: RuleRolling, Limit: 6, Period: 5000},
		{Kind: RuleLevel, Limit: 8},
	}
	for seed := range uint64(15) {
		rnd := rand.New(rand.NewPCG(seed, 31))
		h := newHarness(t)
		accounts := make([]*oracle, len(rules))
		for i, r := range rules {
			accounts[i] = &oracle{rule: r, tokens: int64(r.Burst) * r.Period, filled: t0}
		}
		world, skew, frozen := t0, int64(0), false
		clock := h.Clock()
		refused := 0
		for range 400 {
			switch rnd.IntN(40) {
			case 0: // another leads: its clock is behind or ahead
				skew, frozen = rnd.Int64N(4001)-2000, false
			case 1:
				frozen = !frozen
			case 2: // everybody was away
				world += rnd.Int64N(20_000)
			}
			if !frozen {
				world += rnd.Int64N(300)
			}
			h.now = world + skew
			i := rnd.IntN(len(accounts))
			refused += accounts[i].try(h, i, max(clock, h.now), rnd)
			if now := h.Clock(); now != max(clock, h.now) {
				t.Fatalf("seed %d: state clock %d after an entry of %d, was %d", seed, now, h.now, clock)
			}
			clock = h.Clock()
			if rnd.IntN(50) == 0 {
				h.restart()
			}
		}
		if refused == 0 {
			t.Errorf("seed %d: nothing was refused, so nothing was tested", seed)
		}
		h.Store.Close()
	}
}

// try accepts some messages of account i and ends some, and returns how many were refused.
func (o *oracle) try(h *harness, i int, now int64, rnd *rand.Rand) (refused int) {
	h.t.Helper()
	account := string(rune('a' + i))
	charge := Charge{Key: "limit/" + account, Amount: 1, Rules: []Rule{o.rule}}
	if o.rule.Kind == RuleLevel {
		charge.Key = OpenKey(account)
		if len(o.open) > 0 && rnd.IntN(2) == 0 {
			h.apply(&Close{Items: []CloseItem{{Number: o.open[0], Revision: 1, Ending: EndDeleted}}})
			o.open = o.open[1:]
		}
	}
	c := &Accept{Charges: [][]Charge{{charge}}}
	for range 1 + rnd.IntN(3) {
		c.Messages = append(c.Messages, Submission{Message: message(account)})
	}
	for _, it := range h.apply(c).(*AcceptResult).Items {
		may, must := o.fits(now)
		ok := it.Code == AcceptOK
		if ok && !may || !ok && must {
			h.t.Fatalf("rule %+v at %d: accepted %t, may %t, must %t, after %v", o.rule, now-t0, ok, may, must, o.times)
		}
		if !ok {
			refused++
			continue
		}
		o.times, o.open, o.tokens = append(o.times, now), append(o.open, it.Number), o.tokens-o.rule.Period
	}
	return refused
}
