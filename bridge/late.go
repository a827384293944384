package bridge

import (
	"context"
	"fmt"

	"smppbridge/store"
)

// Settle commits the answer to a call that Send has said to be uncertain, if its messages still are. It implements Settler.
func (b *Bridge) Settle(ctx context.Context, outID string, a Answer) error {
	at, err := b.store.AttemptByOutID(outID)
	if err != nil {
		return fmt.Errorf("late answer: %w", err)
	}
	o := store.Outcome{Attempt: at.ID, Kind: a.Kind, BizID: a.BizID, Ending: a.Ending, Err: a.Err, Code: a.said()}
	switch a.Kind {
	case store.OutcomeAccepted:
		o.DueAt = b.now().Add(reportWithin).UnixMilli()
	case store.OutcomeRetry:
		o.DueAt = b.now().Add(max(a.After, firstRetry)).UnixMilli()
	default:
		if a.Kind != store.OutcomeRejected {
			return nil // it is as uncertain as it was
		}
	}
	if _, err := b.settle(ctx, &store.Finish{Outcomes: []store.Outcome{o}}); err != nil {
		return fmt.Errorf("commit a late answer: %w", err)
	}
	if a.BizID == "" {
		return nil
	}
	return b.adopt(ctx, []string{a.BizID})
}
