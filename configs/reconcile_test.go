package configs

import (
	"testing"
	"time"
)

// TestParseTimeOfDay: a time of day is read strictly, and none at all is negative.
func TestParseTimeOfDay(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"": -1, "00:00": 0, "10:00": 10 * time.Hour, "23:59": 23*time.Hour + 59*time.Minute,
	} {
		if got, err := ParseTimeOfDay(s); got != want || err != nil {
			t.Errorf("%q: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"24:00", "9:00", "10", "10:60", "10:00-11:00", " 10:00"} {
		if got, err := ParseTimeOfDay(s); got >= 0 || err == nil {
			t.Errorf("%q: %v, %v, want an error", s, got, err)
		}
	}
}
