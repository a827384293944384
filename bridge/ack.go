package bridge

import (
	"context"
	"errors"
	"sync"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// errRefused is why a submission is refused after it was accepted.
var errRefused = errors.New("ended before its submit_sm_resp was written")

// The bounds of waiting for the API's answer.
const (
	ackIdle     = time.Minute           // nothing waits
	nudgeEvery  = 50 * time.Millisecond // while the state's clock has not come to an AnswerBy
	nudgeWithin = time.Second
	ackRest     = 4 // times as long as a look at all that waits took, before the next one
	ackRestMost = 50 * time.Millisecond
)

// acks answers the submits of accounts with ack: submitted. Their messages are accepted; their
// submit_sm_resp waits for what becomes of the first attempts, until Message.AnswerBy.
//
// Who is told an error is told so by the state: a message that ends before AnswerBy by the state's
// clock, and was never taken by the API, is Refused and has no receipt. So ESME_ROK is answered when
// the API has taken it, or when no entry that can still come may refuse it: when the state's clock,
// not this node's, has come to AnswerBy. Whatever happens to it later has its receipt.
//
// A node that stops or crashes while an answer waits leaves its ESME without one, as with any broken
// connection. The message goes on; should it fail before AnswerBy there is no receipt either, which
// would name an id that the ESME never got.
type acks struct {
	b       *Bridge
	metrics *ackMetrics
	wake    chan struct{} // capacity 1: fresh is not empty
	nudged  chan struct{} // capacity 1: a proposal of nudge has ended
	running sync.WaitGroup

	mu      sync.Mutex
	fresh   []waiter // guarded by mu; not looked at yet
	stopped bool     // guarded by mu; nobody looks any more

	// Touched by the goroutine of run only.
	waiting []waiter
	nudging bool
	nudgeAt time.Time // not again before
}

// waiter is an accepted submission without an answer.
type waiter struct {
	sub    *submission
	number store.Number
	by     time.Time // its AnswerBy
}

func newAcks(b *Bridge) *acks {
	return &acks{
		b:       b,
		metrics: newAckMetrics(b.cfg.Registerer),
		wake:    make(chan struct{}, 1),
		nudged:  make(chan struct{}, 1),
	}
}

// await has sub, which was accepted as n, answered when n's first attempts have ended. n may be of an
// earlier message that sub repeats: they are answered alike.
func (a *acks) await(sub *submission, n store.Number) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.stopped {
		sub.session.Close(errStopping)
		return
	}
	sub.shed()
	a.fresh = append(a.fresh, waiter{sub, n, store.FromMillis(sub.message.AnswerBy)})
	a.metrics.waiting.Inc()
	signal(a.wake)
}

// run answers until ctx ends. What is undecided then is left unanswered and its session closed;
// sessions that were drained have nothing left here.
func (a *acks) run(ctx context.Context) error {
	changed, stop := a.b.store.Watch(store.WatchOutcome)
	defer stop()
	defer a.end()
	timer := time.NewTimer(ackIdle)
	defer timer.Stop()
	for {
		timer.Reset(a.prod(ctx))
		all := true
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.wake:
			all = false // nothing else can have changed
		case <-changed:
		case <-a.nudged:
			a.nudging = false
		case <-timer.C:
		}
		if rest := a.round(all); rest > 0 && !sleep(ctx, rest) {
			return ctx.Err()
		}
	}
}

// round answers what can be answered of the fresh, or of all. It returns how long to leave the
// processor to others: with thousands waiting for a slow API each look costs milliseconds.
func (a *acks) round(all bool) time.Duration {
	began := time.Now()
	if all {
		a.waiting = a.look(a.waiting)
	}
	a.mu.Lock()
	fresh := a.fresh
	a.fresh = nil
	a.mu.Unlock()
	a.waiting = append(a.waiting, a.look(fresh)...)
	if took := time.Since(began); all && took > time.Millisecond {
		return min(ackRest*took, ackRestMost)
	}
	return 0
}

// look answers those that can be answered and returns the others, in list's place.
func (a *acks) look(list []waiter) []waiter {
	clock := a.b.store.Clock() // before the messages are read: what is applied later has a later time
	rest := list[:0]
	for i := range list {
		w := &list[i]
		what, errCode := a.decide(w, clock)
		if what != ackRefused && a.b.now().Sub(w.by) >= acceptPatience {
			what = ackUnsettled // this process may have been frozen: see answeredWithin
		}
		if what == ackOpen {
			rest = append(rest, *w)
			continue
		}
		a.answer(w, what, errCode)
	}
	clear(list[len(rest):])
	return rest
}

