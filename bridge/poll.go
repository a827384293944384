package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/configs"
	"smppbridge/store"
)

// How messages are asked for that were sent and of which no report came.
const (
	pollEvery    = time.Second
	pollPage     = 256 // messages of one look: those that wait longest, and as many further on
	pollLeast    = time.Minute
	pollMost     = time.Hour
	pollShare    = 8              // after a query that failed it is asked again when this part of its age has passed
	pollTogether = 100            // messages that one query answers at most
	queryWindow  = time.Second    // a route's budget of queries is saved up for so long
	queryDay     = 24 * time.Hour // the API lists what was sent to a phone day by day of UTC+8
)

// pollAfter are the ages of an attempt at which it is asked for if no report has come by then. A report comes within a
// minute as a rule; who has neither pushes nor a queue has all of his by the first of these.
var pollAfter = [...]struct {
	age   time.Duration
	label string // in metrics
}{
	{2 * time.Minute, "2m"}, {10 * time.Minute, "10m"}, {time.Hour, "1h"}, {6 * time.Hour, "6h"}, {24 * time.Hour, "24h"},
	{48 * time.Hour, "48h"}, {reportWithin, "72h"}, // at the last one it is given up
}

// nextPoll is how long to wait before looking at a message again whose attempt has that age.
func nextPoll(age time.Duration) time.Duration {
	for _, after := range pollAfter {
		if after.age > age {
			return after.age - age
		}
	}
	return 0
}

// pollAgain is nextPoll after a query that failed.
func pollAgain(age time.Duration) time.Duration {
	return min(max(age/pollShare, pollLeast), pollMost)
}

// A poller asks for messages without a report, and gives up those of which nobody has heard for reportWithin.
type poller struct {
	b     *Bridge
	place store.DueCursor // behind the messages that wait longest: those that were looked at last
}

