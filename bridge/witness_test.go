package bridge

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestQuestionAboutAnEarlierLife: session ids begin anew with the process. What is asked about a session of an earlier
// one is not answered from the one that has its id now.
func TestQuestionAboutAnEarlierLife(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		l.unread(f.at(2), "any", 3)
		b := f.at(2).bridge()
		var own uint64
		b.sessions.Range(func(id, _ any) bool { own = id.(uint64); return false })
		ask := func(incarnation, session uint64) (byte, uint64) {
			t.Helper()
			request := binary.BigEndian.AppendUint64(nil, incarnation)
			request = binary.BigEndian.AppendUint64(request, session)
			answer, err := f.at(1).cluster.Ask(context.Background(), "n2", subjectWritten, binary.BigEndian.AppendUint64(request, 3))
			if err != nil || len(answer) != writtenSay {
				t.Fatalf("answer of %d octets, %v", len(answer), err)
			}
			return answer[0], binary.BigEndian.Uint64(answer[1:])
		}
		now := b.incarnation.Load()
		if said, upTo := ask(now, own); said != 0 || upTo >= 3 {
			t.Errorf("of an answer that is not read: %d, all up to %d", said, upTo)
		}
		if said, upTo := ask(now-1, own); said != 1 || upTo != math.MaxUint64 {
			t.Errorf("of the same session in an earlier life: %d, all up to %d, want that none is to come", said, upTo)
		}
		if said, upTo := ask(now, own+1); said != 1 || upTo != math.MaxUint64 {
			t.Errorf("of a session that is not there: %d, all up to %d, want that none is to come", said, upTo)
		}
	})
}

// TestQuestionsAreBounded: however much is to be asked, each question is one that the other node takes, and nothing is
// left out.
func TestQuestionsAreBounded(t *testing.T) {
	const all = 2*writtenMost + 1
	n := &witness{wanted: make(map[store.Origin]*mailbox)}
	box := &mailbox{}
	for i := range uint64(all) {
		n.wanted[store.Origin{Node: "n2", Mark: i}] = box
	}
	w, asked := &witnesses{}, 0
	for {
		origins, boxes := w.take(n)
		if len(origins) == 0 {
			break
		}
		if len(origins) > writtenMost || len(boxes) != 1 || !n.asking {
			t.Fatalf("%d questions at a time for %d mailboxes", len(origins), len(boxes))
		}
		asked += len(origins)
	}
	if asked != all || n.asking {
		t.Errorf("%d asked of %d, still asking: %t", asked, all, n.asking)
	}
}

// TestStrangeAnswers: an answer that does not fit the question is no answer, and the next one counts.
func TestStrangeAnswers(t *testing.T) {
	for name, answer := range map[string][]byte{
		"empty": nil, "cut short": make([]byte, writtenSay-1), "too long": append([]byte{1}, make([]byte, 4*writtenSay)...),
	} {
		t.Run(name, func(t *testing.T) {
			inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
				const n = 3
				l.terminal(f.at(2), "any", takesAll)
				f.mu.Lock()
				handlers := f.at(1).handlers
				honest := handlers[subjectWritten]
				handlers[subjectWritten] = func(context.Context, string, []byte) ([]byte, error) { return answer, nil }
				f.mu.Unlock()
				e := l.unread(f.at(1), "any", n)
				if got := l.at(f.at(2)); got != 0 {
					t.Errorf("%d receipts delivered before their answers were written", got)
				}
				for range n {
					e.number()
				}
				f.mu.Lock()
				handlers[subjectWritten] = honest
				f.mu.Unlock()
				pass(2 * writtenRest)
				l.once(n)
			})
		})
	}
}

// TestNewsOfAnswersComesSoon: a receipt that waits for an answer on another node is delivered when that is written, not
// when its mailbox happens to look.
func TestNewsOfAnswersComesSoon(t *testing.T) {
	inLedger(t, 2, func(t *testing.T, f *fleet, l *ledger) {
		const n = 10
		l.terminal(f.at(2), "any", takesAll)
		e := l.unread(f.at(1), "any", n)
		for i := range n {
			pass(time.Duration(i) * courierIdle / n)
			number := e.number()
			pass(courierIdle / 4)
			if times, _ := l.heard(number); times != 1 {
				t.Errorf("receipt of %s delivered %d times at once, want once", number, times)
			}
		}
	})
}

