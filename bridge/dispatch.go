package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Timing of attempts.
const (
	callWithin    = time.Second      // after its Begin was committed; later the attempt may have been superseded
	callMargin    = 10 * time.Second // beyond the call's timeout until an unfinished attempt is uncertain
	reportWithin  = 72 * time.Hour   // no report by then: unknown
	firstRetry    = time.Second      // doubling
	lastRetry     = time.Minute      //
	firstQuery    = 5 * time.Second  // after an attempt became uncertain
	idleScan      = time.Second      // the dispatcher looks again at least this often
	routeRest     = 5 * time.Second  // after an account fault, doubling
	routeRestMost = time.Minute      //
	beginMost     = 256              // members of one Begin
)

// errs of receipts that the bridge itself ends messages with.
const (
	errCodeExpired    = "117"
	errCodeNoTemplate = "031"
	errCodeUncertain  = "099"
)

// lead is the work of the leader: sending, resolving, reaping. The cluster has committed the
// Lead command before it calls this.
func (b *Bridge) lead(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	d := newDispatcher(b)
	g.Go(func() error { return d.run(ctx) })
	g.Go(func() error { return b.resolve(ctx) })
	g.Go(func() error { return b.reap(ctx) })
	return g.Wait()
}

// dispatcher makes calls of due messages while this node leads.
type dispatcher struct {
	b     *Bridge
	freed chan struct{} // capacity 1: a call has ended
	calls sync.WaitGroup

	outcomes chan store.Outcome
	governor *governor // touched by loop only

	mu      sync.Mutex
	routes  map[string]*lane // guarded by mu
	running int              // guarded by mu; calls on all routes
}

// lane is a route's running calls and its rest after account faults.
type lane struct {
	running   int
	restUntil time.Time
	rest      time.Duration
}

func newDispatcher(b *Bridge) *dispatcher {
	return &dispatcher{
		b:        b,
		freed:    make(chan struct{}, 1),
		outcomes: make(chan store.Outcome, beginMost),
		governor: newGovernor(),
		routes:   make(map[string]*lane),
	}
}

// run begins and makes calls until ctx ends. Then no new one starts; those that run end, and
// their outcomes are committed before run returns.
func (d *dispatcher) run(ctx context.Context) error {
	finished := make(chan struct{})
	go func() { // ends when outcomes is closed, below
		defer close(finished)
		d.finish(context.WithoutCancel(ctx))
	}()
	err := d.loop(ctx)
	d.calls.Wait()
	close(d.outcomes)
	<-finished
	return err
}

func (d *dispatcher) loop(ctx context.Context) error {
	changed, stop := d.b.store.Watch(store.WatchSend)
	defer stop()
	timer := time.NewTimer(idleScan)
	defer timer.Stop()
	for {
		wait, err := d.round(ctx)
		if err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			d.b.log.WarnContext(ctx, "dispatch", "err", err)
			wait = 100 * time.Millisecond
		}
		if wait == 0 {
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
		case <-changed:
		case <-d.freed:
		}
	}
}

// planned is a due message with what its call needs.
type planned struct {
	store.DueItem
	route    *configs.Route
	template *approved
}

// round takes due messages, as many as there are free workers, and starts their calls. It
// returns how long to wait before the next round, if nothing else happens.
func (d *dispatcher) round(ctx context.Context) (time.Duration, error) {
	if d.b.paused.Load() {
		return idleScan, nil
	}
	pol := d.b.policy.Load()
	free := d.free(pol)
	if free == 0 {
		return idleScan, nil
	}
	now := d.b.now()
	items, err := d.b.store.Due(store.ActionSend, now.UnixMilli(), min(free, beginMost))
	if err != nil {
		return 0, fmt.Errorf("read due messages: %w", err)
	}
	if len(items) == 0 {
		return d.untilNext(now)
	}
	plan, closing := d.sort(pol, items, now)
	if len(closing) > 0 {
		if _, err := d.b.cluster.Propose(ctx, &store.Close{Items: closing}); err != nil {
			return 0, fmt.Errorf("close %d messages: %w", len(closing), err)
		}
	}
	if len(plan) == 0 {
		if len(closing) > 0 {
			return 0, nil
		}
		return idleScan, nil // what is due belongs to routes that rest
	}
	return 0, d.begin(ctx, plan)
}

// untilNext says how long nothing is due.
func (d *dispatcher) untilNext(now time.Time) (time.Duration, error) {
	at, ok, err := d.b.store.NextDue(store.ActionSend)
	if err != nil || !ok {
		return idleScan, err
	}
	return min(max(store.FromMillis(at).Sub(now), time.Millisecond), idleScan), nil
}

// free is how many calls may start now, over all routes and under the governor.
func (d *dispatcher) free(pol *policy) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, workers := 0, 0
	for name, r := range pol.routes {
		n += d.freeOf(name, r)
		workers += r.Workers
	}
	return max(0, min(n, d.governor.allow(d.b.now(), workers)-d.running))
}

