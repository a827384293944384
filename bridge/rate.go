package bridge

import (
	"time"

	"smppbridge/configs"
	"smppbridge/store"
)

// Rates. A throttling answer halves a route's, which then grows by a tenth of its qps each second.
const (
	rateScale   = 1000                   // a meter counts thousandths of calls a second
	rateCreep   = 0.1                    // of qps, each second
	rateLeast   = 0.01                   // of qps: it must not take for ever to come back
	throttleOne = 500 * time.Millisecond // throttled calls within this time were under way together: they count as one
)

// rate is at how many calls a second a route is used, which is less than its qps after a throttling answer. The zero
// rate is the whole qps.
type rate struct {
	base   float64
	at     time.Time // when it was base
	halved bool
}

// now is the rate at a time.
func (t *rate) now(qps int, at time.Time) float64 {
	if !t.halved {
		return float64(qps)
	}
	return min(float64(qps), t.base+rateCreep*float64(qps)*at.Sub(t.at).Seconds())
}

func (t *rate) halve(qps int, at time.Time) {
	if t.halved && at.Sub(t.at) < throttleOne {
		return
	}
	t.base, t.at, t.halved = max(t.now(qps, at)/2, rateLeast*float64(qps)), at, true
}

// charge is what a call costs of the route's rate. It is cluster-wide: the rules travel with the charge.
func (d *dispatcher) charge(r *configs.Route) []store.Charge {
	d.mu.Lock()
	perSecond := float64(r.QPS)
	if x := d.exits[r.Name]; x != nil {
		perSecond = x.rate.now(r.QPS, d.b.cfg.Steady())
	}
	d.mu.Unlock()
	return []store.Charge{{Key: "route/" + r.Name, Amount: 1, Rules: []store.Rule{{
		Kind: store.RuleBucket, Limit: max(1, uint32(perSecond*rateScale)), Period: rateScale * time.Second.Milliseconds(),
		Burst: max(1, uint32(perSecond/10))}}}}
}
