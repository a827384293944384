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
	epoch       uint64
	heads       map[Number]Number // of those that are in a group
	recent      map[modelContent]modelFirst
	records     map[[2]string]Record // by space and key
	incoming    map[uint64]modelIncoming
	heard       map[[16]byte]int64 // until when
	days        map[[3]string]*DayCount
}

// A modelContent is what makes two messages duplicates; a modelFirst the one that was first.
type modelContent struct {
	account string
	digest  [16]byte
}

type modelFirst struct {
	number Number
	until  int64
}

type modelMessage struct {
	Message
	Status
}

type modelAttempt struct {
	begun    int64
	route    string
	template string
	members  []Number
	phones   []string
	segments map[Number]uint8
	charges  map[Number]modelCharge // on phones
	bizID    string
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
		epoch: 1, orphans: map[uint64]int64{}, heads: map[Number]Number{}, recent: map[modelContent]modelFirst{},
		records: map[[2]string]Record{}, incoming: map[uint64]modelIncoming{}, heard: map[[16]byte]int64{}, days: map[[3]string]*DayCount{},
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
	case *Put:
		return m.putAll(c)
	case *Incoming:
		return m.hearAll(c)
	case *Delivered:
		if in, ok := m.incoming[c.Seqs[0]]; ok && in.Account == c.Account {
			delete(m.incoming, c.Seqs[0])
			return &DeliveredResult{Applied: 1}
		}
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
	case *Replace:
		return &ReplaceResult{Code: m.replace(c)}
	}
	return m.node(c)
}

func (m *model) node(c Command) Result {
	switch c := c.(type) {
	case *NodeUp:
		if c.Incarnation <= m.incarnation {
			return &NodeUpResult{OK: c.Incarnation == m.incarnation, Incarnation: m.incarnation}
		}
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
		return &NodeUpResult{OK: true, Incarnation: c.Incarnation}
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
	case *NodeDown:
		for k := range m.binds {
			if k.incarnation == c.Incarnation {
				delete(m.binds, k)
			}
		}
		return None{}
	case *Genesis, *Raise, *Mark, *Verify:
		return None{}
	case *Recover:
		m.recover(c)
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
	x.Held = x.Held && s == StateUncertain
	x.Revision++
}

func (m *model) begin(c *Begin) Result {
	r := &BeginResult{}
	for _, a := range c.Attempts {
		att := &modelAttempt{begun: m.now, route: a.Route, template: a.Template, segments: map[Number]uint8{}, charges: map[Number]modelCharge{}}
		begun := BegunAttempt{Limit: -1}
		if a.Charges >= 0 && !m.bucketHas(c.Charges[a.Charges][0]) {
			begun.Limit, begun.Again = 0, m.bucketAgain(c.Charges[a.Charges][0])
		}
		for _, member := range a.Members {
			if begun.Limit < 0 {
				begun.Members = append(begun.Members, m.beginOne(c, a, att, member))
			} else {
				begun.Members = append(begun.Members, BegunMember{Limit: -1})
			}
		}
		if len(att.members) > 0 {
			if a.Charges >= 0 {
				m.takeToken(c.Charges[a.Charges][0].Key)
			}
			m.attemptIDs++
			begun.ID = AttemptID(m.attemptIDs)
			begun.OutID = outID("test", m.epoch, begun.ID)
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
	if x == nil || x.Alone && len(a.Members) > 1 || x.Revision != member.Revision || x.Action != sendAction(&x.Message) || x.DueAt > m.now || x.Expires > 0 && x.Expires <= m.now {
		return refused
	}
	if slices.Contains(att.phones, member.Phone) {
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
	att.phones = append(att.phones, member.Phone)
	m.set(member.Number, StateSending, ActionCall, a.CallBy)
	x.Tries++
	x.Err = ""
	x.Booked = false
	att.segments[member.Number] = member.Segments
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
