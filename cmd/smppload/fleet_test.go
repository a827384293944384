package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// mustLoad runs o to its end.
func mustLoad(t *testing.T, ctx context.Context, o fleetOptions) *summary {
	t.Helper()
	s, err := load(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEveryReceiptIsMatched(t *testing.T) {
	c := &centre{password: "secret"}
	s := mustLoad(t, t.Context(), optionsFor(c.serve(t)))
	if s.Submitted != 2000 || s.OK != 2000 || s.Statuses["ESME_ROK"] != 2000 || s.Unanswered != 0 || s.Repeated != 0 || s.Stray != 0 {
		t.Errorf("summary %+v, want 2000 of 2000 accepted and nothing else", s)
	}
	r := s.Receipts
	if r == nil || r.Received != 2000 || r.Missing+r.Duplicate+r.Unknown+r.Odd+r.Incoming != 0 || !r.Awaited || r.States["DELIVRD"] != 2000 {
		t.Errorf("receipts %+v, want 2000 DELIVRD and nothing else", r)
	}
	if err := s.failed(); err != nil {
		t.Errorf("failed: %v", err)
	}
	if !(0 < s.P50 && s.P50 <= s.P99 && s.P99 <= s.P999 && s.P999 <= s.Max && r.P50 > 0) {
		t.Errorf("latencies %v %v %v %v, receipts %v: want them ascending", s.P50, s.P99, s.P999, s.Max, r.P50)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.phones) != 2000 {
		t.Errorf("%d phones, want each of 2000 once", len(c.phones))
	}
}

func TestWhatGoesWrongIsCounted(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict {
		switch n % 100 {
		case 0:
			return verdict{status: smpp.StatusThrottled}
		case 1:
			return verdict{status: smpp.Status(0x400)}
		case 2:
			return verdict{receipts: -1}
		case 3:
			return verdict{receipts: 2}
		case 4:
			return verdict{unknown: true}
		case 5:
			return verdict{odd: true}
		case 6:
			return verdict{textOnly: true}
		}
		return verdict{}
	}}
	o := optionsFor(c.serve(t))
	o.receipts = 5 * time.Second // some will not come
	s := mustLoad(t, t.Context(), o)
	if s.OK != 1960 || s.Statuses["ESME_RTHROTTLED"] != 20 || s.Statuses["0x00000400"] != 20 {
		t.Errorf("statuses %v, want 1960 ESME_ROK and 20 of the others", s.Statuses)
	}
	r := *s.Receipts
	if r.Received != 1920 || r.Missing != 40 || r.Duplicate != 40 || r.Unknown != 20 || r.Odd != 20 || r.States["DELIVRD"] != 1980 {
		t.Errorf("receipts %+v, want 1920 received, 40 missing, 40 duplicate, 20 unknown, 20 odd, 1980 DELIVRD", r)
	}
	if err := s.failed(); err == nil || !strings.Contains(err.Error(), "40 receipts missing") {
		t.Errorf("failed: %v, want the 40 missing receipts", err)
	}
}

func TestRefusalsAloneAreNoFailure(t *testing.T) {
	c := &centre{password: "secret", judge: func(int) verdict { return verdict{status: smpp.StatusMsgQFul} }}
	s := mustLoad(t, t.Context(), optionsFor(c.serve(t)))
	if s.OK != 0 || s.Statuses["ESME_RMSGQFUL"] != 2000 || s.OKRate != 0 {
		t.Errorf("summary %+v, want 2000 ESME_RMSGQFUL", s)
	}
	if err := s.failed(); err != nil {
		t.Errorf("failed: %v, want nil", err)
	}
}

func TestLostSessionFailsTheRun(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict { return verdict{hangUp: n == 500} }}
	o := optionsFor(c.serve(t))
	o.receipts = 0
	s := mustLoad(t, t.Context(), o)
	if s.SessionsLost != 1 || s.Unanswered == 0 || s.LostBecause == "" {
		t.Errorf("%d sessions lost, %d unanswered, because %q; want one, with what it had submitted", s.SessionsLost, s.Unanswered, s.LostBecause)
	}
	if s.OK < 1500 { // the other three go on
		t.Errorf("%d accepted, want the other sessions' 1500 at least", s.OK)
	}
	if s.failed() == nil {
		t.Error("failed: nil, want the lost session")
	}
}