// TestWhatIsToldOfOneAnswerIsForgotten: it is told once, and asked for once.
func TestWhatIsToldOfOneAnswerIsForgotten(t *testing.T) {
	o := store.Origin{Node: "n2", Incarnation: 1, Session: 1, Mark: 7}
	w, n := &witnesses{}, &witness{sessions: make(map[bound]*testimony)}
	w.note(n, []store.Origin{o}, []byte{1, 0, 0, 0, 0, 0, 0, 0, 5}, nil)
	if !n.testified(&o) {
		t.Errorf("not believed")
	}
	if kept := len(n.sessions[bound{1, 1}].single); kept != 0 {
		t.Errorf("%d answers kept", kept)
	}
	w.note(n, []store.Origin{o}, nil, errCut)
	if other := (store.Origin{Node: "n2", Incarnation: 1, Session: 1, Mark: 5}); !n.failing || !n.testified(&other) {
		t.Errorf("failing: %t; what was told before is forgotten", n.failing)
	}
}

// TestAnsweredWithin: an account whose answers wait for the API's may be answered so much later (batcher.start, acks).
func TestAnsweredWithin(t *testing.T) {
	inFleet(t, 1, func(t *testing.T, f *fleet) {
		b := f.at(1).bridge()
		soon := acceptPatience + answerSlack
		late := soon + b.policy.Load().accounts["acked"].AckWithin.Std() + acceptPatience
		for account, want := range map[string]time.Duration{"any": soon, "acked": late, "nobody": soon} {
			if got := b.answeredWithin(account); got != want {
				t.Errorf("%s: %v, want %v", account, got, want)
			}
		}
		if late <= soon+acceptPatience {
			t.Errorf("the account waits for no answer of the API")
		}
	})
}

// TestNodeThatCannotHandOver: two nodes of three cannot reach each other. What the older one does not deliver any more is
// delivered by the new one: not while the older may have it in flight, and not much later (promise 4).
func TestNodeThatCannotHandOver(t *testing.T) {
	inLedger(t, 3, func(t *testing.T, f *fleet, l *ledger) {
		const n = 12
		l.terminal(f.at(2), "one", takesNothing) // one is in flight, the others wait
		l.submitted(f.at(1), "one", n)
		pass(time.Second)
		f.links(func(from, to *member, _ string) (time.Duration, error) {
			if from != f.at(1) && to != f.at(1) {
				return 100 * time.Millisecond, errCut
			}
			return 0, nil
		})
		l.terminal(f.at(3), "one", takesAll)
		owned := 0
		for i := range n {
			if owner(candidates(f.book.Binds("one")), store.Number(i+1)) == "n3" {
				owned++
			}
		}
		pass(smpp.DefaultResponseTimeout)
		if got := l.at(f.at(3)); got != 0 || owned < 2 {
			t.Errorf("%d of %d delivered while the other node may have them in flight", got, owned)
		}
		pass(2 * handoverMargin)
		if got := l.at(f.at(3)); got < owned-1 || got > owned {
			t.Errorf("%d delivered, want the %d that the node owns but for one in flight", got, owned)
		}
	})
}

// TestLateNewsOfAHandover: what was asked before this node left, and came again, says nothing: who answered may have
// begun something since.
func TestLateNewsOfAHandover(t *testing.T) {
	now := time.Now()
	m := &mailbox{share: share{self: "n1", coming: 2, standing: inside, hurdles: []*hurdle{{node: "n2", asking: true}}}}
	m.heed([]handover{
		{coming: 1, node: "n2", ready: true},
		{coming: 1, node: "n2", err: errors.New("not reached")},
		{coming: 1, err: errors.New("no leader")},
	}, now)
	if h := m.share.hurdles; m.share.standing != inside || len(h) != 1 || h[0].answers || !h[0].asking {
		t.Fatalf("answers to earlier questions count: %d hurdles", len(h))
	}
	m.heed([]handover{{coming: 2, node: "n2", ready: true}}, now)
	if len(m.share.hurdles) != 0 {
		t.Errorf("the answer to this question does not count")
	}
}
