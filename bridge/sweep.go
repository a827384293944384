package bridge

import (
	"context"
	"fmt"
	"time"

	"smppbridge/store"
)

// What waits for a route is not read while that has no room, so somebody else must see that it expires.
const (
	sweepEvery = time.Second
	sweepMost  = 5000            // messages of one sweep
	sweepAge   = 2 * time.Second // of what has been due for less, those that could be sent are gone in a moment
)

// sweep ends messages that have waited for too long while this node leads.
func (d *dispatcher) sweep(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	var s sweeper
	for {
		if !d.b.paused.Load() {
			if err := d.sweepRound(ctx, &s); err != nil && ctx.Err() == nil {
				d.b.log.WarnContext(ctx, "end expired messages", "err", err)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// A sweeper is how far a sweep over all that is due has come.
type sweeper struct {
	lane    int
	account string // "" = the lane's first
	at      store.DueCursor
}

// sweepRound looks at sweepMost messages at most, and begins anew behind the last.
func (d *dispatcher) sweepRound(ctx context.Context, s *sweeper) error {
	pol, now := d.b.policy.Load(), d.b.clock()
	var closing []store.CloseItem
	for looks := 0; looks < sweepMost; {
		items, err := d.sweepRead(s, now)
		if err != nil {
			return err
		}
		looks += len(items)
		for i := range items {
			if _, end, ok := d.examine(pol, &items[i], now); !ok {
				closing = append(closing, end)
			}
		}
		if len(items) < chunkMost && !d.sweepOn(s) {
			break
		}
	}
	if cur, ok := d.b.inForce(); len(closing) == 0 || !ok || cur != pol {
		return nil
	}
	if _, err := d.b.cluster.Propose(ctx, &store.Close{Items: closing}); err != nil {
		return fmt.Errorf("%d messages: %w", len(closing), err)
	}
	return nil
}

func (d *dispatcher) sweepRead(s *sweeper, now time.Time) (items []store.DueItem, err error) {
	if s.account == "" {
		return nil, nil
	}
	items, s.at, err = d.b.store.DueOf(lanes[s.lane], s.account, s.at, now.Add(-sweepAge).UnixMilli(), chunkMost)
	return items, err
}

// sweepOn goes on to the next account, and reports whether there is one before the sweep begins anew.
func (d *dispatcher) sweepOn(s *sweeper) bool {
	s.at = store.DueCursor{}
	for ; s.lane < len(lanes); s.lane++ {
		for _, a := range d.b.store.DueAccounts(lanes[s.lane]) {
			if a.Account > s.account {
				s.account = a.Account
				return true
			}
		}
		s.account = ""
	}
	s.lane = 0
	return false
}
