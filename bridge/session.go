package bridge

import (
	"context"
	"errors"
	"fmt"

	"smppbridge/smpp"
	"smppbridge/store"
)

// session is what the bridge keeps for a bound session.
type session struct {
	*smpp.Session
	account  string
	seat     chan struct{} // capacity 1: held while a BindOpen that replaces a lost place, or its BindClose, is under way
	evicted  bool          // guarded by takeover.mu; its place was given away, and it is being unbound
	released chan struct{} // closed when its bind is out of the replicated state
	marks    marks         // which of its answers have been written
	line     line          // its submissions that wait for a group; guarded by the queue's mu
}

// Bind checks an ESME's credentials and records the bind in the replicated state before
// bind_resp is written. It implements smpp.Backend.
func (b *Bridge) Bind(ctx context.Context, s *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	p := peerOf(s)
	acct, err := b.identify(ctx, p, req)
	if err == nil {
		err = b.enter(ctx, acct, s)
	}
	if err != nil {
		k := refusedKind{network: p.network(), reason: reasonOf(err)}
		if acct != nil {
			k.account = acct.SystemID
		}
		b.door.refused.WithLabelValues(k.reason).Inc()
		b.refused.add(ctx, k, err)
		return smpp.Options{}, err
	}
	return b.options(acct), nil
}

// identify finds out which account binds, and whether it may: everything but its bind limit. The
// account is returned with an error too, if there is one.
func (b *Bridge) identify(ctx context.Context, p *peer, req *smpp.Bind) (*account, error) {
	pol := b.policy.Load()
	if pol.version == 0 {
		return nil, refusedNoPolicy
	}
	acct := pol.accounts[req.SystemID]
	if acct == nil {
		if b.lockout.addressLocked(p.network()) {
			return nil, refusedAddressLocked
		}
		b.lockout.unknown(p.network())
		return nil, refusedUnknown
	}
	who := suspect{account: acct.SystemID, network: p.network()}
	good := b.lockout.isGood(who) || acct.access.lists(p.addr)
	if !good && b.lockout.addressLocked(who.network) {
		return acct, refusedAddressLocked
	}
	if err := acct.access.check(p); err != nil {
		return acct, err
	}
	return acct, b.verify(ctx, acct, req.Password, who, good)
}

// verify checks the password. good says that the address is good for the account.
func (b *Bridge) verify(ctx context.Context, acct *account, password string, who suspect, good bool) error {
	allowed := func() error { return b.lockout.check(who, good) }
	if !good || !b.passwords.known(acct.PasswordHash, password) {
		if err := allowed(); err != nil {
			return err
		}
	}
	fresh, err := b.passwords.verify(ctx, guess{hash: acct.PasswordHash, password: password, good: good, allowed: allowed})
	switch {
	case err == nil:
		b.lockout.right(who)
	case errors.Is(err, refusedPassword):
		b.lockout.wrong(who, good, fresh)
	}
	return err
}

// enter takes one of the account's binds for s.
func (b *Bridge) enter(ctx context.Context, acct *account, s *smpp.Session) error {
	sess := &session{Session: s, account: acct.SystemID, seat: make(chan struct{}, 1), released: make(chan struct{})}
	if err := b.takeover.open(ctx, sess, b.bindOpen(acct, sess)); err != nil {
		return fmt.Errorf("open bind: %w", err)
	}
	b.sessions.Store(s.ID(), sess)
	if s.CanReceive() {
		b.courier.join(sess)
	}
	b.reconsider(sess) // another policy may have come into force since it was looked at
	return nil
}

// bindOpen asks for one of the account's places for s.
func (b *Bridge) bindOpen(acct *account, s *session) *store.BindOpen {
	return &store.BindOpen{
		Bind: store.Bind{
			Node: b.cfg.NodeID, Incarnation: b.incarnation.Load(), Session: s.ID(),
			Account: acct.SystemID, Receives: s.CanReceive(),
		},
		Limit: uint32(acct.Binds),
	}
}

// options are what a session of an account may do, over what the node says.
func (b *Bridge) options(acct *account) smpp.Options {
	o, s := b.cfg.Session, acct.Session
	o.Window, o.DeliverWindow, o.ErrorBody = s.Window, s.DeliverWindow, errorBodies[acct.ErrorBody]
	if s.EnquireLink != 0 {
		o.EnquireLink = s.EnquireLink.Std()
	}
	if s.ResponseTimeout != 0 {
		o.ResponseTimeout = s.ResponseTimeout.Std()
	}
	return o
}

// errorBodies are the policy's names of what follows the header of an error.
var errorBodies = map[string]smpp.ErrorBody{
	"usual": smpp.ErrorBodyUsual, "none": smpp.ErrorBodyNone, "empty": smpp.ErrorBodyEmpty,
}

// reconsider ends a session, in good order, that might not bind any more under the policy in force: its account is
// gone, or its address, type or TLS is not allowed. A new password or bind limit ends no session.
func (b *Bridge) reconsider(s *session) {
	var err error = refusedUnknown
	if acct := b.policy.Load().accounts[s.account]; acct != nil {
		err = acct.access.check(peerOf(s.Session))
	}
	if err != nil {
		b.log.Info("session not allowed by the new policy", "system_id", s.account, "session", s.ID(), "reason", reasonOf(err))
		s.Drain()
	}
}

// reconsiderAll does so for every session.
func (b *Bridge) reconsiderAll() {
	b.sessions.Range(func(_, v any) bool {
		b.reconsider(v.(*session))
		return true
	})
}

// Closed forgets a session. Its receipts go to the account's other binds, or wait.
func (b *Bridge) Closed(s *smpp.Session) {
	v, ok := b.sessions.LoadAndDelete(s.ID())
	if !ok {
		return
	}
	b.courier.leave(v.(*session))
	b.takeover.release(v.(*session))
}

// written reports whether the submit_sm_resp of o's message has been written, or never will be.
func (b *Bridge) written(o store.Origin) bool {
	if o.Node != b.cfg.NodeID || o.Incarnation != b.incarnation.Load() {
		return true
	}
	v, ok := b.sessions.Load(o.Session)
	return !ok || v.(*session).wrote(o.Mark)
}
