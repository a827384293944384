package store

import (
	"math/rand/v2"
	"testing"
)

// utc8 is the offset of China Standard Time.
const utc8 = 8 * 3600 * 1000

// TestPhoneWindows: where windows begin and end, with the second of guard on both sides that
// covers the way from Begin to the API's own count. t0 is a full hour at UTC+8.
func TestPhoneWindows(t *testing.T) {
	minute := Rule{Kind: RuleWindow, Limit: 1, Period: 60_000, Offset: utc8, Guard: 1000}
	hour := Rule{Kind: RuleWindow, Limit: 5, Period: 3_600_000, Offset: utc8, Guard: 1000}
	day := Rule{Kind: RuleWindow, Limit: 2, Period: 86_400_000, Offset: utc8, Guard: 1000}
	rolling := Rule{Kind: RuleRolling, Limit: 2, Period: 60_000, Guard: 1000}
	tests := []struct {
		name   string
		rule   Rule
		spent  []int64 // charges of 1, ms after t0
		at     int64
		amount uint32
		want   int64 // when it fits; equal to at when at once
	}{
		{"first", minute, nil, 0, 1, 0},
		{"same minute", minute, []int64{10_000}, 20_000, 1, 61_000},
		{"next minute, within the guard", minute, []int64{10_000}, 60_500, 1, 61_000},
		{"next minute", minute, []int64{10_000}, 61_000, 1, 61_000},
		{"charged at :59.5, so in both minutes", minute, []int64{59_500}, 61_000, 1, 121_000},
		{"charged at :00.5, so in both minutes", minute, []int64{60_500}, 30_000, 1, 121_000},
		{"charged at :58.9, in its own minute", minute, []int64{58_900}, 61_000, 1, 61_000},
		{"charged at :59.0, whose guard touches the next", minute, []int64{59_000}, 61_000, 1, 121_000},
		{"hour not full", hour, []int64{1000, 2000, 3000, 4000}, 5000, 1, 5000},
		{"hour full", hour, []int64{1000, 2000, 3000, 4000, 5000}, 6000, 1, 3_601_000},
		{"an amount of two", hour, []int64{1000, 2000, 3000, 4000}, 5000, 2, 3_601_000},
		{"more than the rule ever lets through", hour, nil, 0, 6, never - t0},
		{"day is that of UTC+8: noon to midnight", day, []int64{0, 1}, 2, 1, 12*3_600_000 + 1000},
		{"rolling not full", rolling, []int64{0}, 1, 1, 1},
		{"rolling full", rolling, []int64{0, 10}, 11, 1, 61_000},
		{"rolling: the oldest left just now", rolling, []int64{0, 10}, 61_000, 1, 61_000},
		{"forgotten after 25 h, as by a purge", Rule{Kind: RuleRolling, Limit: 1, Period: 26 * 3_600_000}, []int64{0}, keptSends, 1, keptSends},
		{"remembered until then", Rule{Kind: RuleRolling, Limit: 1, Period: 26 * 3_600_000}, []int64{0}, keptSends - 1, 1, 26 * 3_600_000},
		{"rolling, an amount of two", rolling, []int64{0, 10}, 11, 2, 61_010},
	}
	for _, tt := range tests {
		p := phone{key: PhoneKeyPrefix + "1"}
		for i, at := range tt.spent {
			p.charges = append(p.charges, spent{at: t0 + at, seq: uint64(i), amount: 1})
		}
		c := Charge{Key: p.key, Amount: tt.amount, Rules: []Rule{tt.rule}}
		if got := p.room(&c, t0+tt.at) - t0; got != tt.want {
			t.Errorf("%s: fits at %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestMeterAgreesWithPhone: the two ways of counting windows are one rule.
func TestMeterAgreesWithPhone(t *testing.T) {
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		r := Rule{Kind: RuleWindow, Limit: rnd.Uint32N(6) + 1, Period: rnd.Int64N(5000) + 1, Offset: rnd.Int64N(9000) - 4500, Guard: rnd.Int64N(1500)}
		p, m := phone{key: PhoneKeyPrefix + "1"}, meter{key: "m"}
		tx := &txn{machine: &machine{}}
		now := t0
		for range 200 {
			now += rnd.Int64N(r.Period/2 + 2)
			c := Charge{Amount: rnd.Uint32N(3), Rules: []Rule{r}}
			got, want := m.room(&c, now), p.room(&c, now)
			if got != want {
				t.Fatalf("seed %d: meter has room at %d, phone at %d; rule %+v", seed, got-now, want-now, r)
			}
			if got == now {
				tx.at = now
				m.add(tx, &c)
				p.charges = append(p.charges, spent{at: now, amount: c.Amount})
			}
		}
	}
}

// TestBucketIsExact: over long times, asked at any times, a bucket lets exactly Limit per Period
// pass, above its first Burst.
func TestBucketIsExact(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 2))
		r := Rule{Kind: RuleBucket, Limit: rnd.Uint32N(1000) + 1, Burst: rnd.Uint32N(50) + 1, Period: rnd.Int64N(100_000) + 1}
		m, tx := meter{}, &txn{machine: &machine{}}
		c := Charge{Amount: 1, Rules: []Rule{r}}
		var passed uint64
		now := t0
		for range 5000 {
			at := m.room(&c, now)
			if at > now && rnd.IntN(3) > 0 && at-now > 1 { // ask in between: it must not fit, and must cost nothing
				if mid := now + 1 + rnd.Int64N(at-now-1); m.room(&c, mid) != at {
					t.Fatalf("seed %d: room moved from %d when asked at %d", seed, at, mid)
				}
			}
			now = at
			tx.at = now
			m.add(tx, &c)
			passed++
		}
		// It was emptied at once each time, so nothing overflowed, if it holds what comes in a ms
		// beside a token: passed = Burst + floor(elapsed * Limit / Period).
		want := uint64(r.Burst) + uint64(now-t0)*uint64(r.Limit)/uint64(r.Period)
		perMs := uint64(r.Limit)/uint64(r.Period) + 1
		roomy := uint64(r.Burst) > perMs
		if passed > want || roomy && passed+perMs < want {
			t.Errorf("seed %d: %d passed in %d ms, want %d; rule %+v", seed, passed, now-t0, want, r)
		}
	}
}

