package aliyun

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// fetchWithin limits one fetch of keys, all its requests together.
	fetchWithin = 5 * time.Second
	// keysWithin is how long a call waits for keys while there are none and a fetch is under way.
	keysWithin = 500 * time.Millisecond
	// soonestRenewal keeps a service that gives keys with next to no life from being asked in a loop.
	soonestRenewal = time.Second
	// Keys that cannot be had are asked for again after these, doubling, and a jitter.
	firstRetry, lastRetry = time.Second, time.Minute
	// refreshEvery is how often a complaint of the API may have keys fetched anew.
	refreshEvery = 10 * time.Second
)

var (
	errNoKeysYet = errors.New("no keys have been fetched yet")
	errKeysEnded = errors.New("the keys that were given have already ended by this node's clock")
)

// A session is keys that end.
type session struct {
	keys    Keys
	expires time.Time
}

// A fetcher gets the keys of a role from where they are given out. Its errors are safe to log.
type fetcher interface {
	fetch(context.Context) (session, error)
}

// Temporary are credentials whose keys end: those of a role. Run fetches them, and new ones when half
// of what is left of their life is over: so a service that is away may stay away for that long, and
// one that hands out the same keys until late is asked in time. While it is away the old keys are
// used until they end.
type Temporary struct {
	from    fetcher
	log     *slog.Logger
	now     func() time.Time
	wake    chan struct{} // capacity 1: has Run fetch at once
	release func()

	mu      sync.Mutex    // guards what follows
	current session       // no keys: there are none
	err     error         // why the last fetch failed; nil after one that did not
	fetched time.Time     // when current was
	pending chan struct{} // closed when the fetch that callers may wait for has ended; nil: none is worth waiting for
}

// newTemporary prepares to fetch keys and does not fetch them yet: a node must start while the
// service is away. release ends what from keeps open.
func newTemporary(from fetcher, log *slog.Logger, release func()) *Temporary {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Temporary{
		from: from, log: log, now: time.Now, wake: make(chan struct{}, 1), release: release, pending: make(chan struct{}),
	}
}

// Keys implements Credentials. It waits, for half a second at most, only while there are no keys and
// some are being fetched.
func (t *Temporary) Keys() (Keys, error) {
	keys, pending, err := t.look()
	if pending == nil {
		return keys, err
	}
	timer := time.NewTimer(keysWithin)
	defer timer.Stop()
	select {
	case <-pending:
	case <-timer.C:
	}
	if keys, pending, err = t.look(); pending != nil {
		err = errNoKeysYet
	}
	return keys, err
}

// look returns the keys, or what to wait for, or why there is neither.
func (t *Temporary) look() (Keys, <-chan struct{}, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.keys.reveal != nil {
		if t.now().Round(0).Before(t.current.expires) {
			return t.current.keys, nil, nil
		}
		t.current = session{}
		if t.err == nil { // the machine was suspended: Run does not know yet how late it is
			t.ask()
		}
	}
	return Keys{}, t.pending, t.err
}

// ask has Run fetch at once, and callers wait for it. Called with mu held.
func (t *Temporary) ask() {
	if t.pending == nil {
		t.pending = make(chan struct{})
	}
	select {
	case t.wake <- struct{}{}:
	default: // it has been told
	}
}

// Refresh drops the keys and has new ones fetched, because the API said that they have expired. Of
// several such answers the first counts: the others were to calls with the same keys.
func (t *Temporary) Refresh() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.current.keys.reveal == nil || t.now().Sub(t.fetched) < refreshEvery {
		return
	}
	t.current = session{}
	t.ask()
}

// Run fetches the keys and keeps them fresh until ctx ends.
func (t *Temporary) Run(ctx context.Context) error {
	defer t.release()
	retry := firstRetry
	for {
		wait, err := t.renew(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			retry = firstRetry
		} else {
			wait = retry/2 + rand.N(retry/2)
			retry = min(2*retry, lastRetry)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-t.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return nil
		}
	}
}

// renew fetches once and returns when to do so again.
func (t *Temporary) renew(ctx context.Context) (time.Duration, error) {
	limited, cancel := context.WithTimeout(ctx, fetchWithin)
	defer cancel()
	got, err := t.from.fetch(limited)
	now := t.now().Round(0)
	left := got.expires.Sub(now)
	if err == nil && left <= 0 {
		err = errKeysEnded
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.err = err
	if t.pending != nil {
		close(t.pending)
		t.pending = nil
	}
	switch {
	case err == nil:
		t.current, t.fetched = got, t.now()
		t.log.InfoContext(ctx, "keys fetched", "expires", got.expires.UTC())
	case ctx.Err() != nil: // the end of the node, not a failure
	case !now.Before(t.current.expires): // also of no keys at all
		t.log.ErrorContext(ctx, "no keys", "err", err)
	default:
		t.log.WarnContext(ctx, "keys not renewed", "expires", t.current.expires.UTC(), "err", err)
	}
	return max(left/2, soonestRenewal), err
}
