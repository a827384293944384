package bridge

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

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

// The pauses between two proposals of a group, doubling. After a leader's death every one of them is time in which
// nothing is accepted.
const (
	firstAgain = 2 * time.Millisecond
	lastAgain  = 50 * time.Millisecond
)

// fullPatience is how long a group waits for room: its clients can wait better than we can.
const fullPatience = time.Second

// batcher groups submissions into Accept commands. While groups are in flight the next gathers.
type batcher struct {
	b     *Bridge
	queue *queue

	mu   sync.Mutex
	open []uint64 // guarded by mu; tokens in flight, ascending

	wake    chan struct{} // capacity 1: the queue is not empty
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
	queue := newQueue(b.cfg.QueueOctets)
	if reg := b.cfg.Registerer; reg != nil {
		reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "smppbridge_bridge_queue_bytes",
			Help: "Memory of submits that are not answered yet. At the bound sessions are not read.",
		}, func() float64 { return float64(queue.octets.Load()) }))
	}
	return &batcher{
		b:        b,
		queue:    queue,
		wake:     make(chan struct{}, 1),
		previous: first,
		freed:    make(chan struct{}, 1),
		slots:    make(chan struct{}, maxInFlight),
	}
}

// add queues a submission. It blocks its session's reader while the queue is full.
func (q *batcher) add(s *submission) {
	s.weigh()
	switch err := q.queue.add(s, acceptPatience); {
	case errors.Is(err, errStopping):
		s.session.Close(err)
	case err != nil:
		q.b.refuse(s, &smpp.StatusError{Status: smpp.StatusMsgQFul, Err: err})
	default:
		signal(q.wake)
	}
}

