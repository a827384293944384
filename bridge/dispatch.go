package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/store"
)

// Timing of attempts.
const (
	callWithin   = time.Second            // after its Begin was committed; later the attempt may have been superseded
	beginWithin  = 2 * time.Second        // after its Begin was proposed: what is frozen while it waits for the commit is late too
	callMargin   = 10 * time.Second       // beyond the call's timeout until an unfinished attempt is uncertain
	reportWithin = 72 * time.Hour         // no report by then: unknown
	firstRetry   = time.Second            // doubling
	lastRetry    = time.Minute            //
	firstQuery   = 5 * time.Second        // after an attempt became uncertain
	idleScan     = time.Second            // the dispatcher looks again at least this often
	faultRest    = 100 * time.Millisecond // after a round that failed
	callsMost    = 256                    // of one Begin
	beginMost    = 1024                   // members of one Begin
	roundLooks   = 4096                   // messages that a round reads of one lane
	finishMost   = 256                    // outcomes of one Finish
	failedMost   = 10_000                 // messages of which is known on which routes they failed
)

// errs of receipts that the bridge itself ends messages with.
const (
	errCodeExpired    = "117"
	errCodeNoTemplate = "031"
	errCodeUncertain  = "099"
)

// lead is the work of the leader: sending, resolving, polling, reaping, matching reports that came early, reading queues. The cluster
// has committed the Lead command before it calls this.
func (b *Bridge) lead(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	d := newDispatcher(b)
	b.dispatching.Store(d)
	defer b.dispatching.Store(nil)
	g.Go(func() error { return d.run(ctx) })
	g.Go(func() error { return d.sweep(ctx) })
	g.Go(func() error { return b.resolve(ctx) })
	g.Go(func() error { return b.poll(ctx) })
	g.Go(func() error { return b.reap(ctx) })
	g.Go(func() error { return b.adoptEarly(ctx) })
	g.Go(func() error { return b.yieldUnusable(ctx) })
	g.Go(func() error { return b.syncCatalogs(ctx) })
	g.Go(func() error { return b.recordRoutes(ctx) })
	for _, run := range b.cfg.Leading {
		g.Go(func() error { return run(ctx) })
	}
	return g.Wait()
}

// dispatcher makes calls of due messages while this node leads.
type dispatcher struct {
	b     *Bridge
	freed chan struct{} // capacity 1: a call has ended, or is to be made another way
	calls sync.WaitGroup

	outcomes chan ended
	governor *governor // touched by loop only
	turns    turns     // touched by loop only
	policy   *policy   // touched by loop only; of the last round
	brakes   *brakes   // touched by loop only; of the last round

	mu      sync.Mutex
	exits   map[string]*exit          // guarded by mu; by route
	running int                       // guarded by mu; calls on all routes
	groups  map[group]int             // guarded by mu; calls under way
	failed  map[store.Number][]string // guarded by mu; messages that are to go another way at once, and the routes on which they failed
	moved   []ended                   // guarded by mu; calls whose messages became due again
}

func newDispatcher(b *Bridge) *dispatcher {
	return &dispatcher{
		b:        b,
		freed:    make(chan struct{}, 1),
		outcomes: make(chan ended, finishMost),
		governor: newGovernor(),
		exits:    make(map[string]*exit),
		groups:   make(map[group]int),
		failed:   make(map[store.Number][]string),
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

// round takes due messages, as many calls as there are free workers for, and starts them. It
// returns how long to wait before the next round, if nothing else happens.
func (d *dispatcher) round(ctx context.Context) (time.Duration, error) {
	d.b.metrics.rounds.Inc()
	if d.b.paused.Load() {
		return idleScan, nil
	}
	pol := d.b.policy.Load()
	stopped, err := d.b.loadBrakes()
	if err != nil {
		return 0, err
	}
	d.follow(pol, stopped)
	d.rewindMoved()
	dr := &draft{policy: pol, now: d.b.clock(), listed: make(map[store.Number]bool), wait: idleScan}
	free, tries := d.open(pol)
	if free+tries == 0 {
		return d.untilRoom(), nil
	}
	d.queue(dr)
	err = d.tryHalfOpen(dr)
	if dr.free = len(dr.calls) + min(free, callsMost); err == nil {
		err = d.divide(dr)
	}
	dr.end()
	if err != nil {
		d.abandon(dr.calls)
		return 0, fmt.Errorf("read due messages: %w", err)
	}
	if wait, ok := d.stands(dr); !ok {
		d.abandon(dr.calls)
		return wait, nil
	}
	return d.carryOut(ctx, dr)
}

// stands reports whether a draft is what policy and operators still want; if not, how long the next round has time.
func (d *dispatcher) stands(dr *draft) (time.Duration, bool) {
	cur, ok := d.b.inForce()
	if !ok { // what was read may be of accounts that this node does not know yet
		return idleScan, false
	}
	now, err := d.b.loadBrakes()
	return 0, cur == dr.policy && err == nil && now == d.brakes
}

// follow has all that was read looked at again under a new policy, and when something is stopped or goes on.
func (d *dispatcher) follow(pol *policy, stopped *brakes) {
	if d.policy == pol && d.brakes == stopped {
		return
	}
	d.policy, d.brakes = pol, stopped
	d.turns.backlogs = [len(lanes)]map[string]*backlog{}
	d.forget(pol)
}

// carryOut closes and begins what a round has drafted.
func (d *dispatcher) carryOut(ctx context.Context, dr *draft) (time.Duration, error) {
	if len(dr.closing) > 0 {
		wait, err := d.close(ctx, dr.closing)
		if err != nil {
			d.abandon(dr.calls)
		}
		if err != nil || len(dr.calls) == 0 {
			return wait, err
		}
	}
	if len(dr.calls) > 0 {
		d.turns.taken(dr.served)
		return d.begin(ctx, dr)
	}
	if dr.more {
		return 0, nil
	}
	next, err := d.untilNext(dr.now)
	return min(next, dr.wait, d.untilRoom()), err
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
