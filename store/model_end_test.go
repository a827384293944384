package store

import "slices"

func (m *model) finish(o Outcome) bool {
	a := m.attempts[o.Attempt]
	if a == nil {
		return false
	}
	changed, current := false, false
	for _, n := range a.members {
		x := m.messages[n]
		if x == nil || x.Attempt != o.Attempt {
			continue
		}
		current = true
		if x.State != StateSending && (x.State != StateUncertain || o.Kind == OutcomeUncertain) {
			continue
		}
		changed = true
		switch o.Kind {
		case OutcomeAccepted:
			m.set(n, StateSent, ActionReport, o.DueAt)
			m.sent(n, o.Attempt)
		case OutcomeRejected:
			if x.Booked {
				m.came(m.day(o.Attempt), o.Ending)
			}
			m.end(n, modelEnd{ending: o.Ending, err: o.Err, code: o.Code, surely: true})
		case OutcomeRetry:
			m.giveBack(o.Attempt, n)
			m.unsent(n)
			m.set(n, StateRetry, sendAction(&x.Message), m.unlessExpired(n, o.DueAt))
			x.Err = o.Err
			x.Alone = x.Alone || o.Alone
		case OutcomeUncertain:
			m.set(n, StateUncertain, ActionResolve, o.DueAt)
			x.Alone = x.Alone || o.Alone && len(a.members) > 1
		}
	}
	if o.Kind == OutcomeAccepted && o.BizID != "" && a.bizID == "" {
		a.bizID = o.BizID
		changed = changed || current
	}
	return changed
}

func (m *model) unlessExpired(n Number, at int64) int64 {
	if e := m.messages[n].Expires; e > 0 {
		return min(at, e)
	}
	return at
}

// A modelEnd is how a message ends; surely: it surely was not sent.
type modelEnd struct {
	ending Ending
	err    string
	code   string
	doneAt int64
	surely bool
}

// end makes a message final, and its parts with it.
func (m *model) end(n Number, e modelEnd) {
	x := m.messages[n]
	x.Refused = e.surely && e.ending != EndDelivered && m.now < x.AnswerBy
	m.endOne(n, e, !x.Refused && x.wanted(e.ending))
	m.endParts(x.Parts, e)
}

func (x *modelMessage) wanted(e Ending) bool {
	return e == EndDelivered && x.Wants&WantsSuccess != 0 || e != EndDelivered && x.Wants&WantsFailure != 0
}

// endParts: those with OneReceipt have one receipt, with the highest Seq, if one of them wants it.
func (m *model) endParts(parts []Number, e modelEnd) {
	receipts, last, one := map[Number]bool{}, Number(0), false
	for _, n := range parts {
		x := m.messages[n]
		receipts[n] = x.wanted(e.ending) && !x.OneReceipt
		if x.OneReceipt {
			one = one || x.wanted(e.ending)
			if last == 0 || x.Segment.Seq > m.messages[last].Segment.Seq {
				last = n
			}
		}
	}
	if one {
		receipts[last] = true
	}
	for _, n := range parts {
		m.endOne(n, e, receipts[n])
	}
}

func (m *model) endOne(n Number, e modelEnd, receipt bool) {
	x := m.messages[n]
	m.set(n, StateFinal, 0, 0)
	x.Ending, x.Err, x.Code, x.DoneAt = e.ending, e.err, e.code, m.now
	if e.doneAt > 0 {
		x.DoneAt = max(min(e.doneAt, m.now), x.AcceptedAt)
	}
	if receipt {
		m.seqs++
		m.outbox[m.seqs] = n
		x.Receipt = m.seqs
	}
	if x.Refused || e.ending != EndDelivered && e.ending != EndUnknown {
		m.forget(n)
	}
	if !x.KeepText {
		x.Text, x.Params = "", ""
	}
	if x.Counted {
		x.Counted = false
		m.open[x.Account]--
	}
}