// signal leaves a token in a channel of capacity 1.
func signal(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// run forms groups until ctx ends; it returns when the last group has been answered or given up. What is
// in no group then is left unanswered.
func (q *batcher) run(ctx context.Context) error {
	defer q.stop()
	for {
		select {
		case <-q.wake:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !q.slot(ctx) {
			return ctx.Err()
		}
		q.gather(ctx)
		group, late, more := q.queue.cut(q.latest())
		q.refuseLate(late)
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

// stop waits for the groups in flight and closes the sessions of what was in none.
func (q *batcher) stop() {
	left := q.queue.close()
	q.running.Wait()
	left = append(left, q.queue.close()...) // decided again meanwhile
	for _, s := range left {
		s.session.Close(errStopping)
	}
}

// overdueEvery is how often is looked for submissions that have waited for too long to be proposed.
const overdueEvery = 250 * time.Millisecond

// slot waits until another group may be in flight. Meanwhile it refuses what has waited for longer than
// its ESME may be expected to: it surely was not accepted.
func (q *batcher) slot(ctx context.Context) bool {
	select {
	case q.slots <- struct{}{}:
		return true
	default:
	}
	tick := time.NewTicker(overdueEvery)
	defer tick.Stop()
	for {
		select {
		case q.slots <- struct{}{}:
			return true
		case <-ctx.Done():
			return false
		case <-tick.C:
			q.refuseLate(q.queue.overdue(q.latest()))
		}
	}
}

// latest is when the submissions came that may not wait for a group any longer.
func (q *batcher) latest() time.Time { return q.b.now().Add(-acceptPatience) }

// refuseLate refuses what came so long ago that its ESME has given up on it, or soon will.
func (q *batcher) refuseLate(late []*submission) {
	if len(late) == 0 {
		return
	}
	q.b.log.Warn("messages refused: nothing was committed in time", "count", len(late))
	for _, s := range late {
		q.b.refuse(s, &smpp.StatusError{Status: smpp.StatusSysErr, Err: errStalled})
	}
	q.queue.release(weight(late))
}

// gather lets a small group grow while another one is in flight: at moderate load that halves
// the number of commits. An idle batcher does not wait.
func (q *batcher) gather(ctx context.Context) {
	if len(q.slots) == 1 || q.queue.length.Load() >= lingerBelow {
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

// start proposes a group in its own goroutine. Groups are answered in the order they were formed,
// so that a session's marks ascend on the wire.
func (q *batcher) start(ctx context.Context, group []*submission) {
	cmd := q.command(group)
	octets := weight(group)
	before, after := q.previous, make(chan struct{})
	q.previous = after
	q.running.Add(1)
	began := time.Now()
	go func() {
		defer q.running.Done()
		res, err := q.propose(ctx, cmd)
		<-before
		if err == nil && time.Since(began) > acceptPatience+answerSlack/3 {
			// This process was frozen. Other nodes may believe by now that no answer comes any more, and let the receipts go.
			err = fmt.Errorf("accept %d messages: answered too late: %w", len(cmd.Messages), errUnsettled)
		}
		q.answer(group, res, err)
		close(after)
		q.queue.release(octets)
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
	return store.Token{Node: q.b.cfg.NodeID, Incarnation: q.b.incarnation.Load(), Seq: q.seq, Lowest: q.open[0]}
}

func (q *batcher) settled(seq uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.open = slices.DeleteFunc(q.open, func(t uint64) bool { return t == seq })
}

// command makes the Accept of a group: equal sets of charges are named once.
func (q *batcher) command(group []*submission) *store.Accept {
	n := 0
	for _, s := range group {
		n += s.messages()
	}
	cmd := &store.Accept{
		Token:    q.token(),
		Messages: make([]store.Submission, 0, n),
	}
	sets := make(map[chargeKey]int, 4)
	for _, s := range group {
		s.message.Origin = store.Origin{
			Node:        q.b.cfg.NodeID,
			Incarnation: q.b.incarnation.Load(),
			Session:     s.session.ID(),
			Mark:        s.session.marks.next(s.message.AnswerBy != 0),
		}
		if s.multi != nil {
			set := func(caps uint64) int { return chargeSet(cmd, sets, chargeKey{s.account, caps}) }
			cmd.Messages = s.multi.appendTo(cmd.Messages, set, s.message.Origin)
			continue
		}
		set := chargeSet(cmd, sets, chargeKey{s.account, s.caps})
		cmd.Messages = append(cmd.Messages, store.Submission{Message: s.message, Charges: set})
	}
	return cmd
}

// chargeSet is the index of a set of charges in an Accept, which gets it if it has it not; -1 if there is nothing to charge.
func chargeSet(cmd *store.Accept, sets map[chargeKey]int, key chargeKey) int {
	if len(key.account.charges) == 0 && key.caps == 0 {
		return -1
	}
	set, ok := sets[key]
	if !ok {
		set = len(cmd.Charges)
		sets[key] = set
		cmd.Charges = append(cmd.Charges, key.account.chargesUnder(key.caps))
	}
	return set
}

// propose repeats a group with its token until the outcome is known. What was unknown once stays
// unknown, even if a repetition surely never entered the log: the first one may have.
func (q *batcher) propose(ctx context.Context, cmd *store.Accept) (*store.AcceptResult, error) {
	// Groups in flight are settled also while the bridge stops.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), acceptPatience)
	defer cancel()
	unknown, began := false, time.Now()
	for wait := firstAgain; ; wait = min(2*wait, lastAgain) {
		res, err := q.b.cluster.Propose(ctx, cmd)
		if err == nil {
			accepted, ok := res.(*store.AcceptResult)
			if !ok || len(accepted.Items) != len(cmd.Messages) {
				return nil, fmt.Errorf("accept %d messages: result %T: %w", len(cmd.Messages), res, errUnsettled)
			}
			return accepted, nil
		}
		if !errors.Is(err, store.ErrNotProposed) && !unknown {
			unknown, wait = true, 0 // the leader is gone, most likely: who follows it is waited for by the cluster
		}
		full := !unknown && errors.Is(err, store.ErrFull) && time.Since(began) > fullPatience
		if full || !sleep(ctx, wait) {
			if unknown {
				return nil, fmt.Errorf("accept %d messages: %w", len(cmd.Messages), errUnsettled)
			}
			return nil, fmt.Errorf("accept %d messages: %w", len(cmd.Messages), err)
		}
		wait = max(wait, firstAgain/2)
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
	items := res.Items
	for _, s := range group {
		n := s.messages()
		if s.multi != nil {
			q.b.answerMulti(s, items[:n], now)
		} else {
			q.answerOne(s, items[0], now)
		}
		items = items[n:]
	}
}

func (q *batcher) answerOne(s *submission, item store.AcceptItem, now time.Time) {
	switch item.Code {
	case store.AcceptOK, store.AcceptDuplicate:
		if item.Code == store.AcceptDuplicate {
			q.b.metrics.duplicate(s.account.SystemID)
		}
		if s.message.AnswerBy != 0 { // ack: submitted
			q.b.acks.await(s, item.Number)
			return
		}
		q.b.metrics.accepted(s.account.SystemID, now.Sub(s.at))
		s.session.answered(s, s.message.Shape.Spell(item.Number))
	case store.AcceptOverLimit:
		q.b.refuse(s, q.b.overLimit(s.account, s.caps, item.Limit))
	case store.AcceptStalePolicy:
		q.b.again(s)
	default: // AcceptTokenGone
		s.session.Close(errUnsettled)
		signal(q.b.succeeded)
	}
}

// renew waits until this node's store has a newer policy than the one that s was decided under: the leader that knows it
// may be ahead. Meanwhile nothing behind s is answered, which most likely is stale too.
func (b *Bridge) renew(s *submission) {
	ctx, cancel := context.WithTimeout(context.Background(), acceptPatience-b.now().Sub(s.at))
	defer cancel()
	for b.store.Policy().Version <= s.account.version {
		if err := b.current(ctx); err == nil || !sleep(ctx, settleMost) {
			return
		}
	}
}

// again decides a submission anew: the policy changed between its decision and its commit. It does not
// wait for room: the group that it was in makes that.
func (b *Bridge) again(s *submission) {
	b.renew(s)
	if err := b.loadPolicy(); err != nil || b.policy.Load().version == s.account.version {
		b.log.Debug("policy of the state not in force here", "version", s.account.version, "err", err) // each submit; what ails it is logged once
		b.refuse(s, &smpp.StatusError{Status: smpp.StatusSysErr, Err: err})
		return
	}
	s.session.marks.drop(s.message.Origin.Mark) // it gets another
	if b.decideSubmission(s) {
		s.weigh()
		b.batcher.queue.back(s)
		signal(b.batcher.wake)
	}
}

// Congestion is how busy accepting is, in percent: nothing to do; up to two groups in flight, up to a
// group's worth waiting (75); a queue that fills up; full (100), when sessions wait to be read. It is
// what congestion_state tells (SMPP 5.0, 4.8.4.18).
func (b *Bridge) Congestion() int {
	q := b.batcher
	flowing := 25*len(q.slots) + int(min(25, 25*q.queue.length.Load()/maxGroup))
	return max(flowing, q.queue.fill())
}
