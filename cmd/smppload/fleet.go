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

// How long the end of a run waits for a server.
const (
	answersWithin   = 30 * time.Second // for the last submit_sm_resp
	interruptWithin = 2 * time.Second  // for them when the user does not want to wait
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
	receipts time.Duration // how long to wait for them at the end; 0 = do not wait
}

// A fleet is the binds of one run.
type fleet struct {
	opts  fleetOptions
	run   *run
	binds []*bind
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
	f := &fleet{opts: o, run: &run{
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
	waited := f.wait(ctx)
	cpu = cpuTime() - cpu
	f.hangUp()
	wg.Wait()
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
	if err := f.allIdle(ctx); err != nil {
		for _, b := range f.binds {
			b.stop()
		}
		within, cancel := context.WithTimeout(context.WithoutCancel(ctx), interruptWithin)
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
	case <-ctx.Done():
		return errors.Is(ctx.Err(), context.DeadlineExceeded)
	}
}

// allIdle waits until all that is to be submitted is answered: as long as it takes
// to submit it, then no longer than answersWithin.
func (f *fleet) allIdle(ctx context.Context) error {
	for _, b := range f.binds {
		select {
		case <-b.finished:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	timeout := time.NewTimer(answersWithin)
	defer timeout.Stop()
	for _, b := range f.binds {
		select {
		case <-b.idle:
		case <-timeout.C:
			return nil // counted as unanswered
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// hangUp unbinds, and closes what is left after a while.
func (f *fleet) hangUp() {
	for _, b := range f.binds {
		b.unbind()
	}
	timeout := time.NewTimer(unbindWithin)
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
