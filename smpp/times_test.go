package smpp

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		in   string
		want string // RFC 3339; empty: an error
	}{
		{"261231235959000+", "2026-12-31T23:59:59Z"},
		{"261231235959932+", "2026-12-31T15:59:59.9Z"}, // UTC+8 is 32 quarters ahead
		{"261231235959032-", "2027-01-01T07:59:59Z"},
		{"000000000500000R", "2026-01-31T12:05:00Z"},
		{"000001020304000R", "2026-02-01T14:03:04Z"},
		{"010203000000000R", "2027-04-03T12:00:00Z"}, // 31 March and 3 days
		{"280229000000000+", "2028-02-29T00:00:00Z"},
		{"260229000000000+", ""}, // no such day
		{"261301000000000+", ""},
		{"260001000000000+", ""},
		{"260101240000000+", ""},
		{"260101006000000+", ""},
		{"260101000060000+", ""},
		{"260101000000049+", ""}, // more than twelve hours from UTC
		{"260101000000000Z", ""},
		{"26010100000000+", ""},
		{"2601010000000000+", ""},
		{"26010100000x000+", ""},
		{"261231235959x00+", ""},
		{"26123123595900-+", ""},
	} {
		got, err := ParseTime(tt.in, now)
		if (err == nil) != (tt.want != "") || err == nil && got.UTC().Format(time.RFC3339Nano) != tt.want {
			t.Errorf("%q: got %v %v, want %q", tt.in, got, err, tt.want)
		}
	}
	if got, err := ParseTime("", now); err != nil || !got.IsZero() {
		t.Errorf("none: got %v %v", got, err)
	}
}

func TestExpiryAndSchedule(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	m := &SubmitSM{ValidityPeriod: "000000001000000R", ScheduleDeliveryTime: FormatTime(now.Add(time.Hour))}
	if got, err := m.Expiry(now); err != nil || !got.Equal(now.Add(10*time.Minute)) {
		t.Errorf("Expiry: got %v %v", got, err)
	}
	if got, err := m.Schedule(now); err != nil || !got.Equal(now.Add(time.Hour)) {
		t.Errorf("Schedule: got %v %v", got, err)
	}
	if FormatTime(time.Time{}) != "" {
		t.Error("FormatTime of none")
	}
	m.ValidityPeriod, m.ScheduleDeliveryTime = "bad", "bad"
	if _, err := m.Expiry(now); StatusOf(err, StatusOK) != StatusInvExpiry {
		t.Errorf("Expiry: %v", err)
	}
	if _, err := m.Schedule(now); StatusOf(err, StatusOK) != StatusInvSched {
		t.Errorf("Schedule: %v", err)
	}
}
