package bridge

import (
	"cmp"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// A RouteStatus is how a route is used by the node that leads.
type RouteStatus struct {
	Name     string    `json:"route"`
	Account  string    `json:"account"` // the Alibaba Cloud account
	Priority int       `json:"priority"`
	Weight   int       `json:"weight"`
	Circuit  string    `json:"circuit"` // closed, open or half-open
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"` // of an open circuit: the end of its rest
	Code     string    `json:"code,omitempty"` // what opened it
	QPS      int       `json:"qps"`
	Rate     float64   `json:"rate"` // calls a second it is used at: less than its qps after it was throttled
	Workers  int       `json:"workers"`
	Running  int       `json:"running"`           // calls under way
	Stopped  bool      `json:"stopped,omitempty"` // by an operator
}

// Routes says how the routes of the policy stand. Only the leader knows: ok is false on other nodes.
func (b *Bridge) Routes() (list []RouteStatus, ok bool) {
	d := b.dispatching.Load()
	if d == nil {
		return nil, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	now, steady := b.now(), b.cfg.Steady()
	list = []RouteStatus{}
	for name, r := range b.policy.Load().routes {
		x := d.exitOf(r)
		s := RouteStatus{
			Name: name, Account: r.Account, Priority: r.Priority, Weight: r.Weight,
			Circuit: x.circuit.state.String(), Since: now.Add(x.circuit.since.Sub(steady)), Code: x.circuit.why,
			QPS: r.QPS, Rate: x.rate.now(r.QPS, steady), Workers: r.Workers, Running: x.running,
			Stopped: x.stopped,
		}
		if x.circuit.state == circuitOpen {
			s.Until = now.Add(x.circuit.until.Sub(steady))
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b RouteStatus) int {
		return cmp.Or(cmp.Compare(a.Priority, b.Priority), cmp.Compare(a.Name, b.Name))
	})
	return list, true
}

// routeFigures exposes how the routes stand, while this node leads, as gauges read at each scrape.
type routeFigures struct {
	b *Bridge

	circuit, rate, running, stranded *prometheus.Desc
}

func newRouteFigures(b *Bridge) *routeFigures {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("smppbridge_bridge_"+name, help, labels, nil)
	}
	return &routeFigures{
		b:        b,
		circuit:  desc("route_circuit", "1 for the state that a route's circuit is in, on the leader.", "route", "state"),
		rate:     desc("route_rate", "Calls a second at which a route is used, on the leader.", "route"),
		running:  desc("route_calls", "Calls under way, on the leader.", "route"),
		stranded: desc("stranded_messages", "Messages to be sent of accounts none of whose routes is well, on the leader."),
	}
}

// Describe implements prometheus.Collector.
func (f *routeFigures) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{f.circuit, f.rate, f.running, f.stranded} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (f *routeFigures) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	routes, ok := f.b.Routes()
	if !ok {
		return
	}
	for i := range routes {
		r := &routes[i]
		for _, state := range circuitNames {
			v := 0.0
			if r.Circuit == state {
				v = 1
			}
			gauge(f.circuit, v, r.Name, state)
		}
		gauge(f.rate, r.Rate, r.Name)
		gauge(f.running, float64(r.Running), r.Name)
	}
	gauge(f.stranded, float64(f.b.stranded()))
}

// stranded counts the messages to be sent of accounts none of whose routes is well.
func (b *Bridge) stranded() (count int) {
	d, pol := b.dispatching.Load(), b.policy.Load()
	if d == nil {
		return 0
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, lane := range lanes {
		for _, a := range b.store.DueAccounts(lane) {
			acct := pol.accounts[a.Account]
			if acct == nil || slices.ContainsFunc(acct.routes, func(r *route) bool { return d.exitOf(r).usable() }) {
				continue
			}
			count += a.Count
		}
	}
	return count
}
