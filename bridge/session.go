package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// session is what the bridge keeps for a bound session.
type session struct {
	*smpp.Session
	account string
	marks   marks // which of its answers have been written
}

// Bind checks an ESME's credentials and records the bind in the replicated state before
// bind_resp is written. It implements smpp.Backend.
func (b *Bridge) Bind(ctx context.Context, s *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	pol := b.policy.Load()
	if pol.version == 0 {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusSysErr, Err: errNoPolicy}
	}
	acct := pol.accounts[req.SystemID]
	if acct == nil {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusInvSysID, Err: errUnknownAccount}
	}
	if err := b.admit(ctx, acct, s, req); err != nil {
		b.log.InfoContext(ctx, "account's bind refused", "system_id", acct.SystemID,
			"remote", s.RemoteAddr().String(), "err", err)
		return smpp.Options{}, err
	}
	sess := &session{Session: s, account: acct.SystemID}
	b.sessions.Store(s.ID(), sess)
	if req.Type != smpp.Transmitter {
		b.courier.join(sess)
	}
	opts := b.cfg.Session
	opts.Window, opts.DeliverWindow = acct.Session.Window, acct.Session.DeliverWindow
	return opts, nil
}

// admit checks the password and takes one of the account's binds.
func (b *Bridge) admit(ctx context.Context, acct *account, s *smpp.Session, req *smpp.Bind) error {
	if err := b.passwords.verify(ctx, acct.PasswordHash, req.Password); err != nil {
		return err
	}
	return b.openBind(ctx, &store.BindOpen{
		Bind: store.Bind{
			Node: b.cfg.NodeID, Incarnation: b.cfg.Incarnation, Session: s.ID(),
			Account: acct.SystemID, Receives: req.Type != smpp.Transmitter,
		},
		Limit: uint32(acct.Binds),
	})
}

// bindPatience is how long a bind over the account's limit waits: an ESME that has just hung up and
// binds again is often faster than the record of its end.
const bindPatience = 500 * time.Millisecond

// openBind records a bind.
func (b *Bridge) openBind(ctx context.Context, open *store.BindOpen) error {
	for waited := time.Duration(0); ; waited += bindPatience / 5 {
		res, err := b.settle(ctx, open)
		if err != nil {
			b.release(open.Bind.Session) // it may have been recorded
			return fmt.Errorf("record bind: %w", err)
		}
		if r, ok := res.(*store.BindResult); ok && r.OK {
			return nil
		}
		if waited >= bindPatience || !sleep(ctx, bindPatience/5) {
			return &smpp.StatusError{Status: smpp.StatusBindFail, Err: errBindLimit}
		}
	}
}

// Closed forgets a session. Its receipts go to the account's other binds, or wait.
func (b *Bridge) Closed(s *smpp.Session) {
	v, ok := b.sessions.LoadAndDelete(s.ID())
	if !ok {
		return
	}
	b.courier.leave(v.(*session))
	b.release(s.ID())
}

// release removes a bind from the replicated state in the background: a session that has ended
// waits for nobody, and a bind whose removal is lost goes with the node's incarnation.
func (b *Bridge) release(id uint64) {
	b.courier.background(func(ctx context.Context) {
		cmd := &store.BindClose{Node: b.cfg.NodeID, Incarnation: b.cfg.Incarnation, Session: id}
		if _, err := b.settle(ctx, cmd); err != nil && !errors.Is(err, context.Canceled) {
			b.log.WarnContext(ctx, "bind not released", "err", err)
		}
	})
}

// written reports whether the submit_sm_resp of o's message has been written, or never will be.
func (b *Bridge) written(o store.Origin) bool {
	if o.Node != b.cfg.NodeID || o.Incarnation != b.cfg.Incarnation {
		return true
	}
	v, ok := b.sessions.Load(o.Session)
	return !ok || v.(*session).wrote(o.Mark)
}
