package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// The batcher's bounds. A group costs one fsync of the log whatever its size; beyond a few
// hundred messages larger groups gain nothing and only add latency.
const (
	maxGroup      = 400
	maxGroupBytes = 128 << 10
	maxInFlight   = 2
	lingerBelow   = 64 // a smaller group waits a little while another is in flight
	linger        = 2 * time.Millisecond
)

// acceptPatience is how long a group is proposed before its ESMEs get an error (it surely never
// entered the log) or lose their session (unknown). Clients resubmit after some 10 to 60 s.
const acceptPatience = 8 * time.Second

// fullPatience is how long a group waits for room: its clients can wait better than we can.
const fullPatience = time.Second

// submission is a submit_sm on its way into the store.
type submission struct {
	session *session
	request smpp.Request
	pdu     smpp.SubmitSM // kept: a submission decided under an older policy is decided again
	at      time.Time
	account *account
	message store.Message
}

// batcher groups submissions into Accept commands. While groups are in flight the next gathers.
type batcher struct {
	b *Bridge

	mu      sync.Mutex
	waiting []*submission // guarded by mu
	open    []uint64      // guarded by mu; tokens in flight, ascending

	wake    chan struct{} // capacity 1: waiting is not empty
	freed   chan struct{} // capacity 1: a group was answered
	slots   chan struct{} // a group in flight holds one
	running sync.WaitGroup

	// Touched by the goroutine of run only.
	seq      uint64        // of the last token
	previous chan struct{} // closed when the group before has been answered
}

func newBatcher(b *Bridge) *batcher {
	first := make(chan struct{})
	close(first)
	return &batcher{
		b:        b,
		wake:     make(chan struct{}, 1),
		previous: first,
		freed:    make(chan struct{}, 1),
		slots:    make(chan struct{}, maxInFlight),
	}
}

// add queues a submission. The queue is bounded by the sessions' windows.
func (q *batcher) add(s *submission) {
	q.mu.Lock()
	q.waiting = append(q.waiting, s)
	q.mu.Unlock()
	signal(q.wake)
}

