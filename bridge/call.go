package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"smppbridge/store"
)

// begin commits the attempts and starts the calls that were granted.
func (d *dispatcher) begin(ctx context.Context, plan []planned) error {
	cmd := &store.Begin{Attempts: make([]store.BeginAttempt, len(plan))}
	now := d.b.now()
	for i := range plan {
		p := &plan[i]
		cmd.Charges = append(cmd.Charges, p.charges())
		cmd.Attempts[i] = store.BeginAttempt{
			Route:  p.route.Name,
			CallBy: now.Add(p.route.Timeout.Std() + callMargin).UnixMilli(), Charges: -1,
			Members: []store.BeginMember{{
				Number: p.Number, Revision: p.Status.Revision, Phone: p.Message.Phone, Charges: i,
			}},
		}
	}
	before := time.Now().Add(beginWithin) // monotonic, whatever clock the bridge was given
	res, err := d.b.cluster.Propose(ctx, cmd)
	if after := time.Now().Add(callWithin); after.Before(before) {
		before = after
	}
	begun, ok := res.(*store.BeginResult)
	if err == nil && (!ok || len(begun.Attempts) != len(plan)) {
		err = fmt.Errorf("result %T", res)
	}
	if err != nil { // nothing was called; what may have been begun becomes uncertain and is queried
		d.giveUp(plan)
		return fmt.Errorf("begin %d attempts: %w", len(plan), err)
	}
	d.pace(plan, begun.Attempts)
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

// pace tells the routes how many of their calls their meters granted.
func (d *dispatcher) pace(plan []planned, begun []store.BegunAttempt) {
	type count struct {
		granted, asked int
		again          int64
	}
	counts := make(map[string]*count, 2)
	for i := range plan {
		r := plan[i].route
		if r.QPS == 0 {
			continue
		}
		c := counts[r.Name]
		if c == nil {
			c = &count{}
			counts[r.Name] = c
		}
		c.asked++
		if m := begun[i].Members[0]; m.Granted || m.Limit != 0 { // the route's charge is the first
			c.granted++
		} else if c.again == 0 || m.DueAt < c.again {
			c.again = m.DueAt
		}
	}
	for name, c := range counts {
		d.keepPace(name, c.granted, c.asked, store.FromMillis(c.again))
	}
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
