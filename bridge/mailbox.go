package bridge

import (
	"cmp"
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

// mailbox delivers one account's receipts to its receivers on this node.
type mailbox struct {
	b       *Bridge
	account string
	started bool // guarded by courier.mu

	wake chan struct{} // capacity 1: something below changed, or the outbox did

	mu        sync.Mutex
	receivers []*receiver // guarded by mu
	results   []delivered // guarded by mu; answers not looked at yet

	// Touched by the goroutine of run only.
	cursor   uint64        // outbox entries up to here were read
	held     []*parcel     // read, and to be delivered when their time has come; in order
	inFlight int           // deliver_sm without an answer
	next     int           // receiver to begin with
	done     []uint64      // entries to be removed from the outbox
	removed  chan []uint64 // a proposal that removes entries has ended: what is left to remove
	removing bool
}

// parcel is a receipt that this mailbox is to deliver.
type parcel struct {
	store.Receipt
	tries int
	after time.Time // not before
}

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
		wake:    make(chan struct{}, 1),
		removed: make(chan []uint64, 1),
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
	m.mu.Unlock()
	signal(m.wake)
}

// run delivers until ctx ends. What was answered is removed from the outbox
// before it returns; what was not stays there for the next receiver, on whatever node.
func (m *mailbox) run(ctx context.Context) error {
	timer := time.NewTimer(courierIdle)
	defer timer.Stop()
	for {
		wait := m.round(ctx)
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return m.flush(context.WithoutCancel(ctx))
		case <-m.wake:
		case left := <-m.removed:
			m.removing = false
			m.done = append(left, m.done...)
		case <-timer.C:
		}
	}
}

// round looks at answers, reads new entries and sends what can be sent. It returns when to look
// again if nothing happens.
func (m *mailbox) round(ctx context.Context) time.Duration {
	m.settle()
	m.read(ctx)
	wait := m.send()
	m.startRemoval(ctx)
	return wait
}

// settle takes the answers that have come.
func (m *mailbox) settle() {
	m.mu.Lock()
	results := m.results
	m.results = nil
	m.mu.Unlock()
	now := m.b.now()
	kept := len(m.held)
	for _, r := range results {
		m.inFlight--
		r.to.answered(r.err)
		switch {
		case r.err == nil && r.status == smpp.StatusOK:
			m.b.metrics.receipt("delivered", now.Sub(store.FromMillis(r.parcel.QueuedAt)))
			m.done = append(m.done, r.parcel.Seq)
		case r.err == nil && !temporary(r.status):
			m.discard(r.parcel, r.status)
		case errors.Is(r.err, smpp.ErrClosed): // the session went: another one may have it at once
			m.b.metrics.receipt("session_lost", 0)
			m.held = append(m.held, r.parcel)
		default: // refused for now, or not answered in time
			m.b.metrics.receipt("deferred", 0)
			r.parcel.after = now.Add(min(firstRedeliver<<min(r.parcel.tries, 10), lastRedeliver))
			r.parcel.tries++
			m.held = append(m.held, r.parcel)
		}
	}
	if len(m.held) > kept { // those that come back are the oldest
		slices.SortFunc(m.held, func(a, b *parcel) int { return cmp.Compare(a.Seq, b.Seq) })
	}
}

// discard gives up on a receipt that is refused for good.
func (m *mailbox) discard(p *parcel, st smpp.Status) {
	m.b.log.Info("receipt refused for good", "system_id", m.account,
		"message_id", p.Shape.Spell(p.Number), "status", st.String())
	m.b.metrics.receipt("refused", 0)
	m.done = append(m.done, p.Seq)
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

// read takes new entries from the outbox, as many as there is room for.
func (m *mailbox) read(ctx context.Context) {
	for m.inFlight+len(m.held) < mailboxHeld {
		list, err := m.b.store.Outbox(m.account, m.cursor, mailboxRead)
		if err != nil {
			m.b.log.ErrorContext(ctx, "read outbox", "system_id", m.account, "err", err)
			return
		}
		for i := range list {
			m.held = append(m.held, &parcel{Receipt: list[i]})
			m.cursor = list[i].Seq
		}
		if len(list) < mailboxRead {
			return
		}
	}
}

// send gives the receivers what is ready, in order, round robin.
func (m *mailbox) send() time.Duration {
	m.mu.Lock()
	receivers := m.receivers
	m.mu.Unlock()
	if len(m.held) == 0 || len(receivers) == 0 {
		return courierIdle
	}
	form := receiptForm{text: true, tlvs: true}
	if a := m.b.policy.Load().accounts[m.account]; a != nil {
		form = a.quirks
	}
	now := m.b.now()
	wait := courierIdle
	rest := m.held[:0]
	for i, p := range m.held {
		switch {
		case now.Sub(store.FromMillis(p.QueuedAt)) > receiptKept: // the reaper drops it
			continue
		case now.Before(p.after):
			rest = append(rest, p)
			continue
		case !m.b.written(p.Origin):
			// The submit_sm_resp goes first, or the ESME could not know the message_id.
			wait = courierTick
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
		}
	}
	m.keep(rest)
	return wait
}

// keep shortens held to what is left of it.
func (m *mailbox) keep(rest []*parcel) {
	clear(m.held[len(rest):])
	m.held = rest
}

// answered takes the answer to a deliver_sm, from any goroutine.
func (m *mailbox) answered(d delivered) {
	m.mu.Lock()
	m.results = append(m.results, d)
	m.mu.Unlock()
	signal(m.wake)
}

// startRemoval removes answered entries from the outbox, one proposal at a time: while it is
// under way more gather.
func (m *mailbox) startRemoval(ctx context.Context) {
	if m.removing || len(m.done) == 0 {
		return
	}
	seqs := m.done
	m.done = nil
	m.removing = true
	go func() { m.removed <- m.clear(ctx, seqs) }() // run takes the answer
}

// clear removes entries from the outbox; it returns those that could not be removed.
func (m *mailbox) clear(ctx context.Context, seqs []uint64) []uint64 {
	if _, err := m.b.settle(ctx, &store.Delivered{Account: m.account, Seqs: seqs}); err != nil {
		return seqs
	}
	return nil
}

// flush removes what was answered, within a moment: what is left is delivered twice.
func (m *mailbox) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if m.removing {
		m.done = append(m.done, <-m.removed...)
	}
	m.settle()
	if len(m.done) > 0 {
		m.clear(ctx, m.done)
	}
	return nil
}
