package bridge

import (
	"context"
	"errors"
	"fmt"

	"smppbridge/configs"
	"smppbridge/store"
)

// followPolicy puts each new version of the policy into force.
func (b *Bridge) followPolicy(ctx context.Context) error {
	changed, stop := b.store.Watch(store.WatchPolicy)
	defer stop()
	for {
		if err := b.loadPolicy(); err != nil {
			// The version in force stays: a document that one build cannot compile must not stop its sessions.
			b.log.ErrorContext(ctx, "policy not usable", "err", err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loadPolicy puts the store's policy into force on this node.
func (b *Bridge) loadPolicy() error {
	b.loading.Lock()
	defer b.loading.Unlock()
	p := b.store.Policy()
	if cur := b.policy.Load(); cur != nil && cur.version == p.Version {
		return nil
	}
	if p.Version == 0 {
		b.policy.Store(&policy{})
		return nil
	}
	doc, err := configs.ParsePolicy(fmt.Sprintf("policy version %d", p.Version), p.Doc)
	if err != nil {
		return err
	}
	compiled, err := compile(p.Version, doc)
	if err != nil {
		return fmt.Errorf("policy version %d: %w", p.Version, err)
	}
	if b.cfg.OnPolicy != nil {
		if err := b.cfg.OnPolicy(doc); err != nil {
			return fmt.Errorf("policy version %d: %w", p.Version, err)
		}
	}
	b.policy.Store(compiled)
	b.metrics.accounts(compiled)
	b.passwords.retain(compiled)
	b.reconsiderAll()
	signal(b.renewed)
	b.log.Info("policy in force", "version", p.Version, "accounts", len(doc.Accounts), "templates", len(doc.Templates))
	return nil
}

// inForce returns the policy that this node uses; ok is false if the state has a newer one. Nodes compile a policy each in its
// own time, so a message may have been accepted, on another node, under one that this node does not know yet. Who ends
// messages by a policy therefore asks for it after it has read them, and leaves them alone if it is behind.
func (b *Bridge) inForce() (p *policy, ok bool) {
	version := b.store.Policy().Version
	p = b.policy.Load()
	return p, p.version >= version
}

// Ready reports why a message would not be accepted now; nil = it would.
func (b *Bridge) Ready() error {
	if p := b.policy.Load(); p == nil || len(p.accounts) == 0 {
		return errors.New("no policy with accounts yet")
	}
	return nil
}
