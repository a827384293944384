package bridge

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"smppbridge/store"
)

const (
	keepEvery     = 500 * time.Millisecond // how often sessions and state are compared
	reopenAtOnce  = 64                     // BindOpens, or BindCloses, under way at a time: the cluster commits them together
	reopenPatient = 2 * time.Second        // for which each is proposed; then they are looked at again
)

// ErrSucceeded ends a bridge whose node has started elsewhere: its tokens and binds are void. It is not to be started again
// while the other runs: the two would go on ending each other.
var ErrSucceeded = errors.New("another process is this node: it announced itself later")

// keepBinds sees to it that the sessions of this node are those that the state has for it, until ctx ends.
//
// The state may have fewer: the leader gives the places of a node away that it has not heard of for a while. A
// node that was cut off or frozen keeps its sessions meanwhile, and when it is back they get a place again, or, where the
// account's places are taken by now, are unbound. The state may have more: a BindOpen whose outcome nobody awaits any more
// can be applied at any time, e.g. when it lay in the receive buffer of a leader that was frozen.
//
// Looking costs nothing but memory; only where the two differ, which a node that lags behind sees too, is the cluster asked
// what holds. keepBinds returns ErrSucceeded when a later incarnation of this node is up.
func (b *Bridge) keepBinds(ctx context.Context) error {
	tick := time.NewTicker(keepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-b.succeeded:
			return ErrSucceeded
		case <-tick.C:
		}
		own := b.incarnation.Load()
		switch {
		case own == 0: // not announced yet
		case b.store.Incarnation(b.cfg.NodeID) > own:
			return ErrSucceeded
		default:
			b.takeover.compare(ctx)
		}
	}
}

// compare sets right what differs between the sessions and the state.
func (t *takeover) compare(ctx context.Context) {
	if lost, left := t.differences(); len(lost)+len(left) == 0 {
		return
	}
	syncing, cancel := context.WithTimeout(ctx, syncWithin)
	defer cancel()
	if err := t.b.cluster.Sync(syncing); err != nil {
		return // cut off: nobody knows what holds, and the sessions stay
	}
	lost, left := t.differences()
	if len(lost) > 0 {
		t.b.log.WarnContext(ctx, "sessions have lost their places: asking for new ones", "sessions", len(lost))
	}
	var g errgroup.Group
	g.SetLimit(reopenAtOnce)
	for _, s := range lost {
		g.Go(func() error { t.reopen(ctx, s); return nil })
	}
	for _, v := range left {
		g.Go(func() error { t.sweep(ctx, v); return nil })
	}
	_ = g.Wait()
}

// differences are the sessions that have no place in this node's store, and the places there that no session has. The
// store is looked into first: a session is noted before its place is asked for, and as long as it may have one.
func (t *takeover) differences() (lost []*session, left []store.Bind) {
	own := t.b.incarnation.Load()
	there := make(map[uint64]store.Bind)
	for _, v := range t.b.store.NodeBinds(t.b.cfg.NodeID) {
		if v.Incarnation == own {
			there[v.Session] = v
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, ten := range t.accounts {
		for s := range ten.sessions {
			if _, ok := there[s.ID()]; !ok && !s.evicted {
				lost = append(lost, s)
			}
		}
	}
	for id, v := range there {
		if t.seats[id] == nil {
			left = append(left, v)
		}
	}
	return lost, left
}

// reopen asks for a place for a session that has lost its own. If there is none it is unbound.
func (t *takeover) reopen(ctx context.Context, s *session) {
	s.seat <- struct{}{} // it may end meanwhile: its BindClose comes behind this
	defer func() { <-s.seat }()
	acct := t.b.policy.Load().accounts[s.account]
	if acct == nil || !t.bound(s) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, reopenPatient)
	defer cancel()
	res, err := t.b.settle(ctx, t.b.bindOpen(acct, s))
	r, ok := res.(*store.BindResult)
	switch {
	case err != nil || !ok:
		return // looked at again
	case r.OK:
		t.b.door.rebinds.WithLabelValues(rebindKept).Inc()
		return
	}
	t.mu.Lock()
	s.evicted = true
	t.mu.Unlock()
	t.b.door.rebinds.WithLabelValues(rebindClosed).Inc()
	t.b.log.InfoContext(ctx, "session unbound: its place was given away", "system_id", s.account, "session", s.ID(),
		"remote", s.RemoteAddr().String())
	s.Drain()
}

// bound reports whether a session is bound and not being released.
func (t *takeover) bound(s *session) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, ok := t.tenancyLocked(s.account).sessions[s]
	return ok
}

// sweep removes a place from the state that no session has.
func (t *takeover) sweep(ctx context.Context, v store.Bind) {
	ctx, cancel := context.WithTimeout(ctx, reopenPatient)
	defer cancel()
	cmd := &store.BindClose{Node: v.Node, Incarnation: v.Incarnation, Session: v.Session}
	if _, err := t.b.settle(ctx, cmd); err != nil {
		return // looked at again
	}
	t.b.door.rebinds.WithLabelValues(rebindSwept).Inc()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tenancyLocked(v.Account).tellLocked()
}
