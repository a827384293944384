package bridge

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// begin commits the attempts and starts the calls that were granted. It returns how long to wait for the next
// round.
func (d *dispatcher) begin(ctx context.Context, dr *draft) (time.Duration, error) {
	cmd := d.command(dr.calls)
	before := time.Now().Add(beginWithin) // monotonic, whatever clock the bridge was given
	res, err := d.b.cluster.Propose(ctx, cmd)
	if after := time.Now().Add(callWithin); after.Before(before) {
		before = after
	}
	begun, ok := res.(*store.BeginResult)
	if err == nil && (!ok || len(begun.Attempts) != len(dr.calls)) {
		err = fmt.Errorf("result %T", res)
	}
	if err != nil { // nothing was called; what may have been begun becomes uncertain and is queried
		d.abandon(dr.calls)
		return 0, fmt.Errorf("begin %d attempts: %w", len(dr.calls), err)
	}
	d.pace(dr.calls, begun.Attempts)
	wait := faultRest // if nothing at all was granted: by the clock of the stamps it is not time yet
	for i := range begun.Attempts {
		a, c := begun.Attempts[i], dr.calls[i]
		d.b.metrics.putOff(c.route.Name, &a)
		c.keep(a.Members)
		if a.ID != 0 || a.Limit >= 0 {
			wait = 0
		}
		if a.ID == 0 {
			d.abandon(dr.calls[i : i+1])
			continue
		}
		d.calls.Add(1)
		d.governor.begun++
		go d.send(ctx, c, a, before) // bounded by the route's workers
	}
	return wait, nil
}

// command is the Begin of calls.
func (d *dispatcher) command(calls []*call) *store.Begin {
	cmd := &store.Begin{Attempts: make([]store.BeginAttempt, len(calls))}
	set := func(charges []store.Charge) int {
		if len(charges) == 0 {
			return -1
		}
		cmd.Charges = append(cmd.Charges, charges)
		return len(cmd.Charges) - 1
	}
	rates := make(map[string]int, 2) // what a call costs, by route
	now := d.b.now()
	for i, c := range calls {
		if _, there := rates[c.route.Name]; !there {
			rates[c.route.Name] = set(d.charge(&c.route.Route))
		}
		a := store.BeginAttempt{
			Route: c.route.Name, Template: c.members[0].template.Code, Charges: rates[c.route.Name],
			Members: make([]store.BeginMember, len(c.members)),
			CallBy:  now.Add(c.route.Timeout.Std() + callMargin).UnixMilli(),
		}
		for j := range c.members {
			p := &c.members[j]
			p.size = p.segments()
			a.Members[j] = store.BeginMember{Number: p.Number, Revision: p.Status.Revision, Phone: p.Message.Phone,
				Segments: uint8(min(p.size, math.MaxUint8)), Charges: set(p.phoneCharges())}
		}
		cmd.Attempts[i] = a
	}
	return cmd
}

// keep leaves the members in c that were granted. The others wait, those that were not put off where they were.
func (c *call) keep(begun []store.BegunMember) {
	granted := c.members[:0]
	for i := range c.members {
		p := &c.members[i]
		switch {
		case begun[i].Granted:
			granted = append(granted, *p)
		case begun[i].DueAt == 0:
			p.from.putBack(p)
		}
	}
	c.members = granted
}

// pace tells the routes how many of their calls their meters granted.
func (d *dispatcher) pace(calls []*call, begun []store.BegunAttempt) {
	type count struct {
		granted, asked int
		again          int64
	}
	counts := make(map[string]*count, 2)
	for i, c := range calls {
		n := counts[c.route.Name]
		if n == nil {
			n = &count{}
			counts[c.route.Name] = n
		}
		n.asked++
		if a := &begun[i]; a.Limit < 0 {
			n.granted++
		} else if n.again == 0 || a.Again < n.again {
			n.again = a.Again
		}
	}
	for name, n := range counts {
		d.keepPace(name, n.granted, n.asked, store.FromMillis(n.again))
	}
}

// phoneCharges are what p costs in its phone's windows.
func (p *planned) phoneCharges() []store.Charge {
	if len(p.template.limits) == 0 {
		return nil
	}
	key := p.template.phoneKey(p.Message.SignName, p.Message.Phone)
	if p.ways.account.DryRun { // nobody gets it, and what somebody gets must not wait for it
		key += "/" + configs.RouteDryRun
	}
	return []store.Charge{{Key: key, Amount: 1, Rules: p.template.limits}}
}

// ended is a call with its outcome.
type ended struct {
	outcome store.Outcome
	call    *call
}