// freeOf is how many calls may start on a route. d.mu is held.
func (d *dispatcher) freeOf(name string, r *configs.Route) int {
	l := d.routes[name]
	if l == nil {
		l = &lane{}
		d.routes[name] = l
	}
	if d.b.now().Before(l.restUntil) {
		return 0
	}
	if l.rest > 0 { // one call probes a route that had an account fault
		return max(0, 1-l.running)
	}
	return max(0, r.Workers-l.running)
}

// sort tells the messages that can be sent from those that can never be.
func (d *dispatcher) sort(pol *policy, items []store.DueItem, now time.Time) (plan []planned, closing []store.CloseItem) {
	for i := range items {
		it := &items[i]
		end := store.CloseItem{Number: it.Number, Revision: it.Status.Revision}
		if it.Message.Expires != 0 && now.UnixMilli() >= it.Message.Expires {
			end.Ending, end.Err = store.EndExpired, errCodeExpired
			closing = append(closing, end)
			continue
		}
		p, err := d.plan(pol, it)
		if err != nil {
			end.Ending, end.Err = store.EndRejected, errCodeNoTemplate
			closing = append(closing, end)
			continue
		}
		if d.take(p.route) {
			plan = append(plan, p)
		}
	}
	return plan, closing
}

// take claims a worker of the route.
func (d *dispatcher) take(r *configs.Route) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.freeOf(r.Name, r) == 0 {
		return false
	}
	d.routes[r.Name].running++
	d.running++
	return true
}

// release gives a worker back; fault is the route's, nil if the call got through.
func (d *dispatcher) release(route string, fault bool) {
	d.mu.Lock()
	l := d.routes[route]
	l.running--
	d.running--
	if fault {
		l.rest = min(max(2*l.rest, routeRest), routeRestMost)
		l.restUntil = d.b.now().Add(l.rest)
	}
	d.mu.Unlock()
	signal(d.freed)
}

// recover ends a route's rest: a call got through.
func (d *dispatcher) recover(route string) {
	d.mu.Lock()
	d.routes[route].rest = 0
	d.mu.Unlock()
}

// errNoRoute says that the policy has no route for an account.
var errNoRoute = errors.New("no route")

// plan finds route and template of a message under the policy in force. A joined message is
// matched here: its text is known only now.
func (d *dispatcher) plan(pol *policy, it *store.DueItem) (planned, error) {
	acct := pol.accounts[it.Message.Account]
	if acct == nil {
		return planned{}, errUnknownAccount
	}
	if acct.route == nil {
		return planned{}, errNoRoute
	}
	p := planned{DueItem: *it, route: acct.route}
	if it.Message.TemplateCode != "" {
		p.template = pol.templates[it.Message.TemplateCode]
		if p.template == nil {
			return planned{}, fmt.Errorf("template %s is not in the policy any more", it.Message.TemplateCode)
		}
		return p, nil
	}
	t, err := acct.matchJoined(&p.Message)
	p.template = t
	return p, err
}

// matchJoined decodes and matches the joined octets of a long message.
func (a *account) matchJoined(m *store.Message) (*approved, error) {
	text, err := smpp.DecodeText(m.DataCoding, a.alphabet, m.Text)
	if err != nil {
		return nil, err
	}
	return a.fill(m, text)
}

// begin commits the attempts and starts the calls that were granted.
func (d *dispatcher) begin(ctx context.Context, plan []planned) error {
	cmd := &store.Begin{Attempts: make([]store.BeginAttempt, len(plan))}
	now := d.b.now()
	for i := range plan {
		p := &plan[i]
		cmd.Charges = append(cmd.Charges, p.charges())
		cmd.Attempts[i] = store.BeginAttempt{
			Route:  p.route.Name,
			CallBy: now.Add(p.route.Timeout.Std() + callMargin).UnixMilli(),
			Members: []store.BeginMember{{
				Number: p.Number, Revision: p.Status.Revision, Phone: p.Message.Phone, Charges: i,
			}},
		}
	}
	res, err := d.b.cluster.Propose(ctx, cmd)
	before := time.Now().Add(callWithin) // monotonic, whatever clock the bridge was given
	begun, ok := res.(*store.BeginResult)
	if err == nil && (!ok || len(begun.Attempts) != len(plan)) {
		err = fmt.Errorf("result %T", res)
	}
	if err != nil { // nothing was called; what may have been begun becomes uncertain and is queried
		for i := range plan {
			d.release(plan[i].route.Name, false)
		}
		return fmt.Errorf("begin %d attempts: %w", len(plan), err)
	}
	for i, a := range begun.Attempts {
		if a.ID == 0 {
			d.b.metrics.putOff(plan[i].route.Name, a.Members, plan[i].route.QPS > 0)
			d.release(plan[i].route.Name, false)
			continue
		}
		d.calls.Add(1)
		go d.call(ctx, &plan[i], a, before) // bounded by the route's workers
	}
	return nil
}