func TestBucketAtItsBounds(t *testing.T) {
	largest := Rule{Kind: RuleBucket, Limit: 1<<32 - 1, Burst: 1<<32 - 1, Period: maxPeriod}
	tests := []struct {
		name   string
		b      bucket
		rule   Rule
		amount uint32
		at     int64
		want   int64
	}{
		{"new ones are full", bucket{}, Rule{Limit: 1, Burst: 5, Period: 1000}, 5, 0, 0},
		{"more than it holds", bucket{}, Rule{Limit: 1, Burst: 5, Period: 1000}, 6, 0, never},
		{"never refilled", bucket{period: 1000}, Rule{Limit: 0, Burst: 5, Period: 1000}, 1, 0, never},
		{"a third of a token a ms", bucket{period: 3}, Rule{Limit: 1, Burst: 5, Period: 3}, 1, 0, 3},
		{"the largest rule", bucket{period: maxPeriod}, largest, 1<<32 - 1, 0, maxPeriod},
		{"after ages", bucket{period: maxPeriod}, largest, 1<<32 - 1, maxTime - 1, maxTime - 1},
		{"period became longer", bucket{period: 1000, level: 3000}, Rule{Limit: 1, Burst: 5, Period: 2000}, 3, 0, 0},
		{"period became shorter", bucket{period: 2000, level: 6000}, Rule{Limit: 1, Burst: 5, Period: 1000}, 4, 0, 1000},
		{"burst became smaller", bucket{period: 1000, level: 5000}, Rule{Limit: 1, Burst: 2, Period: 1000}, 3, 0, never},
		{"period of nothing", bucket{}, Rule{Limit: 1, Burst: 1, Period: 0}, 1, 0, 0},
	}
	for _, tt := range tests {
		if got := tt.b.room(&tt.rule, tt.amount, tt.at); got != tt.want {
			t.Errorf("%s: room at %d, want %d", tt.name, got, tt.want)
		}
	}
}

// TestRollingNeverLetsMorePass holds the meter's coarser count against the exact one.
func TestRollingNeverLetsMorePass(t *testing.T) {
	for seed := range uint64(100) {
		rnd := rand.New(rand.NewPCG(seed, 3))
		r := Rule{Kind: RuleRolling, Limit: rnd.Uint32N(50) + 1, Period: rnd.Int64N(100_000) + 1, Guard: rnd.Int64N(2000)}
		m, tx := meter{}, &txn{machine: &machine{}}
		var log []spent
		for now, i := t0, 0; i < 500; i++ {
			now += rnd.Int64N(r.Period/10 + 2)
			c := Charge{Amount: rnd.Uint32N(4), Rules: []Rule{r}}
			exact, got := rollingRoom(&r, c.Amount, now, log), m.room(&c, now)
			if got < exact || exact == never != (got == never) {
				t.Fatalf("seed %d: meter has room at %d, exactly it is %d; rule %+v", seed, got-now, exact-now, r)
			}
			if step := r.Period/rollingSlots + 1; got != never && got > exact+step {
				t.Fatalf("seed %d: meter has room %d later than it needs; rule %+v", seed, got-exact, r)
			}
			if got == now {
				tx.at = now
				m.add(tx, &c)
				log = append(log, spent{at: now, amount: c.Amount})
			}
			if len(m.rules) > 0 && len(m.rules[0].counts) > 2*rollingSlots+int(2*r.Guard) {
				t.Fatalf("seed %d: the meter has grown to %d steps", seed, len(m.rules[0].counts))
			}
		}
	}
}

