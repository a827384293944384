package aliyun

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// reportDropped is one more result of a message, beside those of pushed reports: it could never be understood, and was deleted.
const reportDropped = "dropped"

// Requests about queues, for their counter.
const (
	requestToken   = "token"
	requestReceive = "receive"
	requestDelete  = "delete"
)

// Results of them.
const (
	requestOK     = "ok"
	requestFailed = "failed"
)

// queueMetrics counts what is read of queues.
type queueMetrics struct {
	messages *prometheus.CounterVec
	requests *prometheus.CounterVec
}

// newQueueMetrics registers the counters; reg may be nil.
func newQueueMetrics(reg prometheus.Registerer) (*queueMetrics, error) {
	m := &queueMetrics{
		messages: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_aliyun_queue_messages_total",
			Help: "Messages of message queues by queue, kind and result.",
		}, []string{"queue", "kind", "result"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_aliyun_queue_requests_total",
			Help: "Requests to message queues, and for the keys to them, by result.",
		}, []string{"queue", "kind", "request", "result"}),
	}
	return m, errors.Join(register(reg, &m.messages), register(reg, &m.requests))
}

// add starts the counters of a queue at 0.
func (m *queueMetrics) add(queue, kind string) {
	for _, result := range []string{reportTaken, reportPending, reportBad, reportRefused, reportDropped} {
		m.messages.WithLabelValues(queue, kind, result)
	}
	for _, request := range []string{requestToken, requestReceive, requestDelete} {
		for _, result := range []string{requestOK, requestFailed} {
			m.requests.WithLabelValues(queue, kind, request, result)
		}
	}
}

func (m *queueMetrics) count(r *queueReader, result string, n int) {
	m.messages.WithLabelValues(r.name, r.kind, result).Add(float64(n))
}

func (m *queueMetrics) request(r *queueReader, request string, err error) {
	result := requestOK
	if err != nil {
		result = requestFailed
	}
	m.requests.WithLabelValues(r.name, r.kind, request, result).Inc()
}
