package configs

import (
	"testing"
	"time"
)

// TestHours: hours are told by the clock of UTC+8, and may go past midnight.
func TestHours(t *testing.T) {
	at := func(clock string) time.Time {
		when, err := time.Parse(time.RFC3339, "2026-11-21T"+clock+"+08:00")
		if err != nil {
			t.Fatal(err)
		}
		return when.UTC()
	}
	for _, tt := range []struct {
		hours, now string
		want       time.Duration
	}{
		{"", "03:00:00", 0},
		{"08:00-21:00", "07:59:59", time.Second},
		{"08:00-21:00", "08:00:00", 0},
		{"08:00-21:00", "20:59:59", 0},
		{"08:00-21:00", "21:00:00", 11 * time.Hour},
		{"08:00-24:00", "23:59:59", 0},
		{"08:00-24:00", "00:00:00", 8 * time.Hour},
		{"00:00-06:30", "00:00:00", 0},
		{"00:00-06:30", "06:30:00", 17*time.Hour + 30*time.Minute},
		{"22:00-06:00", "23:00:00", 0},
		{"22:00-06:00", "05:59:59", 0},
		{"22:00-06:00", "06:00:00", 16 * time.Hour},
		{"22:00-06:00", "21:59:00", time.Minute},
	} {
		h, err := ParseHours(tt.hours)
		if err != nil {
			t.Errorf("%q: %v", tt.hours, err)
		} else if got := h.Wait(at(tt.now)); got != tt.want {
			t.Errorf("%q at %s: wait %v, want %v", tt.hours, tt.now, got, tt.want)
		}
	}
}
