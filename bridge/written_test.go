package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// unread has an ESME of a node submit n texts whose answers it does not read, and their receipts in the outbox.
func (l *ledger) unread(m *member, account string, n int) *esme {
	l.f.t.Helper()
	l.reports(func() time.Duration { return 0 })
	e := m.bind(account, smpp.Transmitter)
	for i := range n {
		e.submit(fmt.Sprintf("hello %d", i))
	}
	pass(time.Second)
	if got := m.waiting(); got != n {
		l.f.t.Fatalf("%d receipts wait, want %d", got, n)
	}
	return e
}

// TestReceiptWaitsForTheResponseOfAnotherNode: no receipt is delivered by whatever node before its submit_sm_resp was
// written, and each is as soon as it was (promise 4).
func TestReceiptWaitsForTheResponseOfAnotherNode(t *testing.T) {
	inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
		const n = 20
		l.terminal(f.at(3), "any", takesAll)
		e := l.unread(f.at(2), "any", n)
		pass(2 * time.Second)
		if got := l.at(f.at(3)); got != 0 {
			t.Errorf("%d receipts delivered before their answers were written", got)
		}
		for range n {
			e.number()
		}
		pass(2 * courierIdle)
		l.once(n)
	})
}

// TestReceiptWaitsForALateResponseOfAnotherNode: the same where answers wait for the API's and are written in another
// order.
func TestReceiptWaitsForALateResponseOfAnotherNode(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 12
		l.terminal(f.at(2), "acked", takesAll)
		e := l.unread(f.at(1), "acked", n)
		pass(time.Second)
		if got := l.at(f.at(2)); got != 0 {
			t.Errorf("%d receipts delivered before their answers were written", got)
		}
		for range n {
			number := e.number()
			pass(2 * courierIdle)
			if times, _ := l.heard(number); times != 1 {
				t.Errorf("receipt of %s delivered %d times when its answer was read, want once", number, times)
			}
		}
		l.once(n)
	})
}

// TestReceiptOfASessionThatIsGone: nothing is waited for that will never be written: the session was closed, or its node has
// started anew. A node that is taken for dead may live: it is waited for until it is too late for it to answer (promise 4).
func TestReceiptOfASessionThatIsGone(t *testing.T) {
	tests := []struct {
		name string
		goes func(f *fleet, e *esme)
		here int // receipts delivered at once; the others when nothing can be answered any more
	}{
		{"hung up", func(_ *fleet, e *esme) { e.Close() }, 10},
		{"node died", func(f *fleet, _ *esme) { f.at(2).crash() }, 0},
		{"node was reaped", func(f *fleet, _ *esme) { f.at(2).crash(); pass(reapAfter); f.reap(f.at(2)) }, 0},
		{"node started anew", func(f *fleet, _ *esme) { f.at(2).crash(); f.at(2).start() }, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
				l.terminal(f.at(3), "any", takesAll)
				e := l.unread(f.at(2), "any", 10)
				tt.goes(f, e)
				pass(time.Second)
				if got := l.at(f.at(3)); got != tt.here {
					t.Errorf("%d receipts delivered, want %d", got, tt.here)
				}
				pass(acceptPatience + answerSlack)
				l.once(10)
			})
		})
	}
}

// TestNodeThatCannotBeAsked: it lives, and its session's ESME does not read. Receipts wait until the node can be asked, or
// its session would have been ended long ago (promise 4).
func TestNodeThatCannotBeAsked(t *testing.T) {
	for name, heals := range map[string]bool{"heals": true, "does not heal": false} {
		t.Run(name, func(t *testing.T) {
			inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
				cut := func(from, to *member, _ string) (time.Duration, error) {
					if from != f.at(1) && to != f.at(1) {
						return 0, errCut
					}
					return 0, nil
				}
				f.links(cut)
				l.terminal(f.at(3), "any", takesAll)
				e := l.unread(f.at(2), "any", 5)
				for range 5 {
					e.number()
				}
				e.answering()
				pass((acceptPatience + answerSlack) / 2)
				if got := l.at(f.at(3)); got != 0 {
					t.Errorf("%d receipts delivered, without knowing of their answers", got)
				}
				if heals {
					f.links(nil)
				} else {
					pass((acceptPatience + answerSlack) / 2)
				}
				pass(5 * time.Second)
				l.once(5)
			})
		})
	}
}

