package bridge

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/configs"
	"smppbridge/store"
)

// How uncertain attempts are resolved.
const (
	findMost     = 64               // queries of one round
	findParallel = 8                // at a time
	giveUp       = 72 * time.Hour   // nothing is known of a message for longer
	findAgain    = 30 * time.Second // after a query that itself failed
	knownShare   = 4                // a call that is known is asked for again when this part of its age has passed
)

// queryAfter are the ages of an attempt at which it is asked for; then every two minutes.
var queryAfter = [...]time.Duration{5 * time.Second, 15 * time.Second, 45 * time.Second, 2 * time.Minute}

// resolve asks the API about uncertain attempts while this node leads. Nothing is sent again
// before the API said that it does not know the attempt's OutId.
func (b *Bridge) resolve(ctx context.Context) error {
	changed, stop := b.store.Watch(store.WatchResolve)
	defer stop()
	timer := time.NewTicker(idleScan)
	defer timer.Stop()
	for {
		more, err := b.resolveRound(ctx)
		if err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "resolve uncertain attempts", "err", err)
		}
		if more && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-changed:
		}
	}
}

// verdict is what is to be committed about uncertain messages.
type verdict struct {
	policy *policy // which knows all of them

	mu      sync.Mutex
	found   []store.FoundItem
	reports []store.DeliveryReport
	closing []store.CloseItem
}

func (b *Bridge) resolveRound(ctx context.Context) (more bool, err error) {
	items, err := b.store.Due(store.ActionResolve, b.clock().UnixMilli(), findMost)
	if err != nil || len(items) == 0 {
		return false, err
	}
	pol, ok := b.inForce()
	if !ok {
		return false, nil
	}
	v := verdict{policy: pol}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(findParallel)
	for i := range items {
		g.Go(func() error { return b.judge(gctx, &items[i], &v) })
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	if err := b.commitVerdict(ctx, &v); err != nil {
		return false, err
	}
	b.metrics.unresolved.Add(float64(len(v.closing)))
	return len(items) == findMost, nil
}

// judge asks about one message and decides.
func (b *Bridge) judge(ctx context.Context, it *store.DueItem, v *verdict) error {
	a, err := b.store.Attempt(it.Status.Attempt)
	if err != nil {
		return fmt.Errorf("attempt %d of message %s: %w", it.Status.Attempt, it.Number, err)
	}
	if it.Status.Held {
		return b.judgeHeld(ctx, it, &a, v)
	}
	begun := store.FromMillis(a.Begun)
	found, err := b.ask(ctx, v.policy, &a, it.Message.Phone)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, ErrCannotAsk) {
		v.mu.Lock()
		defer v.mu.Unlock()
		b.judgeUnasked(it, b.ages.since(begun), v)
		return nil
	}
	if err != nil && !errors.Is(err, errDeaf) {
		b.log.InfoContext(ctx, "query of an uncertain attempt", "message_id", it.Number.String(), "err", err)
	}
	age := b.ages.since(begun)
	item := store.FoundItem{Number: it.Number, Revision: it.Status.Revision}
	v.mu.Lock()
	defer v.mu.Unlock()
	switch {
	case err == nil && found.Known && found.Final:
		v.reports = append(v.reports, reportFound(it, &a, found))
	case err == nil && found.Known && a.BizID != "":
		item.Sent, item.DueAt = true, b.now().Add(nextPoll(age)).UnixMilli()
		v.found = append(v.found, item)
	default:
		b.judgeOpen(it, age, reply{err == nil, found.Known}, v)
	}
	return nil
}

// ask asks a route about a call that it was given, unless it is deaf or its name stands for another by now.
func (b *Bridge) ask(ctx context.Context, pol *policy, a *store.Attempt, phone string) (Found, error) {
	if err := b.sameRoute(pol, a.Route, a.Begun); err != nil {
		return Found{}, err
	}
	if !b.queries.heard(a.Route) {
		return Found{}, errDeaf
	}
	b.queries.spend(a.Route, pol.queryQPS(a.Route))
	began := b.cfg.Steady()
	found, err := b.cfg.Sender.Find(ctx, a.Route, a.OutID, phone, store.FromMillis(a.Begun))
	if ctx.Err() == nil {
		b.queries.answered(a.Route, err, b.cfg.Steady().Sub(began))
	}
	if b.overtaken(pol) {
		return Found{}, errNotRecorded
	}
	return found, err
}

