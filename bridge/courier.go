package bridge

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/store"
)

// The courier's bounds.
const (
	courierTick = 5 * time.Millisecond   // how often outboxes are looked at under load
	courierIdle = 200 * time.Millisecond // and when nothing changes
	lastMoment  = 2 * time.Second        // for what is under way when the bridge stops
)

// courier delivers receipts to the sessions of this node. Each account that had a receiver
// here has a mailbox.
type courier struct {
	b *Bridge

	mu        sync.Mutex
	mailboxes map[string]*mailbox     // guarded by mu; by account
	tasks     []func(context.Context) // guarded by mu; to be started

	wake      chan struct{} // capacity 1: tasks or mailboxes are new
	witnesses witnesses     // which answers other nodes' sessions have written
	metrics   *courierMetrics
}

func newCourier(b *Bridge) *courier {
	c := &courier{
		b:         b,
		mailboxes: make(map[string]*mailbox),
		wake:      make(chan struct{}, 1),
		witnesses: witnesses{b: b, nodes: make(map[string]*witness)},
		metrics:   newCourierMetrics(b.cfg.Registerer),
	}
	b.cluster.Answer(subjectInFlight, c.answerInFlight)
	b.cluster.Answer(subjectWritten, c.answerWritten)
	return c
}

// join adds a receiver.
func (c *courier) join(s *session) {
	c.mu.Lock()
	box := c.mailboxes[s.account]
	if box == nil {
		box = newMailbox(c.b, s.account)
		c.mailboxes[s.account] = box
	}
	box.add(s)
	c.mu.Unlock()
	signal(c.wake)
}

// leave removes a receiver. What it had not answered is delivered elsewhere, or later. The
// mailbox stays: it knows what was answered and is not removed from the outbox yet.
func (c *courier) leave(s *session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if box := c.mailboxes[s.account]; box != nil {
		box.remove(s)
	}
}

// settled waits until the receipts that s has answered are out of the outbox, or ctx ends. After it s's bind may go from
// the state: whoever owns its receipts then does not deliver those again.
func (c *courier) settled(ctx context.Context, s *session) error {
	c.mu.Lock()
	box := c.mailboxes[s.account]
	c.mu.Unlock()
	if box == nil {
		return nil
	}
	return box.awaitSettled(ctx)
}

// background runs f in a goroutine of the courier's, which run waits for. Its context lives on for a moment when the
// bridge stops: places are given back, answers committed.
func (c *courier) background(f func(context.Context)) {
	c.mu.Lock()
	c.tasks = append(c.tasks, f)
	c.mu.Unlock()
	signal(c.wake)
}

// run starts mailboxes and tasks, and tells mailboxes of new receipts, until ctx ends.
func (c *courier) run(ctx context.Context) error {
	changed, stop := c.b.store.Watch(store.WatchOutbox)
	defer stop()
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return c.notify(ctx, changed) })
	for {
		boxes, tasks := c.fresh()
		for _, box := range boxes {
			g.Go(func() error { return box.run(ctx) })
		}
		for _, f := range tasks {
			g.Go(func() error { inLastMoment(ctx, f); return nil })
		}
		select {
		case <-ctx.Done():
			_, tasks := c.fresh()
			for _, f := range tasks {
				g.Go(func() error { inLastMoment(ctx, f); return nil })
			}
			return g.Wait()
		case <-c.wake:
		}
	}
}

// inLastMoment calls f with a context that ends a moment after ctx.
func inLastMoment(ctx context.Context, f func(context.Context)) {
	late, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		sleep(late, lastMoment)
		cancel()
	})
	defer stop()
	f(late)
}

// fresh returns the mailboxes and tasks that do not run yet.
func (c *courier) fresh() (boxes []*mailbox, tasks []func(context.Context)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, box := range c.mailboxes {
		if !box.started {
			box.started = true
			boxes = append(boxes, box)
		}
	}
	tasks, c.tasks = c.tasks, nil
	return boxes, tasks
}

// notify wakes the mailboxes that have something in their outbox, at most once per tick: under
// load the outbox changes with every commit.
func (c *courier) notify(ctx context.Context, changed <-chan struct{}) error {
	for {
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
		accounts := c.b.store.OutboxAccounts()
		c.mu.Lock()
		for _, a := range accounts {
			if box := c.mailboxes[a]; box != nil {
				signal(box.wake)
			}
		}
		c.mu.Unlock()
		if !sleep(ctx, courierTick) {
			return ctx.Err()
		}
	}
}
