package main

import (
	"context"
	"errors"
	"fmt"
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
	addr     string
	systemID string
	password string
	binds    int
	window   int
	first    int64
	schedule schedule
	message  messageOptions
	patience time.Duration // how long no answer at all is waited for
	receipts time.Duration // how long to wait for them at the end; 0 = do not wait
}

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
	m, err := newMessage(o.message)
	if err != nil {
		return nil, err
	}
	o.schedule.binds = int64(o.binds)
	start := time.Now()
	f := &fleet{opts: o, over: make(chan struct{}), run: &run{
		message: m, schedule: o.schedule, window: o.window, first: o.first,
		ledger: newLedger(),
		clock:  func() time.Duration { return time.Since(start) },
	}}
	if err := f.dial(ctx); err != nil {
		return nil, err
	}
	start = time.Now() // no goroutine that reads it runs yet
	cpu := cpuTime()
	var wg sync.WaitGroup
	for _, b := range f.binds {
		b.start(&wg)
	}
	go func() { wg.Wait(); close(f.over) }()
	waited := f.wait(ctx)
	cpu = cpuTime() - cpu
	f.hangUp()
	<-f.over
	return f.summary(waited, cpu), nil
}

// dial makes all binds, or none.
func (f *fleet) dial(ctx context.Context) error {
	req := &smpp.Bind{
		Type: smpp.Transceiver, SystemID: f.opts.systemID, Password: f.opts.password, InterfaceVersion: interfaceVer,
	}
	if err := req.Check(); err != nil {
		return err
	}
	f.binds = make([]*bind, f.opts.binds)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(dialsAtOnce)
	for i := range f.binds {
		g.Go(func() (err error) {
			if f.binds[i], err = dial(ctx, f.opts.addr, req, f.run, int64(i)); err != nil {
				return fmt.Errorf("bind %d of %d to %s: %w", i+1, len(f.binds), f.opts.addr, err)
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
			b.conn.Close()
		}
	}
	return err
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
				if now == last && f.unanswered() > 0 {
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

// unanswered is how many submit_sm are not answered now.
func (f *fleet) unanswered() int {
	var n int
	for _, b := range f.binds {
		b.mu.Lock()
		n += b.unanswered
		b.mu.Unlock()
	}
	return n
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
			b.conn.Close()
		}
	}
}