func (m *model) report(r DeliveryReport) (code ReportCode) {
	if r.Number == 0 {
		if r.Orphan == 0 {
			m.orphanIDs++
			m.orphans[m.orphanIDs] = m.now
		}
		return ReportOrphaned
	}
	x, a := m.messages[r.Number], m.attempts[r.Attempt]
	switch {
	case x == nil:
		return ReportMismatch
	case x.State == StateFinal:
		delete(m.orphans, r.Orphan)
		return ReportDuplicate
	case a == nil || !slices.Contains(a.members, r.Number):
		return ReportMismatch
	}
	delete(m.orphans, r.Orphan)
	m.sent(r.Number, r.Attempt)
	m.came(m.day(r.Attempt), r.Ending)
	m.end(r.Number, modelEnd{ending: r.Ending, err: r.Err, code: r.Code, doneAt: r.DoneAt})
	return ReportApplied
}

func (m *model) found(it FoundItem) int {
	x := m.messages[it.Number]
	if x == nil || x.Revision != it.Revision {
		return 0
	}
	if x.State == StateSent && !it.Sent && !it.Retry {
		m.set(it.Number, StateSent, ActionReport, it.DueAt)
		return 1
	}
	if x.State != StateUncertain {
		return 0
	}
	switch {
	case it.Sent:
		m.set(it.Number, StateSent, ActionReport, it.DueAt)
		m.sent(it.Number, x.Attempt)
	case it.Retry:
		m.giveBack(x.Attempt, it.Number)
		m.unsent(it.Number)
		m.set(it.Number, StateRetry, sendAction(&x.Message), m.unlessExpired(it.Number, it.DueAt))
	default:
		m.set(it.Number, StateUncertain, ActionResolve, it.DueAt)
	}
	return 1
}

func (m *model) close(it CloseItem) int {
	x := m.messages[it.Number]
	if x == nil || x.Revision != it.Revision {
		return 0
	}
	if len(x.Parts) == 0 && x.Expires > m.now && (x.State == StateAccepted || x.State == StateRetry) && it.Ending == EndExpired {
		return 0
	}
	if x.State == StatePart && it.Ending == EndExpired && x.DueAt > m.now {
		return 0
	}
	e := modelEnd{ending: it.Ending, err: it.Err}
	givenUp := it.Ending == EndUnknown || it.Ending == EndUndeliverable
	switch x.State {
	case StateAccepted, StateRetry:
		e.surely = true
		m.end(it.Number, e)
		return 1
	case StateSent, StateUncertain:
		if !givenUp {
			return 0
		}
		if c := m.day(x.Attempt); x.Booked {
			m.came(c, it.Ending)
		} else {
			c.Uncertain++
		}
		m.end(it.Number, e)
		return 1
	case StatePart:
		for _, set := range m.sets {
			if set.first != it.Number {
				continue
			}
			m.dropSet(set)
			var parts []Number
			for seq := uint8(1); seq <= x.Segment.Total; seq++ {
				if n := set.parts[seq]; n != 0 {
					parts = append(parts, n)
				}
			}
			m.endParts(parts, e)
			return 1
		}
	}
	return 0
}

func (m *model) purge(c *Purge) Result {
	r := &PurgeResult{}
	gone := func(n Number) bool {
		x := m.messages[n]
		return x == nil || x.State == StateFinal && x.ChangedAt < c.Before
	}
	for id, a := range m.attempts {
		if a.begun < c.Before && !slices.ContainsFunc(a.members, func(n Number) bool { return !gone(n) }) {
			delete(m.attempts, id)
		}
	}
	for n, x := range m.messages {
		_, waits := m.outbox[x.Receipt]
		if gone(n) && !waits {
			delete(m.messages, n)
			r.Messages++
		}
	}
	for id, at := range m.orphans {
		if at <= m.now-keptOrphans {
			delete(m.orphans, id)
		}
	}
	m.purgeKept()
	return r
}
