package bridge

import (
	"errors"
	"sync"
	"time"
)

const (
	// deafAfter is how many queries in a row a route must leave unanswered before it is not asked any more for deafRest: all
	// routes' uncertain messages wait for their turn meanwhile. It is tried again before they are due again (findAgain).
	deafAfter = findParallel
	deafRest  = findAgain / 2

	// deafQuery is how long a query lasts that is left unanswered. One that fails at once holds up nobody.
	deafQuery = time.Second
)

// errDeaf stands for the answer of a route that is not asked because it has not answered lately.
var errDeaf = errors.New("the route does not answer queries")

// queries is each route's budget of queries a second. Those about uncertain attempts use it up without asking for room: of
// what they leave, messages without a report are asked for. It knows too which routes do not answer.
type queries struct {
	steady func() time.Time

	mu      sync.Mutex
	buckets map[string]*queryBucket // guarded by mu; by route
}

type queryBucket struct {
	left float64
	at   time.Time // when that was left

	unanswered int       // queries in a row
	deafUntil  time.Time // by steady
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

// heard reports whether a route is worth a query: it answered lately, or has rested.
func (q *queries) heard(route string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buckets[route]
	return b == nil || !q.steady().Before(b.deafUntil)
}

// answered says what became of a query, and how long it took, for which take or spend was called.
func (q *queries) answered(route string, err error, took time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	b := q.buckets[route]
	if err == nil || errors.Is(err, ErrCannotAsk) || took < deafQuery {
		b.unanswered, b.deafUntil = 0, time.Time{}
		return
	}
	if b.unanswered++; b.unanswered >= deafAfter {
		b.deafUntil = q.steady().Add(deafRest)
	}
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