// charges are what one call of p costs: the API's rate, and the phone's windows.
func (p *planned) charges() []store.Charge {
	list := make([]store.Charge, 0, 2)
	if qps := uint32(p.route.QPS); qps > 0 {
		list = append(list, store.Charge{Key: "route/" + p.route.Name, Amount: 1, Rules: []store.Rule{{
			Kind: store.RuleBucket, Limit: qps, Period: time.Second.Milliseconds(), Burst: max(1, qps/10)}}})
	}
	if len(p.template.limits) > 0 {
		list = append(list, store.Charge{
			Key: p.template.phoneKey(p.Message.SignName, p.Message.Phone), Amount: 1, Rules: p.template.limits})
	}
	return list
}

// call makes one call and passes its outcome on. It is the second conversion of a message's life.
func (d *dispatcher) call(ctx context.Context, p *planned, a store.BegunAttempt, before time.Time) {
	defer d.calls.Done()
	answer := d.b.cfg.Sender.Send(ctx, Call{
		OutID:    a.OutID,
		Route:    p.route.Name,
		Template: p.template.Code,
		Before:   before,
		Recipients: []Recipient{{
			Phone: p.Message.Phone, SignName: p.Message.SignName, Params: p.Message.Params,
		}},
	})
	d.b.metrics.outcome(p.route.Name, answer.Kind)
	if answer.Kind != store.OutcomeAccepted {
		level := slog.LevelInfo
		if answer.Kind == store.OutcomeRetry { // during an outage that is every call, again and again
			level = slog.LevelDebug
		}
		d.b.log.Log(ctx, level, "call not accepted", "message_id", p.Number.String(), "attempt", uint64(a.ID),
			"route", p.route.Name, "code", answer.Code, "outcome", outcomeName(answer.Kind), "err", answer.Cause)
	}
	d.outcomes <- d.outcome(p, a.ID, answer)
	if !answer.Account && answer.Kind != store.OutcomeRetry {
		d.recover(p.route.Name)
	}
	d.release(p.route.Name, answer.Account)
}

// outcome translates an answer, with the time at which something is to be done next.
func (d *dispatcher) outcome(p *planned, id store.AttemptID, a Answer) store.Outcome {
	o := store.Outcome{Attempt: id, Kind: a.Kind, BizID: a.BizID, Ending: a.Ending, Err: a.Err}
	now := d.b.now()
	switch a.Kind {
	case store.OutcomeAccepted:
		o.DueAt = now.Add(reportWithin).UnixMilli()
	case store.OutcomeRetry:
		wait := a.After
		if wait == 0 {
			wait = backoff(int(p.Status.Tries))
		}
		o.DueAt = now.Add(wait).UnixMilli()
		if p.Message.Expires != 0 {
			o.DueAt = min(o.DueAt, p.Message.Expires)
		}
	case store.OutcomeUncertain:
		o.DueAt = now.Add(firstQuery).UnixMilli()
	}
	return o
}

// backoff doubles from firstRetry to lastRetry, with a jitter of a quarter: it spreads the
// retries of messages that failed together.
func backoff(tries int) time.Duration {
	d := min(firstRetry<<min(tries, 10), lastRetry)
	return d - time.Duration(rand.Int64N(int64(d)/4))
}

// finish commits outcomes, all that have gathered to one command, until outcomes is closed. An
// outcome is offered until it is committed: it may be the only trace of an SMS that was sent.
func (d *dispatcher) finish(ctx context.Context) {
	for first := range d.outcomes {
		batch := collect(first, d.outcomes, beginMost)
		d.record(ctx, batch)
	}
}

func (d *dispatcher) record(ctx context.Context, batch []store.Outcome) {
	ctx, cancel := context.WithTimeout(ctx, callMargin) // later the attempts are uncertain anyway
	defer cancel()
	if _, err := d.b.settle(ctx, &store.Finish{Outcomes: batch}); err != nil {
		d.b.log.Error("outcomes not recorded; their attempts become uncertain", "count", len(batch), "err", err)
		return
	}
	if err := d.b.adopt(ctx, bizIDs(batch)); err != nil {
		d.b.log.Error("apply early reports", "err", err)
	}
}

func bizIDs(outcomes []store.Outcome) (list []string) {
	for i := range outcomes {
		if outcomes[i].BizID != "" {
			list = append(list, outcomes[i].BizID)
		}
	}
	return list
}

// collect returns first and what else waits in ch, at most n.
func collect[T any](first T, ch <-chan T, n int) []T {
	list := []T{first}
	for len(list) < n {
		select {
		case v, ok := <-ch:
			if !ok {
				return list
			}
			list = append(list, v)
		default:
			return list
		}
	}
	return list
}