func TestMeterSurvivesItsRecord(t *testing.T) {
	rules := []Rule{
		{Kind: RuleBucket, Limit: 3, Burst: 9, Period: 777}, {Kind: RuleWindow, Limit: 100, Period: 60_000, Offset: utc8, Guard: 1000},
		{Kind: RuleRolling, Limit: 100, Period: 60_000}, {Kind: RuleLevel, Limit: 100},
	}
	m, tx := &meter{key: "m"}, &txn{machine: &machine{}}
	for i := range 5 {
		tx.at = t0 + int64(i)*300
		m.add(tx, &Charge{Amount: 1, Rules: rules})
	}
	again, err := decodeMeter("m", m.encode(nil))
	if err != nil {
		t.Fatal(err)
	}
	for amount := range uint32(120) {
		c := Charge{Amount: amount, Rules: rules}
		if got, want := again.room(&c, tx.at+5), m.room(&c, tx.at+5); got != want {
			t.Fatalf("amount %d: room at %d, before it was written at %d", amount, got, want)
		}
	}
}

// phoneBegin begins one message under a phone limit of one a minute.
func (h *harness) phoneBegin(n Number, rules ...Rule) BegunMember {
	h.t.Helper()
	r := h.apply(&Begin{
		Charges:  [][]Charge{{{Key: PhoneKeyPrefix + "13800000000", Amount: 1, Rules: rules}}},
		Attempts: []BeginAttempt{{CallBy: h.now + 1000, Charges: -1, Members: []BeginMember{{Number: n, Revision: h.status(n).Revision, Phone: "13800000000"}}}},
	}).(*BeginResult)
	return r.Attempts[0].Members[0]
}

func TestPhoneLimitPostpones(t *testing.T) {
	minute := Rule{Kind: RuleWindow, Limit: 1, Period: 60_000, Offset: utc8, Guard: 1000}
	h := newHarness(t)
	m := message("shop")
	soon := m
	soon.Expires = t0 + 30_000
	n := h.accept(m, m, soon)
	h.now += 5000
	if got := h.phoneBegin(n[0], minute); !got.Granted {
		t.Fatalf("first: %+v", got)
	}
	h.restart() // the phones are rebuilt from the sends
	if got, want := h.phoneBegin(n[1], minute), (BegunMember{Limit: 0, DueAt: t0 + 61_000}); got != want {
		t.Fatalf("second: %+v, want %+v", got, want)
	}
	if st := h.want(n[1], StateAccepted, ActionSend); st.DueAt != t0+61_000 {
		t.Errorf("second is due at t0%+d", st.DueAt-t0)
	}
	if got := h.phoneBegin(n[2], minute); got.DueAt != t0+30_000 {
		t.Errorf("one that expires before: %+v", got)
	}
	if at, ok, err := h.NextDue(ActionSend, 0); at != t0+30_000 || !ok || err != nil {
		t.Errorf("next due: %d, %t, %v", at, ok, err)
	}
	// What surely was not sent does not count: the phone is free again.
	h.finish(Outcome{Attempt: 1, Kind: OutcomeRetry, DueAt: h.now})
	if got := h.phoneBegin(n[0], minute); !got.Granted {
		t.Errorf("after a call that was not executed: %+v", got)
	}
	// Nor does what a query found unsent.
	h.finish(Outcome{Attempt: 2, Kind: OutcomeUncertain, DueAt: h.now})
	h.apply(&Found{Items: []FoundItem{{Number: n[0], Revision: h.status(n[0]).Revision, Retry: true, DueAt: h.now}}})
	if got := h.phoneBegin(n[0], minute); !got.Granted {
		t.Errorf("after a query: %+v", got)
	}
	h.now = t0 + 61_000
	if got := h.phoneBegin(n[1], minute); !got.Granted {
		t.Errorf("in the next minute: %+v", got)
	}
	// After 25 hours nothing counts, and Purge forgets it.
	h.now += keptSends
	if len(h.machine.phones) != 1 {
		t.Errorf("%d phones known", len(h.machine.phones))
	}
	h.apply(&Purge{Limit: 1})
	if len(h.machine.phones) != 0 {
		t.Errorf("%d phones known after the purge", len(h.machine.phones))
	}
	if got := h.phoneBegin(h.accept(m)[0], minute); !got.Granted {
		t.Errorf("after 25 h: %+v", got)
	}
}

func TestChargeThatNeverFits(t *testing.T) {
	h := newHarness(t)
	m := message("shop")
	soon := m
	soon.Expires = t0 + 30_000
	n := h.accept(m, soon)
	none := Rule{Kind: RuleWindow, Limit: 0, Period: 60_000}
	if got := h.phoneBegin(n[0], none); got.DueAt != t0+neverPause {
		t.Errorf("without expiry: due at t0%+d", got.DueAt-t0)
	}
	if got := h.phoneBegin(n[1], none); got.DueAt != t0+30_000 {
		t.Errorf("with expiry: due at t0%+d", got.DueAt-t0)
	}
	if len(h.machine.phones) != 0 {
		t.Error("a refused charge left a phone in memory")
	}
}
