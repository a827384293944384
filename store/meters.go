package store

import (
	"encoding/binary"
	"strings"
)

// A counter is what charges are made on: a meter, or the charges on one phone.
type counter interface {
	// room returns now if the charge fits, else the first time at which it may, or never. It
	// changes nothing: what a refused charge would have changed in memory, a node that restarts
	// would not have.
	room(c *Charge, now int64) int64
	// add makes the charge at t's time.
	add(t *txn, c *Charge)
}

// A meter is a counter that is kept whole in the bucket meters.
type meter struct {
	key   string
	rules []ruleState // by their place in the charges' rules
	dirty bool        // changed since it was written
}

// A ruleState is what a meter knows of one rule.
type ruleState struct {
	kind   RuleKind
	bucket bucket  // RuleBucket
	level  uint64  // RuleLevel
	rule   Rule    // RuleWindow, RuleRolling: only Period and Offset, to notice other windows
	counts []spent // RuleWindow: at is the window's number; RuleRolling: at is the time
}

// state returns what m knows of rule i. When the rule has become another, it starts anew; a
// bucket goes on, see refilled.
func (m *meter) state(i int, r *Rule) ruleState {
	if i < len(m.rules) && m.rules[i].kind == r.Kind {
		x := m.rules[i]
		if r.Kind != RuleWindow && r.Kind != RuleRolling || x.rule.Period == r.Period && x.rule.Offset == r.Offset {
			return x
		}
	}
	return ruleState{kind: r.Kind, rule: Rule{Period: r.Period, Offset: r.Offset}}
}

func (m *meter) room(c *Charge, now int64) int64 {
	t := now
	for i := range c.Rules {
		r := &c.Rules[i]
		x := m.state(i, r)
		t = max(t, x.room(r, c.Amount, now))
	}
	return t
}

func (x *ruleState) room(r *Rule, amount uint32, now int64) int64 {
	switch r.Kind {
	case RuleBucket:
		return x.bucket.room(r, amount, now)
	case RuleWindow:
		return windowRoom(r, amount, now, x.inWindow)
	case RuleRolling:
		return rollingRoom(r, amount, now, x.counts)
	}
	if x.level+uint64(amount) > uint64(r.Limit) { // RuleLevel
		if amount > r.Limit {
			return never
		}
		return now + levelPause
	}
	return now
}

// inWindow returns what is counted in window w.
func (x *ruleState) inWindow(w int64) uint64 {
	for i := range x.counts {
		if x.counts[i].at == w {
			return uint64(x.counts[i].amount)
		}
	}
	return 0
}

func (m *meter) add(t *txn, c *Charge) {
	now := t.at
	for i := range c.Rules {
		r := &c.Rules[i]
		x := m.state(i, r)
		switch r.Kind {
		case RuleBucket:
			x.bucket = x.bucket.refilled(r, now)
			x.bucket.level -= uint64(c.Amount) * uint64(r.period())
		case RuleWindow:
			x.addWindows(r, c.Amount, now)
		case RuleRolling:
			x.addRolling(r, c.Amount, now)
		case RuleLevel:
			x.level += uint64(c.Amount)
		}
		if i < len(m.rules) {
			m.rules[i] = x
		} else {
			m.rules = append(m.rules, x)
		}
	}
	t.touch(m)
}

// addWindows counts amount in every window that it touches and forgets those that no later
// charge can touch.
func (x *ruleState) addWindows(r *Rule, amount uint32, now int64) {
	first, last := r.window(now-r.guard()), r.window(now+r.guard())
	for len(x.counts) > 0 && x.counts[0].at < first {
		x.counts = x.counts[1:]
	}
	for w := first; w <= last; w++ {
		i := 0
		for i < len(x.counts) && x.counts[i].at < w {
			i++
		}
		if i == len(x.counts) {
			x.counts = append(x.counts, spent{at: w})
		}
		x.counts[i].amount += amount
	}
}

// rollingSlots is into how many steps a rolling meter divides its period: charges within a step
// are kept as one, at the step's end, so that the meter stays small and never lets too much pass.
const rollingSlots = 1024

func (x *ruleState) addRolling(r *Rule, amount uint32, now int64) {
	for len(x.counts) > 0 && x.counts[0].at+r.span() <= now {
		x.counts = x.counts[1:]
	}
	step := max(r.period()/rollingSlots, 1)
	at := (now/step+1)*step - 1
	if n := len(x.counts); n > 0 && x.counts[n-1].at == at {
		x.counts[n-1].amount += amount
		return
	}
	x.counts = append(x.counts, spent{at: at, amount: amount})
}

// release lowers the level of m's RuleLevel rules by one.
func (m *meter) release(t *txn) {
	for i := range m.rules {
		if x := &m.rules[i]; x.kind == RuleLevel && x.level > 0 {
			x.level--
			t.touch(m)
		}
	}
}

// touch has a meter written at the end of the Apply.
func (t *txn) touch(m *meter) {
	if !m.dirty {
		m.dirty = true
		t.dirty = append(t.dirty, m)
	}
}

// meter returns the meter that key names.
func (m *machine) meter(key string) *meter {
	x := m.meters[key]
	if x == nil {
		x = &meter{key: strings.Clone(key)}
		m.meters[x.key] = x
	}
	return x
}

// encode appends the meter's record.
func (m *meter) encode(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(len(m.rules)))
	for i := range m.rules {
		x := &m.rules[i]
		b = append(b, byte(x.kind))
		switch x.kind {
		case RuleBucket:
			b = appendTime(b, x.bucket.at)
			b = binary.AppendUvarint(b, uint64(x.bucket.period))
			b = binary.AppendUvarint(b, x.bucket.level)
		case RuleLevel:
			b = binary.AppendUvarint(b, x.level)
		default:
			b = binary.AppendUvarint(b, uint64(x.rule.Period))
			b = binary.AppendVarint(b, x.rule.Offset)
			b = binary.AppendUvarint(b, uint64(len(x.counts)))
			for _, c := range x.counts {
				b = binary.AppendVarint(b, c.at)
				b = binary.AppendUvarint(b, uint64(c.amount))
			}
		}
	}
	return b
}

func decodeMeter(key string, b []byte) (*meter, error) {
	d := decoder{b: b}
	m := &meter{key: key, rules: make([]ruleState, d.count(2))}
	for i := range m.rules {
		x := &m.rules[i]
		x.kind = RuleKind(d.octet())
		switch x.kind {
		case RuleBucket:
			x.bucket = bucket{at: d.time(), period: int64(d.upTo(maxPeriod)), level: d.uvarint()}
		case RuleLevel:
			x.level = d.uvarint()
		case RuleWindow, RuleRolling:
			x.rule = Rule{Period: int64(d.upTo(maxPeriod)), Offset: d.varint()}
			x.counts = make([]spent, d.count(2))
			for j := range x.counts {
				x.counts[j] = spent{at: d.varint(), amount: d.uint32()}
			}
		default:
			d.fail("rule kind")
		}
	}
	return m, d.end()
}
