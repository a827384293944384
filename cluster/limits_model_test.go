package cluster_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"smppbridge/store"
)

// A budget is one set of charges that clients share, the simplest possible statement of what meters are to do:
// all charges of one unit that were ever made, and when.
type budget struct {
	name    string
	charges []store.Charge
}

// A wish is what a client asked of a budget, as the client saw it: the state's clock stood somewhere between
// from and until.
type wish struct {
	end         bool // gives one unit back, instead of asking for some
	from, until int64
}

// An answer is what a client was told about each unit, or what the state shows of it at the end.
type answer struct {
	units []unit
}

// A unit was granted, then it has a number and a time, or refused.
type unit struct {
	number uint64
	at     int64
	limit  int // refused: index of the charge that did not fit; unknownLimit if nobody was told
}

const unknownLimit = -2

// A ledger is the state of a budget. It is not changed, but copied.
type ledger struct {
	now  int64   // the state's clock, at least
	last uint64  // number given last: they ascend
	made []int64 // when units were granted
	open int     // granted and not given back
}

// model tells which answers a budget can give, one after the other.
func (b *budget) model() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return ledger{} },
		Step: func(state, input, output any) (bool, any) {
			s := state.(ledger)
			s.made = slices.Clone(s.made)
			ok := b.step(&s, input.(wish), output.(answer))
			return ok, s
		},
		Equal: func(a, b any) bool {
			x, y := a.(ledger), b.(ledger)
			return x.now == y.now && x.last == y.last && x.open == y.open && slices.Equal(x.made, y.made)
		},
		DescribeOperation: func(in, out any) string { return fmt.Sprintf("%+v -> %+v", in, out) },
	}
}

// step is one entry of the log.
func (b *budget) step(s *ledger, w wish, a answer) bool {
	at := b.when(s, w, a)
	if at < max(s.now, w.from) || at > w.until {
		return false
	}
	s.now = at
	if w.end {
		s.open--
		return true
	}
	for _, u := range a.units {
		full := b.full(s)
		granted := u.number != 0
		if granted != (full < 0) || granted && (u.at != at || u.number <= s.last) || !granted && u.limit != full && u.limit != unknownLimit {
			return false
		}
		if granted {
			s.last = u.number
			s.made = append(s.made, at)
			s.open++
		}
	}
	return true
}

// when returns the time of an entry. Of what was granted the state tells it. What was refused, or gave back, is
// taken to have come as early as the answer allows, which leaves later ones all choice. Time only makes room, so
// a charge that was the first without it was that from when those before it had room.
func (b *budget) when(s *ledger, w wish, a answer) int64 {
	earliest := max(s.now, w.from)
	first := 0 // that did not fit
	for _, u := range a.units {
		if u.number != 0 {
			return u.at
		}
		first = max(first, u.limit)
	}
	if first == 0 || earliest > w.until {
		return earliest
	}
	then := *s
	return earliest + int64(sort.Search(int(w.until-earliest), func(wait int) bool {
		then.now = earliest + int64(wait)
		full := b.full(&then)
		return full < 0 || full >= first
	}))
}

// full returns the first charge that has no room for one more unit, -1 if all have.
func (b *budget) full(s *ledger) int {
	for i, c := range b.charges {
		for _, r := range c.Rules {
			if !hasRoom(r, s) {
				return i
			}
		}
	}
	return -1
}

// hasRoom says what the comments of package store say of its rules, and computes it from all that was granted.
func hasRoom(r store.Rule, s *ledger) bool {
	if r.Kind == store.RuleLevel {
		return s.open < int(r.Limit)
	}
	if r.Kind == store.RuleBucket {
		return tokens(r, s) >= r.Period
	}
	window := func(t int64) int64 { return int64(math.Floor(float64(t+r.Offset) / float64(r.Period))) }
	counts := func(w int64) (n int) {
		for _, at := range s.made {
			if window(at-r.Guard) <= w && w <= window(at+r.Guard) {
				n++
			}
		}
		return n
	}
	if r.Kind == store.RuleRolling {
		n := 0
		for _, at := range s.made {
			if at+r.Period+r.Guard > s.now {
				n++
			}
		}
		return n < int(r.Limit)
	}
	for w := window(s.now - r.Guard); w <= window(s.now+r.Guard); w++ {
		if counts(w) >= int(r.Limit) {
			return false
		}
	}
	return true
}

