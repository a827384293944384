package main

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"smppbridge/smpp"
)

func TestParseMessageID(t *testing.T) {
	tests := []struct {
		in   string
		want messageID
	}{
		{"0000000000", messageID{numeric: true}},
		{"000000002a", messageID{numeric: true, number: 42}},
		{"ffffffffff", messageID{numeric: true, number: 1<<40 - 1}},
		{"000000002A", messageID{text: "000000002A"}}, // another spelling is another id
		{"2a", messageID{text: "2a"}},
		{"00000000002a", messageID{text: "00000000002a"}},
		{"00000000-a", messageID{text: "00000000-a"}},
		{"", messageID{}},
	}
	for _, tt := range tests {
		if got := parseMessageID(tt.in); got != tt.want {
			t.Errorf("parseMessageID(%q) = %+v, want %+v", tt.in, got, tt.want)
		}
		if got := parseMessageID([]byte(tt.in)); got != tt.want {
			t.Errorf("of octets %q = %+v, want %+v", tt.in, got, tt.want)
		}
	}
}

func count(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// anyID is a number for nine of ten.
func anyID(i int) messageID {
	if i%10 == 0 {
		return messageID{text: fmt.Sprintf("id-%d", i)}
	}
	return messageID{numeric: true, number: 1<<32 + uint64(i)}
}

// TestMatchesEveryOrder pairs ids in random orders, some receipts withheld, some
// doubled and some of nobody, and compares with what was done.
func TestMatchesEveryOrder(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for round := range 20 {
		const n = 5000
		m := newMatches(false)
		accepted, receipted := make(map[messageID]bool), make(map[messageID]bool)
		var doubled, early, wantEarly uint64
		for range 3 * n {
			i := rnd.IntN(n)
			id := anyID(i)
			if rnd.IntN(2) == 0 {
				if !accepted[id] {
					wantEarly += count(receipted[id])
					early += count(m.accept(id, time.Duration(i)*time.Millisecond, 0))
				}
				accepted[id] = true
				continue
			}
			match, at, _ := m.receive(id, 0)
			want := matchEarly
			switch {
			case receipted[id]:
				want = matchRepeat
				doubled++
			case accepted[id]:
				want = matchFirst
			}
			if left := time.Duration(i) * time.Millisecond; match != want || match == matchFirst && at != left {
				t.Fatalf("round %d: receipt of %v is a %d of %v, want a %d of %v", round, id, match, at, want, left)
			}
			receipted[id] = true
		}
		var both uint64
		for id := range accepted {
			if receipted[id] {
				both++
			}
		}
		got := [...]uint64{m.missing(), m.unknown(), m.both, m.doubled, early, m.repeated}
		want := [...]uint64{uint64(len(accepted)) - both, uint64(len(receipted)) - both, both, doubled, wantEarly, 0}
		if got != want {
			t.Fatalf("round %d: missing, unknown, both, doubled, early, repeated = %v, want %v", round, got, want)
		}
	}
}

func TestRepeatedIDIsNotedOnce(t *testing.T) {
	m := newMatches(false)
	id := messageID{numeric: true, number: 7}
	m.accept(id, 0, 0)
	m.accept(id, time.Second, 0)
	if match, at, _ := m.receive(id, 0); match != matchFirst || at != 0 {
		t.Errorf("receipt completes at %v, %v; want the first message's", at, match)
	}
	if m.repeated != 1 || m.accepted != 1 || m.missing() != 0 {
		t.Errorf("repeated %d, accepted %d, missing %d; want 1, 1, 0", m.repeated, m.accepted, m.missing())
	}
}

func TestMissingIDsAreSpelledAsGiven(t *testing.T) {
	m := newMatches(false)
	for _, id := range []string{"00000004d2", "a-uuid", "00000004d1", "0000000001", "another"} {
		m.accept(parseMessageID(id), 0, 0)
	}
	m.receive(parseMessageID("0000000001"), 0)
	m.receive(parseMessageID("another"), 0)
	m.receive(parseMessageID("00000000ff"), 0) // of nobody
	if got := fmt.Sprint(m.missingIDs(5)); got != "[00000004d1 00000004d2 a-uuid]" {
		t.Errorf("missing %s, want [00000004d1 00000004d2 a-uuid]", got)
	}
	if got := fmt.Sprint(m.missingIDs(1)); got != "[00000004d1]" {
		t.Errorf("one of them is %s, want [00000004d1]", got)
	}
}

func TestLedgerCompletesOnce(t *testing.T) {
	l := newLedger(nil, nil)
	id := messageID{numeric: true, number: 1}
	l.enter(&batch{answers: []answer{{id: id, at: time.Second}}, now: 2 * time.Second})
	done := l.await()
	select {
	case <-done:
		t.Fatal("complete with a receipt missing")
	default:
	}
	l.enter(&batch{receipts: []receipt{{id: id, state: smpp.StateEnroute}}, now: 3 * time.Second})
	select {
	case <-done:
		t.Fatal("an intermediate notification took the place of the receipt")
	default:
	}
	l.enter(&batch{receipts: []receipt{{id: id, state: smpp.StateDelivered}}, now: 4 * time.Second})
	<-done
	l.enter(&batch{receipts: []receipt{{id: id, state: smpp.StateDelivered}}, now: 5 * time.Second})
	if got := l.delay.quantile(1); got != 3*time.Second {
		t.Errorf("receipt after %v, want 3s", got)
	}
	if l.matches.doubled != 1 || l.states[smpp.StateDelivered] != 2 {
		t.Errorf("doubled %d, DELIVRD %d; want 1, 2", l.matches.doubled, l.states[smpp.StateDelivered])
	}
}
