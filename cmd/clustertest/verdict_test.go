//go:build linux

package main

import (
	"sync/atomic"
	"testing"
	"time"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
)

// A story is a book being written by hand: times are milliseconds after its beginning.
type story struct {
	t     *testing.T
	book  *book
	began time.Time
	sent  []aliyunsim.Entry
	hurt  []disturbance
}

func newStory(t *testing.T) *story {
	s := &story{t: t, book: newBook(new(atomic.Int64)), began: time.Now().Add(-time.Hour)}
	s.book.begin()
	return s
}

func (s *story) at(ms int) time.Time { return s.began.Add(time.Duration(ms) * time.Millisecond) }

// session is a connection to a node, which ended by itself at a time, unless that is 0.
func (s *story) session(node, ended int) *session {
	c := &session{node: node}
	if ended > 0 {
		c.ended = s.at(ended)
	}
	return c
}

// submit enters a message of so many parts, answered at those times.
func (s *story) submit(account string, on *session, sent int, parts int) *message {
	m := s.book.compose(account, phone(s.book.number()), "text", parts)
	for _, p := range m.parts {
		s.book.submitted(p, on)
		p.sent = s.at(sent)
	}
	return m
}

func (s *story) ok(m *message, at int) *message {
	for i, p := range m.parts {
		s.book.answered(p, smpp.StatusOK, m.phone+string(rune('a'+i)))
		p.answered = s.at(at)
	}
	return m
}

func (s *story) receipt(m *message, on *session, at int, state smpp.MessageState) {
	for _, p := range m.parts {
		s.book.received(receipt{id: p.id, phone: m.phone, state: state, at: s.at(at), session: on})
	}
}

func (s *story) execute(m *message) { s.end(m, "DELIVERED") }

// end has m sent, and reported with an err_code.
func (s *story) end(m *message, errCode string) {
	s.sent = append(s.sent, aliyunsim.Entry{Phone: "86" + m.phone, Params: `{"content":"` + m.content + `"}`, ErrCode: errCode})
}

// told is a message that was sent with a result, and of which the ESME was told a state.
func (s *story) told(account, errCode string, state smpp.MessageState) {
	m := s.ok(s.submit(account, s.session(0, 0), 0, 1), 10)
	s.end(m, errCode)
	s.receipt(m, m.parts[0].session, 500, state)
}

// good is a message with which all is well.
func (s *story) good(on *session) *message {
	m := s.ok(s.submit("notice", on, 0, 1), 10)
	s.execute(m)
	s.receipt(m, on, 500, smpp.StateDelivered)
	return m
}

