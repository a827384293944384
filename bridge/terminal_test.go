package bridge

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// A ledger has what the receivers of a fleet were told, whichever node they are bound to.
type ledger struct {
	f *fleet

	mu       sync.Mutex
	hearings map[string][]*hearing // guarded by mu; by message_id
	answered map[string]time.Time  // guarded by mu; when its submit_sm_resp was read
	outages  []outage              // guarded by mu
	running  sync.WaitGroup
}

// A hearing is one deliver_sm.
type hearing struct {
	by       *terminal
	at       time.Time
	accepted bool // answered with ESME_ROK before the session ended
	refused  bool // answered otherwise
	lost     bool // its session ended first
}

// An outage is a time in which a node was cut off or dead; to is zero while it lasts.
type outage struct {
	node     *member
	from, to time.Time
}

func newLedger(f *fleet) *ledger {
	return &ledger{f: f, hearings: make(map[string][]*hearing), answered: make(map[string]time.Time)}
}

// risked reports whether the node of a deliver_sm had an outage before it can have committed the answer. l.mu is held.
func (l *ledger) risked(h *hearing) bool {
	for _, o := range l.outages {
		if o.node == h.by.node && (o.to.IsZero() || o.to.After(h.at)) && o.from.Before(h.at.Add(smpp.DefaultResponseTimeout)) {
			return true
		}
	}
	return false
}

// inAir reports whether its node may still hope for an answer.
func (h *hearing) inAir() bool {
	return !h.accepted && !h.refused && !h.lost && time.Since(h.at) < smpp.DefaultResponseTimeout
}

// A terminal is an ESME that is bound as a receiver to a node, and answers as its answer says.
type terminal struct {
	l    *ledger
	node *member
	conn net.Conn

	writing sync.Mutex
	answer  func(id string) (after time.Duration, st smpp.Status, ok bool)
	over    bool // guarded by ledger.mu
}

// takesAll answers everything at once.
func takesAll(string) (time.Duration, smpp.Status, bool) { return 0, smpp.StatusOK, true }

// takesNothing answers nothing.
func takesNothing(string) (time.Duration, smpp.Status, bool) { return 0, 0, false }

// terminal binds a receiver; nil if it is refused.
func (l *ledger) terminal(m *member, account string, answer func(string) (time.Duration, smpp.Status, bool)) *terminal {
	l.f.t.Helper()
	conn, err := m.listener.Dial()
	if err != nil {
		l.f.t.Fatal(err)
	}
	term := &terminal{l: l, node: m, conn: conn, answer: answer}
	bind := &smpp.Bind{Type: smpp.Receiver, SystemID: account, Password: rigPassword, InterfaceVersion: 0x34}
	if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, 1, bind)); err != nil {
		l.f.t.Fatal(err)
	}
	frames := smpp.NewReader(conn, smpp.MaxPDU)
	if h, _, err := frames.Next(); err != nil || h.Status != smpp.StatusOK {
		conn.Close()
		return nil
	}
	go term.read(frames) // ends with the connection
	return term
}

func (term *terminal) read(frames *smpp.Reader) {
	for {
		h, body, err := frames.Next()
		if err != nil {
			term.end()
			return
		}
		switch h.ID {
		case smpp.EnquireLinkID:
			go term.write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.EnquireLinkResp{}))
		case smpp.UnbindID:
			term.end()
			go term.write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.UnbindResp{}))
		case smpp.UnbindRespID:
			term.conn.Close()
		case smpp.DeliverSMID:
			term.hear(h, body)
		}
	}
}

func (term *terminal) write(pdu []byte) {
	term.writing.Lock()
	defer term.writing.Unlock()
	_, _ = term.conn.Write(pdu) // a broken connection is seen by read
}

