package smpp

import (
	"errors"
	"time"
)

// errTime is why a time of the standard's format cannot be read.
var errTime = errors.New("not a time as SMPP 3.4, 7.1.1 writes it")

// ParseTime reads an absolute or relative time, YYMMDDhhmmsstnnp (SMPP 3.4, 7.1.1).
// A relative one counts from now. The empty string is the zero time: none given.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	var n [7]int // year, month, day, hour, minute, second, quarter hours
	if len(s) != 16 || s[12] < '0' || s[12] > '9' {
		return time.Time{}, errTime
	}
	for i := range n {
		at := 2 * i
		if i == 6 {
			at = 13 // behind the tenths of a second
		}
		if s[at] < '0' || s[at] > '9' || s[at+1] < '0' || s[at+1] > '9' {
			return time.Time{}, errTime
		}
		n[i] = int(s[at]-'0')*10 + int(s[at+1]-'0')
	}
	tenths := time.Duration(s[12]-'0') * 100 * time.Millisecond
	if s[15] == 'R' {
		t := now.AddDate(n[0], n[1], n[2])
		return t.Add(time.Duration(n[3])*time.Hour + time.Duration(n[4])*time.Minute + time.Duration(n[5])*time.Second), nil
	}
	return absoluteTime(n, tenths, s[15])
}

func absoluteTime(n [7]int, tenths time.Duration, sign byte) (time.Time, error) {
	offset := time.Duration(n[6]) * 15 * time.Minute // of the sender's clock from UTC
	switch {
	case sign == '-':
		offset = -offset
	case sign != '+':
		return time.Time{}, errTime
	}
	if n[6] > 48 || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return time.Time{}, errTime
	}
	t := time.Date(2000+n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], int(tenths), time.UTC)
	if int(t.Month()) != n[1] || t.Day() != n[2] {
		return time.Time{}, errTime // no such day: Date would have taken the next month's
	}
	return t.Add(-offset), nil
}

// FormatTime writes t as an absolute time in UTC, the zero time as none.
func FormatTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("060102150405") + "000+"
}

// Expiry returns when m's validity_period ends, the zero time if it has none. The
// error is a *StatusError with ESME_RINVEXPIRY.
func (m *SubmitSM) Expiry(now time.Time) (time.Time, error) {
	t, err := ParseTime(m.ValidityPeriod, now)
	if err != nil {
		return time.Time{}, &StatusError{Status: StatusInvExpiry, Err: err}
	}
	return t, nil
}

// Schedule returns m's schedule_delivery_time, the zero time if it has none. The
// error is a *StatusError with ESME_RINVSCHED.
func (m *SubmitSM) Schedule(now time.Time) (time.Time, error) {
	t, err := ParseTime(m.ScheduleDeliveryTime, now)
	if err != nil {
		return time.Time{}, &StatusError{Status: StatusInvSched, Err: err}
	}
	return t, nil
}
