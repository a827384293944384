package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// group notes what was accepted of one submit_multi.
func (m *model) group(members []Number) {
	for _, n := range members {
		if len(members) > 1 {
			m.heads[n] = members[0]
		}
	}
}

// head is the message by whose message_id n goes, as long as n is there.
func (m *model) head(n Number) Number {
	if head := m.heads[n]; head != 0 && m.messages[n] != nil {
		return head
	}
	return n
}

// forget lets the content of a message come again.
func (m *model) forget(n Number) {
	for content, first := range m.recent {
		if first.number == n {
			delete(m.recent, content)
		}
	}
}

func (m *model) replace(c *Replace) ReplaceCode {
	x := m.messages[c.Number]
	if x == nil || x.Revision != c.Revision || x.State != StateAccepted && x.State != StateRetry || len(x.Parts) > 0 {
		return ReplaceLate
	}
	if v := c.Message.PolicyVersion; v != 0 && v != m.policy {
		return ReplaceStalePolicy
	}
	m.forget(c.Number)
	was := x.Message
	x.Message = c.Message
	x.Account, x.Origin, x.Source, x.Dest, x.Phone = was.Account, was.Origin, was.Source, was.Dest, was.Phone
	x.ServiceType, x.ESMClass, x.ProtocolID, x.Priority, x.DataCoding = was.ServiceType, was.ESMClass, was.ProtocolID, was.Priority, was.DataCoding
	x.Segment, x.Parts, x.AnswerBy, x.Shape, x.Grouped, x.OneReceipt = was.Segment, was.Parts, was.AnswerBy, was.Shape, was.Grouped, was.OneReceipt
	x.Echo, x.Digest, x.DedupeFor = was.Echo, [16]byte{}, 0
	m.set(c.Number, x.State, sendAction(&x.Message), m.due(&x.Message))
	return ReplaceOK
}

// compareGroups: a group is those of its members that are there.
func (m *model) compareGroups(h *harness) error {
	if last := h.LastNumber(); last != Number(m.numbers) {
		return fmt.Errorf("last number %s, want %s", last, Number(m.numbers))
	}
	for head := Number(1); head <= Number(m.numbers); head++ {
		var want []Number
		for n := head; n <= Number(m.numbers); n++ {
			if m.heads[n] == head && m.messages[n] != nil {
				want = append(want, n)
			}
		}
		got, err := h.Group(head)
		if err != nil || !slices.Equal(got, want) || (got == nil) != (want == nil) {
			return fmt.Errorf("group of %s: %v, want %v: %v", head, got, want, err)
		}
	}
	return nil
}

// compareWaiting reads what waits in small steps, and the set of each part.
func (m *model) compareWaiting(h *harness) error {
	for _, account := range []string{"bank", "shop"} {
		var got, want []Number
		for cursor, more := (WaitCursor{}), true; more; {
			items, next, again, err := h.Waiting(account, cursor, 5, func(m *Message) bool { return strings.HasSuffix(m.Text, "1>") })
			if err != nil || len(items) > 5 || again && next == cursor {
				return fmt.Errorf("waiting: %d items, %v", len(items), err)
			}
			for _, it := range items {
				if it.Status != m.messages[it.Number].Status || it.DueAt != it.Status.DueAt {
					return fmt.Errorf("waiting: %+v", it)
				}
				got = append(got, it.Number)
			}
			cursor, more = next, again
		}
		for n, x := range m.messages {
			waits := x.State == StateAccepted || x.State == StateRetry || x.State == StatePart && x.Action != 0
			if waits && x.Account == account && strings.HasSuffix(x.Text, "1>") {
				want = append(want, n)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			return fmt.Errorf("waiting of %s: %v, want %v", account, got, want)
		}
	}
	for n := range m.messages {
		var want Number
		for _, set := range m.sets {
			for _, part := range set.parts {
				if part == n {
					want = set.first
				}
			}
		}
		if got, err := h.SetOf(n); got != want || (want == 0) != errors.Is(err, ErrNotFound) {
			return fmt.Errorf("set of %s: %s, want %s: %v", n, got, want, err)
		}
	}
	return nil
}

// compareRecent: what counts in memory is what counts.
func (m *model) compareRecent(h *harness) error {
	got := map[modelContent]modelFirst{}
	for account, byDigest := range h.machine.recent {
		for dig, r := range byDigest {
			if r.until > m.now {
				got[modelContent{account, dig}] = modelFirst(r)
			}
		}
	}
	for content, first := range m.recent {
		switch {
		case first.until <= m.now:
			delete(m.recent, content)
		case got[content] != first:
			return fmt.Errorf("of %s is remembered %+v, want %+v", content.account, got[content], first)
		}
	}
	if len(got) != len(m.recent) {
		return fmt.Errorf("%d messages are remembered, want %d", len(got), len(m.recent))
	}
	return nil
}

// recover: everything about nodes is forgotten, and whatever may have been sent is held, under an attempt
// that has its number.
func (m *model) recover(c *Recover) {
	m.epoch++
	m.numbers += c.Leap
	m.attemptIDs += c.Leap
	m.seqs += c.Leap
	m.orphanIDs += c.Leap
	m.incarnation = 0
	clear(m.binds)
	clear(m.results)
	clear(m.lowest)
	for n := Number(1); n <= Number(m.numbers); n++ {
		x := m.messages[n]
		if x == nil || x.State == StateFinal || x.State == StatePart || x.State == StateJoined || x.SendAt > m.now+60_000 {
			continue
		}
		m.set(n, StateUncertain, ActionResolve, c.DueAt)
		x.Held = true
		if x.Attempt == 0 {
			m.attemptIDs++
			x.Attempt = AttemptID(m.attemptIDs)
			m.attempts[x.Attempt] = &modelAttempt{begun: x.AcceptedAt, members: []Number{n}, segments: map[Number]uint8{}, charges: map[Number]modelCharge{}}
		}
	}
}
