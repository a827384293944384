package bridge

import (
	"context"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
	"smppbridge/store"
)

// BenchmarkOperations is a session that asks as fast as it is read, on a node whose Syncs and commits take long, or no time
// at all.
func BenchmarkOperations(b *testing.B) {
	for _, takes := range []time.Duration{0, 50 * time.Millisecond} {
		b.Run("query_sm/"+takes.String(), func(b *testing.B) {
			benchmarkOperations(b, takes, func(n store.Number) smpp.PDU { return &smpp.QuerySM{MessageID: n.String()} })
		})
		b.Run("cancel_sm/"+takes.String(), func(b *testing.B) {
			benchmarkOperations(b, takes, func(n store.Number) smpp.PDU { return &smpp.CancelSM{MessageID: n.String()} })
		})
	}
}

func benchmarkOperations(b *testing.B, takes time.Duration, ask func(store.Number) smpp.PDU) {
	st, err := store.Open(filepath.Join(b.TempDir(), "state"), store.Options{ClusterID: "sms", NoSync: true, MmapSize: 1 << 30})
	if err != nil {
		b.Fatal(err)
	}
	r := &rig{t: b, node: &oneNode{store: st}, api: new(api), listener: smpptest.NewListener()}
	r.putPolicy(promisePolicy)
	slow := &slowNode{slowSync: slowSync{oneNode: r.node}}
	if r.Bridge, err = New(Config{NodeID: "n1", Cluster: slow, Store: st, Sender: r.api, Paused: true}); err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	srv := smpp.NewServer(smpp.Config{SystemID: "rig"}, r.Bridge)
	var running sync.WaitGroup
	running.Go(func() { _ = r.Run(ctx) })
	running.Go(func() { _ = srv.Serve(ctx, r.listener) })
	defer func() { cancel(); running.Wait(); st.Close() }()
	if err := r.Announce(ctx); err != nil {
		b.Fatal(err)
	}
	e := r.bind("any", smpp.Transmitter)
	numbers := make([]store.Number, b.N)
	for i := range numbers {
		numbers[i] = e.accepted("hello", inAnHour)
	}
	slow.takes = takes
	b.ResetTimer()
	for i, st := range e.flood(b.N, func(i int) smpp.PDU { return ask(numbers[i]) }) {
		if st != smpp.StatusOK {
			b.Fatalf("request %d answered %v", i, st)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
	b.StopTimer()
	slow.takes = 0
}

// slowNode is a slowSync whose commits take as long.
type slowNode struct{ slowSync }

// Propose implements Cluster.
func (n *slowNode) Propose(ctx context.Context, cmd store.Command) (store.Result, error) {
	if !sleep(ctx, n.takes) {
		return nil, ctx.Err()
	}
	return n.apply(cmd)
}
