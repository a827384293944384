package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Timing of attempts.
const (
	callWithin    = time.Second            // after its Begin was committed; later the attempt may have been superseded
	beginWithin   = 2 * time.Second        // after its Begin was proposed: what is frozen while it waits for the commit is late too
	callMargin    = 10 * time.Second       // beyond the call's timeout until an unfinished attempt is uncertain
	reportWithin  = 72 * time.Hour         // no report by then: unknown
	firstRetry    = time.Second            // doubling
	lastRetry     = time.Minute            //
	firstQuery    = 5 * time.Second        // after an attempt became uncertain
	idleScan      = time.Second            // the dispatcher looks again at least this often
	routeRest     = 5 * time.Second        // after an account fault, doubling
	routeRestMost = time.Minute            //
	faultRest     = 100 * time.Millisecond // after a round that failed
	beginMost     = 256                    // members of one Begin
)

// errs of receipts that the bridge itself ends messages with.
const (
	errCodeExpired    = "117"
	errCodeNoTemplate = "031"
	errCodeUncertain  = "099"
)

// lead is the work of the leader: sending, resolving, reaping, matching reports that came early. The cluster has committed the
// Lead command before it calls this.
func (b *Bridge) lead(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	d := newDispatcher(b)
	g.Go(func() error { return d.run(ctx) })
	g.Go(func() error { return b.resolve(ctx) })
	g.Go(func() error { return b.reap(ctx) })
	g.Go(func() error { return b.adoptEarly(ctx) })
	g.Go(func() error { return b.yieldUnusable(ctx) })
	return g.Wait()
}

// dispatcher makes calls of due messages while this node leads.
type dispatcher struct {
	b     *Bridge
	freed chan struct{} // capacity 1: a call has ended
	calls sync.WaitGroup

	outcomes chan store.Outcome
	governor *governor // touched by loop only
	turns    turns     // touched by loop only

	mu      sync.Mutex
	routes  map[string]*lane // guarded by mu
	running int              // guarded by mu; calls on all routes
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
			level := slog.LevelWarn
			if errors.Is(err, store.ErrNotProposed) { // leadership is on its way to another node
				level = slog.LevelInfo
			}
			d.b.log.Log(ctx, level, "dispatch", "err", err)
			sleep(ctx, faultRest) // whatever calls end meanwhile: the next round would fail like this one
			continue
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
		case <-d.b.renewed:
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
		return d.untilRoom(), nil
	}
	now := d.b.clock()
	items, err := d.turns.due(d.b.store, now, min(free, beginMost))
	if err != nil {
		return 0, fmt.Errorf("read due messages: %w", err)
	}
	if len(items) == 0 {
		return d.untilNext(now)
	}
	switch cur, ok := d.b.inForce(); {
	case !ok:
		return idleScan, nil
	case cur != pol:
		return 0, nil
	}
	plan, closing := d.sort(pol, items, now)
	if len(closing) > 0 {
		wait, err := d.close(ctx, closing)
		if err != nil {
			d.giveUp(plan)
		}
		if err != nil || len(plan) == 0 {
			return wait, err
		}
	}
	if len(plan) == 0 {
		return d.untilRoom(), nil // what is due belongs to routes that rest
	}
	d.turns.taken(plan)
	return 0, d.begin(ctx, plan)
}

// close ends messages, and returns how long to wait if there is nothing else to do.
func (d *dispatcher) close(ctx context.Context, items []store.CloseItem) (time.Duration, error) {
	res, err := d.b.cluster.Propose(ctx, &store.Close{Items: items})
	if err != nil {
		return 0, fmt.Errorf("close %d messages: %w", len(items), err)
	}
	if r, ok := res.(*store.CloseResult); ok && r.Applied == 0 {
		return faultRest, nil // by the clock of the stamps it is not time yet
	}
	return 0, nil
}

// giveUp gives back the workers of a plan that was not carried out.
func (d *dispatcher) giveUp(plan []planned) {
	for i := range plan {
		d.release(plan[i].route.Name, false)
	}
}

// untilNext says how long nothing is due.
func (d *dispatcher) untilNext(now time.Time) (time.Duration, error) {
	at, ok, err := nextDue(d.b.store)
	if err != nil || !ok {
		return idleScan, err
	}
	return min(idleScan, max(at.Sub(now), time.Millisecond)), nil
}

// sort tells the messages that can be sent from those that can never be.
func (d *dispatcher) sort(pol *policy, items []store.DueItem, now time.Time) (plan []planned, closing []store.CloseItem) {
	taken := make(map[string]int, 2)
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
		if p.expired(now) {
			end.Ending, end.Err = store.EndExpired, errCodeExpired
			closing = append(closing, end)
			continue
		}
		if d.take(p.route, taken[p.route.Name]) {
			taken[p.route.Name]++
			plan = append(plan, p)
		}
	}
	return plan, closing
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
	if it.Message.Params != "" { // of a joined message the template may be named, but is not filled
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

// expired reports whether a joined message is past its class's validity, which its parts did not
// know: no text, no class.
func (p *planned) expired(now time.Time) bool {
	v := p.template.class.Validity.Std()
	return len(p.Message.Parts) > 0 && v > 0 && now.Sub(store.FromMillis(p.Status.AcceptedAt)) >= v
}

// matchJoined decodes and matches the joined octets of a long message.
func (a *account) matchJoined(m *store.Message) (*approved, error) {
	text, err := smpp.DecodeText(m.DataCoding, a.alphabet, m.Text)
	if err != nil {
		return nil, err
	}
	return a.fill(m, text, naming{code: m.TemplateCode, sign: m.SignName})
}
