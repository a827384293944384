package store

import (
	"math/big"
	"slices"
)

// The model is the store said again in the simplest way, from DESIGN.md and the commands'
// comments: everything in maps, every limit counted from a list of all charges ever made, times
// found by trying. It shares nothing with Apply but the types of commands and results.
type model struct {
	now         int64
	messages    map[Number]*modelMessage
	numbers     uint64
	attempts    map[AttemptID]*modelAttempt
	attemptIDs  uint64
	outbox      map[uint64]Number // by seq
	seqs        uint64
	sets        []*modelSet // open ones, the newest last
	results     map[Token]*AcceptResult
	lowest      map[uint64]uint64 // by incarnation of n1
	incarnation uint64            // of n1; 0 = not up
	binds       map[sessionKey]string
	policy      uint64
	phones      map[string][]modelCharge
	tokens      map[string]*big.Rat // token buckets
	filled      map[string]int64    // when tokens were right
	open        map[string]int      // messages that count, by account
	orphans     map[uint64]int64
	orphanIDs   uint64
}

type modelMessage struct {
	Message
	Status
}

type modelAttempt struct {
	begun   int64
	members []Number
	charges map[Number]modelCharge // on phones
	bizID   string
}

type modelCharge struct {
	at    int64
	phone string
	id    int
}

type modelSet struct {
	like  Message // the fields that parts have in common
	first Number
	parts map[uint8]Number
}

func newModel() *model {
	return &model{
		messages: map[Number]*modelMessage{}, attempts: map[AttemptID]*modelAttempt{}, outbox: map[uint64]Number{},
		results: map[Token]*AcceptResult{}, lowest: map[uint64]uint64{}, binds: map[sessionKey]string{},
		phones: map[string][]modelCharge{}, tokens: map[string]*big.Rat{}, filled: map[string]int64{}, open: map[string]int{},
		orphans: map[uint64]int64{},
	}
}

func (m *model) apply(now int64, c Command) Result {
	m.now = max(m.now, now)
	switch c := c.(type) {
	case *Accept:
		return m.accept(c)
	case *Begin:
		return m.begin(c)
	case *Finish:
		r := &FinishResult{}
		for _, o := range c.Outcomes {
			if m.finish(o) {
				r.Applied++
			} else {
				r.Late++
			}
		}
		return r
	case *Report:
		return &ReportResult{Codes: []ReportCode{m.report(c.Reports[0])}}
	case *Found:
		return &FoundResult{Applied: m.found(c.Items[0])}
	case *Close:
		return &CloseResult{Applied: m.close(c.Items[0])}
	case *Delivered:
		n, ok := m.outbox[c.Seqs[0]]
		if !ok || m.messages[n].Account != c.Account {
			return &DeliveredResult{}
		}
		delete(m.outbox, c.Seqs[0])
		return &DeliveredResult{Applied: 1}
	case *Lead:
		for n, x := range m.messages {
			if x.State == StateSending {
				m.set(n, StateUncertain, ActionResolve, c.DueAt)
			}
		}
		return None{}
	case *Purge:
		return m.purge(c)
	}
	return m.node(c)
}

func (m *model) node(c Command) Result {
	switch c := c.(type) {
	case *NodeUp:
		m.incarnation = c.Incarnation
		for k := range m.binds {
			if k.incarnation != c.Incarnation {
				delete(m.binds, k)
			}
		}
		for t := range m.results {
			if t.Incarnation != c.Incarnation {
				delete(m.results, t)
			}
		}
		return None{}
	case *BindOpen:
		k := sessionKey{c.Bind.Node, c.Bind.Incarnation, c.Bind.Session}
		count := func() (n int) {
			for _, account := range m.binds {
				if account == c.Bind.Account {
					n++
				}
			}
			return n
		}
		if account, ok := m.binds[k]; ok {
			return &BindResult{OK: account == c.Bind.Account, Binds: count()}
		}
		if m.incarnation != 0 && k.incarnation != m.incarnation || c.Limit > 0 && count() >= int(c.Limit) {
			return &BindResult{Binds: count()}
		}
		m.binds[k] = c.Bind.Account
		return &BindResult{OK: true, Binds: count()}
	case *BindClose:
		delete(m.binds, sessionKey{c.Node, c.Incarnation, c.Session})
		return None{}
	case *PutPolicy:
		if c.Base != m.policy {
			return &PolicyResult{Version: m.policy}
		}
		m.policy++
		return &PolicyResult{OK: true, Version: m.policy}
	}
	return nil
}

// set moves a message.
func (m *model) set(n Number, s State, a Action, due int64) {
	x := m.messages[n]
	x.State, x.Action, x.DueAt, x.ChangedAt = s, a, due, m.now
	x.Revision++
}

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
	for i, s := range c.Messages {
		r.Items[i] = m.acceptOne(c, s)
	}
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
	if s.Charges >= 0 {
		set := c.Charges[s.Charges]
		if !m.bucketHas(set[0]) {
			return AcceptItem{Code: AcceptOverLimit, Limit: 0}
		}
		if m.open[msg.Account] >= int(set[1].Rules[0].Limit) {
			return AcceptItem{Code: AcceptOverLimit, Limit: 1}
		}
		one := big.NewRat(1, 1)
		m.tokens[set[0].Key].Sub(m.tokens[set[0].Key], one)
		m.open[msg.Account]++
	}
	n := m.create(msg, s.Charges >= 0)
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

