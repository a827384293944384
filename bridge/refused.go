package bridge

import (
	"context"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// refusedBinds logs refused binds: the first of a kind at once, and what follows of it as a number, once a
// minute. An attacker decides how often a bind is refused; he must not decide how long our log is.
type refusedBinds struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	kinds  map[refusedKind]*refusedCount // guarded by mu
	untold int                           // guarded by mu; refused while kinds was full
}

// A refusedKind is what is logged as one.
type refusedKind struct {
	account string // empty if there is none: a client that swaps its fields sends its password in that place
	network netip.Prefix
	reason  string
}

type refusedCount struct {
	told time.Time // when it was last logged
	more int       // since then
}

// How refused binds are logged.
const (
	refusedEvery = time.Minute
	maxKinds     = 10_000
)

func newRefusedBinds(log *slog.Logger, now func() time.Time) *refusedBinds {
	return &refusedBinds{log: log, now: now, kinds: make(map[refusedKind]*refusedCount)}
}

// add notes a refused bind.
func (r *refusedBinds) add(ctx context.Context, k refusedKind, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.kinds[k]; c != nil {
		c.more++
		return
	}
	if len(r.kinds) >= maxKinds {
		r.untold++
		return
	}
	r.kinds[k] = &refusedCount{told: r.now()}
	r.line(ctx, k, slog.String("err", err.Error()))
}

// flush logs how many more of each kind there were, and forgets the kinds of which there were none.
func (r *refusedBinds) flush(ctx context.Context) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.now()
	for k, c := range r.kinds {
		switch {
		case now.Sub(c.told) < refusedEvery:
		case c.more == 0:
			delete(r.kinds, k)
		default:
			r.line(ctx, k, slog.Int("more", c.more))
			c.told, c.more = now, 0
		}
	}
	if r.untold > 0 {
		r.log.InfoContext(ctx, "binds refused, too many kinds to tell apart", "more", r.untold)
		r.untold = 0
	}
}

func (r *refusedBinds) line(ctx context.Context, k refusedKind, last slog.Attr) {
	if k.account == "" {
		r.log.InfoContext(ctx, "unknown account's bind refused", "remote", networkName(k.network), "reason", k.reason, last)
		return
	}
	r.log.InfoContext(ctx, "account's bind refused", "system_id", k.account, "remote", networkName(k.network), "reason", k.reason, last)
}

// doorMetrics count who is not let in.
type doorMetrics struct {
	refused  *prometheus.CounterVec
	replaced prometheus.Counter
	rebinds  *prometheus.CounterVec
}

// What becomes of binds that sessions and state do not agree on.
const (
	rebindKept   = "kept"   // the session has a place again
	rebindClosed = "closed" // there was none for it
	rebindSwept  = "swept"  // a place without a session was freed
)

func newDoorMetrics(reg prometheus.Registerer, l *lockout) *doorMetrics {
	m := &doorMetrics{
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_binds_refused_total", Help: "Bind requests refused, by why."}, []string{"reason"}),
		replaced: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "smppbridge_bridge_sessions_replaced_total",
			Help: "Sessions that did not answer and were closed because another bind of their account needed the place."}),
		rebinds: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "smppbridge_bridge_rebinds_total",
			Help: "Binds of this node that differed from the cluster's record, e.g. after it was cut off, by what became of them."},
			[]string{"result"}),
	}
	for _, reason := range refusalReasons {
		m.refused.WithLabelValues(reason)
	}
	for _, result := range []string{rebindKept, rebindClosed, rebindSwept} {
		m.rebinds.WithLabelValues(result)
	}
	if reg != nil {
		reg.MustRegister(m.refused, m.replaced, m.rebinds)
		for by, count := range l.counts() {
			reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
				Name: "smppbridge_bridge_lockouts", ConstLabels: prometheus.Labels{"by": by},
				Help: "What is locked out for wrong passwords on this node."}, count))
		}
	}
	return m
}

// keepDoor looks after what is remembered of refused binds, until ctx ends.
func (b *Bridge) keepDoor(ctx context.Context) error {
	tick := time.NewTicker(refusedEvery / 4)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.lockout.prune()
			b.refused.flush(ctx)
		case <-ctx.Done():
			b.refused.flush(ctx)
			return ctx.Err()
		}
	}
}
