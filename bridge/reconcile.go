package bridge

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs"
	"smppbridge/store"
)

// Kinds of templates, by which accounts are told what they were sent; all of them are named as the classes are.
const (
	KindAll           = "all"
	KindCode          = "otp"
	KindNotice        = "notice"
	KindPromotion     = "promotion"
	KindInternational = "international"
	kindUnknown       = "unknown" // of a template of which the policy does not say it
)

// When accounts are asked.
const (
	reconcileEvery = time.Minute
	reconcileAgain = 10 * time.Minute // after it failed
	reconcileKept  = 40               // days, as long as the store counts them
	// spaceReconcile has what was found, by day and account.
	spaceReconcile = "reconcile"
)

// reconcileZone is the clock by which days are told.
var reconcileZone = time.FixedZone("UTC+8", int(cst/1000))

// errNoReconcile is returned where nothing is known of the policy or nobody can be asked.
var errNoReconcile = errors.New("the policy is not in force here")

// A DayTotal is what the API sent for an account on a day by templates of one kind.
type DayTotal struct {
	Kind                          string
	Sent, Delivered, Failed, Open int64
}

// A Totaller asks the API what it sent. *aliyun.Client implements it.
type Totaller interface {
	// Totals asks by a route what was sent for its account on the day of UTC+8 that day is in, by kind of template. Kinds of
	// which nothing was sent may be left out.
	Totals(ctx context.Context, route string, day time.Time) ([]DayTotal, error)
}

// Counts are messages of a day.
type Counts struct {
	Sent      int64 `json:"sent"`
	Segments  int64 `json:"segments,omitempty"` // as far as they were counted
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	Open      int64 `json:"open"`                // nobody knows what became of them
	Uncertain int64 `json:"uncertain,omitempty"` // perhaps sent; not in Sent
}

// A KindCount compares what was sent by one kind of template.
type KindCount struct {
	Kind   string `json:"kind"`
	Ours   Counts `json:"ours"`
	Theirs Counts `json:"theirs"`
}

// Difference is how many messages more the API sent than we know of. Whether the API counts messages or the SMS they are
// made of is not documented: if its count is that of our segments, there is none.
func (k *KindCount) Difference() int64 {
	if k.Theirs.Sent == k.Ours.Segments {
		return 0
	}
	return k.Theirs.Sent - k.Ours.Sent
}

// explained reports whether the difference may be messages of which it never became known whether they were sent.
func (k *KindCount) explained() bool {
	d := k.Difference()
	return d >= 0 && d <= k.Ours.Uncertain
}

// A Reconciled compares what an Alibaba Cloud account was sent on a day with what we have counted.
type Reconciled struct {
	Day     string      `json:"day"` // yyyymmdd, of UTC+8
	Account string      `json:"account"`
	Route   string      `json:"route"` // that was asked
	At      time.Time   `json:"at"`
	Kinds   []KindCount `json:"kinds"` // all of them first
}

// A Reconciler compares each day's counts with the accounts' own, while this node leads.
type Reconciler struct {
	b       *Bridge
	totals  Totaller
	log     *slog.Logger
	metrics *reconcileMetrics
	tried   map[string]time.Time // by day and account, for this reign
}

// NewReconciler makes a Reconciler of b's counts. reg may be nil.
func NewReconciler(b *Bridge, totals Totaller, reg prometheus.Registerer) *Reconciler {
	return &Reconciler{b: b, totals: totals, log: b.log, metrics: newReconcileMetrics(reg)}
}

