package main

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// every returns a judge who finds v in every hundredth message.
func every(v verdict) func(int) verdict {
	return func(n int) verdict {
		if n%100 == 7 {
			return v
		}
		return verdict{}
	}
}

// TestEachFaultOfAReceiptIsCounted has one fault in 20 of 2,000 receipts, and looks
// that it is seen in its counter and in no other.
func TestEachFaultOfAReceiptIsCounted(t *testing.T) {
	tests := []struct {
		name  string
		fault verdict
		want  receiptSummary // the counters alone
		says  string
	}{
		{"none", verdict{}, receiptSummary{Received: 2000}, ""},
		{"lost", verdict{receipts: -1}, receiptSummary{Received: 1980, Missing: 20}, "20 receipts missing"},
		{"twice", verdict{receipts: 1}, receiptSummary{Received: 2000, Duplicate: 20}, "20 receipts came twice"},
		{"of another id", verdict{unknown: true}, receiptSummary{Received: 1980, Missing: 20, Unknown: 20}, "20 receipts missing"},
		{"before the answer", verdict{early: true}, receiptSummary{Received: 2000, Early: 20}, "20 receipts before their submit_sm_resp"},
		{"from another phone", verdict{from: "13899999999"}, receiptSummary{Received: 2000, WrongAddresses: 20}, "20 receipts with wrong addresses"},
		{"with a plus", verdict{from: "+8613800000001"}, receiptSummary{Received: 2000, WrongAddresses: 20}, "20 receipts with wrong addresses"},
		{"early from another phone", verdict{early: true, from: "13899999999"}, receiptSummary{Received: 2000, Early: 20, WrongAddresses: 20}, "20 receipts before"},
		{"undelivered", verdict{state: smpp.StateUndeliverable}, receiptSummary{Received: 2000, WrongState: 20}, "20 receipts with a wrong state"},
		{"another state in the text", verdict{word: smpp.StateExpired}, receiptSummary{Received: 2000, WrongState: 20}, "20 receipts with a wrong state"},
		{"another id in the text", verdict{odd: true}, receiptSummary{Received: 2000, Odd: 20}, "20 receipts whose text"},
		{"not final", verdict{state: smpp.StateEnroute}, receiptSummary{Received: 1980, Missing: 20, Interim: 20}, "20 receipts missing"},
		{"text alone", verdict{textOnly: true}, receiptSummary{Received: 2000}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := &centre{password: "secret", judge: every(tt.fault)}
			o := optionsFor(c.serve(t))
			o.strict = true
			if tt.want.Missing > 0 {
				o.receipts = 5 * time.Second // for all the others
			}
			s := mustLoad(t, t.Context(), o)
			if got := countersOf(s.Receipts); got != countersOf(&tt.want) {
				t.Errorf("counters %+v\nwant %+v", got, countersOf(&tt.want))
			}
			err := s.failed()
			if tt.says == "" && err != nil || tt.says != "" && (err == nil || !strings.Contains(err.Error(), tt.says)) {
				t.Errorf("failed: %v, want %q", err, tt.says)
			}
			if s.strict = false; tt.want.Missing == 0 && s.failed() != nil {
				t.Errorf("failed, not strict: %v, want nil", s.failed())
			}
		})
	}
}

// countersOf is what of r is about right and wrong.
func countersOf(r *receiptSummary) [12]uint64 {
	return [...]uint64{
		r.Received, r.Missing, r.Duplicate, r.Redelivered, r.Unknown, r.OfUnanswered, r.Early,
		r.Odd, r.WrongAddresses, r.WrongState, r.Interim, r.Incoming,
	}
}

func TestExpectedStatesAreRight(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict {
		return verdict{state: []smpp.MessageState{smpp.StateDelivered, smpp.StateUndeliverable, smpp.StateExpired}[n%3]}
	}}
	o := optionsFor(c.serve(t))
	o.schedule.messages = 300
	if err := o.expect.Set("DELIVRD,undeliv"); err != nil {
		t.Fatal(err)
	}
	s := mustLoad(t, t.Context(), o)
	if s.Receipts.WrongState != 100 || s.Receipts.Received != 300 {
		t.Errorf("%d of %d receipts have a wrong state, want 100 of 300", s.Receipts.WrongState, s.Receipts.Received)
	}
	if got := o.expect.String(); got != "DELIVRD,UNDELIV" {
		t.Errorf("the states are %q, want DELIVRD,UNDELIV", got)
	}
}

func TestAnyStateMeansAnyFinalOne(t *testing.T) {
	var s states
	if err := s.Set("any"); err != nil {
		t.Fatal(err)
	}
	for st := smpp.MessageState(0); st < 20; st++ {
		final := st >= smpp.StateDelivered && st <= smpp.StateRejected && st != smpp.StateAccepted
		if s.has(st) != final {
			t.Errorf("any has %d: %v, want %v", st, s.has(st), final)
		}
	}
}

