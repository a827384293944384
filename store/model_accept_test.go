package store

import (
	"math/big"
	"slices"
)

func (m *model) accept(c *Accept) Result {
	key := Token{Node: c.Token.Node, Incarnation: c.Token.Incarnation, Seq: c.Token.Seq}
	if r := m.results[key]; r != nil {
		return r
	}
	r := &AcceptResult{Items: make([]AcceptItem, len(c.Messages))}
	if m.incarnation != 0 && m.incarnation != c.Token.Incarnation || c.Token.Seq < m.lowest[c.Token.Incarnation] {
		for i := range r.Items {
			r.Items[i].Code = AcceptTokenGone
		}
		return r
	}
	var multi []Number // accepted, of the submit_multi that is being read
	for i, s := range c.Messages {
		if !s.Message.Grouped {
			m.group(multi)
			multi = nil
		}
		it := m.acceptOne(c, s)
		switch {
		case it.Code == AcceptOK:
			multi = append(multi, it.Number)
		case it.Code == AcceptDuplicate && slices.Contains(multi, it.Number):
			it.Number = multi[0]
		}
		r.Items[i] = it
	}
	m.group(multi)
	m.lowest[c.Token.Incarnation] = max(m.lowest[c.Token.Incarnation], min(c.Token.Lowest, c.Token.Seq))
	for t := range m.results {
		if t.Incarnation == c.Token.Incarnation && t.Seq < m.lowest[t.Incarnation] {
			delete(m.results, t)
		}
	}
	m.results[key] = r
	return r
}

func (m *model) acceptOne(c *Accept, s Submission) AcceptItem {
	msg := s.Message
	if msg.PolicyVersion != 0 && msg.PolicyVersion != m.policy {
		return AcceptItem{Code: AcceptStalePolicy}
	}
	if first, ok := m.recent[modelContent{msg.Account, msg.Digest}]; ok && m.now < first.until {
		return AcceptItem{Code: AcceptDuplicate, Number: m.head(first.number)}
	}
	if s.Charges >= 0 {
		set := c.Charges[s.Charges]
		if !m.bucketHas(set[0]) {
			return AcceptItem{Code: AcceptOverLimit, Limit: 0}
		}
		if m.open[msg.Account] >= int(set[1].Rules[0].Limit) {
			return AcceptItem{Code: AcceptOverLimit, Limit: 1}
		}
		m.takeToken(set[0].Key)
		m.open[msg.Account]++
	}
	n := m.create(msg, s.Charges >= 0)
	if msg.Digest != [16]byte{} {
		m.recent[modelContent{msg.Account, msg.Digest}] = modelFirst{n, m.now + msg.DedupeFor}
	}
	if seg := msg.Segment; seg.Total > 1 && seg.Seq >= 1 && seg.Seq <= seg.Total {
		m.part(n)
	}
	return AcceptItem{Code: AcceptOK, Number: n}
}

// bucketHas refills the token bucket of a charge and reports whether it holds a token.
func (m *model) bucketHas(c Charge) bool {
	r := c.Rules[0]
	if m.tokens[c.Key] == nil {
		m.tokens[c.Key], m.filled[c.Key] = big.NewRat(int64(r.Burst), 1), m.now
	}
	level := m.tokens[c.Key]
	level.Add(level, big.NewRat((m.now-m.filled[c.Key])*int64(r.Limit), r.Period))
	if burst := big.NewRat(int64(r.Burst), 1); level.Cmp(burst) > 0 {
		level.Set(burst)
	}
	m.filled[c.Key] = m.now
	return level.Cmp(big.NewRat(1, 1)) >= 0
}

// bucketAgain tries each ms until the bucket of a charge holds a token.
func (m *model) bucketAgain(c Charge) int64 {
	r, short := c.Rules[0], new(big.Rat).Sub(big.NewRat(1, 1), m.tokens[c.Key])
	for at := m.now; ; at++ {
		if big.NewRat((at-m.now)*int64(r.Limit), r.Period).Cmp(short) >= 0 {
			return at
		}
	}
}

func (m *model) takeToken(key string) { m.tokens[key].Sub(m.tokens[key], big.NewRat(1, 1)) }

func sendAction(m *Message) Action {
	if m.Urgent {
		return ActionUrgent
	}
	if m.Preferred {
		return ActionPrefer
	}
	return ActionSend
}

func (m *model) create(msg Message, counted bool) Number {
	m.numbers++
	due := m.due(&msg)
	m.messages[Number(m.numbers)] = &modelMessage{msg, Status{
		State: StateAccepted, Revision: 1, Action: sendAction(&msg), DueAt: due, Counted: counted, AcceptedAt: m.now, ChangedAt: m.now,
	}}
	return Number(m.numbers)
}

// due is when a message that may be sent now is due.
func (m *model) due(msg *Message) int64 {
	if due := max(m.now, msg.SendAt); msg.Expires == 0 || due < msg.Expires {
		return due
	}
	return msg.Expires
}

func (m *model) part(n Number) {
	x := m.messages[n]
	x.State, x.Action, x.DueAt = StatePart, 0, 0
	like := Message{Account: x.Account, Source: x.Source, Dest: x.Dest, Segment: Segment{Ref: x.Segment.Ref, Total: x.Segment.Total}}
	var set *modelSet
	for _, s := range m.sets {
		if s.like.Account == like.Account && s.like.Source == like.Source && s.like.Dest == like.Dest && s.like.Segment == like.Segment {
			set = s // the newest
		}
	}
	if set == nil || set.parts[x.Segment.Seq] != 0 {
		set = &modelSet{like: like, first: n, parts: map[uint8]Number{}}
		m.sets = append(m.sets, set)
		x.Action, x.DueAt = ActionParts, m.now+24*3600*1000
		if x.Expires > 0 {
			x.DueAt = x.Expires
		}
	}
	set.parts[x.Segment.Seq] = n
	if len(set.parts) < int(x.Segment.Total) {
		return
	}
	m.dropSet(set)
	whole := m.messages[set.parts[1]].Message
	whole.Text, whole.Segment, whole.Wants, whole.Parts = "", Segment{}, 0, nil
	whole.SendAt, whole.Expires, whole.AnswerBy, whole.DedupeFor = 0, 0, 0, 0
	whole.OneReceipt, whole.Grouped, whole.Digest, whole.Echo = false, false, [16]byte{}, ""
	for seq := uint8(1); seq <= x.Segment.Total; seq++ {
		p := m.messages[set.parts[seq]]
		whole.Text += p.Text
		whole.Parts = append(whole.Parts, set.parts[seq])
		whole.SendAt = max(whole.SendAt, p.SendAt)
		if p.Expires > 0 && (whole.Expires == 0 || p.Expires < whole.Expires) {
			whole.Expires = p.Expires
		}
	}
	w := m.create(whole, false)
	for _, p := range whole.Parts {
		m.set(p, StateJoined, 0, 0)
		m.messages[p].Whole = w
	}
}

func (m *model) dropSet(set *modelSet) {
	m.sets = slices.DeleteFunc(m.sets, func(s *modelSet) bool { return s == set })
}
