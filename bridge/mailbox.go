package bridge

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// The mailbox's bounds.
const (
	mailboxRead    = 256             // receipts read from the outbox at a time
	mailboxHeld    = 4096            // receipts held that are unanswered, wait or are retried
	firstRedeliver = time.Second     // doubling
	lastRedeliver  = 5 * time.Minute //
	receiptKept    = 72 * time.Hour  // an entry older than that is dropped
)

// mailbox delivers one account's receipts to its receivers on this node: those that this node owns (owner.go).
type mailbox struct {
	b       *Bridge
	account string
	started bool // guarded by courier.mu

	wake chan struct{} // capacity 1: something below changed, or the outbox did

	mu        sync.Mutex
	receivers []*receiver   // guarded by mu
	deserted  bool          // guarded by mu; there was a moment without receivers
	results   []delivered   // guarded by mu; answers not looked at yet
	handed    uint64        // guarded by mu; answers that have come, in all
	settled   uint64        // guarded by mu; of those, how many leave nothing to be removed from the outbox
	progress  chan struct{} // guarded by mu; closed and replaced when settled grows
	handovers []handover    // guarded by mu; not looked at yet
	inquiries []inquiry     // guarded by mu; not answered yet

	// Touched by the goroutine of run only.
	share    share
	since    uint64             // index by which this node has receivers: others must have applied it
	known    map[uint64]*parcel // by Seq; all that is held, in flight, or answered and still in the outbox
	held     []*parcel          // to be delivered when their time has come; in order
	inFlight int                // deliver_sm without an answer
	next     int                // receiver to begin with
	reading  reading
	again    bool // the outbox is to be read from its beginning
	moved    bool // because other nodes' receipts are this one's now
	removing removing
}

// parcel is a receipt that this mailbox is to deliver.
type parcel struct {
	store.Receipt
	stage   stage
	tries   int
	after   time.Time // not before
	epoch   uint64    // of the share when it was last seen in the outbox
	written bool      // its submit_sm_resp is, or there is none

	// Of an incoming message in parts:
	part  int       // how many the receiver has taken
	parts int       // how many there are
	to    *receiver // who has taken some; nil = nobody
}

// A stage is where a parcel is.
type stage uint8

const (
	waiting  stage = iota // held
	flying                // its deliver_sm has no answer yet
	answered              // to be removed from the outbox
)

// delivered is the answer to a deliver_sm.
type delivered struct {
	parcel *parcel
	to     *receiver
	status smpp.Status
	err    error
}

func newMailbox(b *Bridge, account string) *mailbox {
	return &mailbox{
		b: b, account: account,
		wake:     make(chan struct{}, 1),
		progress: make(chan struct{}),
		share:    share{self: b.cfg.NodeID},
		known:    make(map[uint64]*parcel),
		removing: removing{ended: make(chan bool, 1)},
	}
}

func (m *mailbox) add(s *session) {
	m.mu.Lock()
	m.receivers = append(slices.Clip(m.receivers), &receiver{session: s}) // send works on the slice it saw
	m.mu.Unlock()
	signal(m.wake)
}

func (m *mailbox) remove(s *session) {
	m.mu.Lock()
	m.receivers = slices.DeleteFunc(slices.Clone(m.receivers), func(r *receiver) bool { return r.session == s })
	m.deserted = m.deserted || len(m.receivers) == 0
	m.mu.Unlock()
	signal(m.wake)
}

// run delivers until ctx ends. What was answered is removed from the outbox
// before it returns; what was not stays there for the next receiver, on whatever node.
func (m *mailbox) run(ctx context.Context) error {
	timer := time.NewTimer(courierIdle)
	defer timer.Stop()
	defer func() { m.b.courier.metrics.waits(&m.reading.waits, 0) }()
	for {
		timer.Reset(m.round(ctx))
		select {
		case <-ctx.Done():
			return m.flush(context.WithoutCancel(ctx))
		case <-m.wake:
		case ok := <-m.removing.ended:
			m.endRemoval(ok)
		case <-timer.C:
		}
	}
}

// round looks at answers and at who owns what, reads new entries and sends what can be sent. It returns when to
// look again if nothing happens.
func (m *mailbox) round(ctx context.Context) time.Duration {
	began := time.Now()
	m.settle()
	receivers, touch := m.look()
	m.answerInquiries()
	wait := m.ask(m.b.now())
	if m.read(ctx) {
		wait = 0
	}
	if touch {
		wait = min(wait, m.send(receivers, began))
	}
	m.forget()
	m.startRemoval(ctx)
	return wait
}

// settle takes the answers that have come.
func (m *mailbox) settle() {
	m.mu.Lock()
	results := m.results
	m.results = nil
	m.removing.taken = m.handed
	m.mu.Unlock()
	now := m.b.now()
	for _, r := range results {
		m.inFlight--
		r.to.answered(r.err)
		p := r.parcel
		switch {
		case r.err == nil && r.status == smpp.StatusOK:
			m.accepted(p, r.to, now)
		case r.err == nil && !temporary(r.status):
			m.discard(p, r.status)
		case errors.Is(r.err, smpp.ErrClosed): // the session went: another one may have it at once
			m.ended(p, "session_lost")
			p.restart()
			m.hold(p)
		default: // refused for now, or not answered in time
			m.ended(p, "deferred")
			p.after = now.Add(min(firstRedeliver<<min(p.tries, 10), lastRedeliver))
			p.tries++
			m.hold(p)
		}
	}
}

