package bridge

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestReceiptsUnderRandomEvents: receivers come and go on three nodes that lag, cannot reach each other for a while, take turns at
// leading and, with outages, are cut off and die. Every receipt is taken; once, unless the node that delivered it had an
// outage before its answer was committed; never by two sessions at a time; never before its submit_sm_resp was
// read (promise 4).
func TestReceiptsUnderRandomEvents(t *testing.T) {
	for _, outages := range []bool{false, true} {
		for seed := range uint64(randomRuns) {
			t.Run(fmt.Sprintf("outages=%v/%d", outages, seed), func(t *testing.T) {
				inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
					c := &chaos{l: l, f: f, rnd: rand.New(rand.NewPCG(seed, 4)), outages: outages, receivers: make(map[*terminal]bool)}
					defer func() {
						if t.Failed() {
							t.Log(f.logs.String())
						}
					}()
					c.run()
				}, func(c *Config) { c.Session.EnquireLink = 1000 * time.Hour }) // senders do not read all the time
			})
		}
	}
}

const (
	randomRuns  = 2
	randomSteps = 60
)

// chaos is what happens to a fleet.
type chaos struct {
	l         *ledger
	f         *fleet
	rnd       *rand.Rand
	outages   bool
	receivers map[*terminal]bool
	senders   []*sender
	busy      bool // a node is held, cut off or down
}

// A sender is an ESME that submits, and reads its answers at times.
type sender struct {
	*esme
	m *member
}

func (c *chaos) run() {
	c.f.putPolicy(strings.Replace(promisePolicy, "system_id: any,", "system_id: any, binds: 100,", 1))
	pass(time.Second)
	c.l.reports(func() time.Duration { return time.Duration(rand.IntN(1500)) * time.Millisecond })
	for _, m := range c.f.members {
		c.senders = append(c.senders, &sender{m.bind("any", smpp.Transmitter), m})
	}
	for range randomSteps {
		c.step()
		pass(time.Duration(c.rnd.IntN(600)) * time.Millisecond)
	}
	for _, s := range c.senders {
		if !s.m.isDown() {
			c.read(s)
		}
	}
	for _, m := range c.f.members {
		c.l.terminal(m, "any", takesAll)
	}
	pass(3 * time.Minute) // those who answer nothing are served last
	for term := range c.receivers {
		term.unbind()
	}
	pass(3 * time.Minute)
	c.check()
}

// step has one thing happen.
func (c *chaos) step() {
	m := c.f.at(1 + c.rnd.IntN(3))
	switch n := c.rnd.IntN(20); {
	case n < 6:
		s := c.senders[c.rnd.IntN(len(c.senders))]
		if s.m.reachable() {
			for range 1 + c.rnd.IntN(5) {
				s.submit("hello")
			}
			pass(time.Duration(c.rnd.IntN(3000)) * time.Millisecond) // it does not read
			c.read(s)
		}
	case n < 11:
		if m.reachable() && len(c.receivers) < 8 {
			if term := c.l.terminal(m, "any", c.temper()); term != nil {
				c.receivers[term] = true
			}
		}
	case n < 14:
		for term := range c.receivers {
			delete(c.receivers, term)
			if c.rnd.IntN(2) == 0 {
				term.unbind()
			} else {
				term.drop()
			}
			break
		}
	case n < 15:
		c.f.links(c.disturbance())
	case n < 16 && m.reachable():
		c.f.lead(m)
	case n < 18:
		c.lag(m)
	case c.outages:
		c.outage(m)
	}
}

// read has s read all that it was sent.
func (c *chaos) read(s *sender) {
	s.Send(&smpp.EnquireLink{})
	for {
		h, p := s.Next()
		switch p := p.(type) {
		case *smpp.SubmitSMResp:
			if h.Status == smpp.StatusOK {
				c.l.mu.Lock()
				c.l.answered[p.MessageID] = time.Now()
				c.l.mu.Unlock()
			}
		case *smpp.EnquireLink:
			s.Respond(h.Sequence, smpp.StatusOK, &smpp.EnquireLinkResp{})
		case *smpp.EnquireLinkResp:
			return
		}
	}
}

