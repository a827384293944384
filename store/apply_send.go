package store

import "fmt"

// begin applies a Begin, member by member.
func (t *txn) begin(c *Begin) *BeginResult {
	r := &BeginResult{Attempts: make([]BegunAttempt, len(c.Attempts))}
	sets := t.resolve(c.Charges)
	for i := range c.Attempts {
		r.Attempts[i] = t.beginAttempt(&c.Attempts[i], sets)
	}
	return r
}

func (t *txn) beginAttempt(a *BeginAttempt, sets []chargeSet) BegunAttempt {
	id := AttemptID(t.meta.nextAttempt + 1)
	begun := BegunAttempt{Limit: -1, Members: make([]BegunMember, len(a.Members))}
	for i := range begun.Members {
		begun.Members[i].Limit = -1
	}
	if t.cluster == "" {
		return begun // before Genesis nothing is sent: its OutId would be nobody's
	}
	if a.Charges >= 0 {
		if limit, at := sets[a.Charges].room(t.at); limit >= 0 {
			begun.Limit, begun.Again = chargeIndex(limit), t.again(at, 0)
			return begun
		}
	}
	record := attemptRecord{epoch: t.meta.epoch, begun: t.at, route: a.Route, template: a.Template}
	for i := range a.Members {
		begun.Members[i] = t.beginMember(a, &a.Members[i], id, &record, sets)
	}
	if len(record.members) > 0 {
		if a.Charges >= 0 {
			sets[a.Charges].add(t) // no member has a key of it, so it fits as it did
		}
		t.meta.nextAttempt = uint64(id)
		t.put(bktAttempts, key8(uint64(id)), record.encode(nil))
		begun.ID, begun.OutID = id, outID(t.cluster, record.epoch, id)
	}
	return begun
}

// beginMember grants a member of a call, or says why not. What is granted is in the record.
func (t *txn) beginMember(a *BeginAttempt, m *BeginMember, id AttemptID, record *attemptRecord, sets []chargeSet) BegunMember {
	refused := BegunMember{Limit: -1}
	status, ok := t.status(m.Number)
	if !ok || status.Revision != m.Revision || !status.Action.Sends() || status.DueAt > t.at {
		return refused
	}
	if status.Alone && len(a.Members) > 1 || record.hasPhone(m.Phone) {
		return refused // it stays due, for another call
	}
	_, v := t.message(m.Number)
	account := string(v.account) // a put may move what v points to
	if v.expires > 0 && v.expires <= t.at {
		return refused // too late to be sent; it stays due, to be closed
	}
	first := t.meta.nextSend
	if m.Charges >= 0 {
		set := &sets[m.Charges]
		if limit, at := set.room(t.at); limit >= 0 {
			return BegunMember{Limit: chargeIndex(limit), DueAt: t.postpone(m.Number, &status, at, v.expires)}
		}
		set.add(t)
	}
	record.members = append(record.members, memberRecord{
		number: m.Number, phone: m.Phone, segments: m.Segments, sends: t.meta.nextSend - first, firstSend: first + 1,
	})
	if status.Attempt != 0 {
		t.bizDone(status.Attempt) // an answer may have come late, when it was to be sent again
	}
	next := status
	next.State, next.Attempt, next.Tries = StateSending, id, min(status.Tries, 254)+1
	next.Action, next.DueAt, next.Err, next.Booked = ActionCall, a.CallBy, "", false
	t.moveOf(m.Number, account, &status, next)
	return BegunMember{Granted: true, Limit: -1}
}

// chargeIndex is the index of a charge as a result has it.
func chargeIndex(i int) int8 { return int8(min(i, 127)) }

// neverPause is when a message is due again whose charge will never fit, and that never expires:
// its rules may have changed by then.
const neverPause = 3600 * 1000

// postpone makes a message due again when its charges may fit, or when it expires.
func (t *txn) postpone(n Number, was *Status, at, expires int64) int64 {
	next := *was
	next.DueAt = t.again(at, expires)
	t.move(n, was, next)
	return next.DueAt
}

// again is when to try charges again that may fit at a time, or never, for a message that expires.
func (t *txn) again(at, expires int64) int64 {
	if at >= never {
		at = t.at + neverPause
		if expires > 0 {
			at = expires
		}
	}
	if expires > 0 {
		at = min(at, expires)
	}
	return at
}

// finish applies a Finish.
func (t *txn) finish(c *Finish) *FinishResult {
	r := &FinishResult{}
	for i := range c.Outcomes {
		if t.outcome(&c.Outcomes[i]) {
			r.Applied++
		} else {
			r.Late++
		}
	}
	return r
}

