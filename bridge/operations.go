package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sync/errgroup"

	"smppbridge/smpp"
	"smppbridge/store"
)

// The bounds of operations on messages that were accepted before. What waits beyond them holds up the
// reader of its session, and nobody else's. Workers spend their time waiting for the leader, many for one answer: where it
// is slow, an account has about half of what it may have waiting carried out in the time of each.
const (
	operationWorkers   = 128
	operationsUnderWay = operationWorkers / 2 // of one account, so that it cannot hold up all workers
	operationsQueued   = 768                  // of one account, until they are answered
	operationsLarge    = 16                   // of those, longer ones
	largeOperation     = 1 << 10              // octets of text that make one of them
)

// syncWithin is for how long whoever is about to read this node's store waits until it holds what the cluster had
// committed: an election is over by then.
const syncWithin = acceptPatience / 2

// Why operations are refused.
var (
	errNoSuchMessage = errors.New("no such message of the account")
	errUnderWay      = errors.New("message does not wait to be sent any more")
	errNotReplaced   = errors.New("a part or a destination of several is not replaced")
)

// operations carries out query_sm, cancel_sm and replace_sm: they read the state's file and wait for
// commits, which a session's reader must not.
type operations struct {
	b      *Bridge
	jobs   *jobs
	sweeps *jobs         // those that go through everything that waits
	ended  chan struct{} // closed when nobody works any more
}

func newOperations(b *Bridge) *operations {
	return &operations{b: b, jobs: newJobs(b.current), sweeps: newJobs(b.current), ended: make(chan struct{})}
}

// run works until ctx ends. Sessions are drained before that, so that nothing is left then.
func (o *operations) run(ctx context.Context) error {
	defer close(o.ended)
	var g errgroup.Group
	g.Go(func() error { return o.jobs.work(ctx, operationWorkers) })
	g.Go(func() error { return o.sweeps.work(ctx, 1) })
	return g.Wait()
}

// An operation is what a request asks for. It reads this node's store, which first has caught up: the message may have
// been accepted, or have ended, on another node.
type operation struct {
	request smpp.Request
	changes string                                  // the message_id that it changes, if any
	octets  int                                     // of text
	run     func(context.Context) (smpp.PDU, error) // returns the response, nil for one without a body
}

// do has a worker carry op out and answer. A node whose store cannot catch up answers ESME_RSYSERR.
func (o *operations) do(j *jobs, s *session, op operation) {
	f := &job{account: s.account, changes: op.changes, large: op.octets > largeOperation}
	f.run = func(ctx context.Context, behind error) {
		var pdu smpp.PDU
		err := behind
		if err == nil {
			pdu, err = op.run(ctx)
		}
		r := op.request
		switch {
		case err != nil:
			o.b.log.DebugContext(ctx, "operation refused", "system_id", s.account, "command", r.Command.String(), "err", err)
			s.Respond(r, smpp.StatusOf(err, smpp.StatusSysErr), "", 0)
		case pdu != nil:
			s.RespondPDU(r, smpp.StatusOK, pdu, 0)
		default:
			s.Respond(r, smpp.StatusOK, "", 0)
		}
	}
	if !j.add(f, o.ended) {
		s.Close(errStopping)
	}
}

// current waits until this node's store holds all that was committed when it was called.
func (b *Bridge) current(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, syncWithin)
	defer cancel()
	if err := b.cluster.Sync(ctx); err != nil {
		return fmt.Errorf("catch up with the leader: %w", err)
	}
	return nil
}

// inHindsight waits until this node's store shows what became of a proposal, also when its outcome was unknown until
// ctx ended.
func (b *Bridge) inHindsight(ctx context.Context) error { return b.current(context.WithoutCancel(ctx)) }

