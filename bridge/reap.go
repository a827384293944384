package bridge

import (
	"context"
	"fmt"
	"time"

	"smppbridge/store"
)

// The reaper's bounds.
const (
	reapEvery  = time.Second
	reapMost   = 500
	purgeEvery = 10 * time.Second
	purgeMost  = 1000 // messages of one command: a long one would hold up accepting
	purgeRound = 100  // commands at a time
)

// reap ends what waited for too long while this node leads: calls without an outcome, long messages
// without all their parts; and purges old final messages.
func (b *Bridge) reap(ctx context.Context) error {
	tick := time.NewTicker(reapEvery)
	defer tick.Stop()
	purged := b.now()
	for {
		if err := b.reapRound(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "reap", "err", err)
		}
		if now := b.now(); now.Sub(purged) >= purgeEvery {
			purged = now
			b.purgeAll(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// purgeAll deletes what is past its time, in steps: messages that were final for the retention, and
// receipts that nobody came for.
func (b *Bridge) purgeAll(ctx context.Context) {
	if err := b.dropReceipts(ctx); err != nil && ctx.Err() == nil {
		b.log.WarnContext(ctx, "drop old receipts", "err", err)
	}
	for range purgeRound {
		more, err := b.purge(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "purge", "err", err)
		}
		if !more {
			return
		}
	}
}

// dropReceipts drops the receipts and incoming messages whose account has not come for them within their time. Mailboxes
// only forget them.
func (b *Bridge) dropReceipts(ctx context.Context) error {
	for _, account := range b.store.OutboxAccounts() {
		list, err := b.store.Outbox(account, 0, purgeMost)
		if err != nil {
			return err
		}
		var old []uint64
		receipts := 0
		for i := range list {
			if r := &list[i]; b.ages.since(store.FromMillis(r.QueuedAt)) > b.keeps(r) {
				old = append(old, r.Seq)
				if !r.Incoming {
					receipts++
				}
			}
		}
		if len(old) == 0 {
			continue
		}
		if _, err := b.cluster.Propose(ctx, &store.Delivered{Account: account, Seqs: old}); err != nil {
			return fmt.Errorf("drop %d receipts: %w", len(old), err)
		}
		b.metrics.receipts.WithLabelValues("expired").Add(float64(receipts))
		b.metrics.incoming.deliveries.WithLabelValues("expired").Add(float64(len(old) - receipts))
	}
	return nil
}

func (b *Bridge) reapRound(ctx context.Context) error {
	if err := b.reapCalls(ctx); err != nil {
		return err
	}
	return b.reapAs(ctx, store.ActionParts, store.EndExpired, errCodeExpired)
}

// reapCalls makes attempts uncertain whose outcome was never recorded.
func (b *Bridge) reapCalls(ctx context.Context) error {
	now := b.clock()
	items, err := b.store.Due(store.ActionCall, now.UnixMilli(), reapMost)
	if err != nil || len(items) == 0 {
		return err
	}
	cmd := &store.Finish{}
	for i := range items {
		cmd.Outcomes = append(cmd.Outcomes, store.Outcome{
			Attempt: items[i].Status.Attempt, Kind: store.OutcomeUncertain, DueAt: now.UnixMilli()})
	}
	if _, err := b.cluster.Propose(ctx, cmd); err != nil {
		return fmt.Errorf("%d calls without outcome: %w", len(items), err)
	}
	return nil
}

// reapAs ends what is due for a.
func (b *Bridge) reapAs(ctx context.Context, a store.Action, end store.Ending, errCode string) error {
	items, err := b.store.Due(a, b.clock().UnixMilli(), reapMost)
	if err != nil || len(items) == 0 {
		return err
	}
	cmd := &store.Close{}
	for i := range items {
		cmd.Items = append(cmd.Items, store.CloseItem{
			Number: items[i].Number, Revision: items[i].Status.Revision, Ending: end, Err: errCode})
	}
	if _, err := b.cluster.Propose(ctx, cmd); err != nil {
		return fmt.Errorf("end %d messages: %w", len(items), err)
	}
	return nil
}

// purge deletes what has been final for longer than the retention.
func (b *Bridge) purge(ctx context.Context) (more bool, err error) {
	before := b.now().Add(-b.cfg.Retention).UnixMilli()
	res, err := b.cluster.Propose(ctx, &store.Purge{Before: before, Limit: purgeMost})
	if err != nil {
		return false, err
	}
	p, ok := res.(*store.PurgeResult)
	return ok && p.More, nil
}
