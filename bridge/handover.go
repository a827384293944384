package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// subjectInFlight is what a node that comes to own receipts asks the others: which of those that you own no more are
// you still delivering?
//
// The request is an index of Raft's log (8 octets, big endian) and the account. The answer is one octet: 0, ask again,
// that index is not applied here yet; or 1, and then the entries' Seqs, 8 octets each.
const subjectInFlight = "inflight"

// The bounds of asking.
const (
	handoverWithin = 2 * time.Second        // for one answer
	handoverFirst  = 20 * time.Millisecond  // until asking again, doubling
	handoverLast   = 500 * time.Millisecond //
	handoverMargin = 2 * time.Second        // beyond a response time-out: what a node that cannot be asked has in flight is over
	handoverMost   = 1 << 16                // Seqs in an answer; a mailbox holds far fewer
)

var errBadRequest = errors.New("request of another node cannot be decoded")

// A hurdle is another node that may be delivering receipts which are this node's now. It is there until the node has
// answered that it delivers none. If it cannot be asked, although it is alive (the leader hears of it, or its
// binds would be gone), it is there until what it can have in flight must be over.
type hurdle struct {
	node    string
	asking  bool
	answers bool      // it has answered once: it begins nothing any more, and only seqs are in flight there
	seqs    []uint64  // ascending
	next    time.Time // when to ask
	pause   time.Duration
	failing time.Time // since when it cannot be asked; zero = it can
}

func (h *hurdle) bars(r *store.Receipt, since int64) bool {
	if !h.answers {
		return r.QueuedAt <= since
	}
	_, in := slices.BinarySearch(h.seqs, r.Seq)
	return in
}

// A handover is what came of asking one node, or, with an empty node, of catching up with all.
type handover struct {
	coming uint64 // see share
	node   string
	ready  bool // the other one has applied what this one has
	seqs   []uint64
	err    error
}

// inquiry is another node's question, for the mailbox to answer.
type inquiry struct{ answer chan []uint64 } // capacity 1

// come begins to own receipts: this node has a receiver by the state that it has, which may be old.
func (m *mailbox) come() {
	m.share.standing = coming
	n := m.share.coming
	m.b.courier.background(func(ctx context.Context) {
		ctx, cancel := context.WithTimeout(ctx, handoverWithin)
		defer cancel()
		m.tell(handover{coming: n, err: m.b.cluster.Sync(ctx)})
	})
}

// tell gives the mailbox what came of asking, from any goroutine.
func (m *mailbox) tell(h handover) {
	m.mu.Lock()
	m.handovers = append(m.handovers, h)
	m.mu.Unlock()
	signal(m.wake)
}

// heed takes what came of asking.
func (m *mailbox) heed(list []handover, now time.Time) {
	for _, n := range list {
		switch {
		case n.coming != m.share.coming:
		case n.node == "" && n.err != nil:
			m.share.leave() // and comes anew at the next look
		case n.node == "":
			m.enter()
		default:
			m.share.hurdles = slices.DeleteFunc(m.share.hurdles, func(h *hurdle) bool {
				return h.node == n.node && m.over(h, n, now)
			})
		}
	}
}

// enter begins to deliver what this node owns by the state as it is now, but for what others have not handed over.
func (m *mailbox) enter() {
	s := &m.share
	s.look(m.b.store.Binds(m.account))
	if !has(s.nodes, s.self) {
		s.leave()
		return
	}
	s.standing = inside
	s.since = m.b.store.Clock()
	m.since, _ = m.b.store.Applied()
	for _, c := range s.nodes {
		if c.node != s.self {
			s.hurdles = append(s.hurdles, &hurdle{node: c.node, pause: handoverFirst})
		}
	}
	m.moved = m.moved || len(s.hurdles) > 0
	m.again = true
}

// over reports whether h is none any more, after n.
func (m *mailbox) over(h *hurdle, n handover, now time.Time) bool {
	h.asking = false
	h.next, h.pause = now.Add(h.pause), min(2*h.pause, handoverLast)
	switch {
	case n.err != nil && h.failing.IsZero():
		h.failing = now
	case n.err != nil:
		// Not so soon if the account's ESMEs may take their time.
		return now.Sub(h.failing) > m.b.responseTimeout(m.account)+handoverMargin
	default:
		h.failing = time.Time{}
		if n.ready {
			h.answers, h.seqs = true, n.seqs
			m.share.epoch++
			return len(n.seqs) == 0
		}
	}
	return false
}

