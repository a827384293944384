package main

import (
	"testing"
	"time"

	"smppbridge/smpp"
)

// TestRateHolds: a burst is accepted, what is above it is throttled, also after a restart (promise 5).
func TestRateHolds(t *testing.T) {
	s := startSystem(t)
	count := func() (ok int) {
		c := s.bind("slow", smpp.Transceiver)
		for range 10 {
			switch st, _ := c.submit(phone, "private"); st {
			case smpp.StatusOK:
				ok++
			case smpp.StatusThrottled:
			default:
				t.Errorf("answered %v, want ESME_ROK or ESME_RTHROTTLED", st)
			}
		}
		c.Close()
		return ok
	}
	want(t, "accepted of ten", count(), 5)
	s.restart()
	want(t, "accepted after a restart", count(), 0)
}

// TestOpenWindowHolds: an account with three open messages is told that its queue is full, until
// one of them is final (promise 5).
func TestOpenWindowHolds(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Paused = true })
	c := s.bind("narrow", smpp.Transceiver)
	var ids []string
	for range 3 {
		ids = append(ids, c.mustSubmit(phone, "private"))
	}
	st, _ := c.submit(phone, "private")
	want(t, "the fourth", st, smpp.StatusMsgQFul)
	s.restart()
	c = s.bind("narrow", smpp.Transceiver)
	st, _ = c.submit(phone, "private")
	want(t, "after a restart", st, smpp.StatusMsgQFul)
	s.bridge.Resume()
	for _, id := range ids {
		c.receipt(id)
	}
	c.mustSubmit(phone, "private")
}

// TestDailyQuotaHolds: also across a restart (promise 5).
func TestDailyQuotaHolds(t *testing.T) {
	s := startSystem(t)
	awayFromDayEdge(t)
	c := s.bind("quota", smpp.Transceiver)
	for range 4 {
		c.mustSubmit(phone, "private")
	}
	s.restart()
	c = s.bind("quota", smpp.Transceiver)
	st, _ := c.submit(phone, "private")
	want(t, "the fifth", st, smpp.StatusThrottled)
}

// TestPhoneWindowHolds: two one-time codes to one phone are not sent within one clock minute, also
// not by a restarted node; the second waits, and expires if it is not worth waiting (promise 5).
func TestPhoneWindowHolds(t *testing.T) {
	s := startSystem(t)
	awayFromMinuteEdge(t)
	c := s.bind("otp", smpp.Transceiver)
	const text = "您的验证码是471153，5分钟内有效，请勿泄露。"
	want(t, "first", c.receipt(c.mustSubmit(phone, text)).State, smpp.StateDelivered)
	s.restart()
	c = s.bind("otp", smpp.Transceiver)
	id := c.mustSubmit(phone, text, func(m *smpp.SubmitSM) { m.ValidityPeriod = "000000000002000R" }) // 2 s
	want(t, "second", c.receipt(id).State, smpp.StateExpired)
	other := c.mustSubmit("13912345679", text)
	want(t, "another phone", c.receipt(other).State, smpp.StateDelivered)
	want(t, "executed", s.executed(phone), 1)
}

// awayFromMinuteEdge waits until the clock minute has at least 25 s to go: a restart or two may take some on a slow disk.
func awayFromMinuteEdge(t *testing.T) {
	t.Helper()
	awayFromEdge(t, time.Now(), time.Minute, 25*time.Second)
}

// awayFromDayEdge waits until the day of UTC+8 has at least a minute to go.
func awayFromDayEdge(t *testing.T) {
	t.Helper()
	awayFromEdge(t, time.Now().Add(8*time.Hour), 24*time.Hour, time.Minute)
}

// awayFromEdge waits for the next period of the clock if this one has less to go than is needed.
func awayFromEdge(t *testing.T, now time.Time, period, needed time.Duration) {
	t.Helper()
	if left := now.Truncate(period).Add(period).Sub(now); left < needed {
		wait(t, t.Context(), left+2*time.Second)
	}
}
