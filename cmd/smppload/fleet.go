package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/smpp"
)

// How long the end of a run waits for a server, if its patience is no shorter.
const (
	interruptWithin = 2 * time.Second // for answers when the user does not want to wait
	unbindWithin    = 3 * time.Second
	dialsAtOnce     = 32 // a listener's backlog is short
)

// fleetOptions describe a run.
type fleetOptions struct {
	addr       string
	tls        tlsOptions
	systemID   string
	password   string
	version    byte // interface_version; 0 = 3.4
	pair       bool // each bind is a transmitter and a receiver
	binds      int
	window     int
	first      int64
	schedule   schedule
	message    messageOptions
	reconnect  bool
	resubmit   bool          // what a broken connection left unanswered
	backoff    time.Duration // before a connection is made again, at first; 0 = usual
	patience   time.Duration // how long no answer at all is waited for
	receipts   time.Duration // how long to wait for them at the end; 0 = do not wait
	expect     states        // the final states that are right
	strict     bool          // any wrong receipt fails the run
	series     bool          // keep a row for each second
	hold       bool          // bind and do nothing else, for schedule.duration
	progressTo io.Writer     // told when all are bound, if they are to be held
}

// The usual values of some options.
const (
	defaultVersion = 0x34 // SMPP 3.4, 5.2.4
	defaultBackoff = 100 * time.Millisecond
)

// A fleet is the binds of one run.
type fleet struct {
	opts  fleetOptions
	run   *run
	binds []*bind
	over  chan struct{} // closed when all sessions are over
}

// load binds, plays the schedule and returns what happened. When ctx ends, it
// stops submitting and returns soon; that is no error. An error means that the run
// did not begin.
func load(ctx context.Context, o fleetOptions) (*summary, error) {
	f, err := newFleet(o)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	f.run.clock = func() time.Duration { return time.Since(start) }
	if err := f.dial(ctx); err != nil {
		return nil, err
	}
	bound := time.Since(start)
	start = time.Now() // no goroutine that reads it runs yet
	cpu := cpuTime()
	making, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	for _, b := range f.binds {
		b.start(making, &wg)
	}
	go func() { wg.Wait(); close(f.over) }()
	var waited bool
	if o.hold {
		f.hold(ctx, bound)
	} else {
		waited = f.wait(ctx)
	}
	cpu = cpuTime() - cpu
	cancel()
	f.hangUp()
	<-f.over
	return f.summary(waited, cpu), nil
}

// newFleet makes what the binds of a run share.
func newFleet(o fleetOptions) (*fleet, error) {
	o.schedule.binds = int64(o.binds)
	if o.version == 0 {
		o.version = defaultVersion
	}
	if o.backoff == 0 {
		o.backoff = defaultBackoff
	}
	t, err := newTexts(o.message, o.first)
	if err != nil {
		return nil, err
	}
	d, err := newDialer(o.addr, o.tls)
	if err != nil {
		return nil, err
	}
	var c *checks
	if o.message.registered {
		c = newChecks(t, o.expect)
	}
	var s *series
	if o.series {
		s = newSeries()
	}
	r := &run{
		dialer: d, texts: t, schedule: o.schedule, window: o.window, ledger: newLedger(c, s),
		reconnect: o.reconnect, resubmit: o.resubmit, backoff: o.backoff,
		request: smpp.Bind{SystemID: o.systemID, Password: o.password, InterfaceVersion: o.version},
	}
	if err := r.request.Check(); err != nil {
		return nil, err
	}
	return &fleet{opts: o, run: r, over: make(chan struct{})}, nil
}

// A role is what one of the fleet's sessions is for.
type role struct {
	kind smpp.BindType
	turn int64 // negative: it does not submit
}

// roles lists the sessions in the order in which they are made: receivers first, so
// that there is somebody to take the first receipt.
func (f *fleet) roles() []role {
	var all []role
	kind := smpp.Transceiver
	if f.opts.pair {
		kind = smpp.Transmitter
		for range f.opts.binds {
			all = append(all, role{smpp.Receiver, -1})
		}
	}
	for i := range f.opts.binds {
		if f.opts.hold {
			i = -1
		}
		all = append(all, role{kind, int64(i)})
	}
	return all
}

// dial makes all binds, or none.
func (f *fleet) dial(ctx context.Context) error {
	roles := f.roles()
	f.binds = make([]*bind, len(roles))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(dialsAtOnce)
	for i, r := range roles {
		g.Go(func() (err error) {
			if f.binds[i], err = dial(ctx, f.run, r.kind, r.turn, i); err != nil {
				return fmt.Errorf("bind %d of %d to %s: %w", i+1, len(roles), f.run.dialer.addrs[i%len(f.run.dialer.addrs)], err)
			}
			return nil
		})
	}
	err := g.Wait()
	if err == nil {
		return nil
	}
	for _, b := range f.binds {
		if b != nil {
			b.conn.Close() // its goroutines do not run
		}
	}
	return err
}

// hold keeps the sessions until ctx ends, their time is over or all are lost.
func (f *fleet) hold(ctx context.Context, bound time.Duration) {
	fmt.Fprintf(f.opts.progressTo, "bound %d sessions in %.3f s\n", len(f.binds), bound.Seconds())
	if d := f.opts.schedule.duration; d > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	select {
	case <-ctx.Done():
	case <-f.over:
	}
}

// wait returns when nothing more is to be expected, and whether receipts were
// waited for: an interrupted run has not given them their time.
func (f *fleet) wait(ctx context.Context) bool {
	err := f.allIdle(ctx)
	if err != nil {
		for _, b := range f.binds {
			b.stop()
		}
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(interruptWithin, f.opts.patience))
		defer cancel()
		_ = f.allIdle(within) // what is unanswered then is counted
		return false
	}
	if f.opts.receipts == 0 || !f.opts.message.registered {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, f.opts.receipts)
	defer cancel()
	select {
	case <-f.run.ledger.await():
		return true
	case <-f.over:
		return true // none can come any more
	case <-ctx.Done():
		return errors.Is(ctx.Err(), context.DeadlineExceeded)
	}
}

// errStalled ends a run against a server that has stopped answering.
var errStalled = errors.New("no answer for too long")

// allIdle waits until all that is to be submitted is answered, however long that
// takes: as long as there are answers.
func (f *fleet) allIdle(ctx context.Context) error {
	look := time.NewTicker(f.opts.patience)
	defer look.Stop()
	last := f.run.ledger.answered()
	for _, b := range f.binds {
		for idle := false; !idle; {
			select {
			case <-b.idle:
				idle = true
			case <-look.C:
				now := f.run.ledger.answered()
				if now == last && f.stuck() {
					return errStalled
				}
				last = now
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// stuck reports whether a session waits for the server, which owes it an answer or
// does not take it.
func (f *fleet) stuck() bool {
	for _, b := range f.binds {
		b.mu.Lock()
		waits := b.unanswered > 0 || b.down || b.told
		b.mu.Unlock()
		if waits {
			return true
		}
	}
	return false
}

// hangUp unbinds, and closes what is left after a while.
func (f *fleet) hangUp() {
	for _, b := range f.binds {
		b.unbind()
	}
	timeout := time.NewTimer(min(unbindWithin, f.opts.patience))
	defer timeout.Stop()
	for _, b := range f.binds {
		select {
		case <-b.ended:
		case <-timeout.C:
			timeout.Reset(0) // the others have had their time too
			b.close()
		}
	}
}