// TestOvertakingIsNoFault gives a receipt before its submit_sm_resp, once on another
// connection and once on the same, in one read.
func TestOvertakingIsNoFault(t *testing.T) {
	all := mustTexts(t, messageOptions{text: "x", destPrefix: "138", registered: true})
	id := func(n uint64) messageID { return messageID{numeric: true, number: n} }
	l := newLedger(newChecks(all, 0), nil)
	got := func(n, conn uint32, after int) receipt {
		return receipt{id: id(uint64(n)), state: smpp.StateDelivered, ours: true, phone: uint64(n), conn: conn, after: after}
	}
	l.enter(&batch{conn: 2, receipts: []receipt{got(1, 2, 0)}})
	l.enter(&batch{conn: 1, answers: []answer{
		{id: id(1), piece: newPiece(1, 0)}, {id: id(2), piece: newPiece(2, 0)}, {id: id(3), piece: newPiece(3, 0)},
	}, receipts: []receipt{got(2, 1, 2), got(3, 1, 2)}})
	c := l.checks
	if c.overtook != 1 || c.early != 1 || c.wrongAddresses != 0 || len(c.held) != 0 || l.matches.both != 3 {
		t.Errorf("%d overtook, %d early, %d wrong addresses, %d held, %d complete; want 1, 1, 0, 0, 3",
			c.overtook, c.early, c.wrongAddresses, len(c.held), l.matches.both)
	}
}

// TestEachLostAnswerExplainsOneReceipt has three receipts with unknown ids to a phone
// of which one submit_sm was never answered.
func TestEachLostAnswerExplainsOneReceipt(t *testing.T) {
	c := newChecks(mustTexts(t, messageOptions{text: "x", destPrefix: "138"}), 0)
	l := newLedger(c, nil)
	l.abandon([]piece{newPiece(7, 0)})
	for n := range uint64(3) {
		r := receipt{id: messageID{numeric: true, number: n}, state: smpp.StateDelivered, ours: true, phone: 7}
		l.enter(&batch{receipts: []receipt{r}})
	}
	r := l.receiptSummaryLocked(true)
	if r.OfUnanswered != 1 || r.Unknown != 2 || l.unknown != 1 {
		t.Errorf("%d of unanswered, %d unknown ids, %d unknown submit_sm; want 1, 2, 1", r.OfUnanswered, r.Unknown, l.unknown)
	}
}

func TestSeriesAddsUp(t *testing.T) {
	c := &centre{password: "secret", judge: every(verdict{status: smpp.StatusThrottled})}
	o := optionsFor(c.serve(t))
	o.series = true
	o.schedule = schedule{plan: mustPlan(t, "500/s:1s,2000/s:200ms")}
	s := mustLoad(t, t.Context(), o)
	var sum second
	for i, row := range s.Series {
		if row.Second != i {
			t.Errorf("row %d is second %d", i, row.Second)
		}
		sum.Submitted += row.Submitted
		sum.Accepted += row.Accepted
		sum.Refused += row.Refused
		sum.Receipts += row.Receipts
	}
	if sum != (second{Submitted: 900, Accepted: 891, Refused: 9, Receipts: 891}) {
		t.Errorf("the rows add up to %+v; want 900 submitted, 891 accepted, 9 refused, 891 receipts", sum)
	}
	if len(s.Series) < 2 {
		t.Errorf("%d rows for 1.2 s", len(s.Series))
	}
}

func TestSeriesHasEachSecondsOwn(t *testing.T) {
	const ms = time.Millisecond
	l := newLedger(nil, newSeries())
	enter := func(now time.Duration, statuses ...smpp.Status) {
		b := batch{now: now}
		for i, st := range statuses {
			n := l.latency.count + uint64(i)
			b.answers = append(b.answers, answer{status: st, id: messageID{numeric: true, number: n}, at: now - 300*ms, late: 100 * ms})
		}
		l.enter(&b)
	}
	enter(500*ms, smpp.StatusOK, smpp.StatusThrottled)
	enter(1100*ms, smpp.StatusOK) // written at 900 ms
	l.enter(&batch{now: 3200 * ms, receipts: []receipt{{state: smpp.StateDelivered, id: messageID{numeric: true}}}})
	want := []second{
		{Second: 0, Submitted: 3, Accepted: 1, Refused: 1, RespP50: 300, RespP99: 300, RespMax: 300},
		{Second: 1, Accepted: 1, RespP50: 300, RespP99: 300, RespMax: 300},
		{Second: 2},
		{Second: 3, Receipts: 1, DoneP50: 3000, DoneP99: 3000},
	}
	got := l.series.result()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %+v\nwant %+v", got[i], want[i])
		}
	}
}