// ask asks the nodes whose turn it is. It returns when to look again.
func (m *mailbox) ask(now time.Time) time.Duration {
	wait := courierIdle
	for _, h := range m.share.hurdles {
		switch left := h.next.Sub(now); {
		case h.asking:
		case left > 0:
			wait = min(wait, left)
		default:
			h.asking = true
			node, n := h.node, m.share.coming
			request := append(binary.BigEndian.AppendUint64(nil, m.since), m.account...)
			m.b.courier.background(func(ctx context.Context) {
				m.tell(m.b.courier.askInFlight(ctx, handover{coming: n, node: node}, request))
			})
		}
	}
	return wait
}

// askInFlight asks one node. When it returns, what the other one does not name any more is out of this node's outbox, or
// was never answered.
func (c *courier) askInFlight(ctx context.Context, h handover, request []byte) handover {
	ctx, cancel := context.WithTimeout(ctx, handoverWithin)
	defer cancel()
	answer, err := c.b.cluster.Ask(ctx, h.node, subjectInFlight, request)
	c.metrics.asked(subjectInFlight, err)
	if err == nil {
		h.ready, h.seqs, err = decodeInFlight(answer)
	}
	if err == nil && h.ready {
		err = c.b.cluster.Sync(ctx)
	}
	h.err = err
	return h
}

func decodeInFlight(answer []byte) (ready bool, seqs []uint64, err error) {
	switch {
	case len(answer) == 1 && answer[0] == 0:
		return false, nil, nil
	case len(answer) == 0 || answer[0] != 1 || len(answer)%8 != 1 || len(answer) > 1+8*handoverMost:
		return false, nil, fmt.Errorf("answer about receipts in flight: %w", errBadRequest)
	}
	for rest := answer[1:]; len(rest) > 0; rest = rest[8:] {
		seqs = append(seqs, binary.BigEndian.Uint64(rest))
	}
	slices.Sort(seqs)
	return true, seqs, nil
}

// answerInFlight answers another node.
func (c *courier) answerInFlight(ctx context.Context, _ string, request []byte) ([]byte, error) {
	if len(request) < 8 {
		return nil, fmt.Errorf("question about receipts in flight: %w", errBadRequest)
	}
	if applied, _ := c.b.store.Applied(); applied < binary.BigEndian.Uint64(request) {
		return []byte{0}, nil
	}
	c.mu.Lock()
	box := c.mailboxes[string(request[8:])]
	c.mu.Unlock()
	answer := []byte{1}
	if box == nil {
		return answer, nil
	}
	ctx, cancel := context.WithTimeout(ctx, handoverWithin)
	defer cancel()
	q := inquiry{answer: make(chan []uint64, 1)}
	box.mu.Lock()
	box.inquiries = append(box.inquiries, q)
	box.mu.Unlock()
	signal(box.wake)
	select {
	case seqs := <-q.answer:
		for _, seq := range seqs {
			answer = binary.BigEndian.AppendUint64(answer, seq)
		}
		return answer, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("receipts in flight: %w", ctx.Err())
	}
}

// inFlightElsewhere are the entries that this mailbox is still delivering, or has had answered and not seen out of the outbox,
// although it owns them no more.
func (m *mailbox) inFlightElsewhere() []uint64 {
	var seqs []uint64
	for seq, p := range m.known {
		if p.stage != waiting && owner(m.share.nodes, ownKey(&p.Receipt)) != m.share.self {
			seqs = append(seqs, seq)
		}
	}
	return seqs
}

// responseTimeout is how long an account's ESMEs have for an answer.
func (b *Bridge) responseTimeout(account string) time.Duration {
	if a := b.policy.Load().accounts[account]; a != nil && a.Session.ResponseTimeout != 0 {
		return a.Session.ResponseTimeout.Std()
	}
	if t := b.cfg.Session.ResponseTimeout; t != 0 {
		return t
	}
	return smpp.DefaultResponseTimeout
}
