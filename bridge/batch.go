package bridge

import (
	"context"
	"slices"
	"time"

	"smppbridge/store"
)

// A call is what one request of the API is for: a message, or several of one account and template by one route.
type call struct {
	members []planned // never two to one phone: their reports could not be told apart
	route   *route
	group   group
	probe   bool
	turn    uint64 // of the route's circuit when it was drafted
	drafted time.Time
}

// group is what the messages of a call have in common, whichever route they go by.
type group struct{ account, template string }

func newCall(p *planned, r *route) *call {
	p.state = inCall
	return &call{members: []planned{*p}, route: r, group: group{p.Message.Account, p.template.Code}}
}

// next makes the next call out of what a backlog has due; nil when nothing of it can go now. share is how many calls it may
// hope for.
func (d *dispatcher) next(dr *draft, q *backlog, share int) (*call, error) {
	for {
		for ; q.looked < len(q.ready); q.looked++ {
			p := &q.ready[q.looked]
			if p.state != notLooked {
				continue
			}
			p.state = stays
			r := d.pick(p, dr.now)
			if r == nil {
				continue
			}
			c, err := d.gather(dr, q, q.looked, r)
			if c != nil || err != nil {
				return c, err
			}
		}
		if more, err := d.read(dr, q, share); !more || err != nil {
			q.done = true
			return nil, err
		}
	}
}

// gather makes a call of message i of what is ready and of others that can go with it. It is nil when they are to
// wait for more.
func (d *dispatcher) gather(dr *draft, q *backlog, i int, r *route) (*call, error) {
	first := q.ready[i] // a copy: what is ready grows
	most := min(first.batch(), beginMost-dr.members)
	c := newCall(&q.ready[i], r)
	if most <= 1 || r.takesTexts() {
		return c, nil
	}
	c.members = slices.Grow(c.members, min(most, len(q.ready)-i)-1) // what is ready is likely to go together
	phones := map[string]bool{bareNumber(first.Message.Phone): true}
	taken := []int{i}
	for at := i + 1; len(c.members) < most; at++ {
		if at == len(q.ready) {
			more, err := d.read(dr, q, most-len(c.members))
			if err != nil {
				return nil, err
			}
			if !more {
				break
			}
		}
		p := &q.ready[at]
		phone := bareNumber(p.Message.Phone)
		if p.state == notLooked && p.template == first.template && p.ways == first.ways && !p.Status.Alone && !phones[phone] &&
			!d.hasFailed(p.Number, r) {
			phones[phone], p.state = true, inCall
			c.members = append(c.members, *p)
			taken = append(taken, at)
		}
	}
	if len(c.members) < most && !dr.more && d.holds(dr, c) {
		for _, at := range taken {
			q.ready[at].state = stays
		}
		return nil, nil
	}
	return c, nil
}

// holds reports whether a call that is not full waits for more messages. It does while another one of its kind is under way,
// which says that there are more to come and that they come faster than calls end, and no longer than its class
// allows. A message that comes alone never waits.
func (d *dispatcher) holds(dr *draft, c *call) bool {
	d.mu.Lock()
	running := d.groups[c.group]
	d.mu.Unlock()
	if running == 0 {
		return false
	}
	first := &c.members[0]
	left := store.FromMillis(first.DueAt).Add(first.template.class.BatchWithin.Std()).Sub(dr.now)
	if left <= 0 {
		return false
	}
	dr.wake(left)
	return true
}

// send makes the call and passes its outcome on. It is the second conversion of a message's life.
func (d *dispatcher) send(ctx context.Context, c *call, a store.BegunAttempt, before time.Time) {
	defer d.calls.Done()
	req := Call{OutID: a.OutID, Route: c.route.Name, Template: c.members[0].template.Code, Before: before,
		Recipients: make([]Recipient, len(c.members))}
	for i := range c.members {
		m := &c.members[i].Message
		req.Recipients[i] = Recipient{Phone: m.Phone, SignName: m.SignName, Params: m.Params}
		if c.route.takesTexts() {
			req.Recipients[i].Original = c.members[i].original()
		}
	}
	answer := d.b.cfg.Sender.Send(ctx, req)
	alone := len(c.members) > 1 && !answer.Whole && answer.Kind != store.OutcomeAccepted
	if alone {
		// It may be about one recipient that the API does not name, and the others may have been sent: they are resolved
		// one by one, and who was not sent goes again alone.
		answer.Kind = store.OutcomeUncertain
	}
	d.b.metrics.outcome(c.route.Name, answer.Kind, len(c.members))
	if answer.Kind == store.OutcomeAccepted {
		d.b.content.sold(c)
	}
	d.logAnswer(ctx, c, a.ID, &answer)
	d.learn(c, &answer)
	o := d.outcome(c, a.ID, &answer)
	o.Alone = alone
	d.outcomes <- ended{outcome: o, call: c}
	d.release(c)
}
