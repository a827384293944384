package main

import (
	"sync"
	"time"

	"smppbridge/smpp"
)

// A messageID is a message_id: a number if it is spelled as smppbridge spells one,
// 10 lower-case hexadecimal digits, and the text of any other. A receipt that
// spells its message's number differently is therefore another message's.
type messageID struct {
	numeric bool
	number  uint64 // if numeric
	text    string // if not
}

// messageIDDigits is how many digits a number has.
const messageIDDigits = 10

// parseMessageID makes no copy of a number's digits.
func parseMessageID[T string | []byte](s T) messageID {
	if len(s) != messageIDDigits {
		return messageID{text: string(s)}
	}
	var n uint64
	for i := range len(s) {
		c := s[i]
		switch {
		case '0' <= c && c <= '9':
			n = n<<4 | uint64(c-'0')
		case 'a' <= c && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return messageID{text: string(s)}
		}
	}
	return messageID{numeric: true, number: n}
}

// A piece names a submit_sm of a run: the number of its message, counted from the
// run's first, which of the message's parts it is, and whether it is sent again.
type piece uint64

func newPiece(n int64, part int) piece { return piece(n)<<9 | piece(part)<<1 }

func (p piece) number() int64    { return int64(p >> 9) }
func (p piece) part() int        { return int(p >> 1 & 0xFF) }
func (p piece) again() bool      { return p&1 != 0 }
func (p piece) sentAgain() piece { return p | 1 }

// An answer is a submit_sm_resp.
type answer struct {
	status smpp.Status
	id     messageID // if status is OK
	piece  piece
	at     time.Duration // when its submit_sm was to leave
	late   time.Duration // by how much it left later
}

// A receipt is a deliver_sm that says what became of a message.
type receipt struct {
	id        messageID
	state     smpp.MessageState
	odd       bool   // its text and its parameters name different messages
	otherWord bool   // they name different states
	ours      bool   // its addresses can be those of a message of ours
	phone     uint64 // if ours: which one's
	conn      uint32 // the connection that brought it
	after     int    // how many of its batch's answers came before it
}

// A batch is what one read brought: the ledger takes it in at once.
type batch struct {
	conn     uint32        // the connection's number
	now      time.Duration // when the read returned
	answers  []answer
	receipts []receipt
	incoming uint64 // deliver_sm that are no receipts
	stray    uint64 // responses to nothing, and requests that cannot be read
}

func (b *batch) reset() {
	b.answers, b.receipts = b.answers[:0], b.receipts[:0]
	b.incoming, b.stray = 0, 0
}

func (b *batch) empty() bool {
	return len(b.answers) == 0 && len(b.receipts) == 0 && b.incoming == 0 && b.stray == 0
}

// A ledger is what happened to all messages of a run, on all binds: a receipt may
// come on another bind than its submit_sm_resp, and then before it.
type ledger struct {
	mu       sync.Mutex
	matches  matches                      // guarded by mu
	statuses map[smpp.Status]uint64       // guarded by mu
	states   map[smpp.MessageState]uint64 // guarded by mu; of all receipts, repeated ones too
	latency  histogram                    // guarded by mu; intended time to submit_sm_resp
	late     histogram                    // guarded by mu; intended time to write
	delay    histogram                    // guarded by mu; intended time to receipt
	lastOK   time.Duration                // guarded by mu
	gap      time.Duration                // guarded by mu; the longest time from one ESME_ROK to the next
	lastDone time.Duration                // guarded by mu; the last receipt that completed a message
	odd      uint64                       // guarded by mu
	incoming uint64                       // guarded by mu
	stray    uint64                       // guarded by mu
	unknown  uint64                       // guarded by mu; submit_sm unanswered when their connection broke
	checks   *checks                      // guarded by mu; nil if no receipts are asked for
	series   *series                      // guarded by mu; nil if nobody wants it

	awaiting bool          // guarded by mu; no more submit_sm_resp will come
	complete chan struct{} // closed when awaiting and no receipt is missing
}

// newLedger returns an empty one. Either argument may be nil.
func newLedger(c *checks, s *series) *ledger {
	return &ledger{
		matches:  newMatches(c != nil),
		statuses: make(map[smpp.Status]uint64),
		states:   make(map[smpp.MessageState]uint64),
		checks:   c, series: s,
		complete: make(chan struct{}),
	}
}

// enter takes in a batch, in the order in which its PDUs were read.
func (l *ledger) enter(b *batch) {
	if b.empty() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.series != nil {
		l.series.advance(b.now)
	}
	done := 0
	for i := range b.receipts {
		r := &b.receipts[i]
		l.answersLocked(b, done, r.after)
		done = r.after
		l.receiptLocked(r, b.now)
	}
	l.answersLocked(b, done, len(b.answers))
	l.incoming += b.incoming
	l.stray += b.stray
	l.closeCompleteLocked()
}

// answersLocked takes in b's answers from one to another.
func (l *ledger) answersLocked(b *batch, from, to int) {
	var ok uint64
	for i := from; i < to; i++ {
		a := &b.answers[i]
		l.latency.add(b.now - a.at)
		l.late.add(a.late)
		if l.series != nil {
			l.series.answered(b.now, a)
		}
		if a.status != smpp.StatusOK {
			l.statuses[a.status]++
			continue
		}
		ok++
		if l.matches.accept(a.id, a.at, a.piece) {
			if l.checks != nil {
				l.checks.answered(a.id, a.piece, b.conn)
			}
			l.completedLocked(b.now, a.at)
		}
	}
	if ok > 0 {
		l.statuses[smpp.StatusOK] += ok
		if l.lastOK > 0 {
			l.gap = max(l.gap, b.now-l.lastOK)
		}
		l.lastOK = max(l.lastOK, b.now)
	}
}

func (l *ledger) receiptLocked(r *receipt, now time.Duration) {
	l.states[r.state]++
	if r.odd {
		l.odd++
	}
	c := l.checks
	if !r.state.Final() { // an intermediate notification says nothing about the end
		if c != nil {
			c.interim++
		}
		return
	}
	match, at, from := l.matches.receive(r.id, r.conn)
	if match == matchFirst {
		l.completedLocked(now, at)
	}
	if c == nil {
		return
	}
	c.state(r)
	switch match {
	case matchFirst:
		c.addresses(r, from.piece)
	case matchEarly:
		c.held[r.id] = *r
	case matchRepeat:
		c.again = append(c.again, repeat{before: from.conn, conn: r.conn, at: now})
	}
}

// completedLocked counts a message that has both its answer and its receipt.
func (l *ledger) completedLocked(now, at time.Duration) {
	l.delay.add(now - at)
	l.lastDone = max(l.lastDone, now)
	if l.series != nil {
		l.series.completed(now - at)
	}
}

// broke notes that a connection ended by itself.
func (l *ledger) broke(conn uint32, now time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.checks != nil {
		l.checks.broken[conn] = now
	}
}

// abandon notes submit_sm that their connection left unanswered.
func (l *ledger) abandon(pieces []piece) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unknown += uint64(len(pieces))
	if l.checks == nil {
		return
	}
	for _, p := range pieces {
		l.checks.unanswered(p)
	}
}

// answered is how many submit_sm_resp have come.
func (l *ledger) answered() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.latency.count
}

// await returns a channel that is closed when every accepted message has its
// receipt. No submit_sm_resp may come after it was called.
func (l *ledger) await() <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.awaiting = true
	l.closeCompleteLocked()
	return l.complete
}

func (l *ledger) closeCompleteLocked() {
	closeIf(l.complete, l.awaiting && l.matches.missing() == 0)
}
