package main

import (
	"cmp"
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"time"
)

// longestBackoff bounds the wait before a connection is made again. One that lived
// for longer was not refused by a server that takes binds only to close them.
const longestBackoff = 5 * time.Second

// A backoff is how long to wait before the next connection. The zero value has not
// failed yet.
type backoff struct {
	wait  time.Duration
	since time.Duration // when the last connection was made
}

// next returns the wait, spread so that a fleet does not come back all at once. It
// doubles from first with each call, until a connection has lived for long enough.
func (r *backoff) next(first, now time.Duration) time.Duration {
	if r.wait == 0 || now-r.since > longestBackoff {
		r.wait = first
	} else {
		r.wait = min(2*r.wait, longestBackoff)
	}
	return r.wait/2 + rand.N(r.wait)
}

// breakLocked is called when conn is no good any more, by who noticed: reader or
// writer, or one after the other. What is unanswered stays so. After our unbind
// nothing that happens to a connection is a loss.
func (b *bind) breakLocked(conn net.Conn, err error) {
	if conn != b.conn || b.down || b.phase == over {
		return // it was noticed before
	}
	conn.Close()
	if b.phase < unbinding {
		b.broken++
		if b.err == nil {
			b.err = err
		}
		b.run.ledger.broke(b.batch.conn, b.run.clock())
	}
	if b.phase < unbinding && b.run.reconnect {
		b.down = true
		b.abandonLocked()
	} else {
		b.phase = over
	}
	b.settleLocked()
	b.wakeLocked()
}

// abandonLocked gives up what was submitted on the connection that broke. Nobody
// knows whether the server took it; it is submitted again only if that is wanted.
func (b *bind) abandonLocked() {
	left := b.takeUnansweredLocked()
	pieces := make([]piece, len(left))
	for i := range left {
		pieces[i] = left[i].piece
	}
	b.run.ledger.abandon(pieces)
	b.replies = b.replies[:0]
	if b.run.resubmit {
		b.again = append(left, b.again...)
	}
}

// takeUnansweredLocked empties the ring. The requests are in the order of their
// messages.
func (b *bind) takeUnansweredLocked() []request {
	var left []request
	for i := range b.ring {
		if b.ring[i].seq != 0 {
			left = append(left, b.ring[i])
			b.ring[i] = request{}
		}
	}
	b.unanswered = 0
	slices.SortFunc(left, func(x, y request) int { return cmp.Compare(x.piece, y.piece) })
	return left
}

// reviveLocked makes the connection again, however often it takes, with several
// addresses at the next one after each failure, and reports whether the session goes
// on: not when ctx ends first.
func (b *bind) reviveLocked(ctx context.Context) bool {
	for b.down && b.phase < unbinding && ctx.Err() == nil {
		if !b.pauseLocked(ctx, b.retry.next(b.run.backoff, b.run.clock())) {
			break
		}
		if err := b.connectLocked(ctx); err != nil {
			b.at++
			continue // b.err has why it began
		}
		b.retry.since = b.run.clock()
		if b.phase >= unbinding {
			b.conn.Close() // nobody waits for it any more
			break
		}
		b.down, b.told = false, false
		b.remade++
		b.wakeLocked()
		return true
	}
	b.phase = over
	b.settleLocked()
	b.wakeLocked()
	return false
}

// pauseLocked lets the lock go for that long, and reports whether ctx goes on.
func (b *bind) pauseLocked(ctx context.Context, wait time.Duration) bool {
	b.mu.Unlock()
	defer b.mu.Lock()
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
