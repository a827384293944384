package bridge

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// subjectPolicy is what a leader that cannot use the policy asks the other nodes: can they? The request is the version,
// 8 octets, big endian, the answer one octet: 1 if a policy at least as new is in force there.
const subjectPolicy = "policy"

const (
	policyRetry  = 5 * time.Second // until a policy that was not usable is tried again: its document cannot change, this node's surroundings can
	policyWithin = time.Second     // for a node's answer
)

// A misfit is a version of the policy that this node could not put into force: the document is for a newer build, or
// names credentials that only other nodes have.
type misfit struct {
	version uint64
	err     error
	tried   time.Time
}

// followPolicy puts each new version of the policy into force.
func (b *Bridge) followPolicy(ctx context.Context) error {
	changed, stop := b.store.Watch(store.WatchPolicy)
	defer stop()
	for {
		var again <-chan time.Time
		if b.loadPolicy() != nil { // the version in force stays: it must not stop the sessions
			again = time.After(policyRetry)
		}
		select {
		case <-changed:
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// loadPolicy puts the store's policy into force on this node. One that was not usable a moment ago is not tried again: each
// submission asks for it.
func (b *Bridge) loadPolicy() error {
	b.loading.Lock()
	defer b.loading.Unlock()
	p := b.store.Policy()
	if cur := b.policy.Load(); cur != nil && cur.version == p.Version {
		return nil
	}
	last := b.misfit.Load()
	if last != nil && last.version == p.Version && time.Since(last.tried) < policyRetry {
		return last.err
	}
	err := b.enforce(&p)
	if err == nil {
		b.misfit.Store(nil)
		return nil
	}
	if last == nil || last.version != p.Version {
		b.log.Error("policy not usable", "err", err)
	}
	b.misfit.Store(&misfit{version: p.Version, err: err, tried: time.Now()})
	return err
}

// enforce puts p into force. b.loading is held.
func (b *Bridge) enforce(p *store.Policy) error {
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
	compiled.heed(doc, b.takeStock(doc).lacking(doc))
	b.policy.Store(compiled)
	b.metrics.accounts(compiled)
	b.content.start(compiled)
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

// unusable says why the state's policy is not in force on this node; nil if it is, or is about to be.
func (b *Bridge) unusable() error {
	if m := b.misfit.Load(); m != nil && m.version == b.store.Policy().Version {
		return m.err
	}
	return nil
}

// yieldUnusable hands leadership over while this node leads and cannot use the policy: it sends nothing then. The heir is a node
// that can. Should there be none, messages wait.
func (b *Bridge) yieldUnusable(ctx context.Context) error {
	tick := time.NewTicker(idleScan)
	defer tick.Stop()
	for {
		if err := b.unusable(); err != nil && b.cfg.HandOver != nil {
			b.yield(ctx, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// yield hands leadership over to the first node that can use the policy and can be given it.
func (b *Bridge) yield(ctx context.Context, why error) {
	version := binary.BigEndian.AppendUint64(nil, b.store.Policy().Version)
	for _, node := range slices.Sorted(maps.Keys(b.store.Nodes())) {
		if node == b.cfg.NodeID || !b.canUse(ctx, node, version) {
			continue
		}
		b.log.WarnContext(ctx, "handing leadership over for a policy that is not usable here", "node", node, "err", why)
		if err := b.cfg.HandOver(ctx, node); err == nil || ctx.Err() != nil {
			return
		}
	}
}

func (b *Bridge) canUse(ctx context.Context, node string, version []byte) bool {
	ctx, cancel := context.WithTimeout(ctx, policyWithin)
	defer cancel()
	answer, err := b.cluster.Ask(ctx, node, subjectPolicy, version)
	return err == nil && bytes.Equal(answer, []byte{1})
}

// answerPolicy answers a leader that cannot use the policy.
func (b *Bridge) answerPolicy(_ context.Context, _ string, request []byte) ([]byte, error) {
	if len(request) != 8 {
		return nil, fmt.Errorf("question about a policy of %d octets: %w", len(request), errBadRequest)
	}
	if b.policy.Load().version < binary.BigEndian.Uint64(request) {
		return []byte{0}, nil
	}
	return []byte{1}, nil
}

// Ready reports why a message would not be accepted now; nil = it would.
func (b *Bridge) Ready() error {
	if err := b.unusable(); err != nil {
		return fmt.Errorf("the policy is not usable on this node: %w", err)
	}
	if p := b.policy.Load(); p == nil || len(p.accounts) == 0 {
		return errors.New("no policy with accounts yet")
	}
	return nil
}
