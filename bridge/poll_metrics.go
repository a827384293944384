package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// What a query said of a message without a report.
const (
	pollEnded   = "ended"
	pollWaiting = "waiting" // the API has no report either
	pollUnknown = "unknown" // the API does not know it
	pollFailed  = "failed"  // the API did not say
)

// pollMetrics count messages without a report.
type pollMetrics struct {
	polls *prometheus.CounterVec
	ages  *prometheus.CounterVec
}

func newPollMetrics(reg prometheus.Registerer) *pollMetrics {
	m := &pollMetrics{
		polls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_polls_total",
			Help: "Messages that were asked for because no report had come, by what the API said.",
		}, []string{"result"}),
		ages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_unreported_total",
			Help: "Messages that were sent and without a report by that age.",
		}, []string{"age"}),
	}
	for _, result := range []string{pollEnded, pollWaiting, pollUnknown, pollFailed} {
		m.polls.WithLabelValues(result)
	}
	for _, after := range pollAfter {
		m.ages.WithLabelValues(after.label)
	}
	if reg != nil {
		reg.MustRegister(m.polls, m.ages)
	}
	return m
}

func (m *pollMetrics) result(result string) { m.polls.WithLabelValues(result).Inc() }

// unreported counts a message without a report at its age.
func (m *pollMetrics) unreported(age time.Duration) { m.ages.WithLabelValues(ageLabel(age)).Inc() }

// ageLabel is the last of the ages at which messages are looked at that age has passed.
func ageLabel(age time.Duration) string {
	label := pollAfter[0].label
	for _, after := range pollAfter {
		if age >= after.age {
			label = after.label
		}
	}
	return label
}
