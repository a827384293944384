package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// reconcileMetrics show the last day that was compared, on the leader.
type reconcileMetrics struct {
	difference *prometheus.GaugeVec
	unknown    *prometheus.GaugeVec
	day        *prometheus.GaugeVec
	failures   prometheus.Counter
}

func newReconcileMetrics(reg prometheus.Registerer) *reconcileMetrics {
	gauge := func(name, help string, labels ...string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "smppbridge_bridge_reconcile_" + name, Help: help}, labels)
	}
	m := &reconcileMetrics{
		difference: gauge("difference_messages", "Messages that an Alibaba Cloud account was sent on the last day compared, less those "+
			"we know of, on the leader.", "account", "kind"),
		unknown: gauge("uncertain_messages", "Messages of that day of which it never became known whether they were sent, on the leader.", "account"),
		day:     gauge("day_seconds", "When the last day compared began, in Unix time, on the leader.", "account"),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_reconcile_failures_total", Help: "Times an account's counts could not be compared.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.difference, m.unknown, m.day, m.failures)
	}
	return m
}

// show shows what was found. Accounts and kinds are from the policy and a closed list.
func (m *reconcileMetrics) show(found *Reconciled) {
	begin, err := time.ParseInLocation(dayFormat, found.Day, reconcileZone)
	if err != nil {
		return
	}
	m.day.WithLabelValues(found.Account).Set(float64(begin.Unix()))
	for i := range found.Kinds {
		k := &found.Kinds[i]
		m.difference.WithLabelValues(found.Account, k.Kind).Set(float64(k.Difference()))
		if k.Kind == KindAll {
			m.unknown.WithLabelValues(found.Account).Set(float64(k.Ours.Uncertain))
		}
	}
}

func (m *reconcileMetrics) reset() {
	m.difference.Reset()
	m.unknown.Reset()
	m.day.Reset()
}