// Run compares, from the policy's time of day on, the day before until ctx ends: with it this node's leadership.
func (r *Reconciler) Run(ctx context.Context) error {
	r.tried = map[string]time.Time{}
	defer r.metrics.reset() // the next leader shows it
	tick := time.NewTicker(reconcileEvery)
	defer tick.Stop()
	for {
		r.round(ctx)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// round compares what is to be compared now, and was not.
func (r *Reconciler) round(ctx context.Context) {
	pol, ok := r.b.inForce()
	now := r.b.now().In(reconcileZone)
	if !ok || pol.reconcile < 0 || sinceMidnight(now) < pol.reconcile {
		return
	}
	yesterday := now.AddDate(0, 0, -1)
	for _, account := range pol.aliyunAccounts() {
		key := reconcileKey(yesterday.Format(dayFormat), account)
		if r.recall(key) || r.b.cfg.Steady().Sub(r.tried[key]) < reconcileAgain {
			continue
		}
		r.tried[key] = r.b.cfg.Steady()
		found, err := r.account(ctx, pol, account, yesterday)
		if err == nil {
			err = r.keep(ctx, key, found)
		}
		if err != nil && ctx.Err() == nil {
			r.metrics.failures.Inc()
			r.log.WarnContext(ctx, "counts not compared", "account", account, "err", err)
		}
	}
}

// recall shows what was found before, and reports whether there is something.
func (r *Reconciler) recall(key string) bool {
	rec, ok := r.b.store.Record(spaceReconcile, key)
	var found Reconciled
	if !ok || json.Unmarshal(rec.Value, &found) != nil {
		return false
	}
	r.metrics.show(&found)
	return true
}

// keep records what was found, and forgets what is old.
func (r *Reconciler) keep(ctx context.Context, key string, found *Reconciled) error {
	r.metrics.show(found)
	r.tell(ctx, found)
	value, err := json.Marshal(found)
	if err != nil {
		return err
	}
	put := &store.Put{Items: []store.PutItem{{Space: spaceReconcile, Key: key, Value: value}}}
	oldest := r.b.now().In(reconcileZone).AddDate(0, 0, -reconcileKept).Format(dayFormat)
	old, err := r.b.store.Records(spaceReconcile, "", 1000)
	if err != nil {
		return err
	}
	for i := range old {
		if old[i].Key < oldest {
			put.Items = append(put.Items, store.PutItem{Space: spaceReconcile, Key: old[i].Key})
		}
	}
	if _, err := r.b.cluster.Propose(ctx, put); err != nil {
		return fmt.Errorf("record what was found: %w", err)
	}
	return nil
}

// tell logs what was found: as a warning what nothing explains.
func (r *Reconciler) tell(ctx context.Context, found *Reconciled) {
	all := &found.Kinds[0]
	level, msg := slog.LevelInfo, "counts agree with the account's"
	if all.Difference() != 0 {
		msg = "counts differ from the account's"
	}
	if !all.explained() {
		level = slog.LevelWarn
	}
	r.log.Log(ctx, level, msg, "account", found.Account, "day", found.Day, "sent", all.Ours.Sent, "sent_by_api", all.Theirs.Sent,
		"uncertain", all.Ours.Uncertain, "difference", all.Difference())
}

// Compare compares a day of UTC+8 now, for all Alibaba Cloud accounts. Nothing is kept.
func (r *Reconciler) Compare(ctx context.Context, day time.Time) ([]Reconciled, error) {
	pol, ok := r.b.inForce()
	if !ok {
		return nil, errNoReconcile
	}
	list := []Reconciled{}
	for _, account := range pol.aliyunAccounts() {
		found, err := r.account(ctx, pol, account, day)
		if err != nil {
			return nil, fmt.Errorf("account %s: %w", account, err)
		}
		list = append(list, *found)
	}
	return list, nil
}

// account compares a day of one account. Its routes are asked one after the other until one answers.
func (r *Reconciler) account(ctx context.Context, pol *policy, account string, day time.Time) (*Reconciled, error) {
	day = day.In(reconcileZone)
	name := day.Format(dayFormat)
	if err := r.b.current(ctx); err != nil {
		return nil, err
	}
	days, err := r.b.store.Days(name, name)
	if err != nil {
		return nil, err
	}
	for _, route := range pol.routesTo(account) {
		totals, askErr := r.totals.Totals(ctx, route, day)
		if askErr != nil {
			err = errors.Join(err, askErr)
			continue
		}
		found := &Reconciled{Day: name, Account: account, Route: route, At: r.b.now().UTC()}
		kinds := r.b.templateKinds(account)
		found.Kinds = pol.compare(account, days, totals, func(code string) string { return cmp.Or(kinds[code], pol.kindOf(code)) })
		return found, nil
	}
	return nil, err
}

// compare puts our counts beside the account's. Where the kind of a template is not known, kinds cannot be compared.
func (p *policy) compare(account string, days []store.DayCount, totals []DayTotal, kindOf func(code string) string) []KindCount {
	kinds := []KindCount{{Kind: KindAll}}
	of := func(name string) *KindCount {
		i := slices.IndexFunc(kinds, func(k KindCount) bool { return k.Kind == name })
		if i < 0 {
			i = len(kinds)
			kinds = append(kinds, KindCount{Kind: name})
		}
		return &kinds[i]
	}
	for i := range days {
		d := &days[i]
		route := p.routes[d.Route]
		if route == nil || route.Account != account {
			continue
		}
		of(KindAll).Ours.add(d)
		of(kindOf(d.Template)).Ours.add(d)
	}
	for _, t := range totals {
		theirs := Counts{Sent: t.Sent, Delivered: t.Delivered, Failed: t.Failed, Open: t.Open}
		for _, name := range []string{KindAll, t.Kind} {
			k := &of(name).Theirs
			k.Sent, k.Delivered = k.Sent+theirs.Sent, k.Delivered+theirs.Delivered
			k.Failed, k.Open = k.Failed+theirs.Failed, k.Open+theirs.Open
		}
	}
	if slices.ContainsFunc(kinds, func(k KindCount) bool { return k.Kind == kindUnknown }) {
		return kinds[:1]
	}
	slices.SortFunc(kinds[1:], func(a, b KindCount) int { return cmp.Compare(a.Kind, b.Kind) })
	return kinds
}

func (c *Counts) add(d *store.DayCount) {
	c.Sent += int64(d.Sent)
	c.Segments += int64(d.Segments)
	c.Delivered += int64(d.Delivered)
	c.Failed += int64(d.Failed)
	c.Open += int64(d.Sent - d.Delivered - d.Failed)
	c.Uncertain += int64(d.Uncertain)
}

// templateKinds are the kinds of an account's templates as far as its catalog tells them.
func (b *Bridge) templateKinds(account string) map[string]string {
	rec, ok := b.store.Record(spaceCatalog, account)
	if !ok {
		return nil
	}
	c, err := decodeCatalog(rec.Value)
	if err != nil {
		return nil // where it is used that is told
	}
	kinds := make(map[string]string, len(c.Templates))
	for _, t := range c.Templates {
		if slices.Contains([]string{KindCode, KindNotice, KindPromotion, KindInternational}, t.Type) {
			kinds[t.Code] = t.Type
		}
	}
	return kinds
}

// kindOf is the kind of a template, by its class. A class with a name of the operator's own does not say it.
func (p *policy) kindOf(template string) string {
	t := p.templates[template]
	if t == nil {
		return kindUnknown
	}
	switch t.Class {
	case configs.ClassOTP:
		return KindCode
	case configs.ClassNotice:
		return KindNotice
	case configs.ClassPromotion:
		return KindPromotion
	case configs.ClassInternational:
		return KindInternational
	}
	return kindUnknown
}

// aliyunAccounts are the Alibaba Cloud accounts that the policy has routes of, sorted.
func (p *policy) aliyunAccounts() (list []string) {
	for _, r := range p.routes {
		if r.Kind == configs.KindDysmsapi && !slices.Contains(list, r.Account) {
			list = append(list, r.Account)
		}
	}
	slices.Sort(list)
	return list
}

// routesTo are the routes of an Alibaba Cloud account, sorted.
func (p *policy) routesTo(account string) (list []string) {
	for name, r := range p.routes {
		if r.Kind == configs.KindDysmsapi && r.Account == account {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}

// dayFormat spells days as the store does.
const dayFormat = "20060102"

func reconcileKey(day, account string) string { return day + "/" + account }

// sinceMidnight is the time of day.
func sinceMidnight(t time.Time) time.Duration {
	return time.Duration(t.Hour())*time.Hour + time.Duration(t.Minute())*time.Minute + time.Duration(t.Second())*time.Second
}
