package aliyunsim

import (
	"fmt"
	"sync"
	"time"
)

// day is the length of the rolling windows.
const day = 24 * time.Hour

// sweepEvery is how many new windows are made before stale ones are looked for.
const sweepEvery = 1 << 16

// frequency counts what phone numbers were sent. Accepted calls count, whatever their reports say.
type frequency struct {
	limits Limits

	mu      sync.Mutex
	windows map[windowKey]*window // guarded by mu
	sweep   int                   // guarded by mu; the number of windows at which to look for stale ones
}

// A windowKey names what is counted together: the codes of one signature, all codes (no sign), or what else
// is sent through one signature and template.
type windowKey struct {
	phone    phone
	account  *account
	sign     string
	template string
}

// A window counts the messages of one key.
type window struct {
	minute, hour int64 // numbers of the clock minute and hour that are counted
	inMinute     int
	inHour       int
	sent         []int64 // Unix ms of the last 24 hours, ascending
}

// A charge is one message's claim on the windows.
type charge struct {
	phone    phone
	account  *account
	sign     string
	template *template
}

func newFrequency(l Limits) *frequency {
	return &frequency{limits: l, windows: map[windowKey]*window{}, sweep: sweepEvery}
}

// take counts the messages of a call if the windows of all of them have room; otherwise it counts none and
// says which window has not.
func (f *frequency) take(charges []charge, now time.Time) *apiError {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, c := range charges {
		if f.exempt(c) {
			continue
		}
		if bad := f.takeOne(c, now.UnixMilli()); bad != nil {
			for _, c := range charges[:i] {
				f.undo(c)
			}
			return bad
		}
	}
	return nil
}

// takeOne counts one message. The caller holds mu.
func (f *frequency) takeOne(c charge, ms int64) *apiError {
	if c.template.Type != TypeCode {
		w := f.window(windowKey{c.phone, c.account, c.sign, c.template.Code}, ms)
		if bad := over("天", len(w.sent), f.limits.OtherDay); bad != nil {
			return bad
		}
		w.add(ms)
		return nil
	}
	own := f.window(windowKey{c.phone, c.account, c.sign, ""}, ms)
	all := f.window(windowKey{phone: c.phone}, ms)
	for _, check := range [...]struct {
		name        string
		have, limit int
	}{
		{"分钟", own.inMinute, f.limits.CodeMinute},
		{"小时", own.inHour, f.limits.CodeHour},
		{"天", len(own.sent), f.limits.CodeDay},
		{"天", len(all.sent), f.limits.CodeAll},
	} {
		if bad := over(check.name, check.have, check.limit); bad != nil {
			return bad
		}
	}
	own.add(ms)
	all.add(ms)
	return nil
}

// undo takes back what takeOne just counted for c. The caller holds mu, and has since.
func (f *frequency) undo(c charge) {
	if f.exempt(c) {
		return
	}
	if c.template.Type != TypeCode {
		f.windows[windowKey{c.phone, c.account, c.sign, c.template.Code}].drop()
		return
	}
	f.windows[windowKey{c.phone, c.account, c.sign, ""}].drop()
	f.windows[windowKey{phone: c.phone}].drop()
}

func (f *frequency) exempt(c charge) bool {
	return f.limits.Off || c.template.Unlimited || !c.phone.mainland()
}

func over(name string, have, limit int) *apiError {
	if limit < 0 || have < limit {
		return nil
	}
	return businessError("isv.BUSINESS_LIMIT_CONTROL", fmt.Sprintf("触发%s级流控Permits:%d", name, limit))
}

// window returns the window of k as it stands at ms.
func (f *frequency) window(k windowKey, ms int64) *window {
	w := f.windows[k]
	if w == nil {
		if len(f.windows) >= f.sweep {
			f.forget(ms)
		}
		w = &window{}
		f.windows[k] = w
	}
	w.turn(ms)
	return w
}

// turn drops what has left the windows. Minutes and hours are those of the clock at UTC+8, which
// begin when those of UTC do.
func (w *window) turn(ms int64) {
	if m := ms / time.Minute.Milliseconds(); m > w.minute {
		w.minute, w.inMinute = m, 0
	}
	if h := ms / time.Hour.Milliseconds(); h > w.hour {
		w.hour, w.inHour = h, 0
	}
	n := 0
	for n < len(w.sent) && w.sent[n] <= ms-day.Milliseconds() {
		n++
	}
	w.sent = w.sent[n:]
}

func (w *window) add(ms int64) {
	w.inMinute++
	w.inHour++
	w.sent = append(w.sent, ms)
}

func (w *window) drop() {
	w.inMinute--
	w.inHour--
	w.sent = w.sent[:len(w.sent)-1]
}

// forget drops the windows that hold nothing any more.
func (f *frequency) forget(ms int64) {
	for k, w := range f.windows {
		if w.turn(ms); len(w.sent) == 0 {
			delete(f.windows, k)
		}
	}
	f.sweep = max(sweepEvery, 2*len(f.windows))
}