// Handle takes what is not a plain submit. It implements smpp.Backend.
func (b *Bridge) Handle(s *smpp.Session, r smpp.Request, p smpp.PDU) {
	v, ok := b.sessions.Load(s.ID())
	if !ok { // a bound session is always there until Closed
		s.Close(errStopping)
		return
	}
	sess, o := v.(*session), b.operations
	switch p := p.(type) {
	case *smpp.SubmitMulti:
		b.submitMulti(sess, r, p)
	case *smpp.QuerySM:
		detach(&p.MessageID, &p.SourceAddr)
		o.do(o.jobs, sess, operation{request: r,
			run: func(context.Context) (smpp.PDU, error) { return b.querySM(sess.account, p) }})
	case *smpp.CancelSM:
		detach(&p.ServiceType, &p.MessageID, &p.SourceAddr, &p.DestinationAddr)
		jobs := o.jobs
		if p.MessageID == "" {
			jobs = o.sweeps
		}
		o.do(jobs, sess, operation{request: r, changes: p.MessageID,
			run: func(ctx context.Context) (smpp.PDU, error) { return nil, b.cancelSM(ctx, sess.account, p) }})
	case *smpp.ReplaceSM:
		detach(&p.MessageID, &p.SourceAddr, &p.ScheduleDeliveryTime, &p.ValidityPeriod, &p.ShortMessage, (*string)(&p.TLVs))
		o.do(o.jobs, sess, operation{request: r, changes: p.MessageID, octets: len(p.ShortMessage) + len(p.TLVs),
			run: func(ctx context.Context) (smpp.PDU, error) { return nil, b.replaceSM(ctx, sess.account, p) }})
	default:
		s.Respond(r, smpp.StatusInvCmdID, "", 0)
	}
}

// detach makes fields of a PDU strings of their own: each that was decoded keeps the whole PDU alive, with all the
// parameters in it that nobody asked for.
func detach(fields ...*string) {
	for _, f := range fields {
		*f = strings.Clone(*f)
	}
}

// A stored message is one that was accepted, with where it stands.
type stored struct {
	number store.Number
	store.Message
	status store.Status
}

func (b *Bridge) stored(n store.Number) (stored, error) {
	m, st, err := b.store.Lookup(n)
	return stored{n, m, st}, err
}

// allShapes are tried in turn: the account's may have changed since a message was accepted.
var allShapes = [...]store.Shape{store.ShapeHex10, store.ShapeHex8, store.ShapeDec10}

// A named message_id is what an ESME means by one: a message, or the destinations of a submit_multi.
type named struct {
	id      string // as it was given to the ESME
	members []stored
}

// own finds what an ESME names by a message_id and its source address. The standard wants the address for
// verification; it is the account that keeps strangers out, so that one left out is taken, and so is
// another type of number. The error is a *smpp.StatusError, ESME_RINVMSGID, if there is no such message.
func (b *Bridge) own(account, id, source string) (named, error) {
	for _, shape := range allShapes {
		n, err := b.store.ByMessageID(account, shape, id)
		if errors.Is(err, store.ErrNotFound) {
			continue
		}
		if err != nil {
			return named{}, fmt.Errorf("look up a message_id: %w", err)
		}
		members, err := b.group(n)
		if err != nil {
			return named{}, err
		}
		if len(members) > 0 && members[0].Shape == shape && (source == "" || source == members[0].Source.Addr) {
			return named{id: shape.Spell(n), members: members}, nil
		}
	}
	return named{}, &smpp.StatusError{Status: smpp.StatusInvMsgID, Err: errNoSuchMessage}
}

// group returns the messages that go by the number n: those of a submit_multi, or the one. Those that were
// purged before the others are left out.
func (b *Bridge) group(n store.Number) ([]stored, error) {
	numbers, err := b.store.Group(n)
	if err != nil {
		return nil, fmt.Errorf("look up group %s: %w", n, err)
	}
	if len(numbers) == 0 {
		numbers = []store.Number{n}
	}
	members := make([]stored, 0, len(numbers))
	for _, n := range numbers {
		m, err := b.stored(n)
		switch {
		case err == nil:
			members = append(members, m)
		case !errors.Is(err, store.ErrNotFound):
			return nil, fmt.Errorf("look up message %s: %w", n, err)
		}
	}
	return members, nil
}
