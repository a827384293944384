package bridge

import (
	"net/netip"
	"sync"
	"time"
)

// A lockout slows down who guesses passwords, on this node and in memory: an account at one address,
// an address whatever the account, and an account over all addresses. A bind that is locked out
// is refused at once, without hashing, and does not lengthen the lock.
//
// It never locks an owner out of an address that works. An address from which an account has bound
// before, or which its policy lists by itself, is good for it: neither the lock of the address nor
// that of the account holds there. And a right password that is known already (verified before) passes
// at a good address even while account and address are locked as a pair: an attacker who shares the
// address, behind one NAT, cannot keep the owner out by guessing.
type lockout struct {
	now func() time.Time

	mu        sync.Mutex
	pairs     tallies[suspect]                      // guarded by mu
	addresses tallies[netip.Prefix]                 // guarded by mu
	accounts  tallies[string]                       // guarded by mu; of new wrong passwords at addresses that are not good
	good      map[string]map[netip.Prefix]time.Time // guarded by mu; by account: where it has bound, and when last
}

// A suspect is an account at an address.
type suspect struct {
	account string
	network netip.Prefix
}

// What is remembered, and how much of it at most.
const (
	wrongWithin = time.Minute         // in which wrong passwords are counted
	goodFor     = 30 * 24 * time.Hour // after the last bind from there
	maxGood     = 64                  // addresses of an account
	maxTallies  = 10_000              // of each kind
)

func newLockout(now func() time.Time) *lockout {
	return &lockout{
		now:       now,
		pairs:     newTallies[suspect](5, time.Second, 5*time.Minute),
		addresses: newTallies[netip.Prefix](20, time.Second, 5*time.Minute),
		accounts:  newTallies[string](50, time.Minute, 10*time.Minute),
		good:      make(map[string]map[netip.Prefix]time.Time),
	}
}

// isGood reports whether the account has bound from there.
func (l *lockout) isGood(s suspect) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	at, ok := l.good[s.account][s.network]
	return ok && l.now().Sub(at) < goodFor
}

// addressLocked reports whether too many passwords, or system_ids, that came from there were wrong.
func (l *lockout) addressLocked(n netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.addresses.locked(n, l.now())
}

// check returns nil if a password of s may be verified. good says that the address is good for
// the account.
func (l *lockout) check(s suspect, good bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	switch {
	case l.pairs.locked(s, now):
		return refusedPairLocked
	case good:
		return nil
	case l.addresses.locked(s.network, now):
		return refusedAddressLocked
	case l.accounts.locked(s.account, now):
		return refusedAccountLocked
	}
	return nil
}

// right notes that s has sent the right password.
func (l *lockout) right(s suspect) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.pairs.byKey, s)
	known := l.good[s.account]
	if known == nil {
		known = make(map[netip.Prefix]time.Time)
		l.good[s.account] = known
	}
	if _, ok := known[s.network]; !ok && len(known) >= maxGood {
		delete(known, earliest(known))
	}
	known[s.network] = l.now()
}

func earliest(known map[netip.Prefix]time.Time) (first netip.Prefix) {
	var at time.Time
	for n, t := range known {
		if at.IsZero() || t.Before(at) {
			first, at = n, t
		}
	}
	return first
}

// wrong notes that s has sent a wrong password. fresh says that it was a new one: who sends the same
// one again does not guess, and is not locked out for longer each time.
func (l *lockout) wrong(s suspect, good, fresh bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.pairs.add(s, now, fresh)
	l.addresses.add(s.network, now, fresh)
	if !good && fresh {
		l.accounts.add(s.account, now, true)
	}
}

// unknown notes that a system_id came from there that does not exist.
func (l *lockout) unknown(n netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.addresses.add(n, l.now(), false)
}

// prune forgets what is over.
func (l *lockout) prune() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	l.pairs.prune(now)
	l.addresses.prune(now)
	l.accounts.prune(now)
	for account, known := range l.good {
		for n, at := range known {
			if now.Sub(at) >= goodFor {
				delete(known, n)
			}
		}
		if len(known) == 0 {
			delete(l.good, account)
		}
	}
}

// counts are functions that say how much is locked out, by what: for metrics.
func (l *lockout) counts() map[string]func() float64 {
	count := func(of func(time.Time) int) func() float64 {
		return func() float64 {
			l.mu.Lock()
			defer l.mu.Unlock()
			return float64(of(l.now()))
		}
	}
	return map[string]func() float64{
		"pair": count(l.pairs.count), "address": count(l.addresses.count), "account": count(l.accounts.count),
	}
}

// tallies count wrong passwords by whatever is locked out for them.
type tallies[K comparable] struct {
	limit       int           // wrong ones within wrongWithin, before the first lock
	first, last time.Duration // of the first lock; each further guess doubles it, up to last
	byKey       map[K]*tally
}

type tally struct {
	since time.Time     // the first of those counted
	wrong int           // counted; meaningless once locked
	wait  time.Duration // how long the last lock was; 0 = there was none
	until time.Time     // locked so long
}

func newTallies[K comparable](limit int, first, last time.Duration) tallies[K] {
	return tallies[K]{limit: limit, first: first, last: last, byKey: make(map[K]*tally)}
}

func (t *tallies[K]) locked(k K, now time.Time) bool {
	e := t.byKey[k]
	return e != nil && now.Before(e.until)
}

func (t *tallies[K]) add(k K, now time.Time, fresh bool) {
	e := t.byKey[k]
	if e == nil || t.over(e, now) {
		t.makeRoom(now)
		e = &tally{since: now}
		t.byKey[k] = e
	}
	e.wrong++
	switch {
	case now.Before(e.until): // it was being verified when the lock began
	case e.wait > 0 && fresh:
		e.wait = min(2*e.wait, t.last)
		e.until = now.Add(e.wait)
	case e.wait > 0:
		e.until = now.Add(t.first)
	case e.wrong >= t.limit:
		e.wait = t.first
		e.until = now.Add(e.wait)
	}
}

// over reports whether a tally says nothing any more: its minute has passed without a lock, or
// the longest lock has without another wrong password.
func (t *tallies[K]) over(e *tally, now time.Time) bool {
	if e.wait == 0 {
		return now.Sub(e.since) > wrongWithin
	}
	return now.Sub(e.until) > t.last
}

// makeRoom keeps the memory bounded: of a few tallies, in no order, one that is not locked goes. Who has so
// many addresses that his tallies push each other out is held up by the account's.
func (t *tallies[K]) makeRoom(now time.Time) {
	if len(t.byKey) < maxTallies {
		return
	}
	var victim K
	looked := 0
	for k, e := range t.byKey {
		victim = k
		if looked++; looked == 16 || !now.Before(e.until) {
			break
		}
	}
	delete(t.byKey, victim)
}

func (t *tallies[K]) prune(now time.Time) {
	for k, e := range t.byKey {
		if t.over(e, now) {
			delete(t.byKey, k)
		}
	}
}

func (t *tallies[K]) count(now time.Time) (n int) {
	for _, e := range t.byKey {
		if now.Before(e.until) {
			n++
		}
	}
	return n
}