// reply is what became of a query: whether the API answered, and whether it knows the call.
type reply struct{ ok, known bool }

// judgeOpen decides about a message whose call the API does not know, or would not say, or knows without its end.
// What it knows is not sent again, and is asked for until it has ended: the answer that had its BizId was lost, and a
// report without OutId would match nothing.
func (b *Bridge) judgeOpen(it *store.DueItem, age time.Duration, api reply, v *verdict) {
	if api.known && age < giveUp {
		item := store.FoundItem{Number: it.Number, Revision: it.Status.Revision}
		item.DueAt = b.now().Add(max(nextQuery(age, 0, true), age/knownShare)).UnixMilli()
		v.found = append(v.found, item)
		return
	}
	b.judgeUnknown(it, age, api.ok && !api.known, v)
}

// judgeUnknown decides about a message of which the API knows nothing, or would not say. asked is
// true if the API did answer so.
func (b *Bridge) judgeUnknown(it *store.DueItem, age time.Duration, asked bool, v *verdict) {
	class := v.policy.classOf(it)
	item := store.FoundItem{Number: it.Number, Revision: it.Status.Revision}
	patience := class.ResendAfter.Std()
	switch {
	case asked && age >= patience && class.OnUncertain == "resend":
		item.Retry, item.DueAt = true, b.now().UnixMilli()
		v.found = append(v.found, item)
	case asked && age >= patience, age >= giveUp:
		v.closing = append(v.closing, store.CloseItem{
			Number: it.Number, Revision: it.Status.Revision, Ending: store.EndUnknown, Err: errCodeUncertain})
	default:
		item.DueAt = b.now().Add(nextQuery(age, patience, asked)).UnixMilli()
		v.found = append(v.found, item)
	}
}

// judgeUnasked decides about a message whose route cannot be asked. It is not sent again: that nothing came of the attempt
// nobody can say. It waits for a late answer, or a report, and then ends as unknown. v.mu is held.
func (b *Bridge) judgeUnasked(it *store.DueItem, age time.Duration, v *verdict) {
	if left := v.policy.classOf(it).ResendAfter.Std() - age; left > 0 {
		v.found = append(v.found, store.FoundItem{
			Number: it.Number, Revision: it.Status.Revision, DueAt: b.now().Add(left).UnixMilli()})
		return
	}
	v.closing = append(v.closing, store.CloseItem{
		Number: it.Number, Revision: it.Status.Revision, Ending: store.EndUnknown, Err: errCodeUncertain})
}

// nextQuery is how long to wait before asking again about an attempt of that age.
func nextQuery(age, patience time.Duration, asked bool) time.Duration {
	if !asked {
		return findAgain
	}
	next := queryAfter[len(queryAfter)-1]
	for _, q := range queryAfter {
		if q > age {
			next = q - age
			break
		}
	}
	if left := patience - age; left > 0 {
		next = min(next, left)
	}
	return next
}

// classOf is the class a message is resolved under. A message whose template is gone is treated
// like a one-time code: it is not sent again.
func (p *policy) classOf(it *store.DueItem) configs.Class {
	m := it.Message
	if acct := p.accounts[m.Account]; m.TemplateCode == "" && acct != nil {
		if t, err := acct.matchJoined(&m); err == nil {
			return t.class
		}
	}
	if t := p.templates[m.TemplateCode]; t != nil {
		return t.class
	}
	return configs.Class{OnUncertain: "report"}
}

func (b *Bridge) commitVerdict(ctx context.Context, v *verdict) error {
	if len(v.reports) > 0 {
		if err := b.commitReports(ctx, &store.Report{Reports: v.reports}); err != nil {
			return err
		}
		if err := b.current(ctx); err != nil { // else the next round reads them again, and asks again
			return err
		}
	}
	if len(v.found) > 0 {
		if _, err := b.cluster.Propose(ctx, &store.Found{Items: v.found}); err != nil {
			return fmt.Errorf("record %d queries: %w", len(v.found), err)
		}
	}
	if len(v.closing) > 0 {
		if _, err := b.cluster.Propose(ctx, &store.Close{Items: v.closing}); err != nil {
			return fmt.Errorf("end %d messages of which nothing is known: %w", len(v.closing), err)
		}
	}
	return nil
}