// tokens is what a bucket holds, in tokens times period. It is full when the first unit is asked for.
func tokens(r store.Rule, s *ledger) int64 {
	full := int64(r.Burst) * r.Period
	level, since := full, s.now
	for _, at := range s.made {
		if since = min(since, at); at > since {
			level = min(full, level+(at-since)*int64(r.Limit))
		}
		level -= r.Period
		since = at
	}
	return min(full, level+(s.now-since)*int64(r.Limit))
}

// check reports a history that no order of the requests explains.
func (b *budget) check(t *testing.T, history []porcupine.Operation) {
	t.Helper()
	res, info := porcupine.CheckOperationsVerbose(b.model(), history, 2*patience)
	if res == porcupine.Ok {
		return
	}
	var longest []porcupine.Operation
	for _, p := range info.PartialLinearizationsOperations() {
		for _, ops := range p {
			if len(ops) > len(longest) {
				longest = ops
			}
		}
	}
	t.Errorf("limits of %q: %v: at most %d of %d requests fit one after the other", b.name, res, len(longest), len(history))
	b.tellStuck(t, longest, history)
}

// tellStuck logs what comes next where an order of the requests could not be carried on.
func (b *budget) tellStuck(t *testing.T, order, history []porcupine.Operation) {
	t.Helper()
	var s ledger
	placed := make(map[[2]int64]bool)
	for _, op := range order {
		b.step(&s, op.Input.(wish), op.Output.(answer))
		placed[[2]int64{int64(op.ClientId), op.Call}] = true
	}
	left := slices.DeleteFunc(slices.Clone(history), func(op porcupine.Operation) bool {
		return placed[[2]int64{int64(op.ClientId), op.Call}]
	})
	slices.SortFunc(left, func(a, b porcupine.Operation) int { return cmp.Compare(a.Call, b.Call) })
	t.Logf("then the ledger is %+v, and these do not follow:", s)
	for _, op := range left[:min(len(left), 8)] {
		t.Logf("lane %d, between %v and %v: %+v -> %+v", op.ClientId, time.Duration(op.Call), time.Duration(op.Return), op.Input, op.Output)
	}
}

// The budgets: each kind of rule alone, all together, and those that a Begin charges.
func budgets() []*budget {
	bucket := store.Rule{Kind: store.RuleBucket, Limit: 20, Burst: 6, Period: 1000}
	window := store.Rule{Kind: store.RuleWindow, Limit: 12, Period: 1000, Offset: 300, Guard: 150}
	rolling := store.Rule{Kind: store.RuleRolling, Limit: 12, Period: 1000, Guard: 100}
	level := store.Rule{Kind: store.RuleLevel, Limit: 15}
	qps := store.Rule{Kind: store.RuleBucket, Limit: 4, Burst: 2, Period: 1000}
	one := func(key string, rules ...store.Rule) store.Charge {
		return store.Charge{Key: key, Amount: 1, Rules: rules}
	}
	return []*budget{
		{"bucket", []store.Charge{one("rate/bucket", bucket)}},
		{"window", []store.Charge{one("quota/window", window)}},
		{"rolling", []store.Charge{one("quota/rolling", rolling)}},
		{"level", []store.Charge{one(store.OpenKey("level"), level)}},
		{"all", []store.Charge{one("rate/all", bucket), one("quota/all", window, rolling), one(store.OpenKey("all"), level)}},
		{calls, []store.Charge{one("qps", qps), one(store.PhoneKeyPrefix+"one", window, rolling)}},
	}
}

// calls is the budget that Begin charges; the others are of accounts.
const calls = "calls"

