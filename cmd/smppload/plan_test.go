package main

import (
	"fmt"
	"math"
	"testing"
	"time"
)

func mustPlan(t *testing.T, text string) *plan {
	t.Helper()
	p, err := parsePlan(text)
	if err != nil {
		t.Fatalf("parsePlan(%q): %v", text, err)
	}
	return p
}

// perSecondOf counts how many of times lie in each second.
func perSecondOf(times []time.Duration) []int {
	var counts []int
	for _, at := range times {
		for len(counts) <= int(at/time.Second) {
			counts = append(counts, 0)
		}
		counts[at/time.Second]++
	}
	return counts
}

func TestPlanPlaysItsRates(t *testing.T) {
	tests := []struct {
		plan string
		want []int // in each second
	}{
		{"100/s:2s", []int{100, 100}},
		{"100/s:1s,1000/s:2s,0:2s,50/s:1s", []int{100, 1000, 1000, 0, 0, 50}},
		{"0:1s,7:1s,0:1s", []int{0, 7}},
		{"5000/s:1s,3/s:2s", []int{5000, 3, 3}},
		// A quarter of a message is owed at each edge; none is lost.
		{"1/s:1250ms,1/s:1250ms,1/s:1500ms", []int{1, 1, 1, 1}},
		{"1/s:1500ms", []int{1, 1}},
		{"0-100/s:2s", []int{25, 75}},
		{"4000-0/s:2s", []int{3000, 1000}},
		{"2000-2000/s:1s", []int{2000}},
		{"1000000/s:10ms,1/s:1s", []int{10_001}},
	}
	for _, tt := range tests {
		for _, binds := range []int64{1, 3, 8} {
			t.Run(fmt.Sprintf("%s on %d", tt.plan, binds), func(t *testing.T) {
				times := play(t, schedule{plan: mustPlan(t, tt.plan), binds: binds})
				if got := perSecondOf(times); fmt.Sprint(got) != fmt.Sprint(tt.want) {
					t.Errorf("messages per second %v, want %v", got, tt.want)
				}
				for n := 1; n < len(times); n++ {
					if times[n] < times[n-1] {
						t.Fatalf("message %d at %v, the one before at %v", n, times[n], times[n-1])
					}
				}
			})
		}
	}
}

// TestRampIsEven compares with the integral of the rate.
func TestRampIsEven(t *testing.T) {
	for _, r := range [][2]float64{{100, 1000}, {1000, 100}, {0, 20_000}, {20_000, 0}, {900, 901}} {
		p := mustPlan(t, fmt.Sprintf("%.0f-%.0f/s:10s", r[0], r[1]))
		if want := int64((r[0] + r[1]) / 2 * 10); p.total != want {
			t.Errorf("%s has %d messages, want %d", p.text, p.total, want)
		}
		for n := int64(0); n < p.total; n++ {
			at := p.stretches[0].time(n).Seconds()
			if due := r[0]*at + (r[1]-r[0])*at*at/20; math.Abs(due-float64(n)) > 0.01 {
				t.Fatalf("%s: message %d at %v s, when %v are due", p.text, n, at, due)
			}
		}
	}
}

func TestPlanSharesSlicesOut(t *testing.T) {
	s := schedule{plan: mustPlan(t, "20000/s:1s"), binds: 8}
	for turn := range s.binds {
		if at, _ := s.at(s.first(turn), 0); at != time.Duration(turn)*slice {
			t.Errorf("bind %d begins at %v, want %v", turn, at, time.Duration(turn)*slice)
		}
	}
	slow := schedule{plan: mustPlan(t, "100/s:1s"), binds: 3}
	if got := slow.next(slow.first(2)); got != 5 {
		t.Errorf("at a low rate bind 2 sends %d after message 2, want 5", got)
	}
	few := schedule{plan: mustPlan(t, "2/s:1s"), binds: 3}
	if _, ok := few.at(few.first(2), 0); ok {
		t.Error("the third bind has one of two messages")
	}
}

func TestPlanHeedsTheLimit(t *testing.T) {
	s := schedule{plan: mustPlan(t, "100/s:1s"), messages: 10, binds: 1}
	if got := len(play(t, s)); got != 10 {
		t.Errorf("%d messages, want 10", got)
	}
}

func TestPlanDoesNotOverflow(t *testing.T) {
	p := mustPlan(t, "10000000/s:160h,10000000-0/s:1h,1/s:1s")
	last := p.total - 1
	if want := int64(160*3600*1e7 + 1800*1e7 + 1); p.total != want {
		t.Errorf("%d messages, want %d", p.total, want)
	}
	if got := p.at(last); got != 161*time.Hour {
		t.Errorf("the last message is due at %v, want 161h", got)
	}
	if got := p.from(last, p.turn(last, 8), 8); got != last {
		t.Errorf("the last message's bind sends %d, want %d", got, last)
	}
}

func TestPlanRefuses(t *testing.T) {
	for _, text := range []string{
		"", "100", "100/s", ":1s", "100/s:", "100/s:1", "-5:1s", "1.5/s:1s", "100/s:0s", "100/s:-1s", "100/s:1500us",
		"100/s:1s,", "100-/s:1s", "100/m:1s", "0:5s", "10000001:1s", "100/s:169h", "1/s:100h,1/s:100h",
	} {
		if p, err := parsePlan(text); err == nil {
			t.Errorf("parsePlan(%q) = %+v, want an error", text, p)
		}
	}
}