func sendAction(m *Message) Action {
	if m.Urgent {
		return ActionUrgent
	}
	return ActionSend
}

func (m *model) create(msg Message, counted bool) Number {
	m.numbers++
	due := max(m.now, msg.SendAt)
	if msg.Expires > 0 {
		due = min(due, msg.Expires)
	}
	m.messages[Number(m.numbers)] = &modelMessage{msg, Status{
		State: StateAccepted, Revision: 1, Action: sendAction(&msg), DueAt: due, Counted: counted, AcceptedAt: m.now, ChangedAt: m.now,
	}}
	return Number(m.numbers)
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
	whole.SendAt, whole.Expires = 0, 0
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

func (m *model) begin(c *Begin) Result {
	r := &BeginResult{}
	for _, a := range c.Attempts {
		att := &modelAttempt{begun: m.now, charges: map[Number]modelCharge{}}
		begun := BegunAttempt{}
		for _, member := range a.Members {
			begun.Members = append(begun.Members, m.beginOne(c, a, att, member))
		}
		if len(att.members) > 0 {
			m.attemptIDs++
			begun.ID = AttemptID(m.attemptIDs)
			begun.OutID = outID("test", 1, begun.ID)
			m.attempts[begun.ID] = att
			for _, n := range att.members {
				m.messages[n].Attempt = begun.ID
			}
		}
		r.Attempts = append(r.Attempts, begun)
	}
	return r
}

func (m *model) beginOne(c *Begin, a BeginAttempt, att *modelAttempt, member BeginMember) BegunMember {
	x := m.messages[member.Number]
	refused := BegunMember{Limit: -1}
	if x == nil || x.Revision != member.Revision || x.Action != sendAction(&x.Message) || x.DueAt > m.now || x.Expires > 0 && x.Expires <= m.now {
		return refused
	}
	if member.Charges >= 0 {
		charge := c.Charges[member.Charges][0]
		if at := m.phoneFits(charge); at > m.now {
			if x.Expires > 0 {
				at = min(at, x.Expires)
			}
			m.set(member.Number, x.State, sendAction(&x.Message), at)
			return BegunMember{Limit: 0, DueAt: at}
		}
		id := len(m.phones[charge.Key])
		spent := modelCharge{m.now, charge.Key, id + 1}
		m.phones[charge.Key] = append(m.phones[charge.Key], spent)
		att.charges[member.Number] = spent
	}
	m.set(member.Number, StateSending, ActionCall, a.CallBy)
	x.Tries++
	x.Err = ""
	att.members = append(att.members, member.Number)
	return BegunMember{Granted: true, Limit: -1}
}

// phoneFits tries every time at which a window could open.
func (m *model) phoneFits(c Charge) int64 {
	window, rolling := c.Rules[0], c.Rules[1]
	times := []int64{m.now}
	for i := range int64(10) {
		minute := (m.now+window.Offset)/window.Period - 1 + i
		times = append(times, minute*window.Period-window.Offset+window.Guard)
	}
	for _, s := range m.phones[c.Key] {
		times = append(times, s.at+rolling.Period+rolling.Guard)
	}
	slices.Sort(times)
	// Each rule by itself: the message is due when each may fit, and is then tried again.
	var fits [2]int64
	for i, r := range []Rule{window, rolling} {
		for _, at := range times {
			if at >= m.now && fits[i] == 0 && m.fitsAt(c.Key, r, at) {
				fits[i] = at
			}
		}
	}
	return max(fits[0], fits[1])
}

func (m *model) fitsAt(key string, r Rule, at int64) bool {
	if r.Kind == RuleRolling {
		n := uint32(0)
		for _, s := range m.phones[key] {
			if s.id != 0 && s.at > at-r.Period-r.Guard {
				n++
			}
		}
		return n < r.Limit
	}
	touches := func(t, start int64) bool { return t+r.Guard >= start && t-r.Guard < start+r.Period }
	for k := int64(-2); k <= 2; k++ {
		start := ((at+r.Offset)/r.Period+k)*r.Period - r.Offset
		if !touches(at, start) {
			continue
		}
		n := uint32(0)
		for _, s := range m.phones[key] {
			if s.id != 0 && touches(s.at, start) {
				n++
			}
		}
		if n >= r.Limit {
			return false
		}
	}
	return true
}

func (m *model) giveBack(id AttemptID, n Number) {
	if a := m.attempts[id]; a != nil {
		if s, ok := a.charges[n]; ok {
			m.phones[s.phone][s.id-1].id = 0
		}
	}
}