// verdicts are what may be found, and how it comes about.
var verdicts = []struct {
	name string
	tell func(s *story)
	want func(t *tally) int
	bad  bool
}{
	{"lost", func(s *story) {
		m := s.ok(s.submit("notice", s.session(0, 0), 0, 1), 10)
		s.receipt(m, s.session(0, 0), 500, smpp.StateDelivered)
	}, func(t *tally) int { return t.lost }, true},
	{"not sent, and the ESME was told so", func(s *story) {
		m := s.ok(s.submit("notice", s.session(0, 0), 0, 1), 10)
		s.receipt(m, s.session(0, 0), 500, smpp.StateExpired)
	}, func(t *tally) int { return t.accepted }, false},
	{"doubled", func(s *story) { s.execute(s.good(s.session(0, 0))) }, func(t *tally) int { return t.doubled }, true},
	{"ghost", func(s *story) {
		m := s.submit("rated", s.session(0, 0), 0, 1)
		s.book.answered(m.parts[0], smpp.StatusThrottled, "")
		s.execute(m)
	}, func(t *tally) int { return t.ghosts }, true},
	{"unanswered, sent", func(s *story) {
		m := s.submit("notice", s.session(0, 10), 0, 1)
		s.book.abandoned(m.parts[0])
		s.execute(m)
		s.book.received(receipt{id: "x", phone: m.phone, state: smpp.StateDelivered, session: s.session(1, 0)})
	}, func(t *tally) int { return t.unanswered }, false},
	{"no receipt", func(s *story) { s.execute(s.ok(s.submit("notice", s.session(0, 0), 0, 1), 10)) },
		func(t *tally) int { return t.missing }, true},
	{"early on another session", func(s *story) {
		m := s.ok(s.submit("notice", s.session(0, 0), 0, 1), 1000)
		s.execute(m)
		s.receipt(m, s.session(1, 0), 600, smpp.StateDelivered)
	}, func(t *tally) int { return t.early }, true},
	{"early on another session, while the machine stood still", func(s *story) {
		s.book.stalled(500 * time.Millisecond)
		m := s.ok(s.submit("notice", s.session(0, 0), 0, 1), 1000)
		s.execute(m)
		s.receipt(m, s.session(1, 0), 600, smpp.StateDelivered)
	}, func(t *tally) int { return t.accepted }, false},
	{"late, from a node that was hurt", func(s *story) {
		s.hurt = []disturbance{{node: 0, from: s.at(100), to: s.at(950)}}
		m := s.ok(s.submit("notice", s.session(0, 0), 0, 1), 1000)
		s.execute(m)
		s.receipt(m, s.session(1, 0), 600, smpp.StateDelivered)
	}, func(t *tally) int { return t.late }, false},
	{"again without a reason", func(s *story) {
		s.receipt(s.good(s.session(0, 0)), s.session(1, 0), 700, smpp.StateDelivered)
	}, func(t *tally) int { return t.extra }, true},
	{"again, the first session ended", func(s *story) {
		s.receipt(s.good(s.session(0, 600)), s.session(1, 0), 700, smpp.StateDelivered)
	}, func(t *tally) int { return t.extraAllowed }, false},
	{"again, the first session had ended long after", func(s *story) {
		s.receipt(s.good(s.session(0, 60_000)), s.session(1, 0), 70_000, smpp.StateDelivered)
	}, func(t *tally) int { return t.extra }, true},
	{"again, the first node was killed", func(s *story) {
		s.hurt = []disturbance{{node: 0, from: s.at(600)}}
		s.receipt(s.good(s.session(0, 0)), s.session(1, 0), 2000, smpp.StateDelivered)
	}, func(t *tally) int { return t.extraAllowed }, false},
	{"receipt of nothing", func(s *story) {
		s.good(s.session(0, 0))
		s.book.received(receipt{id: "unheard of", phone: "13900000000", session: s.session(0, 0)})
	}, func(t *tally) int { return t.wrong }, true},
	{"another message's phone", func(s *story) {
		m := s.ok(s.submit("notice", s.session(0, 0), 0, 1), 10)
		s.execute(m)
		s.book.received(receipt{id: m.parts[0].id, phone: "13900000000", state: smpp.StateDelivered, at: s.at(500), session: m.parts[0].session})
	}, func(t *tally) int { return t.wrong }, true},
	{"part of a text refused, which is sent", func(s *story) {
		m := s.submit("long", s.session(0, 0), 0, 2)
		s.book.answered(m.parts[0], smpp.StatusOK, "1")
		s.book.answered(m.parts[1], smpp.StatusSysErr, "")
		s.execute(m)
	}, func(t *tally) int { return t.ghosts }, true},
	{"delivered, and the ESME was told that it expired", func(s *story) { s.told("notice", "DELIVERED", smpp.StateExpired) },
		func(t *tally) int { return t.wrong }, true},
	{"not delivered, and the ESME was told that it was", func(s *story) { s.told("notice", "MB:1", smpp.StateDelivered) },
		func(t *tally) int { return t.wrong }, true},
	{"unknown, where nobody asks again", func(s *story) { s.told("otp", "DELIVERED", smpp.StateUnknown) },
		func(t *tally) int { return t.unknown }, false},
	{"unknown, where it was to be sent again", func(s *story) { s.told("notice", "DELIVERED", smpp.StateUnknown) },
		func(t *tally) int { return t.wrong }, true},
	{"not delivered, and the ESME was told so", func(s *story) { s.told("notice", "MB:1", smpp.StateUndeliverable) },
		func(t *tally) int { return t.accepted }, false},
	{"above the account's rate", func(s *story) {
		for range ratedBurst + 2 {
			m := s.ok(s.submit("rated", s.session(0, 0), 0, 1), 10)
			s.execute(m)
			s.receipt(m, m.parts[0].session, 500, smpp.StateDelivered)
		}
	}, func(t *tally) int { return t.overRate }, true},
}