// TestHistoriesOfLimits: the model takes what a budget can answer, and nothing else.
func TestHistoriesOfLimits(t *testing.T) {
	tests := []struct {
		name, budget, history string
		want                  bool
	}{
		{"a burst and a refusal", "bucket", "0-0 1 2 3 4 5 6 x", true},
		{"one more than the burst", "bucket", "0-0 1 2 3 4 5 6 7", false},
		{"refused too early", "bucket", "0-0 1 2 3 4 5 x", false},
		{"a token in 50 ms", "bucket", "0-0 1 2 3 4 5 6/50-50 7 x", true},
		{"not before", "bucket", "0-0 1 2 3 4 5 6/49-49 7", false},
		{"refused though there is a token", "bucket", "0-0 1 2 3 4 5 6/50-50 x", false},
		{"a bucket holds no more than its burst", "bucket", "0-0 1/9000-9000 2 3 4 5 6 7 x", true},
		{"charged twice", "bucket", "0-0 1 2 3/0-0 x", false},
		{"at once, in either order", "bucket", "0-10 4 5 6 x/0-10 1 2 3", true},
		{"at once, with a number given twice", "bucket", "0-10 1/0-10 1", false},
		{"a day's count", "window", "0-0 1 2 3 4 5 6 7 8 9 10 11 12 x", true},
		{"one above it", "window", "0-0 1 2 3 4 5 6 7 8 9 10 11 12 13", false},
		{"the next day", "window", "0-0 1 2 3 4 5 6 7 8 9 10 11 12/850-850 13", true},
		{"too near to the edge", "window", "0-0 1 2 3 4 5 6 7 8 9 10 11 12/849-849 x", true},
		{"too near to the edge, granted", "window", "0-0 1 2 3 4 5 6 7 8 9 10 11 12/849-849 13", false},
		{"near an edge it counts on both sides", "window", "600-600 1 2 3 4 5 6 7 8 9 10 11 12/900-900 x", true},
		{"the last second", "rolling", "0-0 1 2 3 4 5 6 7 8 9 10 11 12/1099-1099 x/1100-1100 13", true},
		{"the last second is not over", "rolling", "0-0 1 2 3 4 5 6 7 8 9 10 11 12/1099-1099 13", false},
		{"places", "level", "0-0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 x/0-0 end/0-0 16 x", true},
		{"a place that nobody left", "level", "0-0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15/0-0 16", false},
		{"a place that leaked", "level", "0-0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15/0-0 end/0-0 x", false},
		{"the rate refuses first", "all", "0-0 1 2 3 4 5 6 x0", true},
		{"another refuses", "all", "0-0 1 2 3 4 5 6 x2", false},
		{"the quota refuses", "all", "0-0 1 2 3 4 5 6/300-300 7 8 9 10 11 12/350-350 x1", true},
		{"the quota refuses, at the last moment", "all", "0-0 1 2 3 4 5 6/300-300 7 8 9 10 11 12/300-350 x1/350-350 x1", true},
		{"the quota refuses, before the rate has room", "all", "0-0 1 2 3 4 5 6/300-300 7 8 9 10 11 12/300-349 x1", false},
		{"time passed when the quota refused", "all", "0-0 1 2 3 4 5 6/300-300 7 8 9 10 11 12/300-350 x1/350-350 x0", false},
	}
	for _, tt := range tests {
		for _, b := range budgets() {
			if b.name != tt.budget {
				continue
			}
			if got := porcupine.CheckOperations(b.model(), script(t, tt.history)); got != tt.want {
				t.Errorf("%s: %q is a history of %s: %v, want %v", tt.name, tt.history, tt.budget, got, tt.want)
			}
		}
	}
}

// script reads a history: requests with their times, and of each unit its number, or x and the limit that refused it.
// Those with the same times are at once.
func script(t *testing.T, text string) (history []porcupine.Operation) {
	t.Helper()
	calm := int64(0)
	before := ""
	for i, request := range strings.Split(text, "/") {
		fields := strings.Fields(request)
		var w wish
		var a answer
		if _, err := fmt.Sscanf(fields[0], "%d-%d", &w.from, &w.until); err != nil {
			t.Fatal(err)
		}
		if fields[0] != before || w.from == w.until {
			calm = int64(10 * i)
		}
		before = fields[0]
		for _, f := range fields[1:] {
			var u unit
			switch {
			case f == "end":
				w.end = true
				continue
			case f[0] == 'x':
				_, _ = fmt.Sscanf(f[1:], "%d", &u.limit)
			default:
				u.at = w.from
				if _, err := fmt.Sscanf(f, "%d", &u.number); err != nil {
					t.Fatal(err)
				}
			}
			a.units = append(a.units, u)
		}
		history = append(history, porcupine.Operation{ClientId: i, Input: w, Output: a, Call: calm, Return: calm + 5})
	}
	return history
}

// quantum is how coarse the clock of these tests is, so that most requests know the time they were applied at.
const quantum = 200 * time.Millisecond

func coarse() time.Time { return time.Now().Truncate(quantum) }
