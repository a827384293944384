package cluster_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// catchUpMiB is the size of the state file in BenchmarkCatchUp, unless SMPPBRIDGE_CATCHUP_MIB says another.
const catchUpMiB = 64

// BenchmarkCatchUp measures what proposals wait while a node that was away catches up, at 10,000 messages a second in groups
// of 50: before, while it is sent the file, and while it is sent the log.
func BenchmarkCatchUp(b *testing.B) {
	mib := catchUpMiB
	if s := os.Getenv("SMPPBRIDGE_CATCHUP_MIB"); s != "" {
		var err error
		if mib, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	for range b.N {
		c := clustertest.New(b, 3, func(cfg *cluster.Config) { asInProduction(cfg); cfg.SegmentBytes, cfg.MaxLogBytes = 4<<20, 16<<20 })
		away := (c.Leader() + 1) % 3
		c.Stop(away)
		leader := c.Leader()
		seq := fill(b, c.Node(leader), c.Store(leader), int64(mib)<<20)
		g := newGauge(c.Node(leader), seq, 200)
		before := g.during(func() { time.Sleep(5 * time.Second) })
		begin := time.Now()
		c.Start(away)
		during := g.during(func() {
			for c.Node(away).Figures().SnapshotsReceived == 0 && time.Since(begin) < 10*time.Minute {
				time.Sleep(10 * time.Millisecond)
			}
		})
		took := time.Since(begin)
		after := g.during(func() {
			for have, _ := c.Store(away).Applied(); ; have, _ = c.Store(away).Applied() {
				if want, _ := c.Store(leader).Applied(); have+5 > want || time.Since(begin) > 10*time.Minute {
					return
				}
				time.Sleep(10 * time.Millisecond)
			}
		})
		g.stop()
		b.Logf("file %d MiB, sent and installed in %v, level %v later; log up to %d MiB; %d elections", c.Store(leader).Figures().FileSize>>20,
			took.Round(time.Millisecond), (time.Since(begin) - took).Round(time.Millisecond), c.Node(leader).Figures().LogBytes>>20, c.Node(leader).Figures().Reigns-1)
		for _, w := range []struct {
			when string
			window
		}{{"before", before}, {"file", during}, {"log", after}} {
			b.ReportMetric(w.rate, w.when+"-messages/s")
			b.ReportMetric(w.p(0.5), w.when+"-p50-ms")
			b.ReportMetric(w.p(0.99), w.when+"-p99-ms")
		}
	}
}

// group is an Accept of n messages.
func group(n int, seq uint64) *store.Accept {
	cmd := &store.Accept{Token: store.Token{Node: "bench", Incarnation: 1, Seq: seq, Lowest: seq - min(seq-1, 128)}}
	for i := range n {
		cmd.Messages = append(cmd.Messages, store.Submission{Charges: -1, Message: store.Message{
			Account: "bench", Phone: "13900000000", Class: "otp", SignName: "sign", TemplateCode: "SMS_1",
			Text: fmt.Sprint(i, strings.Repeat("t", 140)),
		}})
	}
	return cmd
}

// fill has messages accepted until the file has so many octets.
func fill(b *testing.B, node *cluster.Node, st *store.Store, size int64) (seq uint64) {
	b.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for st.Figures().FileSize < size {
				mu.Lock()
				seq++
				cmd := group(400, seq)
				mu.Unlock()
				if _, err := node.Propose(context.Background(), cmd); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return seq
}

// A gauge proposes groups of 50 messages at a steady rate and notes how long each waits, from the moment when it was due.
type gauge struct {
	node *cluster.Node
	end  context.CancelFunc
	wg   sync.WaitGroup

	mu    sync.Mutex
	waits []time.Duration // guarded by mu
}

func newGauge(node *cluster.Node, seq uint64, perSecond int) *gauge {
	ctx, cancel := context.WithCancel(context.Background())
	g := &gauge{node: node, end: cancel}
	begin := time.Now()
	var next sync.Mutex
	n := 0
	for range 32 {
		g.wg.Go(func() {
			for {
				next.Lock()
				due := begin.Add(time.Duration(n) * time.Second / time.Duration(perSecond))
				n++
				seq++
				cmd := group(50, seq)
				next.Unlock()
				select {
				case <-time.After(time.Until(due)):
				case <-ctx.Done():
					return
				}
				if _, err := node.Propose(ctx, cmd); err != nil {
					continue
				}
				g.mu.Lock()
				g.waits = append(g.waits, time.Since(due))
				g.mu.Unlock()
			}
		})
	}
	return g
}

func (g *gauge) stop() { g.end(); g.wg.Wait() }

// A window is what was measured in a while.
type window struct {
	rate  float64 // messages a second
	waits []time.Duration
}

func (g *gauge) during(f func()) window {
	g.mu.Lock()
	g.waits = nil
	g.mu.Unlock()
	begin := time.Now()
	f()
	g.mu.Lock()
	defer g.mu.Unlock()
	w := window{rate: float64(50*len(g.waits)) / time.Since(begin).Seconds(), waits: slices.Clone(g.waits)}
	slices.Sort(w.waits)
	return w
}

// p returns a quantile in ms.
func (w window) p(q float64) float64 {
	if len(w.waits) == 0 {
		return 0
	}
	return float64(w.waits[int(q*float64(len(w.waits)-1))].Microseconds()) / 1000
}