func TestRatePlaysItsSchedule(t *testing.T) {
	c := &centre{password: "secret"}
	o := optionsFor(c.serve(t))
	o.schedule = schedule{rate: 4000, duration: 500 * time.Millisecond}
	s := mustLoad(t, t.Context(), o)
	if s.OK != 2000 || s.Receipts.Missing != 0 {
		t.Errorf("%d accepted, %d receipts missing; want 2000, 0", s.OK, s.Receipts.Missing)
	}
	if s.Seconds < 0.499 {
		t.Errorf("2000 messages at 4000/s took %v s: earlier than the last one's time", s.Seconds)
	}
}

// TestRateChargesTheStall stops the clock's hands for no one: a server that takes
// nothing for a second has made every message of that second late.
func TestRateChargesTheStall(t *testing.T) {
	var now time.Duration
	b := clockedBind(t, &now)
	take := func(at time.Duration) (submits int, wait time.Duration) {
		now = at
		out, wait := b.gather(nil)
		return len(out) / len(b.run.texts.of(0).parts[0].pdu), wait
	}
	if n, _ := take(0); n != 1 {
		t.Errorf("%d leave at the start, want 1", n)
	}
	if n, wait := take(4 * time.Millisecond); n != 0 || wait != 6*time.Millisecond {
		t.Errorf("at 4 ms %d leave and the next in %v; want 0, 6ms", n, wait)
	}
	if n, _ := take(10 * time.Millisecond); n != 1 {
		t.Errorf("%d leave at 10 ms, want 1", n)
	}
	if n, wait := take(900 * time.Millisecond); n != 48 || wait != forever {
		t.Errorf("%d leave after the stall, next in %v; want the window's other 48, then none", n, wait)
	}
	for seq := uint32(2); seq < 52; seq++ {
		b.answeredLocked(&smpp.Header{ID: smpp.SubmitSMRespID, Sequence: seq}, []byte("0000000001\x00"))
	}
	b.batch.now = 900 * time.Millisecond
	b.run.ledger.enter(&b.batch)
	if got := b.run.ledger.latency.max; got != 900*time.Millisecond {
		t.Errorf("the first message's latency is %v, want 900ms: from when it was to leave", got)
	}
	if got := b.run.ledger.late.max; got != 880*time.Millisecond {
		t.Errorf("written at most %v late, want 880ms", got)
	}
	if n, _ := take(5 * time.Second); n != 50 {
		t.Errorf("%d leave after the end, want the schedule's other 50", n)
	}
	if n, _ := take(6 * time.Second); n != 0 || b.phase != finishing {
		t.Errorf("%d leave when the schedule is played, phase %d; want 0, %d", n, b.phase, finishing)
	}
}

// clockedBind has a schedule of 100/s for one second, a window of 50 and no
// goroutines: the test is both.
func clockedBind(t *testing.T, now *time.Duration) *bind {
	t.Helper()
	b := newBind(&run{
		texts: mustTexts(t, messageOptions{text: "x", destPrefix: "138"}), window: 50, ledger: newLedger(nil, nil),
		clock:    func() time.Duration { return *now },
		schedule: schedule{rate: 100, duration: time.Second, binds: 1},
	}, smpp.Transceiver, 0)
	b.seq = 1     // the bind request's
	b.mu.Unlock() // the reader's, which is not there
	return b
}

// TestSequenceNumbersPassAnOverdueAnswer keeps one request unanswered for ever.
func TestSequenceNumbersPassAnOverdueAnswer(t *testing.T) {
	b := newBind(&run{window: 2, ledger: newLedger(nil, nil), schedule: schedule{binds: 1}}, smpp.Transceiver, 0)
	b.seq = 0x7FFFFFFF - 100
	overdue := b.nextSeqLocked()
	*b.slotLocked(overdue) = request{seq: overdue}
	seen := map[uint32]bool{overdue: true}
	for range 1000 {
		seq := b.nextSeqLocked()
		if seen[seq] || seq == 0 || seq > 0x7FFFFFFF {
			t.Fatalf("sequence_number %#x is zero, too high or used twice", seq)
		}
		seen[seq] = true
	}
	if b.slotLocked(overdue).seq != overdue {
		t.Error("the overdue request was overwritten")
	}
}

func TestInterruptStopsSoon(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &centre{password: "secret", judge: func(n int) verdict {
		if n == 300 {
			cancel()
		}
		return verdict{receipts: -1}
	}}
	o := optionsFor(c.serve(t))
	o.schedule = schedule{} // no end of its own
	s := mustLoad(t, ctx, o)
	if s.OK < 300 || s.Unanswered != 0 || s.SessionsLost != 0 {
		t.Errorf("summary %+v, want 300 accepted or more, all answered", s)
	}
	if s.Receipts.Missing == 0 || s.Receipts.Awaited {
		t.Errorf("receipts %+v, want them missing and not waited for", s.Receipts)
	}
	if err := s.failed(); err != nil {
		t.Errorf("failed: %v, want nil: nobody waited for the receipts", err)
	}
}

