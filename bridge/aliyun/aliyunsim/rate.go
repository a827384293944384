package aliyunsim

import (
	"sync"
	"time"
)

// rates counts an account's calls of the present second.
type rates struct {
	mu      sync.Mutex
	seconds map[string]*second // guarded by mu; by action
}

type second struct {
	at    int64
	count int
}

// take counts a call. If it is one too many, left is the rest of the second.
func (r *rates) take(action string, limit int, now time.Time) (left time.Duration, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.seconds[action]
	if w == nil {
		w = &second{}
		if r.seconds == nil {
			r.seconds = map[string]*second{}
		}
		r.seconds[action] = w
	}
	if now.Unix() > w.at {
		w.at, w.count = now.Unix(), 0
	}
	if w.count >= limit {
		return time.Second - time.Duration(now.Nanosecond()), false
	}
	w.count++
	return 0, true
}
