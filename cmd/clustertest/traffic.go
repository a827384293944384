//go:build linux

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"smppbridge/smpp"
)

// What accounts are allowed, and how long an attempt may be uncertain.
const (
	resendAfter = "3s"
	ratedRate   = 15 // messages a second of account rated, over the whole cluster
	ratedBurst  = 15
)

// A traffic is a round's ESMEs.
type traffic struct {
	addrs    []string // of the nodes' SMPP listeners
	book     *book
	load     float64 // factor of all rates
	stopped  atomic.Bool
	running  sync.WaitGroup
	cancel   context.CancelFunc
	longs    *longs
	capped   *capped
	sessions sessionLog
}

// A sessionLog is every session of a round.
type sessionLog struct {
	mu   sync.Mutex
	list []*session // guarded by mu
}

func (l *sessionLog) add(s *session) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, s)
}

// An esme keeps one session up, at its home node or, while that is away, at another one. It never submits anything
// twice.
type esme struct {
	traffic *traffic
	account string
	kind    smpp.BindType
	home    int
	rate    float64                        // submit_sm a second; 0 = it submits nothing
	source  func() (*part, *smpp.SubmitSM) // the next submit_sm; nil if there is none
	window  int
	last    time.Time // of the session that keeps it
	owed    float64   // submit_sm; likewise
}

// startTraffic lets a fleet loose on the nodes: several accounts, all on all nodes.
func startTraffic(ctx context.Context, c *cluster, b *book, s scene, load float64) *traffic {
	ctx, cancel := context.WithCancel(ctx)
	t := &traffic{book: b, load: load, cancel: cancel, longs: &longs{book: b, account: "long"},
		capped: &capped{book: b, account: "capped", text: "动态密码%s，请勿转发。"}}
	for _, n := range c.nodes {
		t.addrs = append(t.addrs, n.smppAddr)
	}
	t.longs.queues = make([][]waiting, len(c.nodes))
	fleet := t.fleet
	if s.mixed {
		t.longs.account, t.capped.account, t.capped.text = "mix-long", "mix-capped", "支付码%s，请勿转发。"
		fleet = t.mixFleet
	}
	for home := range c.nodes {
		for _, e := range fleet(home) {
			t.running.Go(func() { e.run(ctx) })
		}
	}
	return t
}

// fleet is the ESMEs of one node.
func (t *traffic) fleet(home int) []*esme {
	trx := func(account string, rate float64, source func() (*part, *smpp.SubmitSM)) *esme {
		return &esme{traffic: t, account: account, kind: smpp.Transceiver, home: home, rate: rate * t.load,
			source: source, window: 20}
	}
	tx, rx := trx("pair", 15, t.text("pair")), trx("pair", 0, nil)
	tx.kind, rx.kind = smpp.Transmitter, smpp.Receiver
	return []*esme{
		trx("notice", 30, t.text("notice")), trx("notice", 30, t.text("notice")), tx, rx,
		trx("otp", 15, t.code("otp", "您的验证码是%s，5分钟内有效，请勿泄露。")), trx("submitted", 10, t.text("submitted")),
		trx("rated", 15, t.text("rated")), trx("capped", 1.5, t.capped.next),
		trx("long", 6, func() (*part, *smpp.SubmitSM) { return t.longs.next(home) }),
	}
}

// text is a source of short texts.
func (t *traffic) text(account string) func() (*part, *smpp.SubmitSM) {
	return t.textTo(account, phone)
}

// textTo is a source of short texts for the phones that to says.
func (t *traffic) textTo(account string, to func(n int) string) func() (*part, *smpp.SubmitSM) {
	return func() (*part, *smpp.SubmitSM) {
		n := t.book.number()
		m := t.book.compose(account, to(n), fmt.Sprintf("message %08d", n), 1)
		return m.parts[0], submits(m, m.content, smpp.DataCodingDefault)[0]
	}
}

// code is a source of one-time codes.
func (t *traffic) code(account, text string) func() (*part, *smpp.SubmitSM) {
	return func() (*part, *smpp.SubmitSM) {
		n := t.book.number()
		m := t.book.compose(account, phone(n), fmt.Sprintf("%06d", n%1_000_000), 1)
		return m.parts[0], submits(m, fmt.Sprintf(text, m.content), smpp.DataCodingUCS2)[0]
	}
}

// phone is a number that only message n goes to.
func phone(n int) string { return fmt.Sprintf("139%08d", n) }

// capped is a source of one-time codes of which each phone gets three at once, through different nodes: the
// API allows one a minute.
type capped struct {
	book    *book
	account string
	text    string
	mu      sync.Mutex
	phone   string // guarded by mu
	count   int    // guarded by mu
}

func (c *capped) next() (*part, *smpp.SubmitSM) {
	n := c.book.number()
	c.mu.Lock()
	if c.count%3 == 0 {
		c.phone = phone(n)
	}
	c.count++
	to := c.phone
	c.mu.Unlock()
	m := c.book.compose(c.account, to, fmt.Sprintf("%06d", n%1_000_000), 1)
	sm := submits(m, fmt.Sprintf(c.text, m.content), smpp.DataCodingUCS2)[0]
	sm.ValidityPeriod = "000000000004000R" // 4 s (SMPP 3.4, 7.1.1): those that the phone may not get are over soon
	return m.parts[0], sm
}

// longs are texts in parts, whose parts go over different nodes.
type longs struct {
	book    *book
	account string
	mu      sync.Mutex
	queues  [][]waiting // guarded by mu; by home of the ESME that submits it
}

// waiting is a part that another ESME is to submit.
type waiting struct {
	part *part
	sm   *smpp.SubmitSM
}

// next is the part that the ESME at home submits next, of a new message if none waits.
func (l *longs) next(home int) (*part, *smpp.SubmitSM) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.queues[home]) == 0 {
		const parts = 3
		n := l.book.number()
		m := l.book.compose(l.account, phone(n), longContent(n), parts)
		for i, sm := range submits(m, m.content, smpp.DataCodingDefault) {
			at := (home + i) % len(l.queues)
			l.queues[at] = append(l.queues[at], waiting{m.parts[i], sm})
		}
	}
	first := l.queues[home][0]
	l.queues[home] = l.queues[home][1:]
	return first.part, first.sm
}

// due is how many submit_sm are due now, with that many unanswered.
func (e *esme) due(now time.Time, unanswered int) int {
	if e.rate == 0 || e.traffic.stopped.Load() {
		return 0
	}
	e.owed = min(e.owed+e.rate*now.Sub(e.last).Seconds(), float64(e.window))
	e.last = now
	n := min(int(e.owed), e.window-unanswered)
	e.owed -= float64(n)
	return max(0, n)
}

// run binds again and again until ctx ends: to the home node at first, to the next one when that fails.
func (e *esme) run(ctx context.Context) {
	for turn := 0; ctx.Err() == nil; turn++ {
		node := (e.home + turn) % len(e.traffic.addrs)
		s, r, err := e.connect(ctx, node)
		if err != nil {
			_ = pause(ctx, 50*time.Millisecond)
			continue
		}
		e.traffic.sessions.add(s)
		e.last, e.owed = time.Now(), 0
		gone := make(chan struct{})
		go func() { // ends with the connection, which keep ends
			defer close(gone)
			s.read(r)
			_ = s.conn.Close()
		}()
		s.keep(ctx, gone)
		<-gone
		s.finish()
	}
}

// stop ends submitting; receipts are still taken.
func (t *traffic) stop() { t.stopped.Store(true) }

// close unbinds all ESMEs.
func (t *traffic) close() {
	t.cancel()
	t.running.Wait()
}
