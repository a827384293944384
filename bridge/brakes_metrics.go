package bridge

import "github.com/prometheus/client_golang/prometheus"

// brakeFigures exposes what is stopped, as gauges read at each scrape.
type brakeFigures struct {
	b *Bridge

	brakes, waiting *prometheus.Desc
}

func newBrakeFigures(b *Bridge) *brakeFigures {
	return &brakeFigures{
		b: b,
		brakes: prometheus.NewDesc("smppbridge_bridge_brakes",
			"Accounts, templates and routes that operators have stopped.", []string{"kind", "mode"}, nil),
		waiting: prometheus.NewDesc("smppbridge_bridge_braked_messages",
			"Messages to be sent of accounts that operators have stopped.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (f *brakeFigures) Describe(ch chan<- *prometheus.Desc) {
	ch <- f.brakes
	ch <- f.waiting
}

// Collect implements prometheus.Collector.
func (f *brakeFigures) Collect(ch chan<- prometheus.Metric) {
	counts := map[[2]string]int{
		{BrakeAccount, BrakeHold}: 0, {BrakeAccount, BrakeRefuse}: 0,
		{BrakeTemplate, BrakeHold}: 0, {BrakeTemplate, BrakeRefuse}: 0, {BrakeRoute, BrakeHold}: 0,
	}
	waiting := 0
	list, err := f.b.Brakes()
	if err != nil { // the store is closing
		return
	}
	for _, x := range list {
		if _, known := counts[[2]string{x.Kind, x.Mode}]; known {
			counts[[2]string{x.Kind, x.Mode}]++
		}
		waiting += x.Waiting
	}
	for labels, n := range counts {
		ch <- prometheus.MustNewConstMetric(f.brakes, prometheus.GaugeValue, float64(n), labels[0], labels[1])
	}
	ch <- prometheus.MustNewConstMetric(f.waiting, prometheus.GaugeValue, float64(waiting))
}
