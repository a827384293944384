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
		case OutcomeRejected:
			m.end(n, o.Ending, o.Err, 0)
		case OutcomeRetry:
			m.giveBack(o.Attempt, n)
			m.set(n, StateRetry, sendAction(&x.Message), m.unlessExpired(n, o.DueAt))
			x.Err = o.Err
		case OutcomeUncertain:
			m.set(n, StateUncertain, ActionResolve, o.DueAt)
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

// end makes a message final, and its parts with it.
func (m *model) end(n Number, e Ending, err string, doneAt int64) {
	x := m.messages[n]
	m.set(n, StateFinal, 0, 0)
	x.Ending, x.Err, x.DoneAt = e, err, m.now
	if doneAt > 0 {
		x.DoneAt = max(min(doneAt, m.now), x.AcceptedAt)
	}
	if e == EndDelivered && x.Wants&WantsSuccess != 0 || e != EndDelivered && x.Wants&WantsFailure != 0 {
		m.seqs++
		m.outbox[m.seqs] = n
		x.Receipt = m.seqs
	}
	if !x.KeepText {
		x.Text, x.Params = "", ""
	}
	if x.Counted {
		x.Counted = false
		m.open[x.Account]--
	}
	for _, p := range x.Parts {
		if m.messages[p] != nil {
			m.end(p, e, err, doneAt)
		}
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
	m.end(r.Number, r.Ending, r.Err, r.DoneAt)
	return ReportApplied
}

func (m *model) found(it FoundItem) int {
	x := m.messages[it.Number]
	if x == nil || x.State != StateUncertain || x.Revision != it.Revision {
		return 0
	}
	switch {
	case it.Sent:
		m.set(it.Number, StateSent, ActionReport, it.DueAt)
	case it.Retry:
		m.giveBack(x.Attempt, it.Number)
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
	givenUp := it.Ending == EndUnknown || it.Ending == EndUndeliverable
	switch x.State {
	case StateAccepted, StateRetry:
		m.end(it.Number, it.Ending, it.Err, 0)
		return 1
	case StateSent, StateUncertain:
		if !givenUp {
			return 0
		}
		m.end(it.Number, it.Ending, it.Err, 0)
		return 1
	case StatePart:
		for _, set := range m.sets {
			if set.first != it.Number {
				continue
			}
			m.dropSet(set)
			for seq := uint8(1); seq <= x.Segment.Total; seq++ {
				if n := set.parts[seq]; n != 0 {
					m.end(n, it.Ending, it.Err, 0)
				}
			}
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
	return r
}