// TestNodesAreAskedInGroups: many receipts of many sessions cost few questions, and what was told of a session once is not
// asked again.
func TestNodesAreAskedInGroups(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		questions := 0
		f.links(func(_, _ *member, subject string) (time.Duration, error) {
			if subject == subjectWritten {
				questions++
			}
			return time.Millisecond, nil
		})
		const sessions, each = 3, 15
		l.reports(func() time.Duration { return 300 * time.Millisecond })
		for range sessions {
			e := f.at(1).bind("any", smpp.Transmitter)
			for range each {
				e.accepted("hello")
			}
			e.answering()
		}
		pass(2 * time.Second)
		l.terminal(f.at(2), "any", takesAll)
		pass(2 * time.Second)
		l.once(sessions * each)
		if questions == 0 || questions > 3 {
			t.Errorf("%d questions about %d receipts, want 1 or so", questions, sessions*each)
		}
	})
}

// TestStrangeQuestions: what cannot be decoded is an error, never a panic, whoever asks.
func TestStrangeQuestions(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, f *fleet) {
		ask := f.at(2).cluster.Ask
		for _, tt := range []struct {
			subject string
			request []byte
			wants   string
			bad     bool
		}{
			{subjectInFlight, nil, "", true},
			{subjectInFlight, make([]byte, 7), "", true},
			{subjectInFlight, make([]byte, 8), "\x01", false},
			{subjectInFlight, append(make([]byte, 8), "nobody"...), "\x01", false},
			{subjectInFlight, binary.BigEndian.AppendUint64(nil, 1<<40), "\x00", false},
			{subjectWritten, nil, "", false},
			{subjectWritten, make([]byte, writtenAsk+1), "", true},
			{subjectWritten, make([]byte, writtenAsk*(writtenMost+1)), "", true},
			{subjectWritten, make([]byte, writtenAsk), "\x01\xff\xff\xff\xff\xff\xff\xff\xff", false},
		} {
			answer, err := ask(context.Background(), "n1", tt.subject, tt.request)
			if errors.Is(err, errBadRequest) != tt.bad || string(answer) != tt.wants {
				t.Errorf("%s, %d octets: %q, %v", tt.subject, len(tt.request), answer, err)
			}
		}
	})
	for _, bad := range [][]byte{nil, {}, {2}, {0, 0}, {1, 2}, make([]byte, 10+8*handoverMost)} {
		if _, _, err := decodeInFlight(bad); !errors.Is(err, errBadRequest) {
			t.Errorf("answer of %d octets: %v", len(bad), err)
		}
	}
	if ready, seqs, err := decodeInFlight(append([]byte{1}, make([]byte, 16)...)); !ready || len(seqs) != 2 || err != nil {
		t.Errorf("good answer: %v %v %v", ready, seqs, err)
	}
}

// TestSessionsThatAreGoneAreForgotten: what nodes have told of sessions is not kept for ever.
func TestSessionsThatAreGoneAreForgotten(t *testing.T) {
	inFleet(t, 2, func(t *testing.T, f *fleet) {
		w := &f.at(1).courier.witnesses
		n := &witness{node: "n2", sessions: make(map[bound]*testimony)}
		f.at(2).bind("any", smpp.Receiver)
		there := f.book.Binds("any")[0]
		for i := range uint64(3 * writtenKept) {
			o := store.Origin{Node: "n2", Incarnation: there.Incarnation, Session: there.Session + i, Mark: 1}
			w.note(n, []store.Origin{o}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 1}, nil)
		}
		if got := len(n.sessions); got > 2*writtenKept {
			t.Errorf("%d sessions kept", got)
		}
		if !n.testified(&store.Origin{Node: "n2", Incarnation: there.Incarnation, Session: there.Session, Mark: 1}) {
			t.Errorf("the session that is there is forgotten")
		}
	})
}

// TestTestimonyIsNotKept: what was told of single answers, for receipts that have gone to another node meanwhile, goes when
// all answers before are written.
func TestTestimonyIsNotKept(t *testing.T) {
	w := new(witnesses)
	n := &witness{node: "n2", sessions: make(map[bound]*testimony)}
	tell := func(mark, upTo uint64) {
		said := binary.BigEndian.AppendUint64([]byte{1}, upTo)
		w.note(n, []store.Origin{{Node: "n2", Incarnation: 1, Session: 1, Mark: mark}}, said, nil)
	}
	for mark := uint64(2); mark <= 500; mark++ {
		tell(mark, 0)
	}
	tell(501, 400)
	single := n.sessions[bound{1, 1}].single
	if got := len(single); got != 101 {
		t.Errorf("%d single answers are kept, want the 101 after the first 400", got)
	}
	for _, mark := range []uint64{2, 400, 401, 501} {
		if !n.testified(&store.Origin{Incarnation: 1, Session: 1, Mark: mark}) {
			t.Errorf("answer %d is forgotten", mark)
		}
	}
}
