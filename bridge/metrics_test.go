package bridge

import (
	"errors"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestMetrics: after every kind of outcome the metrics are well formed, count what happened, and
// have neither text nor number in them (promise 7).
func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	inRig(t, func(t *testing.T, r *rig) {
		answers := []Answer{
			{Kind: store.OutcomeRejected, Ending: store.EndRejected, Err: "033", Code: "isv.X", Cause: errors.New("redacted")},
			{Kind: store.OutcomeRetry}, {Kind: store.OutcomeUncertain}, {Kind: store.OutcomeAccepted, BizID: "biz^1"},
		}
		r.api.send = func(c Call) Answer { return answers[len(r.api.called())%len(answers)] }
		e := r.bind("any", smpp.Transceiver)
		for range answers {
			e.accepted("hello")
			pass(100 * time.Millisecond)
		}
		e.submit("hello", func(m *smpp.SubmitSM) { m.DestinationAddr = "13800138000x" })
		e.Next()
		pass(10 * time.Second)
		checkMetrics(t, reg)
	}, func(c *Config) { c.Registerer = reg })
}

// metricsPage is what Prometheus would read.
func metricsPage(t *testing.T, reg *prometheus.Registry) string {
	t.Helper()
	page := httptest.NewRecorder()
	promhttp.HandlerFor(reg, promhttp.HandlerOpts{}).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	return page.Body.String()
}

func checkMetrics(t *testing.T, reg *prometheus.Registry) {
	t.Helper()
	problems, err := testutil.GatherAndLint(reg)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	text := metricsPage(t, reg)
	for _, want := range []string{
		`smppbridge_bridge_submits_total{account="any",status="ESME_ROK"} 4`,
		`smppbridge_bridge_submits_total{account="any",status="ESME_RINVDSTADR"} 1`,
		`smppbridge_bridge_submits_total{account="otp",status="ESME_ROK"} 0`,
		`smppbridge_bridge_duplicates_total{account="any"} 0`,
		`smppbridge_bridge_queue_bytes 0`,
		`smppbridge_bridge_outcomes_total{outcome="rejected",route="main"} 1`,
		`smppbridge_bridge_outcomes_total{outcome="rejected",route="slow"} 0`,
		`smppbridge_bridge_receipts_total{result="delivered"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("not in the metrics: %s", want)
		}
	}
	for _, private := range []string{"138001", "hello"} {
		if strings.Contains(text, private) {
			t.Errorf("a text or number is in the metrics")
		}
	}
}
