package store

import (
	"slices"
	"strings"
)

// A view is what readers see of the state without the file. It changes after each commit, as a
// whole, so it never shows what a crash would undo. Nothing in it decides anything inside Apply.
type view struct {
	cluster       string // the id that OutIds begin with
	meta          meta
	configuration []byte
	policy        Policy            // in force
	nodes         map[string]uint64 // current incarnation by node
	binds         map[string][]Bind // by account, in order of sessionKey
	bindCount     int
	outbox        map[string]int      // entries by account; no account has 0
	incoming      int                 // entries of outboxes that are incoming messages
	biz           map[string]bizEntry // attempts with a BizID and open messages
	orphans       map[string][]uint64 // by BizID, ascending
	due           dueCounts
	registry      registry
}

// A bizEntry is an attempt in the index by BizID.
type bizEntry struct {
	attempt AttemptID
	open    int // messages that are not final yet; the entry goes with the last
}

// changes is what an Apply does to the view, in order.
type changes struct {
	meta          meta
	cluster       string // "": not named
	configuration []byte // nil: none new
	policy        *Policy
	nodes         []nodeChange
	accounts      []string // whose binds changed
	outbox        []outboxChange
	biz           []bizChange
	orphans       []orphanChange
	due           dueCounts // differences
	records       []Record  // without a value: gone
	topics        uint16    // bits by Topic
}

type nodeChange struct {
	node        string
	incarnation uint64
	gone        bool
}

type outboxChange struct {
	account  string
	by       int
	incoming int // of these
}

// A bizChange opens an entry (open > 0), tells that a message of it is final (bizFinal), or
// that it is deleted (bizDeleted).
type bizChange struct {
	bizID   string
	attempt AttemptID
	open    int
}

const (
	bizFinal   = -1
	bizDeleted = -2
)

type orphanChange struct {
	bizID string
	id    uint64
	gone  bool
}

func (c *changes) touch(t Topic) { c.topics |= 1 << t }

func (c *changes) node(node string, incarnation uint64) {
	c.nodes = append(c.nodes, nodeChange{node: node, incarnation: incarnation})
}

func (c *changes) nodeGone(node string) {
	c.nodes = append(c.nodes, nodeChange{node: node, gone: true})
}

// bound tells that an account's binds have changed.
func (c *changes) bound(account string) {
	if !slices.Contains(c.accounts, account) {
		c.accounts = append(c.accounts, strings.Clone(account))
	}
}

// queued tells that an account's outbox grew or shrank, and by how many incoming messages of these.
func (c *changes) queued(account string, by, incoming int) {
	if by > 0 {
		c.touch(WatchOutbox)
	}
	if n := len(c.outbox); n > 0 && c.outbox[n-1].account == account {
		c.outbox[n-1].by += by
		c.outbox[n-1].incoming += incoming
		return
	}
	c.outbox = append(c.outbox, outboxChange{strings.Clone(account), by, incoming})
}

func (c *changes) bizOpened(bizID string, id AttemptID, open int) {
	if open > 0 {
		c.biz = append(c.biz, bizChange{strings.Clone(bizID), id, open})
	}
}

func (c *changes) bizDone(bizID string, id AttemptID) {
	c.biz = append(c.biz, bizChange{bizID, id, bizFinal})
}

func (c *changes) bizGone(bizID string, id AttemptID) {
	c.biz = append(c.biz, bizChange{bizID, id, bizDeleted})
}

func (c *changes) orphaned(bizID string, id uint64) {
	c.orphans = append(c.orphans, orphanChange{bizID: strings.Clone(bizID), id: id})
}

func (c *changes) orphanGone(bizID string, id uint64) {
	c.orphans = append(c.orphans, orphanChange{bizID: strings.Clone(bizID), id: id, gone: true})
}

func (c *changes) newPolicy(p *Policy) {
	c.policy = p
	c.touch(WatchPolicy)
}

// publish shows readers what an Apply has committed, and wakes who watches.
func (s *Store) publish(c *changes) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := &s.view
	v.meta = c.meta
	if c.cluster != "" {
		v.cluster = c.cluster
	}
	if c.configuration != nil {
		v.configuration = c.configuration
	}
	if c.policy != nil {
		v.policy = *c.policy
	}
	for _, n := range c.nodes {
		if v.nodes[n.node] = n.incarnation; n.gone {
			delete(v.nodes, n.node)
		}
	}
	for _, account := range c.accounts {
		v.setBinds(account, s.machine.binds[account])
	}
	for _, o := range c.outbox {
		if v.outbox[o.account] += o.by; v.outbox[o.account] <= 0 {
			delete(v.outbox, o.account)
		}
		v.incoming += o.incoming
	}
	for _, b := range c.biz {
		v.changeBiz(b)
	}
	for _, o := range c.orphans {
		v.changeOrphan(o)
	}
	v.due.merge(&c.due)
	for i := range c.records {
		v.registry.change(&c.records[i])
		s.registryVersion++
	}
	s.wake(c.topics)
}

// setBinds copies an account's binds: the machine's own slice changes with the next Apply.
func (v *view) setBinds(account string, binds []Bind) {
	v.bindCount += len(binds) - len(v.binds[account])
	if len(binds) == 0 {
		delete(v.binds, account)
		return
	}
	v.binds[account] = slices.Clone(binds)
}

func (v *view) changeBiz(b bizChange) {
	if b.open > 0 {
		v.biz[b.bizID] = bizEntry{attempt: b.attempt, open: b.open}
		return
	}
	e, ok := v.biz[b.bizID]
	if !ok || e.attempt != b.attempt {
		return
	}
	if e.open--; e.open <= 0 || b.open == bizDeleted {
		delete(v.biz, b.bizID)
		return
	}
	v.biz[b.bizID] = e
}

func (v *view) changeOrphan(o orphanChange) {
	if !o.gone {
		v.orphans[o.bizID] = append(v.orphans[o.bizID], o.id)
		return
	}
	ids := slices.DeleteFunc(v.orphans[o.bizID], func(id uint64) bool { return id == o.id })
	if len(ids) == 0 {
		delete(v.orphans, o.bizID)
		return
	}
	v.orphans[o.bizID] = ids
}
