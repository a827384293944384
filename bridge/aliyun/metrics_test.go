package aliyun

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// Counters are there, at 0, before anything has happened; calls count under their code, calls not
// made under ours, and only calls that were made are timed.
func TestCallMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	c := newClient(t, reg, plainRoute(t, serve(t, respond(200, business("isv.SOMETHING_NEW", ""))).URL))
	m := c.metrics
	if n, want := testutil.CollectAndCount(m.calls), len(rows)+len(families)+2; n != want {
		t.Errorf("%d series of calls at the start, want %d", n, want)
	}
	send(t, c, testCall())
	send(t, c, testCall())
	gone := testCall()
	gone.Route = testPhone // a name that is not configured is no label
	send(t, c, gone)
	for _, tt := range []struct {
		route, code string
		want        float64
	}{{"main", "other", 2}, {"other", "no_route", 1}, {"main", "OK", 0}} {
		if got := testutil.ToFloat64(m.calls.WithLabelValues(tt.route, tt.code)); got != tt.want {
			t.Errorf("calls{%s,%s} = %v, want %v", tt.route, tt.code, got, tt.want)
		}
	}
	checkNoSecret(t, exposition(t, reg))
	problems, err := testutil.GatherAndLint(reg)
	if err != nil || len(problems) != 0 {
		t.Errorf("lint: %v, %v", problems, err)
	}
}

// Two clients on one registry count together; another collector of the same name is an error.
func TestMetricsTwice(t *testing.T) {
	reg := prometheus.NewRegistry()
	a, b := newClient(t, reg, plainRoute(t, "http://"+refused(t))), newClient(t, reg)
	send(t, a, testCall())
	if got := testutil.ToFloat64(b.metrics.calls.WithLabelValues("main", "unreachable")); got != 1 {
		t.Errorf("the other client's counter shows %v, want 1", got)
	}
	taken := prometheus.NewRegistry()
	taken.MustRegister(prometheus.NewGauge(prometheus.GaugeOpts{Name: "smppbridge_aliyun_calls_total", Help: "x"}))
	if _, err := New(Config{Registerer: taken}); err == nil {
		t.Error("no error although the name is taken")
	}
}
