package bridge

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// A Catalog is the templates and signatures that an Alibaba Cloud account has.
type Catalog struct {
	Account    string             `json:"account"`
	Templates  []CatalogTemplate  `json:"templates"`
	Signatures []CatalogSignature `json:"signatures"`
}

// A CatalogTemplate is a template as its account has it.
type CatalogTemplate struct {
	Code   string     `json:"code"`
	Name   string     `json:"name,omitempty"`
	Type   string     `json:"type,omitempty"` // otp, notice, promotion, international, other
	Text   string     `json:"text,omitempty"` // empty: left out because the catalog was too large
	State  AuditState `json:"state"`
	Reason string     `json:"reason,omitempty"` // of a rejection, as Alibaba Cloud says it
}

// A CatalogSignature is a signature as its account has it.
type CatalogSignature struct {
	Name   string     `json:"name"`
	State  AuditState `json:"state"`
	Reason string     `json:"reason,omitempty"`
}

// An AuditState is what has become of a template or signature that was submitted to Alibaba Cloud.
type AuditState string

// The audit states. AuditAbsent is of what the account does not have.
const (
	AuditPassed    AuditState = "passed"
	AuditPending   AuditState = "pending"
	AuditRejected  AuditState = "rejected"
	AuditWithdrawn AuditState = "withdrawn"
	AuditAbsent    AuditState = "absent"
	AuditOther     AuditState = "other" // one that this program does not know: it counts as passed
)

// Passed reports whether the API sends what is in that state.
func (s AuditState) Passed() bool { return s == AuditPassed || s == AuditOther }

// ErrCatalogDenied is wrapped by errors of a CatalogSource whose credentials may not list templates or signatures.
var ErrCatalogDenied = errors.New("not permitted to list templates and signatures")

// A CatalogSource lists what accounts have. *aliyun.Client implements it.
type CatalogSource interface {
	// Catalog returns all templates and signatures of the account that a route belongs to.
	Catalog(ctx context.Context, route string) (Catalog, error)
}

// spaceCatalog is the registry's space of catalogs. A key is the account's name; the value the compressed JSON of
// its Catalog. The key with seenSuffix has the time at which the account was last asked, as RFC 3339.
const (
	spaceCatalog = "catalog"
	seenSuffix   = "\x00seen"
)

// catalogTrusted is for how long a catalog counts that could not be fetched again. Later everything counts as there: the
// API refuses by itself what is not.
const catalogTrusted = 24 * time.Hour

// maxCatalog bounds what a record may unfold to.
const maxCatalog = 64 << 20

// encode returns the value of c's record. Where it is too large for one, it leaves out the texts of templates that are not
// named, which nobody compares.
func (c *Catalog) encode(named func(code string) bool) ([]byte, error) {
	b, err := c.pack()
	if err != nil || len(b) <= store.MaxRecordValue {
		return b, err
	}
	less := *c
	less.Templates = slices.Clone(c.Templates)
	for i := range less.Templates {
		if t := &less.Templates[i]; !named(t.Code) {
			t.Name, t.Text, t.Reason = "", "", ""
		}
	}
	if b, err = less.pack(); err == nil && len(b) > store.MaxRecordValue {
		return nil, fmt.Errorf("catalog of %d templates: %w", len(c.Templates), errCatalogSize)
	}
	return b, err
}

var errCatalogSize = errors.New("too large for a record")

func (c *Catalog) pack() ([]byte, error) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if err := json.NewEncoder(z).Encode(c); err != nil {
		return nil, fmt.Errorf("encode a catalog: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("encode a catalog: %w", err)
	}
	return b.Bytes(), nil
}

func decodeCatalog(value []byte) (*Catalog, error) {
	z, err := gzip.NewReader(bytes.NewReader(value))
	if err != nil {
		return nil, fmt.Errorf("decode a catalog: %w", err)
	}
	c := new(Catalog)
	if err := json.NewDecoder(io.LimitReader(z, maxCatalog)).Decode(c); err != nil {
		return nil, fmt.Errorf("decode a catalog: %w", err)
	}
	return c, nil
}