// outcome applies the end of an attempt to those of its members that still wait for it: those in
// StateSending, and those in StateUncertain, for whom the answer came late. It reports whether
// it changed anything.
func (t *txn) outcome(o *Outcome) bool {
	a, ok := t.attempt(o.Attempt)
	if !ok {
		return false
	}
	moved, current, open := 0, 0, 0
	for i := range a.members {
		m := &a.members[i]
		status, ok := t.status(m.number)
		if !ok || status.Attempt != o.Attempt {
			continue
		}
		current++
		if status.State == StateSending || status.State == StateUncertain && o.Kind != OutcomeUncertain {
			t.applyOutcome(o, &a, m, &status)
			t.view.touch(WatchOutcome)
			moved++
		}
		if status.State != StateFinal {
			open++
		}
	}
	recorded := false
	if o.Kind == OutcomeAccepted && o.BizID != "" && a.bizID == "" {
		a.bizID = o.BizID
		t.put(bktAttempts, key8(uint64(o.Attempt)), a.encode(nil))
		t.view.bizOpened(o.BizID, o.Attempt, open)
		recorded = true
	}
	return moved > 0 || recorded && current > 0
}

// applyOutcome moves one member of an attempt that has ended.
func (t *txn) applyOutcome(o *Outcome, a *attemptRecord, m *memberRecord, was *Status) {
	next := *was
	switch o.Kind {
	case OutcomeAccepted:
		next.State, next.Action, next.DueAt = StateSent, ActionReport, o.DueAt
		t.book(a, m, &next)
	case OutcomeRejected:
		t.final(m.number, was, end{ending: o.Ending, err: o.Err, code: o.Code, answers: true})
		return
	case OutcomeRetry:
		t.giveBackMember(a, m)
		t.unbook(a, m, &next)
		next.State, next.Err, next.Alone = StateRetry, o.Err, was.Alone || o.Alone
		next.Action, next.DueAt = t.retry(m.number, o.DueAt)
	case OutcomeUncertain:
		next.State, next.Action, next.DueAt = StateUncertain, ActionResolve, o.DueAt
		next.Alone = was.Alone || o.Alone && len(a.members) > 1
	}
	t.move(m.number, was, next)
}

// retry is how and when a message is to be sent again, or closed if it expires before.
func (t *txn) retry(n Number, at int64) (Action, int64) {
	_, v := t.message(n)
	if v.expires > 0 {
		at = min(at, v.expires)
	}
	return v.send(), at
}

// giveBackMember undoes the charges on a phone for a call that surely was not executed.
func (t *txn) giveBackMember(a *attemptRecord, m *memberRecord) {
	for i := range m.sends {
		t.giveBack(a.begun, m.firstSend+i)
	}
}

// lead makes every attempt without an outcome uncertain: who was to record it may be gone.
func (t *txn) lead(c *Lead) None {
	for _, n := range t.allDue(ActionCall) {
		was, ok := t.status(n)
		if !ok {
			t.fail(fmt.Errorf("message %s is due and has no status: %w", n, errCodec))
			break
		}
		next := was
		next.State, next.Action, next.DueAt = StateUncertain, ActionResolve, c.DueAt
		t.move(n, &was, next)
	}
	return None{}
}

// allDue lists the messages that wait for an action, whenever it is due.
func (t *txn) allDue(a Action) []Number {
	var numbers []Number
	c := t.bucket(bktDue).Cursor()
	for k, _ := c.Seek([]byte{byte(a)}); k != nil && k[0] == byte(a); k, _ = c.Next() {
		_, n := parsePlace(k)
		numbers = append(numbers, n)
	}
	return numbers
}

// found applies a Found.
func (t *txn) found(c *Found) *FoundResult {
	r := &FoundResult{}
	for i := range c.Items {
		it := &c.Items[i]
		was, ok := t.status(it.Number)
		if !ok || was.Revision != it.Revision || was.State != StateUncertain && !it.polls(&was) {
			continue
		}
		t.move(it.Number, &was, t.foundOut(it, &was))
		if was.State == StateUncertain {
			t.view.touch(WatchOutcome)
		}
		r.Applied++
	}
	return r
}

// foundOut is the status of a message after what was found out about it. The attempt that is uncertain is its last.
func (t *txn) foundOut(it *FoundItem, was *Status) Status {
	next := *was
	next.DueAt = it.DueAt
	if !it.Sent && !it.Retry {
		return next
	}
	a, _ := t.attempt(was.Attempt)
	m := a.member(it.Number)
	if m == nil {
		t.fail(fmt.Errorf("message %s is no member of its attempt %d: %w", it.Number, was.Attempt, errCodec))
		return next
	}
	if it.Sent {
		next.State, next.Action = StateSent, ActionReport
		t.book(&a, m, &next)
		return next
	}
	t.giveBackMember(&a, m)
	t.unbook(&a, m, &next)
	next.State = StateRetry
	next.Action, next.DueAt = t.retry(it.Number, it.DueAt)
	return next
}

// polls reports whether the item only says when a sent message is looked at again.
func (it *FoundItem) polls(s *Status) bool { return s.State == StateSent && !it.Sent && !it.Retry }