func TestInterruptEndsTheWaitForReceipts(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := &centre{password: "secret", judge: func(n int) verdict {
		if n == 2000 {
			cancel()
		}
		return verdict{receipts: -1}
	}}
	o := optionsFor(c.serve(t))
	o.receipts = time.Hour
	s := mustLoad(t, ctx, o)
	if s.Receipts.Awaited || s.failed() != nil {
		t.Errorf("awaited %v, failed %v; want an interrupted wait that is no failure", s.Receipts.Awaited, s.failed())
	}
}

func TestSilentServerEndsTheRun(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict { return verdict{silent: n > 100} }}
	o := optionsFor(c.serve(t))
	o.patience = 3 * time.Second // more than the machine may stand still
	o.schedule = schedule{}      // no end of its own
	s := mustLoad(t, t.Context(), o)
	if s.OK != 100 || s.Unanswered != 80 || s.SessionsLost != 0 {
		t.Errorf("%d accepted, %d unanswered, %d lost; want 100, the four windows of 20, 0", s.OK, s.Unanswered, s.SessionsLost)
	}
	if s.failed() == nil {
		t.Error("failed: nil, want the unanswered submit_sm")
	}
}

func TestDrainedServerAnswersEverything(t *testing.T) {
	c, drained := &centre{password: "secret"}, make(chan error, 1)
	c.judge = func(n int) verdict {
		if n == 1000 {
			go func() { drained <- c.server.Drain(context.Background()) }()
		}
		return verdict{}
	}
	o := optionsFor(c.serve(t))
	o.schedule = schedule{} // no end of its own
	o.message.registered = false
	s := mustLoad(t, t.Context(), o)
	if err := <-drained; err != nil {
		t.Errorf("drain: %v", err)
	}
	if s.SessionsLost != 4 || s.Unanswered != 0 || s.LostBecause != errUnbound.Error() {
		t.Errorf("%d sessions lost, %d unanswered, because %q; want all 4 unbound and everything answered", s.SessionsLost, s.Unanswered, s.LostBecause)
	}
}

func TestReceiptsOfAnotherRunAreNotMissing(t *testing.T) {
	c := &centre{password: "secret", forced: true}
	o := optionsFor(c.serve(t))
	o.message.registered = false
	s := mustLoad(t, t.Context(), o)
	if s.Receipts == nil || s.Receipts.Missing != 0 || len(s.Receipts.States) == 0 || s.failed() != nil {
		t.Errorf("receipts %+v, failed %v; want some, none missing", s.Receipts, s.failed())
	}
}

func TestNoReceiptsAreAwaitedWithoutSessions(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict { return verdict{hangUp: n%10 == 0} }}
	o := optionsFor(c.serve(t))
	o.receipts = time.Hour
	s := mustLoad(t, t.Context(), o)
	if s.SessionsLost != 4 || s.failed() == nil {
		t.Errorf("%d sessions lost, failed: %v; want all 4 and an error", s.SessionsLost, s.failed())
	}
}

func TestRefusedBindIsAnError(t *testing.T) {
	c := &centre{password: "other"}
	_, err := load(t.Context(), optionsFor(c.serve(t)))
	var st *smpp.StatusError
	if !errors.As(err, &st) || st.Status != smpp.StatusInvPaswd {
		t.Errorf("load: %v, want ESME_RINVPASWD", err)
	}
	if err != nil && strings.Contains(err.Error(), "secret") {
		t.Errorf("the error shows the password: %v", err)
	}
}

func TestEchoIsCounted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	out := &firstLine{line: make(chan string, 1)}
	done := make(chan error, 1)
	go func() { done <- serveEcho(ctx, echoFlags{listen: "127.0.0.1:0", window: 100}, out, t.Output()) }()
	_, addr, _ := strings.Cut(<-out.line, " ")
	o := optionsFor(strings.TrimSpace(addr))
	o.message.registered = false
	o.schedule = schedule{messages: 50_000}
	s := mustLoad(t, t.Context(), o)
	if s.OK != 50_000 || s.Repeated != 0 || s.Receipts != nil {
		t.Errorf("summary %+v, want 50000 accepted with an id each, no receipts", s)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("echo: %v", err)
	}
}

// firstLine hands over the first line written to it.
type firstLine struct{ line chan string }

func (f *firstLine) Write(p []byte) (int, error) {
	line, _, _ := strings.Cut(string(p), "\n")
	select {
	case f.line <- line:
	default:
	}
	return len(p), nil
}
