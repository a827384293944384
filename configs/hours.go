package configs

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Hours are the part of each day in which messages of a class may be sent, by the clock of UTC+8. The zero Hours are the
// whole day.
type Hours struct {
	From, To time.Duration // since midnight; To may be before From: then they go past midnight
}

// beijing is the offset of the clock that hours are told by. It knows no summer time.
const beijing = 8 * time.Hour

const day = 24 * time.Hour

// ParseHours reads hours such as "08:00-21:00", or "22:00-06:00", which go past midnight. "" are the zero Hours.
func ParseHours(s string) (Hours, error) {
	if s == "" {
		return Hours{}, nil
	}
	from, to, ok := strings.Cut(s, "-")
	var h Hours
	if ok {
		h.From, ok = clockTime(from)
	}
	if ok {
		h.To, ok = clockTime(to)
	}
	if !ok || h.From == day || h.From == h.To {
		return Hours{}, fmt.Errorf("%s are not hours; allowed: two different times of day such as 08:00-21:00", quote(s))
	}
	return h, nil
}

// clockTime reads hh:mm, 24:00 included.
func clockTime(s string) (time.Duration, bool) {
	hour, minute, ok := strings.Cut(s, ":")
	if !ok || len(hour) != 2 || len(minute) != 2 {
		return 0, false
	}
	h, errHour := strconv.ParseUint(hour, 10, 8)
	m, errMinute := strconv.ParseUint(minute, 10, 8)
	t := time.Duration(h)*time.Hour + time.Duration(m)*time.Minute
	return t, errHour == nil && errMinute == nil && m < 60 && t <= day
}

// Wait returns how long after now they begin; 0 while they last.
func (h Hours) Wait(now time.Time) time.Duration {
	if h.From == h.To {
		return 0
	}
	at := time.Duration((now.UnixNano() + int64(beijing)) % int64(day))
	open := at >= h.From && at < h.To
	if h.To < h.From {
		open = at >= h.From || at < h.To
	}
	if open {
		return 0
	}
	return (h.From - at + day) % day
}