// outcome translates an answer, with the time at which something is to be done next.
func (d *dispatcher) outcome(c *call, id store.AttemptID, a *Answer) store.Outcome {
	o := store.Outcome{Attempt: id, Kind: a.Kind, BizID: a.BizID, Ending: a.Ending, Err: a.Err, Code: a.said()}
	now := d.b.now()
	if a.Kind == store.OutcomeRetry {
		o.DueAt = now.Add(d.again(c, a)).UnixMilli()
		return o
	}
	d.mu.Lock()
	d.forgive(c)
	d.mu.Unlock()
	switch a.Kind {
	case store.OutcomeAccepted:
		o.DueAt = now.Add(nextPoll(0)).UnixMilli()
	case store.OutcomeUncertain:
		o.DueAt = now.Add(firstQuery).UnixMilli()
	}
	return o
}

// again is how long the messages of a call wait that was surely not executed. Where the route is to blame they go another
// way at once, if there is one on which they have not failed since they last waited.
func (d *dispatcher) again(c *call, a *Answer) time.Duration {
	d.mu.Lock()
	defer d.mu.Unlock()
	if a.Account || a.Outage {
		if d.moves(c) {
			return 0
		}
	}
	d.forgive(c)
	tries := 0
	for i := range c.members {
		tries = max(tries, int(c.members[i].Status.Tries))
	}
	return cmp.Or(a.After, backoff(tries))
}

// forgive forgets on which routes the messages of a call have failed. d.mu is held.
func (d *dispatcher) forgive(c *call) {
	for i := range c.members {
		delete(d.failed, c.members[i].Number)
	}
}

// moves notes on which routes the messages of a call have failed, and reports whether all of them have another way that is
// well. d.mu is held.
func (d *dispatcher) moves(c *call) bool {
	for i := range c.members {
		before := d.failed[c.members[i].Number]
		if slices.Contains(before, c.route.Name) { // the others have no room
			return false
		}
		failed := append(before, c.route.Name)
		other := false
		for r := range d.well(c.members[i].ways, failed) {
			other = other || !slices.Contains(failed, r.Name)
		}
		if !other {
			return false
		}
	}
	if len(d.failed)+len(c.members) > failedMost {
		clear(d.failed) // they may fail once more on the same route
	}
	for i := range c.members {
		n := c.members[i].Number
		d.failed[n] = append(d.failed[n], c.route.Name)
	}
	return true
}

// hasFailed reports whether a message is to go another way than by r.
func (d *dispatcher) hasFailed(n store.Number, r *route) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Contains(d.failed[n], r.Name)
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
		batch := collect(first, d.outcomes, finishMost)
		d.record(ctx, batch)
	}
}

func (d *dispatcher) record(ctx context.Context, batch []ended) {
	ctx, cancel := context.WithTimeout(ctx, callMargin) // later the attempts are uncertain anyway
	defer cancel()
	cmd := &store.Finish{Outcomes: make([]store.Outcome, len(batch))}
	var bizIDs []string
	for i := range batch {
		cmd.Outcomes[i] = batch[i].outcome
		if id := batch[i].outcome.BizID; id != "" {
			bizIDs = append(bizIDs, id)
		}
	}
	if _, err := d.b.settle(ctx, cmd); err != nil {
		d.b.log.Error("outcomes not recorded; their attempts become uncertain", "count", len(batch), "err", err)
		return
	}
	d.dueAgain(batch)
	if err := d.b.adopt(ctx, bizIDs); err != nil {
		d.b.log.Error("apply early reports", "err", err)
	}
	if err := d.reportDry(ctx, batch); err != nil {
		d.b.log.Error("report", "err", err)
	}
}

// dueAgain tells the loop of messages that may have become due before what it has read.
func (d *dispatcher) dueAgain(batch []ended) {
	d.mu.Lock()
	for i := range batch {
		if batch[i].outcome.Kind == store.OutcomeRetry {
			d.moved = append(d.moved, batch[i])
		}
	}
	d.mu.Unlock()
	signal(d.freed)
}

// rewindMoved has the messages read again of which dueAgain was told.
func (d *dispatcher) rewindMoved() {
	d.mu.Lock()
	moved := d.moved
	d.moved = nil
	d.mu.Unlock()
	for _, e := range moved {
		p := &e.call.members[0]
		if q := d.turns.backlogs[slices.Index(lanes[:], p.Status.Action)][p.Message.Account]; q != nil {
			q.rewind(e.outcome.DueAt)
		}
	}
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
