package bridge

import "github.com/prometheus/client_golang/prometheus"

// courierMetrics tell what nodes have to do with each other's receipts.
type courierMetrics struct {
	moved   prometheus.Counter
	waiting prometheus.Gauge
	asks    *prometheus.CounterVec
}

func newCourierMetrics(reg prometheus.Registerer) *courierMetrics {
	m := &courierMetrics{
		moved: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_receipts_moved_total",
			Help: "Receipts that this node took over, because another node's receivers went or its own came."}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "smppbridge_bridge_receipts_waiting_for_nodes",
			Help: "Receipts that wait until another node says that it does not deliver them, or that their submit_sm_resp is written."}),
		asks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_node_questions_total",
			Help: "Questions to other nodes about receipts, by subject and whether they were answered."}, []string{"subject", "result"}),
	}
	for _, subject := range []string{subjectInFlight, subjectWritten} {
		m.asks.WithLabelValues(subject, "ok")
		m.asks.WithLabelValues(subject, "failed")
	}
	if reg != nil {
		reg.MustRegister(m.moved, m.waiting, m.asks)
	}
	return m
}

// asked counts a question.
func (m *courierMetrics) asked(subject string, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	m.asks.WithLabelValues(subject, result).Inc()
}

// waits says that of a mailbox's receipts n wait, and not was any more.
func (m *courierMetrics) waits(was *int, n int) {
	m.waiting.Add(float64(n - *was))
	*was = n
}
