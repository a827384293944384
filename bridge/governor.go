package bridge

import (
	rtmetrics "runtime/metrics"
	"time"

	"smppbridge/store"
)

// The governor's settings. A call of the SDK costs some 100 µs of CPU; a few hundred that are
// runnable at a time would put every other goroutine, those that accept among them, tens of
// milliseconds back in the queue for a processor.
const (
	governEvery   = 50 * time.Millisecond
	governLeast   = 8                    // calls at a time, however busy the processors are
	governSlow    = 500                  // calls a second: they take a tenth of a processor, and are not what keeps it busy
	governQuiet   = time.Second          // nothing accepted for so long: there is nothing to give way to
	waitTooLong   = 3 * time.Millisecond // of nine in ten goroutines that became runnable
	waitGoodAgain = 1 * time.Millisecond
)

// governor limits the calls that run at a time by how long goroutines wait for a processor.
// Where the API is slow and processors are idle it does not limit at all; where processors are
// what is short, accepting goes first, because a late submit_sm_resp makes ESMEs resubmit. But calls are never slower than
// governSlow for its sake: where something else keeps the processors busy for hours, what is accepted has to be sent all the same.
type governor struct {
	limit float64
	most  float64
	begun int // calls since the last look
	at    time.Time

	accepted store.Number // the last message
	quiet    time.Time    // since when it is

	next  time.Time
	waits []rtmetrics.Sample
	last  []uint64 // counts of the histogram when it was looked at last
}

func newGovernor() *governor {
	return &governor{
		limit: 4 * governLeast,
		waits: []rtmetrics.Sample{{Name: "/sched/latencies:seconds"}},
	}
}

// allow returns how many calls may run at a time; most is what the routes' workers allow, accepted the last message.
func (g *governor) allow(now time.Time, most int, accepted store.Number) int {
	g.most = float64(most)
	if accepted != g.accepted {
		g.accepted, g.quiet = accepted, now
	}
	if now.Before(g.next) {
		return int(min(g.limit, g.most))
	}
	perSecond := float64(g.begun) / max(now.Sub(g.at), governEvery).Seconds()
	g.begun, g.at, g.next = 0, now, now.Add(governEvery)
	rtmetrics.Read(g.waits)
	if h := g.waits[0].Value; h.Kind() == rtmetrics.KindFloat64Histogram {
		g.adjust(g.felt(now, g.since(h.Float64Histogram())), perSecond)
	}
	return int(min(g.limit, g.most))
}

// felt is the wait that counts: none where nobody waits for an answer.
func (g *governor) felt(now time.Time, wait time.Duration) time.Duration {
	if now.Sub(g.quiet) >= governQuiet {
		return 0
	}
	return wait
}

// adjust follows the wait of nine in ten goroutines since the last look: down by a quarter, up by
// an eighth. perSecond is how many calls were begun.
func (g *governor) adjust(wait time.Duration, perSecond float64) {
	switch {
	case wait >= waitTooLong && perSecond > governSlow:
		g.limit = max(g.limit*3/4, governLeast)
	case wait <= waitGoodAgain || wait >= waitTooLong && perSecond > 0:
		g.limit = min(max(g.limit*9/8, g.limit+1), max(g.most, governLeast))
	}
}

// since returns the ninth decile of what was counted since the last call.
func (g *governor) since(h *rtmetrics.Float64Histogram) time.Duration {
	if len(g.last) != len(h.Counts) {
		g.last = make([]uint64, len(h.Counts))
	}
	total := uint64(0)
	for i, n := range h.Counts {
		total += n - g.last[i]
	}
	rest := total / 10
	decile := time.Duration(0)
	for i := len(h.Counts) - 1; i >= 0; i-- {
		n := h.Counts[i] - g.last[i]
		if n > rest && decile == 0 {
			decile = time.Duration(h.Buckets[i] * float64(time.Second)) // the bucket's lower bound
		}
		rest -= min(n, rest)
	}
	copy(g.last, h.Counts)
	return max(decile, 0)
}