// A KnownCatalog is a catalog as this node knows it.
type KnownCatalog struct {
	Catalog
	Seen  time.Time `json:"seen"`  // when the account was last asked
	Heeds bool      `json:"heeds"` // what it says counts: the policy syncs, and it is not too old
}

// catalogs are those of all accounts of the policy, by account.
type catalogs map[string]*KnownCatalog

// readCatalogs reads the catalogs of a policy's accounts from this node's state. What was decoded for last is not
// decoded again.
func (b *Bridge) readCatalogs(doc *configs.Policy, last catalogs, raw map[string][]byte) (catalogs, map[string][]byte) {
	now := b.clock()
	next, values := catalogs{}, map[string][]byte{}
	for _, account := range catalogAccounts(doc) {
		r, ok := b.store.Record(spaceCatalog, account)
		if !ok {
			continue
		}
		k := KnownCatalog{Seen: b.catalogSeen(account)}
		if k.Seen.IsZero() {
			k.Seen = store.FromMillis(r.At)
		}
		if old := last[account]; old != nil && bytes.Equal(raw[account], r.Value) {
			k.Catalog = old.Catalog
		} else if c, err := decodeCatalog(r.Value); err == nil {
			k.Catalog = *c
		} else {
			b.log.Error("catalog not read", "err", err)
			continue
		}
		k.Heeds = doc.Sync.Every > 0 && now.Sub(k.Seen) < catalogTrusted
		next[account], values[account] = &k, r.Value
	}
	return next, values
}

// catalogSeen is when an account was last asked; zero if never.
func (b *Bridge) catalogSeen(account string) time.Time {
	r, ok := b.store.Record(spaceCatalog, account+seenSuffix)
	if !ok {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, string(r.Value))
	if err != nil {
		return time.Time{}
	}
	return at
}

// catalogAccounts are the Alibaba Cloud accounts of a policy's routes, sorted.
func catalogAccounts(doc *configs.Policy) []string {
	set := map[string]bool{}
	for i := range doc.Routes {
		if r := &doc.Routes[i]; r.Kind == configs.KindDysmsapi {
			set[r.Account] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// lacks is what of a policy an account cannot send, with the state that it is in there.
type lacks struct {
	templates, signatures map[string]AuditState
}

func (l *lacks) has(code, sign string) bool {
	return l == nil || l.templates[code] == "" && l.signatures[sign] == ""
}

func (l *lacks) equal(other *lacks) bool {
	return maps.Equal(l.templates, other.templates) && maps.Equal(l.signatures, other.signatures)
}

// lacks compares a policy with the account's catalog. An account without any template, or without any signature, says
// nothing about those: so a list that comes empty for a reason of its own does not stop everything.
func (k *KnownCatalog) lacks(doc *configs.Policy) *lacks {
	l := &lacks{templates: map[string]AuditState{}, signatures: map[string]AuditState{}}
	if !k.Heeds {
		return l
	}
	templates := make(map[string]AuditState, len(k.Templates))
	for i := range k.Templates {
		templates[k.Templates[i].Code] = k.Templates[i].State
	}
	for i := range doc.Templates {
		note(l.templates, templates, doc.Templates[i].Code)
	}
	signatures := make(map[string]AuditState, len(k.Signatures))
	for _, s := range k.Signatures {
		// The same name may have been submitted again after a rejection.
		if old := signatures[s.Name]; old == "" || !old.Passed() {
			signatures[s.Name] = s.State
		}
	}
	for _, name := range doc.Signatures {
		note(l.signatures, signatures, name)
	}
	return l
}

// note adds a name to what is lacking unless it can be sent.
func note(lacking, there map[string]AuditState, name string) {
	if len(there) == 0 {
		return
	}
	state, ok := there[name]
	if !ok {
		state = AuditAbsent
	}
	if !state.Passed() {
		lacking[name] = state
	}
}
