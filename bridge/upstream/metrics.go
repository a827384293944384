package upstream

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics count what happens on routes of kind smpp. Routes are the policy's, codes the closed set of outcome.go.
type metrics struct {
	submits    *prometheus.CounterVec
	seconds    *prometheus.HistogramVec
	binds      *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	late       *prometheus.CounterVec

	boundDesc *prometheus.Desc
	isBound   func(route string) bool

	mu     sync.Mutex
	routes map[string]bool // guarded by mu; that have been counted
}

func newMetrics(reg prometheus.Registerer, bound func(string) bool) (*metrics, error) {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "smppbridge", Subsystem: "upstream", Name: name, Help: help}, append([]string{"route"}, labels...))
	}
	m := &metrics{
		submits: counter("submits_total", "Messages submitted to message centres, by how that ended.", "code"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "smppbridge", Subsystem: "upstream", Name: "submit_seconds",
			Help:    "Time that submitting a message took, all its parts.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10}}, []string{"route"}),
		binds:      counter("binds_total", "Binds tried, by result.", "result"),
		deliveries: counter("deliveries_total", "deliver_sm of message centres, by kind, and whether they were taken.", "kind", "taken"),
		late:       counter("late_answers_total", "Answers that came after their message was taken for uncertain."),
		boundDesc: prometheus.NewDesc("smppbridge_upstream_bound",
			"1 while this node is bound to the route's message centre; only the leader is.", []string{"route"}, nil),
		isBound: bound,
		routes:  make(map[string]bool),
	}
	if reg == nil {
		return m, nil
	}
	var errs []error
	for _, c := range []prometheus.Collector{m.submits, m.seconds, m.binds, m.deliveries, m.late, m} {
		errs = append(errs, reg.Register(c))
	}
	return m, errors.Join(errs...)
}

// Describe implements prometheus.Collector, for what is read at each scrape.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.boundDesc }

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for route := range m.routes {
		v := 0.0
		if m.isBound(route) {
			v = 1
		}
		ch <- prometheus.MustNewConstMetric(m.boundDesc, prometheus.GaugeValue, v, route)
	}
}

// addRoute has what is counted of a route begin at 0.
func (m *metrics) addRoute(route string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.routes[route] = true
	for _, code := range []string{codeOK, codeTimeout, codeLost, codeNotBound, codeRefused} {
		m.submits.WithLabelValues(route, code)
	}
	m.seconds.WithLabelValues(route)
	for _, result := range []string{bindDone, bindRefused, bindFailed} {
		m.binds.WithLabelValues(route, result)
	}
	for _, kind := range []string{kindReceipt, kindIncoming, kindUnreadable} {
		m.deliveries.WithLabelValues(route, kind, "true")
		m.deliveries.WithLabelValues(route, kind, "false")
	}
	m.late.WithLabelValues(route)
}

func (m *metrics) count(route, code string)  { m.submits.WithLabelValues(route, code).Inc() }
func (m *metrics) bind(route, result string) { m.binds.WithLabelValues(route, result).Inc() }
func (m *metrics) observe(r string, d time.Duration) {
	m.seconds.WithLabelValues(r).Observe(d.Seconds())
}

func (m *metrics) delivery(route, kind string, taken bool) {
	v := "false"
	if taken {
		v = "true"
	}
	m.deliveries.WithLabelValues(route, kind, v).Inc()
}
