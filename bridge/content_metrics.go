package bridge

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge/template"
	"smppbridge/configs"
)

// contentMetrics count what texts are made of, what they cost, and what accounts have for them.
type contentMetrics struct {
	segments  *prometheus.CounterVec
	cost      *prometheus.CounterVec
	unmatched *prometheus.CounterVec
	syncs     *prometheus.CounterVec

	mu    sync.RWMutex
	sales map[group]sale // guarded by mu; by account and template
}

// sale is what counts the segments of an account and template.
type sale struct{ segments, cost prometheus.Counter }

func newContentMetrics(reg prometheus.Registerer) *contentMetrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "smppbridge", Subsystem: "bridge", Name: name, Help: help}, labels)
	}
	m := &contentMetrics{
		segments:  counter("segments_total", "Segments of messages that the API accepted.", "account", "template"),
		cost:      counter("cost_total", "What those segments cost, by the cost of their classes.", "account", "template"),
		unmatched: counter("unmatched_total", "Submits refused for their text, by why no template takes it.", "account", "reason"),
		syncs:     counter("catalog_syncs_total", "Times that an account's templates and signatures were asked for.", "account", "result"),
		sales:     make(map[group]sale),
	}
	if reg != nil {
		reg.MustRegister(m.segments, m.cost, m.unmatched, m.syncs)
	}
	return m
}

// start starts the counters of a policy at 0.
func (m *contentMetrics) start(p *policy) {
	for name := range p.accounts {
		for _, r := range template.Reasons() {
			m.unmatched.WithLabelValues(name, r.String())
		}
	}
	for _, account := range catalogAccounts(p.doc) {
		for _, result := range []string{syncOK, syncDenied, syncFailed} {
			m.syncs.WithLabelValues(account, result)
		}
	}
}

// sold counts a call that the API accepted.
func (m *contentMetrics) sold(c *call) {
	if c.route.Kind == configs.RouteDryRun {
		return
	}
	n := 0
	for i := range c.members {
		n += c.members[i].size
	}
	s := m.saleOf(c.group)
	s.segments.Add(float64(n))
	s.cost.Add(float64(n) * c.members[0].template.class.Cost)
}

func (m *contentMetrics) saleOf(g group) sale {
	m.mu.RLock()
	s, ok := m.sales[g]
	m.mu.RUnlock()
	if ok {
		return s
	}
	s = sale{m.segments.WithLabelValues(g.account, g.template), m.cost.WithLabelValues(g.account, g.template)}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sales[g] = s
	return s
}

// refused counts a submit that was refused for its text.
func (m *contentMetrics) refused(account string, err error) {
	var miss *template.NoMatch
	if errors.As(err, &miss) {
		m.unmatched.WithLabelValues(account, miss.Reason.String()).Inc()
	}
}

func (m *contentMetrics) synced(account, result string) {
	m.syncs.WithLabelValues(account, result).Inc()
}

// catalogFigures exposes what accounts lack as gauges, read at each scrape. All nodes know it.
type catalogFigures struct {
	b *Bridge

	lacking, differs, age, unsendable *prometheus.Desc
}

func newCatalogFigures(b *Bridge) *catalogFigures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("smppbridge_bridge_catalog_"+name, help, labels, nil)
	}
	return &catalogFigures{
		b:       b,
		lacking: desc("lacking", "Templates and signatures of the policy that an Alibaba Cloud account cannot send.", "account", "kind", "state"),
		differs: desc("differs", "Templates whose text is another one in the Alibaba Cloud account.", "account"),
		age:     desc("age_seconds", "Time since an Alibaba Cloud account was last asked for its templates and signatures.", "account"),
		unsendable: desc("unsendable",
			"Templates and signatures of the policy that no Alibaba Cloud account of its routes can send.", "kind"),
	}
}

// Describe implements prometheus.Collector.
func (f *catalogFigures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.lacking, f.differs, f.age, f.unsendable} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *catalogFigures) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	now := f.b.clock()
	for _, c := range f.b.Catalogs() {
		for kind, states := range map[string]map[string]AuditState{"template": c.Lacking.Templates, "signature": c.Lacking.Signatures} {
			count := map[AuditState]int{}
			for _, s := range states {
				count[s]++
			}
			for _, s := range []AuditState{AuditAbsent, AuditPending, AuditRejected, AuditWithdrawn} {
				gauge(f.lacking, float64(count[s]), c.Account, kind, string(s))
			}
		}
		gauge(f.differs, float64(len(c.Differs)), c.Account)
		gauge(f.age, max(0, now.Sub(c.Seen).Seconds()), c.Account)
	}
	templates, signatures := f.b.policy.Load().unsendable()
	gauge(f.unsendable, float64(templates), "template")
	gauge(f.unsendable, float64(signatures), "signature")
}

// unsendable counts the templates and signatures that have routes, and none whose account has them.
func (p *policy) unsendable() (templates, signatures int) {
	if p == nil || len(p.lacking) == 0 {
		return 0, 0
	}
	stuck := func(offers, has func(*route) bool) bool {
		offered := false
		for _, r := range p.routes {
			switch {
			case !offers(r) || r.Kind == configs.RouteDryRun:
			case has(r):
				return false
			default:
				offered = true
			}
		}
		return offered
	}
	for code := range p.templates {
		if stuck(func(r *route) bool { return r.templates == nil || r.templates[code] },
			func(r *route) bool { return r.lacks == nil || r.lacks.templates[code] == "" }) {
			templates++
		}
	}
	for _, sign := range p.doc.Signatures {
		if stuck(func(r *route) bool { return r.signatures == nil || r.signatures[sign] },
			func(r *route) bool { return r.lacks == nil || r.lacks.signatures[sign] == "" }) {
			signatures++
		}
	}
	return templates, signatures
}
