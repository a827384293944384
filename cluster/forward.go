package cluster

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// subjectPropose is about a command that the leader is asked to propose.
const subjectPropose = "propose"

// errLeaderChanged ends the wait for the answer of a node that another one has followed.
var errLeaderChanged = errors.New("another node leads now")

// leaderOnly says of the commands that are a leader's own acts: one who has lost leadership must not have
// them committed through his successor. The successor would begin calls that nobody makes, call
// attempts uncertain that it has just begun, or take the binds of a node that it hears well. A Recover is
// nobody's to propose: it is applied while no node runs.
func leaderOnly(cmd store.Command) bool {
	switch cmd.(type) {
	case *store.Begin, *store.Lead, *store.Genesis, *store.NodeDown, *store.Raise, *store.Mark, *store.Verify, *store.Recover:
		return true
	}
	return false
}

// forward has the leader propose a command. When another node is known to lead, nothing is waited for any
// more: the answer may never come, and the outcome is unknown.
func (n *Node) forward(ctx context.Context, leader string, octets []byte) (store.Result, error) {
	if err := n.queue.begin(int64(len(octets))); err != nil {
		return nil, notProposed(err)
	}
	defer n.queue.end(int64(len(octets)))
	ctx, cancel := n.leaders.while(ctx, leader)
	defer cancel()
	n.forwarded.Add(1)
	answer, err := n.mesh.ask(ctx, leader, subjectPropose, octets)
	switch {
	case err == nil:
		return decodeOutcome(answer)
	case isNotSent(err) && ctx.Err() != nil && !errors.Is(err, errLeaderChanged):
		return nil, notProposed(err)
	case isNotSent(err):
		return nil, notProposed(fmt.Errorf("%w: %w", ErrNotLeader, err))
	}
	n.queue.unknown.Add(1)
	return nil, fmt.Errorf("propose: outcome unknown: %w", err)
}

// answerPropose puts another node's command into this leader's queue. It is refused if this node does not
// lead, rather than passed on: the one who proposes looks again who does. The command is decoded first,
// because one that cannot be would stop every node, at every start.
func (n *Node) answerPropose(ctx context.Context, _ string, octets []byte) ([]byte, error) {
	_, cmd, err := store.Decode(octets)
	if err == nil && leaderOnly(cmd) {
		err = errors.New("a leader's own command")
	}
	if err == nil {
		err = n.allowed(cmd)
	}
	if err != nil {
		return encodeOutcome(nil, notProposed(err)), nil
	}
	_, accept := cmd.(*store.Accept)
	res, err := n.proposeHere(ctx, n.lead.current(), octets, accept)
	return encodeOutcome(res, err), nil
}

// The first octet of the answer to a forwarded command.
const (
	outcomeResult  byte = 0
	outcomeUnknown byte = 1
	outcomeRefused byte = 2 // surely not proposed; the second octet says why
)

// The reasons of a refusal that callers tell apart. Numbers travel between nodes: append, never reuse.
var refusals = []struct {
	code byte
	err  error
}{
	{1, ErrNotLeader},
	{2, ErrBacklog},
	{3, ErrDiskFull},
	{4, ErrTooLarge},
	{5, ErrVersion},
	{6, store.ErrFull}, // after those that wrap it
}

// encodeOutcome makes the answer to a forwarded command. A leader that stops leads no longer, as the one
// who proposed sees it.
func encodeOutcome(res store.Result, err error) []byte {
	if err == nil {
		return append([]byte{outcomeResult}, store.EncodeResult(res)...)
	}
	text := err.Error()
	text = text[:min(len(text), maxErrorText)]
	if !errors.Is(err, store.ErrNotProposed) {
		return append([]byte{outcomeUnknown}, text...)
	}
	if errors.Is(err, ErrShutdown) {
		err = ErrNotLeader
	}
	b := []byte{outcomeRefused, 0}
	for _, r := range refusals {
		if errors.Is(err, r.err) {
			b[1] = r.code
			break
		}
	}
	return append(b, text...)
}

