package aliyun

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// callMetrics counts what the Client does.
type callMetrics struct {
	calls   *prometheus.CounterVec
	seconds *prometheus.HistogramVec
	finds   *prometheus.CounterVec
}

// Results of Find, for its counter.
const (
	findKnown   = "known"
	findUnknown = "unknown"
	findError   = "error"
)

// newCallMetrics registers the Client's metrics; reg may be nil.
func newCallMetrics(reg prometheus.Registerer) (*callMetrics, error) {
	m := &callMetrics{
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_aliyun_calls_total",
			Help: "Calls of SendSms and SendBatchSms by route and by what the API or the transport said.",
		}, []string{"route", "code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "smppbridge_aliyun_call_seconds",
			Help:    "Time that calls of SendSms and SendBatchSms took, answered or not.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
		finds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_aliyun_finds_total",
			Help: "Queries whether an uncertain call was executed, by route and result.",
		}, []string{"route", "result"}),
	}
	err := errors.Join(register(reg, &m.calls), register(reg, &m.seconds), register(reg, &m.finds))
	return m, err
}

// addRoute starts a route's counters at 0, so that the first fault is a rise.
func (m *callMetrics) addRoute(name string, t *Table) {
	for _, list := range [][]row{t.rows, t.families} {
		for _, r := range list {
			m.calls.WithLabelValues(name, r.code)
		}
	}
	m.calls.WithLabelValues(name, codeOther)
	m.calls.WithLabelValues(codeOther, codeNoRoute)
	m.seconds.WithLabelValues(name)
	for _, result := range []string{findKnown, findUnknown, findError} {
		m.finds.WithLabelValues(name, result)
	}
}

func (m *callMetrics) count(route, code string) { m.calls.WithLabelValues(route, code).Inc() }

func (m *callMetrics) observe(route string, took time.Duration) {
	m.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// Results of a pushed report, for its counter.
const (
	reportTaken     = "taken"     // committed
	reportPending   = "pending"   // says that nothing is final yet
	reportBad       = "bad"       // an element that is not a report
	reportRefused   = "refused"   // could not be committed; Alibaba Cloud is told to come again
	reportForbidden = "forbidden" // a request without the secret
	reportMalformed = "malformed" // a request whose body is no list of reports
)

// newPushMetrics registers the push handler's counters, of reports and of incoming messages; reg may be nil.
func newPushMetrics(reg prometheus.Registerer) (reports, messages *prometheus.CounterVec, err error) {
	reports = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smppbridge_aliyun_reports_total",
		Help: "Pushed delivery reports by result; requests, where there was nothing to count in them.",
	}, []string{"result"})
	messages = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "smppbridge_aliyun_incoming_total",
		Help: "Pushed incoming messages by result; requests, where there was nothing to count in them.",
	}, []string{"result"})
	err = errors.Join(register(reg, &reports), register(reg, &messages))
	for _, result := range []string{
		reportTaken, reportPending, reportBad, reportRefused, reportForbidden, reportMalformed,
	} {
		reports.WithLabelValues(result)
	}
	for _, result := range []string{reportTaken, reportBad, reportRefused, reportMalformed} {
		messages.WithLabelValues(result)
	}
	return reports, messages, err
}

// register registers *c, or replaces it with the like that is registered already.
func register[C prometheus.Collector](reg prometheus.Registerer, c *C) error {
	if reg == nil {
		return nil
	}
	err := reg.Register(*c)
	if twice := new(prometheus.AlreadyRegisteredError); errors.As(err, twice) {
		if existing, same := twice.ExistingCollector.(C); same {
			*c = existing
			return nil
		}
	}
	return err
}
