package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"smppbridge/smpp"
)

// TestRoutesAreShown: state, rest and code of a circuit, for operators and in metrics, and what waits because nothing is well.
func TestRoutesAreShown(t *testing.T) {
	reg := prometheus.NewRegistry()
	inWays(t, func(t *testing.T, r *rig) {
		r.api.send = func(Call) Answer { return unreachable }
		e := r.bind("main", smpp.Transmitter)
		r.Resume()
		pass(time.Second)
		e.submits("知hello", 7)
		pass(100 * time.Millisecond)
		list, ok := r.Routes()
		if !ok || len(list) != 8 {
			t.Fatalf("%d routes, leading: %v; want 8", len(list), ok)
		}
		got := list[0]
		if got.Name != "a1" || got.Account != "a" || got.Circuit != "open" || got.Code != "unreachable" || got.Running != 0 ||
			got.Until.Sub(got.Since) != circuitRest || got.Since.After(r.node.now()) {
			t.Errorf("got %+v", got)
		}
		if _, err := testutil.GatherAndLint(reg); err != nil {
			t.Fatal(err)
		}
		text := metricsPage(t, reg)
		for _, want := range []string{
			`smppbridge_bridge_route_circuit{route="a1",state="open"} 1`,
			`smppbridge_bridge_route_circuit{route="a1",state="closed"} 0`,
			`smppbridge_bridge_route_circuit{route="b1",state="closed"} 1`,
			`smppbridge_bridge_route_rate{route="slow"} 2`,
			`smppbridge_bridge_route_calls{route="a1"} 0`,
			`smppbridge_bridge_stranded_messages 7`,
			fmt.Sprintf("smppbridge_bridge_call_messages_count %d", len(r.api.called())),
		} {
			if !strings.Contains(text, want+"\n") {
				t.Errorf("not in the metrics: %s", want)
			}
		}
		r.stopRun()
		if _, ok := r.Routes(); ok {
			t.Error("a node that does not lead says how the routes stand")
		}
	}, func(c *Config) { c.Registerer = reg })
}
