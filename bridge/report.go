package bridge

import (
	"context"
	"fmt"
	"strings"

	"smppbridge/store"
)

// Report commits delivery reports. It implements Reporter.
func (b *Bridge) Report(ctx context.Context, reports []IncomingReport) error {
	cmd := &store.Report{Reports: make([]store.DeliveryReport, 0, len(reports))}
	unmatched := 0
	known := make(map[string]store.Attempt, 8) // by OutId: the reports of one call come together, and it may have 100 members
	for i := range reports {
		r := &reports[i]
		if r.Ending == 0 { // no final state yet: a later report has it
			b.metrics.reports.WithLabelValues("interim").Inc()
			continue
		}
		d := store.DeliveryReport{
			OutID: r.OutID, BizID: r.BizID, Phone: r.Phone,
			Ending: r.Ending, Err: r.Err, Code: r.Code, DoneAt: r.DoneAt.UnixMilli(),
		}
		a, ok := known[r.OutID]
		if !ok {
			if a, ok = b.attemptOf(r.OutID, r.BizID); ok && r.OutID != "" {
				known[r.OutID] = a
			}
		}
		if d.Attempt, d.Number = memberOf(&a, r.Phone); d.Number == 0 {
			unmatched++
		}
		cmd.Reports = append(cmd.Reports, d)
	}
	if len(cmd.Reports) == 0 {
		return nil
	}
	if unmatched > 0 {
		b.findAgain(ctx, cmd)
	}
	return b.commitReports(ctx, cmd)
}

// findAgain looks once more for what reports are about that matched nothing: this node may lag behind the one that made
// the call. If it cannot catch up they are kept, and the leader finds what they are about.
func (b *Bridge) findAgain(ctx context.Context, cmd *store.Report) {
	if err := b.current(ctx); err != nil {
		return
	}
	for i := range cmd.Reports {
		if d := &cmd.Reports[i]; d.Number == 0 {
			d.Attempt, d.Number = b.find(d.OutID, d.BizID, d.Phone)
		}
	}
}

// commitReports proposes reports. One that matched nothing is kept by the store; if the answer to
// its call was committed meanwhile and is known here it is offered again at once, and by the leader otherwise (early.go).
func (b *Bridge) commitReports(ctx context.Context, cmd *store.Report) error {
	res, err := b.settle(ctx, cmd)
	if err != nil {
		return fmt.Errorf("commit %d reports: %w", len(cmd.Reports), err)
	}
	r, ok := res.(*store.ReportResult)
	if !ok || len(r.Codes) != len(cmd.Reports) {
		return fmt.Errorf("commit %d reports: result %T", len(cmd.Reports), res)
	}
	early := false
	for i, c := range r.Codes {
		b.metrics.reports.WithLabelValues(reportName(c)).Inc()
		early = early || c == store.ReportOrphaned && cmd.Reports[i].BizID != ""
	}
	if !early || b.current(ctx) != nil { // what this node does not see yet the leader will
		return nil
	}
	var again []string
	for i, c := range r.Codes {
		d := &cmd.Reports[i]
		if c != store.ReportOrphaned || d.BizID == "" {
			continue
		}
		if _, n := b.find(d.OutID, d.BizID, d.Phone); n != 0 {
			again = append(again, d.BizID)
		}
	}
	return b.adopt(ctx, again)
}

// find looks up the message a report is about: by the OutId of its call, else by the BizId.
// Zeros: nothing is known of it yet. Apply verifies what is found here.
func (b *Bridge) find(outID, bizID, phone string) (store.AttemptID, store.Number) {
	a, ok := b.attemptOf(outID, bizID)
	if !ok {
		return 0, 0
	}
	return memberOf(&a, phone)
}

func (b *Bridge) attemptOf(outID, bizID string) (store.Attempt, bool) {
	a, err := b.store.AttemptByOutID(outID)
	if err != nil && bizID != "" {
		a, err = b.store.AttemptByBizID(bizID)
	}
	return a, err == nil
}

// memberOf is the message of a call that went to phone.
func memberOf(a *store.Attempt, phone string) (store.AttemptID, store.Number) {
	for _, m := range a.Members {
		// A report that names no phone can only mean the one message of its call.
		if samePhone(m.Phone, phone) || phone == "" && len(a.Members) == 1 {
			return a.ID, m.Number
		}
	}
	return 0, 0
}

// samePhone compares numbers as the API spells them in calls and reports: a mainland number may
// carry its country code in either.
func samePhone(a, b string) bool {
	return bareNumber(a) == bareNumber(b)
}

func bareNumber(s string) string {
	s = strings.TrimPrefix(strings.TrimPrefix(s, "+"), "00")
	if rest, ok := strings.CutPrefix(s, "86"); ok && isMainlandMobile(rest) {
		return rest
	}
	return s
}

// adopt offers kept reports again whose BizId is known now.
func (b *Bridge) adopt(ctx context.Context, bizIDs []string) error {
	cmd := &store.Report{}
	for _, bizID := range bizIDs {
		orphans, err := b.store.Orphans(bizID)
		if err != nil {
			return fmt.Errorf("read early reports: %w", err)
		}
		for _, o := range orphans {
			if o.Attempt, o.Number = b.find(o.OutID, o.BizID, o.Phone); o.Number != 0 {
				cmd.Reports = append(cmd.Reports, o)
			}
		}
	}
	if len(cmd.Reports) == 0 {
		return nil
	}
	return b.commitReports(ctx, cmd)
}

func reportName(c store.ReportCode) string {
	switch c {
	case store.ReportApplied:
		return "applied"
	case store.ReportDuplicate:
		return "duplicate"
	case store.ReportOrphaned:
		return "orphaned"
	case store.ReportMismatch:
		return "mismatch"
	}
	return "other"
}
