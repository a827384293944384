package main

import (
	"fmt"
	"testing"
	"time"
)

// play returns when each message leaves by s, having checked that every message is
// sent by exactly one bind, in order.
func play(t *testing.T, s schedule) []time.Duration {
	t.Helper()
	times := make(map[int64]time.Duration)
	for turn := range s.binds {
		last := time.Duration(-1)
		for n := s.first(turn); ; n = s.next(n) {
			at, ok := s.at(n, 0)
			if !ok {
				break
			}
			if _, twice := times[n]; twice {
				t.Fatalf("message %d is sent twice", n)
			}
			if at < last {
				t.Fatalf("bind %d sends message %d at %v, after %v", turn, n, at, last)
			}
			times[n], last = at, at
		}
	}
	all := make([]time.Duration, len(times))
	for n, at := range times {
		if n >= int64(len(all)) {
			t.Fatalf("%d messages, but number %d is among them", len(all), n)
		}
		all[n] = at
	}
	return all
}

func TestScheduleIsEven(t *testing.T) {
	for _, rate := range []int64{1, 7, 999, 1000, 1001, 1500, 20_000, 33_333, 100_000} {
		for _, binds := range []int64{1, 3, 8} {
			t.Run(fmt.Sprintf("%d/s on %d", rate, binds), func(t *testing.T) {
				const duration = time.Second
				times := play(t, schedule{rate: rate, duration: duration, binds: binds})
				if got, want := int64(len(times)), rate; got != want {
					t.Fatalf("%d messages, want %d", got, want)
				}
				perSlice := make([]int64, duration/slice)
				for n, at := range times {
					exact := time.Duration(float64(n) / float64(rate) * 1e9)
					if at%slice != 0 || at > exact+1 || exact-at > slice {
						t.Fatalf("message %d at %v, want the beginning of the slice of %v", n, at, exact)
					}
					perSlice[at/slice]++
				}
				least := rate / int64(time.Second/slice)
				for k, n := range perSlice {
					if n < least || n > least+1 {
						t.Fatalf("slice %d has %d messages, want %d or %d", k, n, least, least+1)
					}
				}
			})
		}
	}
}

func TestScheduleSharesSlicesOut(t *testing.T) {
	s := schedule{rate: 20_000, duration: time.Second, binds: 8}
	for turn := range s.binds {
		at, _ := s.at(s.first(turn), 0)
		if want := time.Duration(turn) * slice; at != want {
			t.Errorf("bind %d begins at %v, want %v", turn, at, want)
		}
	}
	slow := schedule{rate: 100, duration: time.Second, binds: 3}
	if got := slow.next(slow.first(2)); got != 5 {
		t.Errorf("at a low rate bind 2 sends %d after message 2, want 5", got)
	}
}

func TestScheduleEnds(t *testing.T) {
	tests := []struct {
		name string
		s    schedule
		n    int64
		now  time.Duration
		ok   bool
	}{
		{"last by count", schedule{messages: 10}, 9, time.Hour, true},
		{"beyond the count", schedule{messages: 10}, 10, 0, false},
		{"before the end", schedule{duration: time.Second}, 1 << 40, time.Second - 1, true},
		{"at the end", schedule{duration: time.Second}, 0, time.Second, false},
		// However late it is: what was to leave in time does leave.
		{"last by rate, late", schedule{rate: 10, duration: time.Second}, 9, time.Hour, true},
		{"beyond the rate", schedule{rate: 10, duration: time.Second}, 10, 0, false},
		{"count before rate", schedule{rate: 10, duration: time.Second, messages: 5}, 5, 0, false},
		{"endless", schedule{rate: 10}, 1 << 40, 0, true},
	}
	for _, tt := range tests {
		if _, ok := tt.s.at(tt.n, tt.now); ok != tt.ok {
			t.Errorf("%s: message %d at %v: %v, want %v", tt.name, tt.n, tt.now, ok, tt.ok)
		}
	}
}

func TestScheduleDoesNotOverflow(t *testing.T) {
	s := schedule{rate: 10_000_000, binds: 8}
	at, ok := s.at(1e12, 0) // 100,000 seconds
	if want := 100_000 * time.Second; at != want || !ok {
		t.Errorf("message 1e12 at %v, %v; want %v", at, ok, want)
	}
	if got := s.next(1e12); got != 1e12+1 {
		t.Errorf("after message 1e12 comes %d", got)
	}
}