// hold puts a parcel where it waits for its turn. Those that come back are older than what is there: order is
// made before they are sent.
func (m *mailbox) hold(p *parcel) {
	p.stage = waiting
	if n := len(m.held); n > 0 && m.held[n-1].Seq > p.Seq {
		m.reading.unordered = true
	}
	m.held = append(m.held, p)
}

// finish has a parcel removed from the outbox.
func (m *mailbox) finish(p *parcel) {
	p.stage = answered
	m.removing.done = append(m.removing.done, p.Seq)
}

// discard gives up on a receipt or an incoming message that is refused for good.
func (m *mailbox) discard(p *parcel, st smpp.Status) {
	if p.Incoming {
		m.b.log.Info("incoming message refused for good", "system_id", m.account, "status", st.String())
	} else {
		m.b.log.Info("receipt refused for good", "system_id", m.account,
			"message_id", p.Shape.Spell(p.Number), "status", st.String())
	}
	m.ended(p, "refused")
	m.finish(p)
}

// temporary reports whether a deliver_sm_resp asks to try again later: what other message
// centres retry on, and ESME_RX_T_APPN.
func temporary(s smpp.Status) bool {
	switch s {
	case 0x08, 0x14, 0x45, 0x58, 0x64, 0x67, 0xFE, 0xFF:
		return true
	}
	return false
}

// look finds out what this node owns now. touch says that it may deliver.
func (m *mailbox) look() (receivers []*receiver, touch bool) {
	m.mu.Lock()
	receivers = m.receivers
	deserted, handovers := m.deserted, m.handovers
	m.deserted, m.handovers = false, nil
	m.mu.Unlock()
	now, s := m.b.now(), &m.share
	touch = m.b.cluster.InTouch()
	if s.look(m.b.store.Binds(m.account)) {
		m.again, m.moved = true, true
	}
	if s.standing != absent && (deserted || len(receivers) == 0 || !has(s.nodes, s.self) || time.Since(s.touched) > touchGap) {
		s.leave()
		m.drop()
	}
	if touch {
		s.touched = time.Now()
	}
	m.heed(handovers, now)
	if s.standing == absent && touch && len(receivers) > 0 && has(s.nodes, s.self) {
		m.come()
	}
	return receivers, touch
}

// drop lets go of what waits: it is in the outbox.
func (m *mailbox) drop() {
	for _, p := range m.held {
		delete(m.known, p.Seq)
	}
	m.keep(m.held[:0])
}

// keep shortens held to what is left of it.
func (m *mailbox) keep(rest []*parcel) {
	clear(m.held[len(rest):])
	m.held = rest
}

// answerInquiries tells other nodes what they asked. What was taken into account before binds every later round.
func (m *mailbox) answerInquiries() {
	m.mu.Lock()
	inquiries := m.inquiries
	m.inquiries = nil
	m.mu.Unlock()
	for _, q := range inquiries {
		q.answer <- m.inFlightElsewhere()
	}
}

// take takes the answer to a deliver_sm, from any goroutine.
func (m *mailbox) take(d delivered) {
	m.mu.Lock()
	m.results = append(m.results, d)
	m.handed++
	m.mu.Unlock()
	signal(m.wake)
}

// send gives the receivers what is ready, in order, round robin. It returns when to look again.
func (m *mailbox) send(receivers []*receiver, began time.Time) time.Duration {
	form := m.forms()
	if m.reading.unordered {
		slices.SortFunc(m.held, bySeq)
		m.reading.unordered = false
	}
	now, wait := m.b.now(), courierIdle
	waits := 0
	rest := m.held[:0]
	for i, p := range m.held {
		may := m.mayGo(p, now)
		if may == goes && time.Since(began) > touchGap { // this process was stopped for a while
			m.keep(append(rest, m.held[i:]...))
			return 0
		}
		switch may {
		case gone:
			delete(m.known, p.Seq)
			continue
		case later:
			rest = append(rest, p)
			continue
		case soon:
			wait = courierTick
			rest = append(rest, p)
			continue
		case elsewhere: // its answer wakes the mailbox
			waits++
			rest = append(rest, p)
			continue
		}
		switch m.offer(receivers, form, p) {
		case full:
			m.keep(append(rest, m.held[i:]...))
			return wait
		case blocked:
			m.keep(append(rest, m.held[i:]...))
			return courierTick
		case busy:
			wait = courierTick
			rest = append(rest, p)
		}
	}
	m.b.courier.metrics.waits(&m.reading.waits, waits)
	m.keep(rest)
	return wait
}

// A turn says whether a parcel may be delivered.
type turn uint8

const (
	goes      turn = iota
	later          // not yet
	soon           // its submit_sm_resp is not written yet, by a session of this node
	elsewhere      // another node is to say something first
	gone           // another node's, or not in the outbox any more
)

func (m *mailbox) mayGo(p *parcel, now time.Time) turn {
	switch {
	case !m.share.owns(ownKey(&p.Receipt)):
		return gone
	case now.Sub(store.FromMillis(p.QueuedAt)) > m.b.keeps(&p.Receipt): // the reaper drops it
		return gone
	case now.Before(p.after):
		return later
	case m.share.barred(&p.Receipt):
		return elsewhere
	}
	if !p.written {
		// The submit_sm_resp goes first, or the ESME could not know the message_id.
		if t := m.b.answerWritten(m, &p.Receipt); t != goes {
			return t
		}
		p.written = true
	}
	if p.epoch != m.share.epoch {
		if !m.waits(p.Seq) {
			return gone
		}
		p.epoch = m.share.epoch
	}
	return goes
}
