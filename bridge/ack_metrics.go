package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// ackMetrics are of submits that wait for the API's answer.
type ackMetrics struct {
	waiting prometheus.Gauge
	acks    *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newAckMetrics(reg prometheus.Registerer) *ackMetrics {
	m := &ackMetrics{
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smppbridge_bridge_ack_waiting",
			Help: "Accepted submit_sm that wait for the API's answer (ack: submitted)."}),
		acks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_acks_total",
			Help: "submit_sm that waited for the API's answer, by how they were answered."}, []string{"result"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "smppbridge_bridge_ack_seconds",
			Help:    "From submit_sm read to submit_sm_resp queued, of those that waited for the API's answer.",
			Buckets: []float64{.002, .005, .01, .02, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}}),
	}
	for what := ackSent; what <= ackUnsettled; what++ {
		m.acks.WithLabelValues(what.String())
	}
	if reg != nil {
		reg.MustRegister(m.waiting, m.acks, m.seconds)
	}
	return m
}

// String is the metric's label.
func (a ack) String() string {
	switch a {
	case ackSent:
		return "sent"
	case ackEnded:
		return "ended"
	case ackTimedOut:
		return "timed_out"
	case ackRefused:
		return "refused"
	case ackUnsettled:
		return "unsettled"
	}
	return "other"
}

// answered counts one that does not wait any more.
func (m *ackMetrics) answered(what ack, took time.Duration) {
	m.waiting.Dec()
	m.acks.WithLabelValues(what.String()).Inc()
	if what != ackUnsettled {
		m.seconds.Observe(took.Seconds())
	}
}
