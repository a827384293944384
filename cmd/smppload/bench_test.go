package main

import (
	"testing"
	"time"

	"smppbridge/smpp"
)

// BenchmarkSubmit is what a submit_sm costs before its octets are written.
func BenchmarkSubmit(b *testing.B) {
	all, err := newTexts(messageOptions{text: "load test {n}", source: "1069", destPrefix: "138"}, 0)
	if err != nil {
		b.Fatal(err)
	}
	var now time.Duration
	s := newBind(&run{
		texts: all, window: 200, ledger: newLedger(nil, nil), schedule: schedule{binds: 8},
		clock: func() time.Duration { return now },
	}, smpp.Transceiver, 0)
	var out []byte
	b.ReportAllocs()
	for n := 0; n < b.N; n += 200 {
		out, _ = s.submitLocked(out[:0])
		for i := range s.ring {
			s.ring[i].seq = 0
		}
		s.unanswered = 0
	}
}

// BenchmarkAnswers is what a submit_sm_resp costs after its octets are read.
func BenchmarkAnswers(b *testing.B) {
	for _, registered := range []bool{false, true} {
		name := "alone"
		if registered {
			name = "with receipt"
		}
		b.Run(name, func(b *testing.B) { benchmarkAnswers(b, registered) })
	}
}

func benchmarkAnswers(b *testing.B, registered bool) {
	all, err := newTexts(messageOptions{text: "x", destPrefix: "138"}, 0)
	if err != nil {
		b.Fatal(err)
	}
	l := newLedger(nil, nil)
	if registered {
		l = newLedger(newChecks(all, 0), nil)
	}
	in := batch{conn: 1}
	b.ReportAllocs()
	for n := 0; n < b.N; n += 200 {
		in.reset()
		for i := range 200 {
			id := messageID{numeric: true, number: uint64(n + i)}
			p := newPiece(int64(n+i), 0)
			in.answers = append(in.answers, answer{id: id, piece: p, at: time.Duration(n)})
			if registered {
				in.receipts = append(in.receipts, receipt{id: id, state: smpp.StateDelivered, ours: true, phone: all.phoneOf(p), conn: 1, after: i + 1})
			}
		}
		in.now = time.Duration(n + 1000)
		l.enter(&in)
	}
	if registered && l.matches.missing() > 0 {
		b.Errorf("%d receipts missing", l.matches.missing())
	}
}