// decodeOutcome reads what encodeOutcome wrote. What it cannot read is unknown: the command was sent.
func decodeOutcome(b []byte) (store.Result, error) {
	switch {
	case len(b) >= 1 && b[0] == outcomeResult:
		res, err := store.DecodeResult(b[1:])
		if err != nil {
			return nil, fmt.Errorf("propose: outcome unknown: the leader's answer: %w", err)
		}
		return res, nil
	case len(b) >= 2 && b[0] == outcomeRefused:
		for _, r := range refusals {
			if r.code == b[1] {
				return nil, notProposed(fmt.Errorf("%w: the leader says: %s", r.err, b[2:]))
			}
		}
		return nil, notProposed(fmt.Errorf("the leader says: %s", b[2:]))
	case len(b) >= 1 && b[0] == outcomeUnknown:
		return nil, fmt.Errorf("propose: outcome unknown: the leader says: %s", b[1:])
	}
	return nil, errors.New("propose: outcome unknown: malformed answer of the leader")
}

// awaitLeader waits until it is worth trying again: another node leads, or, if one is thought to lead that
// did not take the command, after a pause. It says whether there is time for that.
func (n *Node) awaitLeader(ctx context.Context, seen glance, until time.Time) bool {
	left := time.Until(until)
	if left <= 0 {
		return false
	}
	if seen.leader != "" {
		left = min(left, retryPause)
	}
	t := time.NewTimer(left)
	defer t.Stop()
	select {
	case <-seen.reigns:
	case <-seen.leaders:
	case <-t.C:
		return seen.leader != "" || time.Now().Before(until)
	case <-ctx.Done():
		return false
	case <-n.queue.stopping:
		return false
	case <-n.fault.ch:
		return false
	}
	return true
}

// A glance is who led when the command was tried, and what is closed when that changes.
type glance struct {
	reign   *reign
	reigns  <-chan struct{}
	leader  string // "" = not known
	leaders <-chan struct{}
}

func (n *Node) glance() (g glance) {
	g.reign, g.reigns = n.lead.look()
	g.leader, g.leaders = n.leaders.look()
	return g
}

// A leaders follows who leads as far as this node knows.
type leaders struct {
	mu      sync.Mutex
	id      string                              // guarded by mu; "" = none is known
	changed chan struct{}                       // guarded by mu; closed and replaced when id changes
	calls   map[*string]context.CancelCauseFunc // guarded by mu; what ends when another node leads than the key points to
}

func newLeaders() *leaders {
	return &leaders{changed: make(chan struct{}), calls: make(map[*string]context.CancelCauseFunc)}
}

func (l *leaders) look() (string, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id, l.changed
}

func (l *leaders) set(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id == l.id {
		return
	}
	l.id = id
	close(l.changed)
	l.changed = make(chan struct{})
	if id == "" {
		return // perhaps the same one again
	}
	for of, cancel := range l.calls {
		if *of != id {
			cancel(errLeaderChanged)
			delete(l.calls, of)
		}
	}
}

// while returns a context that ends when another node than id is known to lead.
func (l *leaders) while(ctx context.Context, id string) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.id != "" && l.id != id {
		cancel(errLeaderChanged)
	}
	l.calls[&id] = cancel
	return ctx, func() {
		l.mu.Lock()
		delete(l.calls, &id)
		l.mu.Unlock()
		cancel(nil)
	}
}

// watchLeaders follows what Raft says of who leads until stop is closed. A notice only says that there is
// something to see, so none is missed when two come at once.
func (n *Node) watchLeaders(stop <-chan struct{}) {
	notices := make(chan raft.Observation, 1)
	o := raft.NewObserver(notices, false, func(o *raft.Observation) bool {
		_, ok := o.Data.(raft.LeaderObservation)
		return ok
	})
	n.raft.RegisterObserver(o)
	defer n.raft.DeregisterObserver(o)
	for {
		n.leaders.set(n.LeaderID())
		select {
		case <-notices:
		case <-stop:
			return
		}
	}
}
