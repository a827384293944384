//go:build linux

package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"smppbridge/smpp"
)

// A message is a text for a phone that was submitted once, in one part or several, and never again. Phone and text
// together are its own.
type message struct {
	account string
	phone   string
	content string // as the API gets it: the only parameter's value
	round   int
	parts   []*part
}

// An answer is how far the submit_sm of a part came.
type answer uint8

const (
	pending    answer = iota // not answered yet, or never submitted
	accepted                 // ESME_ROK
	refused                  // an error
	unanswered               // its connection ended first
)

// A part is one submit_sm.
type part struct {
	of       *message
	number   int // from 1
	answer   answer
	status   smpp.Status
	id       string // message_id
	session  *session
	sent     time.Time
	answered time.Time
	receipts []receipt
}

// A receipt is a deliver_sm that names a message.
type receipt struct {
	id      string
	phone   string
	state   smpp.MessageState
	at      time.Time
	session *session
}

// whole reports whether all parts were accepted.
func (m *message) whole() bool {
	for _, p := range m.parts {
		if p.answer != accepted {
			return false
		}
	}
	return true
}

// key is what a message is recognised by in the API's ledger.
func (m *message) key() string { return m.phone + "/" + m.content }

// A book is all that ESMEs were told in a cluster's life.
type book struct {
	mu       sync.Mutex
	round    int                  // guarded by mu
	messages []*message           // guarded by mu
	byKey    map[string]*message  // guarded by mu
	byID     map[string]*part     // guarded by mu
	stray    map[string][]receipt // guarded by mu; by an id that no answer has named (yet)
	open     int                  // guarded by mu; parts without answer
	oks      []okay               // guarded by mu
	stall    time.Duration        // guarded by mu; for how long the machine stood still in the round

	numbers *atomic.Int64 // of the messages of all books: a phone's limits outlive a cluster
}

// An okay is an ESME_ROK: when, and through which node.
type okay struct {
	at   time.Time
	node int
}

func newBook(numbers *atomic.Int64) *book {
	return &book{byKey: map[string]*message{}, byID: map[string]*part{}, stray: map[string][]receipt{}, numbers: numbers}
}

// number returns a number that no other message has.
func (b *book) number() int { return int(b.numbers.Add(1)) }

// begin starts a round, and returns its number.
func (b *book) begin() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.round++
	b.stall = 0
	return b.round
}

// stalled notes for how long the machine stood still.
func (b *book) stalled(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stall = d
}

// compose enters a new message.
func (b *book) compose(account, phone, content string, parts int) *message {
	b.mu.Lock()
	defer b.mu.Unlock()
	m := &message{account: account, phone: phone, content: content, round: b.round}
	for i := range parts {
		m.parts = append(m.parts, &part{of: m, number: i + 1})
	}
	b.messages = append(b.messages, m)
	b.byKey[m.key()] = m
	return m
}

// submitted notes that p leaves on s.
func (b *book) submitted(p *part, s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p.session, p.sent = s, time.Now()
	b.open++
}

// answered notes the submit_sm_resp of p.
func (b *book) answered(p *part, st smpp.Status, id string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	p.status, p.answered = st, time.Now()
	if st != smpp.StatusOK {
		p.answer = refused
		return
	}
	p.answer, p.id = accepted, id
	b.oks = append(b.oks, okay{p.answered, p.session.node})
	b.byID[id] = p
	p.receipts = append(b.stray[id], p.receipts...)
	delete(b.stray, id)
}

// abandoned notes that p's connection ended before its answer.
func (b *book) abandoned(p *part) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open--
	p.answer, p.answered = unanswered, time.Now()
}

// received notes a receipt.
func (b *book) received(r receipt) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p := b.byID[r.id]; p != nil {
		p.receipts = append(p.receipts, r)
		return
	}
	b.stray[r.id] = append(b.stray[r.id], r)
}

// waiting counts what a round's end waits for: answers, and receipts of whole messages.
func (b *book) waiting() (answers, receipts int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.messages {
		if m.whole() {
			receipts += m.withoutReceipt()
		}
	}
	return b.open, receipts
}

// withoutReceipt counts the parts that have none.
func (m *message) withoutReceipt() (n int) {
	for _, p := range m.parts {
		if len(p.receipts) == 0 {
			n++
		}
	}
	return n
}

// since counts the messages accepted through a node since then.
func (b *book) since(t time.Time, node int) (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := len(b.oks) - 1; i >= 0 && b.oks[i].at.After(t); i-- {
		if b.oks[i].node == node {
			n++
		}
	}
	return n
}

// submits returns the submit_sm of a message's parts.
func submits(m *message, text string, coding byte) []*smpp.SubmitSM {
	octets, err := smpp.EncodeText(coding, smpp.AlphabetGSM7, text)
	if err != nil {
		panic(fmt.Sprintf("a text of this program's own cannot be encoded: %v", err))
	}
	var list []*smpp.SubmitSM
	room := (len(octets) + len(m.parts) - 1) / len(m.parts)
	for i := range m.parts {
		sm := &smpp.SubmitSM{
			SourceAddr: "1069", DestinationAddr: m.phone, DataCoding: coding,
			RegisteredDelivery: smpp.RegisteredDeliveryAlways, ShortMessage: octets,
		}
		if len(m.parts) > 1 {
			udh := smpp.Concat{Ref: 7, Total: uint8(len(m.parts)), Seq: uint8(i + 1)}.AppendUDH(nil)
			piece := octets[i*room : min(len(octets), (i+1)*room)]
			sm.ESMClass, sm.ShortMessage = smpp.ESMClassUDHI, string(udh)+piece
		}
		list = append(list, sm)
	}
	return list
}

// longContent is a text of several SMS that begins with a number.
func longContent(n int) string {
	return fmt.Sprintf("long %08d%s", n, strings.Repeat(" of many words", 30))
}