// signal leaves a token in a channel of capacity 1.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run forms groups until ctx ends; it returns when the last group has been answered or given up.
func (q *batcher) run(ctx context.Context) error {
	defer q.running.Wait()
	for {
		select {
		case <-q.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case q.slots <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
		q.gather(ctx)
		group, more := q.take()
		if more {
			signal(q.wake)
		}
		if len(group) == 0 {
			<-q.slots
			continue
		}
		q.start(ctx, group)
	}
}

// gather lets a small group grow while another one is in flight: at moderate load that halves
// the number of commits. An idle batcher does not wait.
func (q *batcher) gather(ctx context.Context) {
	if len(q.slots) == 1 {
		return
	}
	q.mu.Lock()
	n := len(q.waiting)
	q.mu.Unlock()
	if n >= lingerBelow {
		return
	}
	t := time.NewTimer(linger)
	defer t.Stop()
	select {
	case <-t.C:
	case <-q.freed:
	case <-ctx.Done():
	}
}

// take cuts the next group from the queue.
func (q *batcher) take() (group []*submission, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size, n := 0, 0
	for n < len(q.waiting) && n < maxGroup && size < maxGroupBytes {
		size += 200 + len(q.waiting[n].message.Text) + len(q.waiting[n].message.Params)
		n++
	}
	group = q.waiting[:n:n]
	q.waiting = q.waiting[n:]
	return group, len(q.waiting) > 0
}

// start proposes a group in its own goroutine. Groups are answered in the order they were formed,
// so that a session's marks ascend on the wire.
func (q *batcher) start(ctx context.Context, group []*submission) {
	cmd := q.command(group)
	before, after := q.previous, make(chan struct{})
	q.previous = after
	q.running.Add(1)
	go func() {
		defer q.running.Done()
		res, err := q.propose(ctx, cmd)
		<-before
		q.answer(group, res, err)
		close(after)
		q.settled(cmd.Token.Seq)
		<-q.slots
		signal(q.freed)
	}()
}

// token names the next proposal and the lowest one whose result is still waited for.
func (q *batcher) token() store.Token {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.seq++
	q.open = append(q.open, q.seq)
	return store.Token{Node: q.b.cfg.NodeID, Incarnation: q.b.cfg.Incarnation, Seq: q.seq, Lowest: q.open[0]}
}

func (q *batcher) settled(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = slices.DeleteFunc(q.open, func(t uint64) bool { return t == seq })
}

// command makes the Accept of a group: equal sets of charges are named once.
func (q *batcher) command(group []*submission) *store.Accept {
	cmd := &store.Accept{
		Token:    q.token(),
		Messages: make([]store.Submission, len(group)),
	}
	sets := make(map[*account]int, 4)
	for i, s := range group {
		set := -1
		if len(s.account.charges) > 0 {
			var ok bool
			if set, ok = sets[s.account]; !ok {
				set = len(cmd.Charges)
				sets[s.account] = set
				cmd.Charges = append(cmd.Charges, s.account.charges)
			}
		}
		s.message.Origin = store.Origin{
			Node:        q.b.cfg.NodeID,
			Incarnation: q.b.cfg.Incarnation,
			Session:     s.session.ID(),
			Mark:        s.session.marks.next(s.message.AnswerBy != 0),
		}
		cmd.Messages[i] = store.Submission{Message: s.message, Charges: set}
	}
	return cmd
}

// propose repeats a group with its token until the outcome is known. What was unknown once stays
// unknown, even if a repetition surely never entered the log: the first one may have.
func (q *batcher) propose(ctx context.Context, cmd *store.Accept) (*store.AcceptResult, error) {
	// Groups in flight are settled also while the bridge stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptPatience)
	defer cancel()
	unknown, began := false, time.Now()
	for wait := 2 * time.Millisecond; ; wait = min(2*wait, 200*time.Millisecond) {
		res, err := q.b.cluster.Propose(ctx, cmd)
		if err == nil {
			accepted, ok := res.(*store.AcceptResult)
			if !ok || len(accepted.Items) != len(cmd.Messages) {
				return nil, fmt.Errorf("accept %d messages: result %T: %w", len(cmd.Messages), res, errUnsettled)
			}
			return accepted, nil
		}
		if !errors.Is(err, store.ErrNotProposed) {
			unknown = true
		}
		full := !unknown && errors.Is(err, store.ErrFull) && time.Since(began) > fullPatience
		if full || !sleep(ctx, wait) {
			if unknown {
				return nil, fmt.Errorf("accept %d messages: %w", len(cmd.Messages), errUnsettled)
			}
			return nil, fmt.Errorf("accept %d messages: %w", len(cmd.Messages), err)
		}
	}
}

// answer tells the sessions of a group what became of their messages.
func (q *batcher) answer(group []*submission, res *store.AcceptResult, err error) {
	switch {
	case errors.Is(err, errUnsettled):
		// An error now could be followed by the SMS, so the ESME gets no answer at all.
		q.b.log.Error("accept unsettled, closing sessions", "err", err)
		for _, s := range group {
			q.b.metrics.unsettled.Inc()
			s.session.Close(err)
		}
		return
	case err != nil:
		q.b.log.Warn("messages refused: nothing can be committed", "err", err)
		status := smpp.StatusSysErr
		if errors.Is(err, store.ErrFull) {
			status = smpp.StatusMsgQFul
		}
		for _, s := range group {
			q.b.refuse(s, &smpp.StatusError{Status: status, Err: err})
		}
		return
	}
	now := q.b.now()
	for i, s := range group {
		q.answerOne(s, res.Items[i], now)
	}
}

func (q *batcher) answerOne(s *submission, item store.AcceptItem, now time.Time) {
	switch item.Code {
	case store.AcceptOK:
		if s.message.AnswerBy != 0 { // ack: submitted
			q.b.acks.await(s, item.Number)
			return
		}
		q.b.metrics.accepted(s.account.SystemID, now.Sub(s.at))
		s.session.answered(s, s.message.Shape.Spell(item.Number))
	case store.AcceptOverLimit:
		q.b.refuse(s, &smpp.StatusError{Status: s.account.statuses[item.Limit], Err: errOverLimit})
	case store.AcceptStalePolicy:
		q.b.again(s)
	default: // AcceptTokenGone: a later incarnation of this node is up; this process is not it
		s.session.Close(errUnsettled)
	}
}

// again decides a submission anew: the policy changed between its decision and its commit.
func (b *Bridge) again(s *submission) {
	if err := b.loadPolicy(); err != nil || b.policy.Load().version == s.account.version {
		b.log.Error("policy in force is not usable here", "version", s.account.version, "err", err)
		b.refuse(s, &smpp.StatusError{Status: smpp.StatusSysErr, Err: err})
		return
	}
	s.session.marks.drop(s.message.Origin.Mark) // it gets another
	b.take(s)
}
