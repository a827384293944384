package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What becomes of an incoming message that a source offers, for its counter.
const (
	incomingTaken    = "taken"    // it is in an outbox
	incomingRepeated = "repeated" // it came before
	incomingNobody   = "nobody"   // no account owns it
	incomingBad      = "bad"      // no deliver_sm can carry it
)

// incomingMetrics count incoming messages and opt-outs.
type incomingMetrics struct {
	messages   *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	lag        prometheus.Histogram
	choices    *prometheus.CounterVec
	optRefused prometheus.Counter
}

func newIncomingMetrics(reg prometheus.Registerer) *incomingMetrics {
	m := &incomingMetrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_incoming_total",
			Help: "Incoming messages (MO) that a source offered, by what became of them."}, []string{"result"}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_incoming_deliveries_total",
			Help: "deliver_sm with an incoming message, or a part of one, by how they ended; expired counts messages."}, []string{"result"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "smppbridge_bridge_incoming_lag_seconds", Help: "From an incoming message in the outbox to its last deliver_sm_resp.",
			Buckets: []float64{.01, .05, .25, 1, 5, 15, 60, 300, 3600, 86400}}),
		choices: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_optouts_total",
			Help: "Numbers that opted out or in again, by who said so."}, []string{"choice", "by"}),
		optRefused: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_optout_refused_total",
			Help: "Messages refused, or ended before they were sent, because their number has opted out."}),
	}
	for _, r := range []string{incomingTaken, incomingRepeated, incomingNobody, incomingBad} {
		m.messages.WithLabelValues(r)
	}
	for _, r := range []string{"delivered", "refused", "session_lost", "deferred", "expired"} {
		m.deliveries.WithLabelValues(r)
	}
	for _, by := range []string{byMessage, byOperator} {
		m.choices.WithLabelValues("out", by)
		m.choices.WithLabelValues("in", by)
	}
	if reg != nil {
		reg.MustRegister(m.messages, m.deliveries, m.lag, m.choices, m.optRefused)
	}
	return m
}

func (m *incomingMetrics) came(result string, n int) {
	m.messages.WithLabelValues(result).Add(float64(n))
}

func (m *incomingMetrics) ended(result string) { m.deliveries.WithLabelValues(result).Inc() }

func (m *incomingMetrics) delivered(lag time.Duration) { m.lag.Observe(lag.Seconds()) }

func (m *incomingMetrics) chosen(out bool, by string) {
	word := "in"
	if out {
		word = "out"
	}
	m.choices.WithLabelValues(word, by).Inc()
}