// TestVerdicts: each broken promise is found, and what only looks like one is not held against anybody.
func TestVerdicts(t *testing.T) {
	for _, tt := range verdicts {
		t.Run(tt.name, func(t *testing.T) {
			s := newStory(t)
			tt.tell(s)
			got := s.book.judge(1, byKey(s.sent), s.hurt)
			if tt.want(&got) == 0 || got.bad(false) > 0 != tt.bad {
				t.Errorf("counted %d, bad %d, want it counted and bad %t; all: %s", tt.want(&got), got.bad(false), tt.bad, got.String())
			}
		})
	}
}

// TestQuiet: an error or a cut is held against the nodes only where nobody hurt them, and only if asked for.
func TestQuiet(t *testing.T) {
	s := newStory(t)
	for _, node := range []int{0, 1} {
		m := s.submit("notice", s.session(node, 0), 100, 1)
		s.book.answered(m.parts[0], smpp.StatusSysErr, "")
		m.parts[0].answered = s.at(200)
		m = s.submit("notice", s.session(node, 250), 100, 1)
		s.book.abandoned(m.parts[0])
		m.parts[0].answered = s.at(250)
	}
	got := s.book.judge(1, nil, []disturbance{{node: 0, from: s.at(150)}})
	if got.errorsOthers != 1 || got.cutOther != 1 || got.bad(true) != 2 || got.bad(false) != 0 {
		t.Errorf("errors %d, cuts %d, bad %d and %d, want 1, 1, 2 and 0", got.errorsOthers, got.cutOther, got.bad(true), got.bad(false))
	}
}

// TestSentButNeverSubmitted: what nobody submitted like that is found when all rounds are looked at.
func TestSentButNeverSubmitted(t *testing.T) {
	s := newStory(t)
	s.good(s.session(0, 0))
	s.sent = append(s.sent, aliyunsim.Entry{Phone: "8613900000009", Params: `{"content":"garbled"}`})
	if got := s.book.judge(0, byKey(s.sent), nil); got.ghosts != 1 {
		t.Errorf("ghosts %d, want 1", got.ghosts)
	}
}

func TestMostCalls(t *testing.T) {
	s := newStory(t)
	var entries []aliyunsim.Entry
	for i, ms := range []int{0, 400, 400, 999, 1000, 1300} { // the second and third are one call
		biz := string(rune('a' + i))
		if i == 2 {
			biz = "b"
		}
		entries = append(entries, aliyunsim.Entry{BizID: biz, Time: s.at(ms)})
	}
	if got := mostCalls(entries); got != 4 {
		t.Errorf("most calls in a second: %d, want 4 (at 400, 999, 1000 and 1300 ms)", got)
	}
}

func TestGap(t *testing.T) {
	s := newStory(t)
	for _, ms := range []int{0, 10, 20, 520, 530, 2530} {
		s.book.oks = append(s.book.oks, okay{s.at(ms), ms % 3})
	}
	if d, from := s.book.gap(s.at(15)); d != 2*time.Second || !from.Equal(s.at(530)) {
		t.Errorf("gap of %v from %v, want 2s from 530ms", d, from.Sub(s.began))
	}
}

func TestLongestWait(t *testing.T) {
	s := newStory(t)
	s.ok(s.submit("notice", s.session(0, 0), 0, 1), 900)
	s.ok(s.submit("notice", s.session(1, 0), 100, 1), 700)
	s.ok(s.submit("submitted", s.session(1, 0), 100, 1), 5000)
	for _, tt := range []struct {
		hurt       []disturbance
		long, from int
	}{
		{nil, 900, 0},
		{[]disturbance{{node: 0, from: s.at(600)}}, 600, 100},
	} {
		d, from := s.book.longestWait(1, tt.hurt)
		if d != time.Duration(tt.long)*time.Millisecond || !from.Equal(s.at(tt.from)) {
			t.Errorf("hurt %v: wait of %v from %v, want %dms from %dms", tt.hurt, d, from.Sub(s.began), tt.long, tt.from)
		}
	}
}