// poll does so while this node leads.
func (b *Bridge) poll(ctx context.Context) error {
	p := &poller{b: b}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		if err := p.round(ctx); err != nil && ctx.Err() == nil {
			b.log.WarnContext(ctx, "ask for messages without a report", "err", err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// unreported is a message without a report.
type unreported struct {
	store.DueItem
	attempt store.Attempt
	age     time.Duration
}

// together names the messages that one query answers.
type together struct {
	route, phone string
	day          int64
	alone        store.Number // of a message that is asked for by itself
}

// pollRound is what is to be done in one round.
type pollRound struct {
	verdict
	order  []together // those that wait longest first
	groups map[together][]unreported
}

// round looks at the messages that wait longest, and at some further on: where the budget of one route is used up, those of
// others must not wait behind its messages, nor what is to be given up.
func (p *poller) round(ctx context.Context) error {
	pol, ok := p.b.inForce()
	if !ok {
		return nil
	}
	now := p.b.clock().UnixMilli()
	r := &pollRound{verdict: verdict{policy: pol}, groups: make(map[together][]unreported)}
	items, end, err := p.b.store.DueOf(store.ActionReport, "", store.DueCursor{}, now, pollPage)
	if err != nil || len(items) == 0 {
		return err
	}
	if len(items) == pollPage {
		if p.place.At < end.At || p.place.At == end.At && p.place.Number < end.Number {
			p.place = end
		}
		more, place, err := p.b.store.DueOf(store.ActionReport, "", p.place, now, pollPage)
		if err != nil {
			return err
		}
		if p.place = place; len(more) < pollPage {
			p.place = store.DueCursor{}
		}
		items = append(items, more...)
	}
	for i := range items {
		if err := p.add(r, &items[i]); err != nil {
			return err
		}
	}
	if err := p.ask(ctx, r); err != nil {
		return err
	}
	return p.b.commitVerdict(ctx, &r.verdict)
}

// add puts a message into the group that one query answers, or among those that are given up.
func (p *poller) add(r *pollRound, it *store.DueItem) error {
	a, err := p.b.store.Attempt(it.Status.Attempt)
	if err != nil {
		return fmt.Errorf("attempt %d of message %s: %w", it.Status.Attempt, it.Number, err)
	}
	u := unreported{*it, a, p.b.ages.since(store.FromMillis(a.Begun))}
	if u.age >= reportWithin {
		p.b.metrics.polls.unreported(u.age)
		r.closing = append(r.closing, store.CloseItem{
			Number: it.Number, Revision: it.Status.Revision, Ending: store.EndUnknown, Err: errCodeUncertain})
		return nil
	}
	key := together{route: a.Route, phone: it.Message.Phone, day: (a.Begun + cst) / queryDay.Milliseconds()}
	if a.Route == configs.RouteDryRun {
		key.alone = it.Number // it lists nothing
	}
	if len(r.groups[key]) == 0 {
		r.order = append(r.order, key)
	}
	if len(r.groups[key]) < pollTogether {
		r.groups[key] = append(r.groups[key], u)
	}
	return nil
}

// ask asks for as many groups as the budgets of their routes allow, and none of a route that does not answer. The others stay
// due.
func (p *poller) ask(ctx context.Context, r *pollRound) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(findParallel)
	for _, key := range r.order {
		if !p.b.queries.heard(key.route) || !p.b.queries.take(key.route, r.policy.queryQPS(key.route)) {
			continue
		}
		g.Go(func() error { return p.askGroup(gctx, r, key) })
	}
	return g.Wait()
}

// askGroup makes one query and notes what it says of each of its messages.
func (p *poller) askGroup(ctx context.Context, r *pollRound, key together) error {
	group := r.groups[key]
	began := p.b.cfg.Steady()
	found, err := p.find(ctx, key, group)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	p.b.queries.answered(key.route, err, p.b.cfg.Steady().Sub(began))
	if err != nil && !errors.Is(err, ErrCannotAsk) {
		p.b.log.InfoContext(ctx, "query of messages without a report", "route", key.route, "count", len(group), "err", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range group {
		p.judge(r, &group[i], found[group[i].attempt.OutID], err)
	}
	return nil
}

// find asks about the messages of a group, by their OutIds. What is not in the answer the API does not know.
func (p *poller) find(ctx context.Context, key together, group []unreported) (map[string]Found, error) {
	first, last := group[0].attempt.Begun, group[0].attempt.Begun
	if len(group) == 1 {
		a := &group[0].attempt
		found, err := p.b.cfg.Sender.Find(ctx, a.Route, a.OutID, key.phone, store.FromMillis(a.Begun))
		return map[string]Found{a.OutID: found}, err
	}
	for i := range group {
		first, last = min(first, group[i].attempt.Begun), max(last, group[i].attempt.Begun)
	}
	sent, err := p.b.cfg.Sender.Sent(ctx, key.route, key.phone, store.FromMillis(first), store.FromMillis(last))
	found := make(map[string]Found, len(group))
	for i := range sent {
		if sent[i].OutID != "" {
			found[sent[i].OutID] = sent[i].Found
		}
	}
	return found, err
}

// judge notes what becomes of a message after a query. One of which the API knows nothing is not sent again: it has
// accepted it. r.mu is held.
func (p *poller) judge(r *pollRound, u *unreported, found Found, err error) {
	item := store.FoundItem{Number: u.Number, Revision: u.Status.Revision}
	wait := nextPoll(u.age)
	switch {
	case errors.Is(err, ErrCannotAsk): // only a report can tell
		wait = reportWithin - u.age
	case err != nil:
		p.b.metrics.polls.result(pollFailed)
		wait = min(wait, pollAgain(u.age))
	case found.Final:
		p.b.metrics.polls.result(pollEnded)
		p.b.metrics.polls.unreported(u.age)
		r.reports = append(r.reports, reportFound(&u.DueItem, &u.attempt, found))
		return
	case found.Known:
		p.b.metrics.polls.result(pollWaiting)
		p.b.metrics.polls.unreported(u.age)
	default:
		p.b.metrics.polls.result(pollUnknown)
		p.b.metrics.polls.unreported(u.age)
	}
	item.DueAt = p.b.now().Add(wait).UnixMilli()
	r.found = append(r.found, item)
}
