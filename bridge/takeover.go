package bridge

import (
	"context"
	"sync"
	"time"

	"smppbridge/store"
)

// takeover gives a new bind its place when its account has all the binds it may have. An ESME that has
// just hung up and binds again is often faster than the record of its end: such a bind waits until the
// release that is under way is committed. An ESME whose connection died, and that comes back while its old
// sessions are still there, takes their place, on whatever node they are: see probe.go. What it has given out is
// compared with the state by rebind.go.
type takeover struct {
	b *Bridge

	mu       sync.Mutex
	accounts map[string]*tenancy // guarded by mu; those that have bound since the start
	// seats are the sessions that have a place in the state or may have one: from before their BindOpen is proposed
	// until their BindClose is committed.
	seats map[uint64]*session // guarded by mu; by session id
}

// A tenancy is what this node has of an account's binds. It is guarded by takeover.mu.
type tenancy struct {
	sessions map[*session]struct{} // bound, or being bound
	opening  int                   // BindOpens under way
	changed  chan struct{}         // closed, and replaced, when there may be room
	own      round                 // this node's silent sessions are asked
	all      round                 // and so are those of the other nodes
}

const (
	bindPatience  = 500 * time.Millisecond // how long a bind over the limit waits for a place
	bindPoll      = 100 * time.Millisecond // how often it looks for releases by other nodes
	bindTries     = 2                      // BindOpens of one bind
	releaseWithin = 2 * time.Second        // for which a round waits for the places of the dead
)

func newTakeover(b *Bridge) *takeover {
	return &takeover{b: b, accounts: make(map[string]*tenancy), seats: make(map[uint64]*session)}
}

func (t *takeover) tenancyLocked(account string) *tenancy {
	ten := t.accounts[account]
	if ten == nil {
		ten = &tenancy{sessions: make(map[*session]struct{}), changed: make(chan struct{})}
		t.accounts[account] = ten
	}
	return ten
}

// tellLocked wakes the binds that wait for a place.
func (ten *tenancy) tellLocked() {
	close(ten.changed)
	ten.changed = make(chan struct{})
}

// open records a bind in the replicated state, or returns refusedLimit. Places are given out here before
// they are asked for there, so that of many who wait for one place, one proposes.
func (t *takeover) open(ctx context.Context, s *session, cmd *store.BindOpen) error {
	t.note(s)
	for try := range bindTries {
		if err := t.await(ctx, cmd, try > 0); err != nil {
			t.forget(s)
			return err
		}
		res, err := t.b.settle(ctx, cmd)
		r, ok := res.(*store.BindResult)
		ok = ok && r.OK
		t.opened(s, ok)
		if err != nil {
			// It may be recorded yet, and keepBinds will find it. Not to be released here: while there is no leader that
			// would go on, for as many binds as ESMEs try meanwhile.
			t.forget(s)
			return err
		}
		if ok {
			return nil
		}
	}
	t.forget(s)
	return refusedLimit
}

// note has a session counted among those that may have a place in the state.
func (t *takeover) note(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seats[s.ID()] = s
}

func (t *takeover) forget(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seats, s.ID())
}

// opened ends what a place was kept for.
func (t *takeover) opened(s *session, there bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(s.account)
	ten.opening--
	if there {
		ten.sessions[s] = struct{}{}
	}
	ten.tellLocked()
}

// await waits until the account of cmd has a place, and keeps it. refused says that there was none
// although it looked so from here: other nodes' binds are not seen yet.
func (t *takeover) await(ctx context.Context, cmd *store.BindOpen, refused bool) error {
	if !refused {
		if _, ok := t.take(cmd); ok {
			return nil
		}
	}
	patience, poll := time.NewTimer(bindPatience), time.NewTicker(bindPoll)
	defer patience.Stop()
	defer poll.Stop()
	round := t.probe(cmd.Bind.Account)
	for over := false; ; {
		var changed <-chan struct{}
		if !refused {
			var ok bool
			if changed, ok = t.take(cmd); ok {
				return nil
			}
		}
		if over && round == nil {
			return refusedLimit
		}
		select {
		case <-changed:
		case <-poll.C:
		case <-round:
			round, refused = nil, false
		case <-patience.C:
			over, refused = true, false
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// take keeps a place of the account if one is free. If not, changed is closed when to look again.
func (t *takeover) take(cmd *store.BindOpen) (changed <-chan struct{}, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(cmd.Bind.Account)
	if len(t.b.store.Binds(cmd.Bind.Account))+ten.opening < int(cmd.Limit) {
		ten.opening++
		return nil, true
	}
	return ten.changed, false
}

// release removes a session's bind from the replicated state in the background: a session that has
// ended waits for nobody, and a bind whose removal is lost goes with the node's incarnation. A BindOpen whose outcome
// is not known may still be applied behind the BindClose: keepBinds finds what it leaves.
func (t *takeover) release(s *session) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ten := t.tenancyLocked(s.account)
	if _, ok := ten.sessions[s]; !ok {
		return // it is under way, or done
	}
	delete(ten.sessions, s)
	t.b.courier.background(func(ctx context.Context) {
		_ = t.b.courier.settled(ctx, s) // or another node would deliver again what this session has answered
		s.seat <- struct{}{}            // behind a BindOpen of it that is under way
		cmd := &store.BindClose{Node: t.b.cfg.NodeID, Incarnation: t.b.incarnation.Load(), Session: s.ID()}
		_, _ = t.b.settle(ctx, cmd) // it fails only when the node stops, and its binds go with its incarnation
		<-s.seat
		close(s.released)
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.seats, s.ID())
		ten.tellLocked()
	})
}