// temper is how an ESME answers.
func (c *chaos) temper() func(string) (time.Duration, smpp.Status, bool) {
	slow, moody := time.Duration(c.rnd.IntN(3000))*time.Millisecond, c.rnd.IntN(3) == 0
	return func(string) (time.Duration, smpp.Status, bool) {
		switch n := rand.IntN(20); {
		case moody && n == 0:
			return 0, 0, false
		case moody && n < 4:
			return slow, smpp.StatusMsgQFul, true
		}
		return slow, smpp.StatusOK, true
	}
}

// disturbance is a state of the links between nodes.
func (c *chaos) disturbance() func(from, to *member, subject string) (time.Duration, error) {
	delay, fail, until := time.Duration(c.rnd.IntN(500))*time.Millisecond, c.rnd.IntN(4), time.Now().Add(4*time.Second)
	return func(_, _ *member, _ string) (time.Duration, error) {
		if time.Now().Before(until) && rand.IntN(4) < fail {
			return delay, errCut
		}
		return delay, nil
	}
}

// lag has a node that does not lead apply nothing for a while.
func (c *chaos) lag(m *member) {
	if m.leads() || !m.reachable() {
		return
	}
	m.hold()
	c.meanwhile(time.Duration(c.rnd.IntN(3000)) * time.Millisecond)
	m.step(1 + c.rnd.IntN(3))
	c.meanwhile(time.Duration(c.rnd.IntN(500)) * time.Millisecond)
	m.release()
}

// outage cuts a node off or kills it, for a while.
func (c *chaos) outage(m *member) {
	if !m.reachable() {
		return
	}
	c.l.mu.Lock()
	c.l.outages = append(c.l.outages, outage{node: m, from: time.Now()})
	c.l.mu.Unlock()
	dies, long := c.rnd.IntN(2) == 0, c.rnd.IntN(2) == 0
	if m.leads() {
		c.f.lead(c.f.at(1 + int(m.id[1]-'0')%3))
	}
	if dies {
		m.crash()
	} else {
		m.cut([]fate{refused, lost}[c.rnd.IntN(2)])
	}
	if c.meanwhile(time.Second); long {
		c.meanwhile(reapAfter)
		c.f.reap(m)
		c.meanwhile(time.Duration(c.rnd.IntN(8000)) * time.Millisecond)
	}
	if dies {
		m.start()
		for i, s := range c.senders {
			if s.m == m {
				s.Close()
				c.senders[i] = &sender{m.bind("any", smpp.Transmitter), m}
			}
		}
		for term := range c.receivers {
			if term.node == m {
				delete(c.receivers, term)
			}
		}
	} else {
		m.heal()
	}
	c.l.mu.Lock()
	c.l.outages[len(c.l.outages)-1].to = time.Now().Add(2 * time.Second) // what it has in hand is committed by then
	c.l.mu.Unlock()
}

// meanwhile lets time pass in which other things happen.
func (c *chaos) meanwhile(d time.Duration) {
	if !c.busy {
		c.busy = true
		outages := c.outages
		c.outages = false
		c.step()
		c.outages, c.busy = outages, false
	}
	pass(d)
}

func (c *chaos) check() {
	t, l := c.f.t, c.l
	t.Helper()
	count := c.f.book.LastNumber()
	if count < 20 {
		t.Errorf("%d messages only", count)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	extra := 0
	for n := store.Number(1); n <= count; n++ {
		id, taken, risked := n.String(), 0, false
		read, answered := l.answered[id]
		for _, h := range l.hearings[id] {
			if h.accepted {
				taken++
			}
			risked = risked || l.risked(h)
			if answered && read.After(h.at) {
				t.Errorf("receipt of %s delivered %v before its submit_sm_resp was read", id, read.Sub(h.at))
			}
		}
		if taken == 0 || taken > 1 && !risked {
			t.Errorf("receipt of %s taken %d times, delivered %d times, at risk: %v", id, taken, len(l.hearings[id]), risked)
		}
		extra += max(0, taken-1)
	}
	if got := c.f.at(1).waiting(); got != 0 {
		t.Errorf("%d receipts are in the outbox, want none", got)
	}
	t.Logf("%d messages, %d receipts taken twice, %d outages", count, extra, len(l.outages))
}

// reachable reports whether the node is up, in touch and does not lag.
func (m *member) reachable() bool {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return !m.down && !m.cutOff && m.applied == len(m.f.entries)
}

func (m *member) leads() bool {
	m.f.mu.Lock()
	defer m.f.mu.Unlock()
	return m.f.leader == m
}
