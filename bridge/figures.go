package bridge

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/store"
)

// figures exposes what the store counts as gauges, read at each scrape.
type figures struct {
	st  *store.Store
	now func() time.Time

	messages, oldest, uncertain, outbox, outboxOldest, incoming, binds *prometheus.Desc
}

func newFigures(st *store.Store, now func() time.Time) *figures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("smppbridge_bridge_"+name, help, labels, nil)
	}
	return &figures{
		st: st, now: now,
		messages:     desc("queue_messages", "Messages in the store by state.", "state"),
		oldest:       desc("queue_oldest_seconds", "How long the oldest message that is due to be sent has been due."),
		uncertain:    desc("uncertain_messages", "Messages of which it is not known whether they were sent."),
		outbox:       desc("outbox_receipts", "Receipts waiting to be delivered."),
		outboxOldest: desc("outbox_oldest_seconds", "Age of the oldest receipt or incoming message waiting."),
		incoming:     desc("incoming_waiting", "Incoming messages waiting to be delivered."),
		binds:        desc("binds", "Bound sessions on all nodes."),
	}
}

func (f *figures) register(reg prometheus.Registerer) { reg.MustRegister(f) }

// Describe implements prometheus.Collector.
func (f *figures) Describe(ch chan<- *prometheus.Desc) { prometheus.DescribeByCollect(f, ch) }

// Collect implements prometheus.Collector.
func (f *figures) Collect(ch chan<- prometheus.Metric) {
	g := f.st.Figures()
	now := f.now().UnixMilli()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for s := store.StateAccepted; s <= store.StateJoined; s++ {
		gauge(f.messages, float64(g.Messages[s]), s.String())
	}
	gauge(f.oldest, age(now, g.OldestSend))
	gauge(f.uncertain, float64(g.Messages[store.StateUncertain]))
	gauge(f.outbox, float64(g.Outbox))
	gauge(f.outboxOldest, age(now, g.OldestOutbox))
	gauge(f.incoming, float64(g.Incoming))
	gauge(f.binds, float64(g.Binds))
}

// age is how long ago at was, in seconds; 0 if at is not set or to come.
func age(now, at int64) float64 {
	if at == 0 || at > now {
		return 0
	}
	return float64(now-at) / 1000
}
