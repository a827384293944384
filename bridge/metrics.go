package bridge

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/smpp"
	"smppbridge/store"
)

// metrics are the bridge's counters. Labels come from closed sets: accounts and routes of the
// policy, and fixed words.
type metrics struct {
	submits    *prometheus.CounterVec
	duplicates *prometheus.CounterVec
	latency    prometheus.Histogram
	outcomes   *prometheus.CounterVec
	limited    *prometheus.CounterVec
	receipts   *prometheus.CounterVec
	lag        prometheus.Histogram
	incoming   *incomingMetrics
	polls      *pollMetrics
	reports    *prometheus.CounterVec
	unsettled  prometheus.Counter
	unresolved prometheus.Counter
	rounds     prometheus.Counter
	capped     *prometheus.CounterVec
	braked     *prometheus.CounterVec
	batches    prometheus.Histogram

	mu sync.RWMutex
	ok map[string]prometheus.Counter // guarded by mu; submits with ESME_ROK by account: the hot one
}

func newMetrics(reg prometheus.Registerer, st *store.Store, now func() time.Time) *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "smppbridge", Subsystem: "bridge", Name: name, Help: help}, labels)
	}
	m := &metrics{
		submits: counter("submits_total", "submit_sm answered, by account and command_status.", "account", "status"),
		duplicates: counter("duplicates_total",
			"Submits answered with the message_id of an earlier one that was the same, by account.", "account"),
		outcomes: counter("outcomes_total", "Calls of the API by how they ended.", "route", "outcome"),
		limited:  counter("limited_total", "Sends put off because a limit was reached.", "route", "limit"),
		receipts: counter("receipts_total", "deliver_sm with a receipt by how they ended.", "result"),
		reports:  counter("reports_total", "Delivery reports by what became of them.", "result"),
		capped:   counter("caps_refused_total", "Messages refused because a cap of the policy was reached.", "cap"),
		braked:   counter("braked_submits_total", "Messages refused because an operator has stopped their account or template.", "kind"),
		unsettled: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_unsettled_total",
			Help: "submit_sm left unanswered, with their session closed, because the outcome of their commit stayed unknown."}),
		unresolved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_unresolved_total",
			Help: "Messages ended as unknown because nothing could be found out about their attempt."}),
		rounds: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_dispatch_rounds_total",
			Help: "Times that the dispatcher has looked for messages to send."}),
		batches: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smppbridge_bridge_call_messages", Help: "Messages of one call of the API.",
			Buckets: []float64{1, 2, 5, 10, 20, 50, 100}}),
		latency: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smppbridge_bridge_accept_seconds", Help: "From submit_sm read to submit_sm_resp queued, of accepted messages.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10}}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smppbridge_bridge_receipt_lag_seconds", Help: "From a receipt in the outbox to its deliver_sm_resp.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 5, 15, 60, 300, 3600, 86400}}),
		ok: make(map[string]prometheus.Counter),
	}
	m.incoming = newIncomingMetrics(reg)
	m.polls = newPollMetrics(reg)
	m.start()
	if reg != nil {
		reg.MustRegister(m.submits, m.duplicates, m.outcomes, m.limited, m.receipts, m.reports, m.unsettled, m.unresolved, m.rounds, m.batches,
			m.capped, m.braked, m.latency, m.lag)
		newFigures(st, now).register(reg)
	}
	return m
}

// start sets the counters with fixed labels to 0, so that rates are right from the first event.
func (m *metrics) start() {
	for _, r := range []string{"delivered", "refused", "session_lost", "deferred", "expired"} {
		m.receipts.WithLabelValues(r)
	}
	for _, kind := range []string{BrakeAccount, BrakeTemplate} {
		m.braked.WithLabelValues(kind)
	}
	for _, r := range []string{"applied", "duplicate", "orphaned", "mismatch", "interim"} {
		m.reports.WithLabelValues(r)
	}
}

// accounts starts the counters of a policy.
func (m *metrics) accounts(p *policy) {
	for name := range p.accounts {
		m.submits.WithLabelValues(name, smpp.StatusOK.String())
		m.duplicates.WithLabelValues(name)
	}
	for i := range p.caps {
		m.capped.WithLabelValues(p.caps[i].Name)
	}
	for name := range p.routes {
		for _, k := range []store.OutcomeKind{store.OutcomeAccepted, store.OutcomeRejected, store.OutcomeRetry, store.OutcomeUncertain} {
			m.outcomes.WithLabelValues(name, outcomeName(k))
		}
	}
}

func (m *metrics) accepted(account string, took time.Duration) {
	m.countOK(account)
	m.latency.Observe(took.Seconds())
}

// countOK counts a submit that was answered with ESME_ROK.
func (m *metrics) countOK(account string) {
	m.mu.RLock()
	c := m.ok[account]
	m.mu.RUnlock()
	if c == nil {
		c = m.submits.WithLabelValues(account, smpp.StatusOK.String())
		m.mu.Lock()
		m.ok[account] = c
		m.mu.Unlock()
	}
	c.Inc()
}

func (m *metrics) duplicate(account string) { m.duplicates.WithLabelValues(account).Inc() }

func (m *metrics) refusedSubmit(account string, st smpp.Status) {
	m.submits.WithLabelValues(account, st.String()).Inc()
}

// outcome counts a call for so many messages.
func (m *metrics) outcome(route string, k store.OutcomeKind, messages int) {
	m.outcomes.WithLabelValues(route, outcomeName(k)).Inc()
	m.batches.Observe(float64(messages))
}

// putOff counts calls that the route's rate, and messages that a phone's windows held back.
func (m *metrics) putOff(route string, a *store.BegunAttempt) {
	if a.Limit >= 0 {
		m.limited.WithLabelValues(route, "qps").Inc()
	}
	for i := range a.Members {
		if b := &a.Members[i]; !b.Granted && b.Limit >= 0 {
			m.limited.WithLabelValues(route, "phone").Inc()
		}
	}
}

func (m *metrics) receipt(result string, lag time.Duration) {
	m.receipts.WithLabelValues(result).Inc()
	if result == "delivered" {
		m.lag.Observe(lag.Seconds())
	}
}

func outcomeName(k store.OutcomeKind) string {
	switch k {
	case store.OutcomeAccepted:
		return "accepted"
	case store.OutcomeRejected:
		return "rejected"
	case store.OutcomeRetry:
		return "retry"
	case store.OutcomeUncertain:
		return "uncertain"
	}
	return "other"
}
