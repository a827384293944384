package aliyunsim

import (
	"maps"
	"sync"
	"sync/atomic"
)

// Counters are what a Server has done since it was made.
type Counters struct {
	// Calls counts answers by API ("other" for what is none), then by code: OK, an error code, or fault_ and
	// the kind of the fault that took the answer's place.
	Calls    map[string]map[string]int64 `json:"calls"`
	Executed int64                       `json:"executed"` // messages
	Faults   map[string]int              `json:"faults"`   // by kind
	Reports  ReportCounters              `json:"reports"`
}

// ReportCounters are about the pushing of reports.
type ReportCounters struct {
	Pushed   int64 `json:"pushed"` // reports that were taken
	Posts    int64 `json:"posts"`  // POSTs made
	Failed   int64 `json:"failed"` // POSTs that were refused or not answered
	Retried  int64 `json:"retried"`
	Lost     int64 `json:"lost"` // reports dropped after the last retry
	Pending  int   `json:"pending"`
	Withheld int   `json:"withheld"`
}

type counters struct {
	executed atomic.Int64

	mu    sync.Mutex
	calls map[string]map[string]int64 // guarded by mu
}

// answer counts an answer.
func (c *counters) answer(action, code string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	byCode := c.calls[action]
	if byCode == nil {
		if c.calls == nil {
			c.calls = map[string]map[string]int64{}
		}
		byCode = map[string]int64{}
		c.calls[action] = byCode
	}
	byCode[code]++
}

// Counters returns the present counts.
func (s *Server) Counters() Counters {
	out := Counters{Calls: map[string]map[string]int64{}, Executed: s.counters.executed.Load()}
	s.counters.mu.Lock()
	for action, byCode := range s.counters.calls {
		out.Calls[action] = maps.Clone(byCode)
	}
	s.counters.mu.Unlock()
	s.faults.mu.Lock()
	out.Faults = maps.Clone(s.faults.hits)
	s.faults.mu.Unlock()
	n := &s.pusher.counts
	out.Reports = ReportCounters{Pushed: n.pushed.Load(), Posts: n.posts.Load(), Failed: n.failed.Load(),
		Retried: n.retried.Load(), Lost: n.lost.Load()}
	out.Reports.Pending, out.Reports.Withheld = s.pusher.waiting()
	return out
}
