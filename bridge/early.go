package bridge

import (
	"context"
	"fmt"
	"time"

	"smppbridge/store"
)

// Reports that come before the answer to their call is committed are kept, and found again by the leader, by one of
// two looks. Either the report was committed last: then the leader's store, which has applied it, has the answer too,
// and the look at each kept report that is new finds the message. Or the answer was committed last: then the node that
// had it committed looks for reports of its BizID (see adopt); should that node lag behind, or die before it does,
// the look at all BizIDs finds them. Only the leader's look counts, because no other node is sure to have applied both.
const (
	earlyEvery = time.Second // between looks at what is new
	earlyAll   = 10          // looks at what is new for one at all
	earlyMost  = 256         // reports read at a time
)

// adoptEarly does so while this node leads.
func (b *Bridge) adoptEarly(ctx context.Context) error {
	tick := time.NewTicker(earlyEvery)
	defer tick.Stop()
	seen := uint64(0) // a new leader looks at all of them once
	for n := 1; ; n++ {
		var err error
		if seen, err = b.adoptNew(ctx, seen); err == nil && n%earlyAll == 0 {
			err = b.adopt(ctx, b.store.OrphansAnswered())
		}
		if err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "apply early reports", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// adoptNew looks at the kept reports behind seen, and returns up to where it has.
func (b *Bridge) adoptNew(ctx context.Context, seen uint64) (uint64, error) {
	for ctx.Err() == nil {
		list, err := b.store.OrphansAfter(seen, earlyMost)
		if err != nil || len(list) == 0 {
			return seen, err
		}
		last := list[len(list)-1].Orphan
		cmd := &store.Report{}
		for _, o := range list {
			if o.Attempt, o.Number = b.find(o.OutID, o.BizID, o.Phone); o.Number != 0 {
				cmd.Reports = append(cmd.Reports, o)
			}
		}
		if len(cmd.Reports) > 0 {
			if err := b.commitReports(ctx, cmd); err != nil {
				return seen, fmt.Errorf("kept reports up to %d: %w", last, err)
			}
		}
		seen = last
	}
	return seen, nil
}
