package bridge

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// A template or signature that an Alibaba Cloud account does not have, or that was withdrawn or rejected there, is not
// sent by that account's routes. If no route is left, what was accepted waits while it is valid: an audit may end well.

// errWithdrawn refuses a message that no account could send.
var errWithdrawn = errors.New("no account has template and signature")

// stock is what this node knows of the accounts. It does not change.
type stock struct {
	known catalogs
	raw   map[string][]byte // the records that known was read from
}

// lacking are the lacks of all accounts that lack something, by account.
func (s *stock) lacking(doc *configs.Policy) map[string]*lacks {
	all := map[string]*lacks{}
	for account, k := range s.known {
		if l := k.lacks(doc); len(l.templates)+len(l.signatures) > 0 {
			all[account] = l
		}
	}
	return all
}

// heed has a policy that is not in force yet know what accounts lack.
func (p *policy) heed(doc *configs.Policy, lacking map[string]*lacks) {
	p.doc, p.lacking = doc, lacking
	for _, r := range p.routes {
		if r.Kind == configs.KindDysmsapi {
			r.lacks = lacking[r.Account]
		}
	}
	for _, a := range p.accounts {
		a.lacking = slices.ContainsFunc(a.routes, func(r *route) bool { return r.lacks != nil })
	}
}

// takeStock reads what is known of the accounts of a policy. b.loading is held.
func (b *Bridge) takeStock(doc *configs.Policy) *stock {
	last := b.stock.Load()
	if last == nil {
		last = &stock{}
	}
	s := &stock{}
	s.known, s.raw = b.readCatalogs(doc, last.known, last.raw)
	b.stock.Store(s)
	return s
}

// restockEvery is how often a node looks whether catalogs have become too old to be heeded.
const restockEvery = time.Minute

// followCatalogs has this node heed each change of what accounts have.
func (b *Bridge) followCatalogs(ctx context.Context) error {
	changed, stop := b.store.Watch(store.WatchRegistry)
	defer stop()
	tick := time.NewTicker(idleScan)
	defer tick.Stop()
	seen, looked := uint64(0), b.cfg.Steady()
	for {
		version := b.store.RegistryVersion()
		if version != seen || b.cfg.Steady().Sub(looked) >= restockEvery {
			switch done, err := b.restock(); {
			case err != nil:
				b.log.ErrorContext(ctx, "catalogs not heeded", "err", err)
				fallthrough
			case done:
				seen, looked = version, b.cfg.Steady()
			}
		}
		select {
		case <-changed:
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// restock puts the policy into force anew if it sends other things now. It does not wait for a policy that is being put into
// force, which may take long: done is false then.
func (b *Bridge) restock() (done bool, err error) {
	if !b.loading.TryLock() {
		return false, nil
	}
	defer b.loading.Unlock()
	cur := b.policy.Load()
	if cur == nil || cur.doc == nil {
		return true, nil
	}
	lacking := b.takeStock(cur.doc).lacking(cur.doc)
	if maps.EqualFunc(lacking, cur.lacking, (*lacks).equal) {
		return true, nil
	}
	next, err := compile(cur.version, cur.doc)
	if err != nil {
		return false, err
	}
	next.heed(cur.doc, lacking)
	b.logLacking(cur.lacking, lacking)
	b.policy.Store(next)
	b.reconsiderAll()
	signal(b.renewed)
	return true, nil
}

// logLacking logs what cannot be sent any more, and what can be again.
func (b *Bridge) logLacking(before, now map[string]*lacks) {
	none := &lacks{}
	for _, account := range slices.Sorted(maps.Keys(now)) {
		old := before[account]
		if old == nil {
			old = none
		}
		b.logStates("template", account, old.templates, now[account].templates)
		b.logStates("signature", account, old.signatures, now[account].signatures)
	}
	for _, account := range slices.Sorted(maps.Keys(before)) {
		if now[account] == nil {
			b.logStates("template", account, before[account].templates, nil)
			b.logStates("signature", account, before[account].signatures, nil)
		}
	}
}

func (b *Bridge) logStates(kind, account string, before, now map[string]AuditState) {
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if state := now[name]; before[name] != state {
			b.log.Warn(kind+" cannot be sent", kind, name, "account", account, "state", string(state))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if now[name] == "" {
			b.log.Info(kind+" can be sent again", kind, name, "account", account)
		}
	}
}

// withdrawn reports whether a has routes for a template and signature, and the accounts of none of them have both.
func (a *account) withdrawn(code, sign string) bool {
	if !a.lacking {
		return false
	}
	offered := false
	for _, r := range a.routes {
		if r.has(code, sign) {
			return false
		}
		offered = offered || r.offers(code, sign)
	}
	return offered
}

// checkWithdrawn refuses a message that could not be sent, where its class wants that.
func (a *account) checkWithdrawn(t *approved, sign string) error {
	if a.lacking && t.class.OnWithdrawn == configs.WithdrawnRefuse && a.withdrawn(t.Code, sign) {
		return &smpp.StatusError{Status: smpp.StatusInvDftMsgID, Err: errWithdrawn}
	}
	return nil
}

// A CatalogStatus is what is known of an Alibaba Cloud account, compared with the policy in force.
type CatalogStatus struct {
	KnownCatalog
	Lacking Lacking  `json:"lacking"`           // what of the policy it cannot send
	Differs []string `json:"differs,omitempty"` // TemplateCodes whose text is another one in the policy
}

// Lacking is what an account cannot send, by name, with the state that it is in.
type Lacking struct {
	Templates  map[string]AuditState `json:"templates,omitempty"`
	Signatures map[string]AuditState `json:"signatures,omitempty"`
}

// Catalogs says what this node knows of the accounts of the policy, by their names.
func (b *Bridge) Catalogs() (list []CatalogStatus) {
	list = []CatalogStatus{}
	pol, s := b.policy.Load(), b.stock.Load()
	if pol == nil || pol.doc == nil || s == nil {
		return list
	}
	for _, account := range slices.Sorted(maps.Keys(s.known)) {
		k := s.known[account]
		status := CatalogStatus{KnownCatalog: *k, Differs: k.differs(pol)}
		if l := pol.lacking[account]; l != nil {
			status.Lacking = Lacking{Templates: l.templates, Signatures: l.signatures}
		}
		list = append(list, status)
	}
	return list
}

// differs lists the templates whose text is another one in the policy: what the API fills in is its own.
func (k *KnownCatalog) differs(pol *policy) (codes []string) {
	for i := range k.Templates {
		t := &k.Templates[i]
		if p := pol.templates[t.Code]; p != nil && t.Text != "" && strings.TrimSpace(t.Text) != strings.TrimSpace(p.Text) {
			codes = append(codes, t.Code)
		}
	}
	slices.Sort(codes)
	return codes
}