// decide looks at one that waits, by the state's clock. errCode is the receipt's err of a message that has ended, or
// errCodeExpired of one that has expired, whatever its last attempt failed with.
func (a *acks) decide(w *waiter, clock int64) (what ack, errCode string) {
	if w.number > a.b.store.LastNumber() {
		return ackOpen, "" // accepted by the leader, and not by this node's store yet
	}
	m, st, err := a.b.store.Lookup(w.number)
	switch {
	case errors.Is(err, store.ErrNotFound): // purged: nobody knows what to say
		return ackUnsettled, ""
	case err != nil:
		a.b.log.Error("read a message that waits for its answer", "message_id", w.number.String(), "err", err)
		return ackOpen, ""
	}
	w.by = store.FromMillis(m.AnswerBy)
	if st.Ending == store.EndExpired {
		return ackOf(&m, &st, clock), errCodeExpired
	}
	return ackOf(&m, &st, clock), st.Err
}

// ack is how a submission that waited is answered.
type ack uint8

const (
	ackOpen      ack = iota // not yet
	ackSent                 // ESME_ROK: the API has taken it
	ackEnded                // ESME_ROK: it has ended otherwise, its receipt says how
	ackTimedOut             // ESME_ROK: nothing is known in time, its receipt will say
	ackRefused              // its error
	ackUnsettled            // none, the session is closed: nothing could be found out
)

// ackOf decides how a message's submission is answered when the state's clock is at clock.
func ackOf(m *store.Message, st *store.Status, clock int64) ack {
	switch {
	case st.Refused:
		return ackRefused
	case st.State == store.StateSent:
		return ackSent
	case st.State == store.StateFinal:
		return ackEnded
	case clock >= m.AnswerBy:
		return ackTimedOut
	}
	return ackOpen
}

// answer writes a submission's submit_sm_resp.
func (a *acks) answer(w *waiter, what ack, errCode string) {
	sub := w.sub
	a.metrics.answered(what, a.b.now().Sub(sub.at))
	switch what {
	case ackUnsettled:
		a.b.metrics.unsettled.Inc()
		sub.session.Close(errUnsettled)
	case ackRefused:
		a.b.refuse(sub, &smpp.StatusError{Status: a.b.statusOf(errCode), Err: errRefused})
	default:
		a.b.metrics.countOK(sub.account.SystemID)
		sub.session.answered(sub, sub.message.Shape.Spell(w.number))
	}
}

// statusOf is the command_status for a message that ended with a receipt's err before its
// submit_sm_resp was written. It is never ESME_ROK.
func (b *Bridge) statusOf(errCode string) smpp.Status {
	st := smpp.StatusOK
	switch {
	case errCode == errCodeExpired: // as when it is expired already at submit_sm
		st = smpp.StatusInvExpiry
	case b.cfg.StatusOf != nil:
		st = b.cfg.StatusOf(errCode)
	}
	if st == smpp.StatusOK {
		return smpp.StatusSubmitFail
	}
	return st
}

// prod sees to it that the state's clock comes to the first AnswerBy: with nothing else going on
// nothing moves it. It returns when to look again.
func (a *acks) prod(ctx context.Context) time.Duration {
	if len(a.waiting) == 0 {
		return ackIdle
	}
	first := a.waiting[0].by
	for i := range a.waiting {
		if by := a.waiting[i].by; by.Before(first) {
			first = by
		}
	}
	now := a.b.now()
	if left := first.Sub(now); left > 0 {
		return left
	}
	if !a.nudging && !now.Before(a.nudgeAt) {
		a.nudging, a.nudgeAt = true, now.Add(nudgeEvery)
		a.running.Go(func() { a.nudge(ctx) })
	}
	return nudgeEvery
}

// nudge commits a command that does nothing. Whether it is committed shows in the state's clock: should
// it fail it is proposed again.
func (a *acks) nudge(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, nudgeWithin)
	defer cancel()
	if _, err := a.b.cluster.Propose(ctx, &store.Close{}); err != nil && ctx.Err() == nil {
		a.b.log.DebugContext(ctx, "move the state's clock", "err", err)
	}
	signal(a.nudged)
}

// end answers what is decided, and nothing else.
func (a *acks) end() {
	a.running.Wait()
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	a.round(true)
	for i := range a.waiting {
		a.metrics.answered(ackUnsettled, 0)
		a.waiting[i].sub.session.Close(errStopping)
	}
	a.waiting = nil
}
