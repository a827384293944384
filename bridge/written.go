package bridge

import (
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"smppbridge/store"
)

// subjectWritten is what a node with a receipt asks the one whose session submitted the message: is the submit_sm_resp
// written, or will it never be? Many at once, of many sessions.
//
// The request is, for each, the incarnation, the session and the mark, 8 octets each, big endian. The answer is,
// for each, one octet, 1 if that one is, and 8 octets: up to which mark all of that session are.
const subjectWritten = "written"

// The bounds of asking.
const (
	writtenWithin = 2 * time.Second // for one answer
	writtenMost   = 4096            // asked for at a time
	writtenAsk    = 24              // octets of a question
	writtenSay    = 9               // octets of an answer
	writtenRest   = 500 * time.Millisecond
	writtenKept   = 1024 // sessions remembered before those that are gone are looked for
)

// answerSlack is for what comes on top when it is reckoned by when a submit_sm_resp is written or never will be: the
// clocks of two nodes, and a session that does not read, which is given 10 s.
const answerSlack = 15 * time.Second

// A bound is a session of a node.
type bound struct{ incarnation, session uint64 }

// witnesses are the other nodes, as far as they have told which answers their sessions have written.
type witnesses struct {
	b  *Bridge
	mu sync.Mutex

	nodes map[string]*witness // guarded by mu
}

// A witness is one other node. It is guarded by witnesses.mu.
type witness struct {
	node     string
	sessions map[bound]*testimony
	kept     int                       // sessions that were left when those that are gone were looked for
	wanted   map[store.Origin]*mailbox // to be asked for; who wants to know
	asking   bool
	failing  bool // the last time it could not be asked
}

// A testimony is what a node has told of a session.
type testimony struct {
	upTo   uint64              // all answers up to this mark are written
	single map[uint64]struct{} // and these
}

// answerWritten reports whether the submit_sm_resp of r's message has been written, or never will be (goes); if not, where
// it is waited for.
func (b *Bridge) answerWritten(m *mailbox, r *store.Receipt) turn {
	if r.Origin.Node != b.cfg.NodeID {
		return b.courier.witnesses.written(m, r)
	}
	if b.written(r.Origin) {
		return goes
	}
	return soon
}

// written is answerWritten for a session of another node, which is asked. Of an earlier life of that node nothing will
// be written. A node that cannot be asked may be dead, or cut off, and come back with the answer in its hands: only when it
// is too late for it to answer OK is the receipt released (batcher.start, acks). That the session's bind is gone from the
// state says nothing: the binds of a node that is cut off are removed, and its sessions live on.
func (w *witnesses) written(m *mailbox, r *store.Receipt) turn {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := w.nodes[r.Origin.Node]
	switch {
	case n == nil:
		n = &witness{node: r.Origin.Node, sessions: make(map[bound]*testimony), wanted: make(map[store.Origin]*mailbox)}
		w.nodes[r.Origin.Node] = n
	case n.testified(&r.Origin):
		return goes
	}
	switch {
	case w.b.store.Clock() < r.QueuedAt: // read from the file just before the rest of the state shows it
		return soon
	case w.b.store.Incarnation(r.Origin.Node) != r.Origin.Incarnation:
		return goes
	}
	n.wanted[r.Origin] = m
	if !n.asking {
		n.asking = true
		w.b.courier.background(func(ctx context.Context) { w.ask(ctx, n) })
	}
	if n.failing && w.b.now().Sub(store.FromMillis(r.AcceptedAt)) > w.b.answeredWithin(r.Account) {
		return goes
	}
	return elsewhere
}

// answeredWithin is how long after its acceptance a message of the account may still be answered OK.
func (b *Bridge) answeredWithin(system string) time.Duration {
	most := acceptPatience + answerSlack
	if a := b.policy.Load().accounts[system]; a != nil && a.Ack == ackSubmitted {
		most += a.AckWithin.Std() + acceptPatience
	}
	return most
}

// testified reports whether n has said that o's answer is written. What it said of one answer is said once.
func (n *witness) testified(o *store.Origin) bool {
	t := n.sessions[bound{o.Incarnation, o.Session}]
	switch {
	case t == nil:
		return false
	case o.Mark <= t.upTo:
		return true
	}
	_, single := t.single[o.Mark]
	delete(t.single, o.Mark)
	return single
}

