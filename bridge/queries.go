package bridge

import (
	"sync"
	"time"
)

// queries is each route's budget of queries a second. Those about uncertain attempts are never put off, but use it up: of
// what they leave, messages without a report are asked for.
type queries struct {
	steady func() time.Time

	mu      sync.Mutex
	buckets map[string]*queryBucket // guarded by mu; by route
}

type queryBucket struct {
	left float64
	at   time.Time // when that was left
}

func newQueries(steady func() time.Time) *queries {
	return &queries{steady: steady, buckets: make(map[string]*queryBucket)}
}

// take takes a query from the budget of a route that may make qps of them a second, if there is one left.
func (q *queries) take(route string, qps int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fill(route, qps)
	if b.left < 1 {
		return false
	}
	b.left--
	return true
}

// spend takes one that is made in any case.
func (q *queries) spend(route string, qps int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.fill(route, qps)
	b.left = max(b.left-1, -float64(qps)) // what was overdrawn is forgotten within a second
}

// fill returns a route's bucket as it is now: at most what queryWindow brings. q.mu is held.
func (q *queries) fill(route string, qps int) *queryBucket {
	now := q.steady()
	b := q.buckets[route]
	if b == nil {
		b = &queryBucket{left: float64(qps) * queryWindow.Seconds(), at: now}
		q.buckets[route] = b
	}
	b.left = min(b.left+float64(qps)*now.Sub(b.at).Seconds(), float64(qps)*queryWindow.Seconds())
	b.at = now
	return b
}

// queryQPS is how many queries a second a route may make. One that is gone from the policy has the budget of any.
func (p *policy) queryQPS(route string) int {
	if r := p.routes[route]; r != nil && r.QueryQPS > 0 {
		return r.QueryQPS
	}
	return queryUsual
}

// queryUsual is the default of a route's query_qps.
const queryUsual = 20
