package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// Results of a sync, for its counter.
const (
	syncOK     = "ok"
	syncDenied = "denied" // the credentials may not list templates and signatures
	syncFailed = "failed"
)

// catalogWithin bounds one reading of an account's lists, at a few pages a second.
const catalogWithin = 10 * time.Minute

// syncCatalogs reads what the accounts of the policy have, while this node leads.
func (b *Bridge) syncCatalogs(ctx context.Context) error {
	tick := time.NewTicker(idleScan)
	defer tick.Stop()
	tried := map[string]time.Time{} // by account, by Steady: what failed waits as long as what did not
	for {
		if pol, ok := b.inForce(); ok && pol.doc != nil && b.cfg.Catalog != nil {
			b.syncDue(ctx, pol.doc, tried)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// syncDue reads the lists of the accounts that were not asked for as long as the policy says. A new leader goes on where
// the one before was.
func (b *Bridge) syncDue(ctx context.Context, doc *configs.Policy, tried map[string]time.Time) {
	every := doc.Sync.Every.Std()
	if every <= 0 || b.store.ClusterVersion() < store.Since(&store.Put{}) { // a cluster that has just begun is raised in a moment
		return
	}
	for _, account := range catalogAccounts(doc) {
		if last, ok := tried[account]; ok && b.cfg.Steady().Sub(last) < every {
			continue
		}
		if seen := b.catalogSeen(account); seen.After(b.clock().Add(-every)) && !seen.After(b.clock().Add(every)) {
			continue
		}
		tried[account] = b.cfg.Steady()
		b.syncAccount(ctx, doc, account)
		if ctx.Err() != nil {
			return
		}
	}
}

// syncAccount reads an account's lists by the first of its routes that answers. Without permission nothing is wrong with the
// system: it sends as if nothing could be withdrawn, and a metric tells.
func (b *Bridge) syncAccount(ctx context.Context, doc *configs.Policy, account string) {
	err := b.fetchCatalog(ctx, doc, account)
	switch {
	case err == nil:
		b.content.synced(account, syncOK)
	case ctx.Err() != nil: // leadership has gone
	case errors.Is(err, ErrCatalogDenied):
		b.content.synced(account, syncDenied)
		b.log.InfoContext(ctx, "templates and signatures not synced", "account", account, "err", err)
	default:
		b.content.synced(account, syncFailed)
		b.log.WarnContext(ctx, "templates and signatures not synced", "account", account, "err", err)
	}
}

func (b *Bridge) fetchCatalog(ctx context.Context, doc *configs.Policy, account string) error {
	ctx, cancel := context.WithTimeout(ctx, catalogWithin)
	defer cancel()
	var c Catalog
	err := errNoRoute
	for i := range doc.Routes {
		r := &doc.Routes[i]
		if r.Account != account || r.Kind != configs.KindDysmsapi {
			continue
		}
		if c, err = b.cfg.Catalog.Catalog(ctx, r.Name); err == nil || errors.Is(err, ErrCatalogDenied) {
			break
		}
	}
	if err != nil {
		return err
	}
	c.Account = account
	named := make(map[string]bool, len(doc.Templates))
	for i := range doc.Templates {
		named[doc.Templates[i].Code] = true
	}
	value, err := c.encode(func(code string) bool { return named[code] })
	if err != nil {
		return err
	}
	if _, err := b.putRecord(ctx, store.PutItem{Space: spaceCatalog, Key: account, Value: value}); err != nil {
		return fmt.Errorf("record the catalog: %w", err)
	}
	seen := b.clock().UTC().Format(time.RFC3339)
	if _, err := b.putRecord(ctx, store.PutItem{Space: spaceCatalog, Key: account + seenSuffix, Value: []byte(seen)}); err != nil {
		return fmt.Errorf("record the catalog: %w", err)
	}
	return nil
}