// ask asks n until nothing is wanted, a group at a time.
func (w *witnesses) ask(ctx context.Context, n *witness) {
	for {
		origins, boxes := w.take(n)
		if len(origins) == 0 {
			return
		}
		var request []byte
		for i := range origins {
			o := &origins[i]
			request = binary.BigEndian.AppendUint64(request, o.Incarnation)
			request = binary.BigEndian.AppendUint64(request, o.Session)
			request = binary.BigEndian.AppendUint64(request, o.Mark)
		}
		asking, cancel := context.WithTimeout(ctx, writtenWithin)
		answer, err := w.b.cluster.Ask(asking, n.node, subjectWritten, request)
		cancel()
		if err == nil && len(answer) != writtenSay*len(origins) {
			err = fmt.Errorf("answer about %d answers has %d octets: %w", len(origins), len(answer), errBadRequest)
		}
		w.b.courier.metrics.asked(subjectWritten, err)
		rest := courierTick
		if err != nil {
			rest = writtenRest
		}
		w.note(n, origins, answer, err)
		for _, m := range boxes {
			signal(m.wake)
		}
		sleep(ctx, rest)
	}
}

// take takes what is to be asked of n next.
func (w *witnesses) take(n *witness) (origins []store.Origin, boxes []*mailbox) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for o, m := range n.wanted {
		if len(origins) == writtenMost {
			break
		}
		delete(n.wanted, o)
		origins = append(origins, o)
		if !slices.Contains(boxes, m) {
			boxes = append(boxes, m)
		}
	}
	n.asking = len(origins) > 0
	return origins, boxes
}

// note keeps what n has answered.
func (w *witnesses) note(n *witness, origins []store.Origin, answer []byte, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if n.failing = err != nil; n.failing {
		return
	}
	for i := range origins {
		o, said := &origins[i], answer[i*writtenSay:]
		key := bound{o.Incarnation, o.Session}
		t := n.sessions[key]
		if t == nil {
			t = &testimony{single: make(map[uint64]struct{})}
			n.sessions[key] = t
		}
		if upTo := binary.BigEndian.Uint64(said[1:]); upTo > t.upTo {
			t.upTo = upTo
			// What was told of receipts that another node delivers now is asked for by nobody.
			maps.DeleteFunc(t.single, func(mark uint64, _ struct{}) bool { return mark <= upTo })
		}
		if said[0] == 1 && o.Mark > t.upTo {
			t.single[o.Mark] = struct{}{}
		}
	}
	if len(n.sessions) > 2*n.kept+writtenKept {
		w.forget(n)
	}
}

// forget forgets the sessions that are gone.
func (w *witnesses) forget(n *witness) {
	there := make(map[bound]bool)
	for _, v := range w.b.store.AllBinds() {
		if v.Node == n.node {
			there[bound{v.Incarnation, v.Session}] = true
		}
	}
	for key := range n.sessions {
		if !there[key] {
			delete(n.sessions, key)
		}
	}
	n.kept = len(n.sessions)
}

// answerWritten answers another node.
func (c *courier) answerWritten(_ context.Context, _ string, request []byte) ([]byte, error) {
	if len(request)%writtenAsk != 0 || len(request) > writtenAsk*writtenMost {
		return nil, fmt.Errorf("question about answers: %w", errBadRequest)
	}
	answer := make([]byte, 0, len(request)/writtenAsk*writtenSay)
	for ; len(request) > 0; request = request[writtenAsk:] {
		b := bound{binary.BigEndian.Uint64(request), binary.BigEndian.Uint64(request[8:])}
		said, upTo := c.testify(b, binary.BigEndian.Uint64(request[16:]))
		answer = binary.BigEndian.AppendUint64(append(answer, said), upTo)
	}
	return answer, nil
}

// testify says whether the answer with a mark is written, and up to which mark all are. Of a session that is not here
// none will be any more.
func (c *courier) testify(b bound, mark uint64) (said byte, upTo uint64) {
	v, ok := c.b.sessions.Load(b.session)
	if !ok || b.incarnation != c.b.incarnation.Load() {
		return 1, 1<<64 - 1
	}
	s := v.(*session)
	if s.wrote(mark) {
		said = 1
	}
	return said, s.wroteUpTo()
}