// hear notes a deliver_sm, and that no other session has it.
func (term *terminal) hear(h smpp.Header, body []byte) {
	var m smpp.DeliverSM
	if err := m.Decode(body); err != nil {
		term.l.f.t.Error(err)
		return
	}
	r, err := smpp.ParseReceipt(m.ShortMessage, time.UTC)
	if err != nil {
		term.l.f.t.Error(err)
		return
	}
	this := &hearing{by: term, at: time.Now()}
	l := term.l
	l.mu.Lock()
	for _, other := range l.hearings[r.MessageID] {
		if other.inAir() && !l.risked(other) {
			l.f.t.Errorf("receipt of %s delivered by %s while %s delivers it", r.MessageID, term.node.id, other.by.node.id)
		}
	}
	this.lost = term.over
	l.hearings[r.MessageID] = append(l.hearings[r.MessageID], this)
	l.mu.Unlock()
	after, st, ok := term.answer(r.MessageID)
	if !ok {
		return
	}
	l.running.Go(func() {
		time.Sleep(after) // in a bubble of synctest
		term.writing.Lock()
		defer term.writing.Unlock()
		l.mu.Lock()
		over := term.over
		if !over {
			this.accepted, this.refused = st == smpp.StatusOK, st != smpp.StatusOK
		}
		l.mu.Unlock()
		if !over {
			_, _ = term.conn.Write(smpp.Append(nil, st, h.Sequence, &smpp.DeliverSMResp{}))
		}
	})
}

// end notes that nothing more is answered.
func (term *terminal) end() {
	term.l.mu.Lock()
	defer term.l.mu.Unlock()
	if term.over {
		return
	}
	term.over = true
	for _, list := range term.l.hearings {
		for _, h := range list {
			if h.by == term && !h.accepted && !h.refused {
				h.lost = true
			}
		}
	}
}

// unbind ends the session in good order.
func (term *terminal) unbind() {
	term.end()
	term.write(smpp.Append(nil, smpp.StatusOK, 2, &smpp.Unbind{}))
}

// drop ends the session without a word.
func (term *terminal) drop() {
	term.end()
	term.conn.Close()
}

// heard is how many deliver_sm of a message came, and how many of them were answered with ESME_ROK.
func (l *ledger) heard(n store.Number) (times, accepted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, h := range l.hearings[n.String()] {
		times++
		if h.accepted {
			accepted++
		}
	}
	return times, accepted
}

// at is how many deliver_sm a node has sent.
func (l *ledger) at(m *member) (count int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, list := range l.hearings {
		for _, h := range list {
			if h.by.node == m {
				count++
			}
		}
	}
	return count
}

// once checks that the receipts of the first n messages were taken, each once.
func (l *ledger) once(n int) {
	l.f.t.Helper()
	for i := range n {
		times, accepted := l.heard(store.Number(i + 1))
		if accepted != 1 {
			l.f.t.Errorf("receipt %d of %d: taken %d times of %d, want once", i+1, n, accepted, times)
		}
	}
	if got := l.f.at(1).waiting(); got != 0 {
		l.f.t.Errorf("%d receipts are in the outbox, want none", got)
	}
}

// reports has every call reported as delivered, after a while, to any node that is up.
func (l *ledger) reports(after func() time.Duration) {
	l.f.api.send = func(c Call) Answer {
		l.running.Go(func() {
			time.Sleep(after()) // in a bubble of synctest
			for {
				m := l.f.at(1 + rand.IntN(len(l.f.members)))
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				err := m.bridge().Report(ctx, []IncomingReport{{OutID: c.OutID, Ending: store.EndDelivered, Err: "000", DoneAt: m.node.now()}})
				cancel()
				if err == nil && !m.isDown() {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
		return Answer{Kind: store.OutcomeAccepted, BizID: fmt.Sprintf("biz^%s", c.OutID)}
	}
}

// submitted has n texts accepted through a node and their receipts in the outbox.
func (l *ledger) submitted(m *member, account string, n int) {
	l.f.t.Helper()
	if l.f.api.send == nil {
		l.reports(func() time.Duration { return 0 })
	}
	e := m.bind(account, smpp.Transmitter)
	for i := range n {
		e.accepted(fmt.Sprintf("hello %d", i))
	}
	pass(time.Duration(n)*10*time.Millisecond + 200*time.Millisecond)
	e.Send(&smpp.Unbind{})
	e.Expect(smpp.UnbindRespID)
	e.Close()
	pass(200 * time.Millisecond)
}

// inLedger is inFleet with a ledger.
func inLedger(t *testing.T, nodes int, test func(*testing.T, *fleet, *ledger), change ...func(*Config)) {
	t.Helper()
	inFleet(t, nodes, func(t *testing.T, f *fleet) {
		l := newLedger(f)
		defer l.running.Wait()
		test(t, f, l)
	}, change...)
}
