package cluster_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/store"
)

// asInProduction undoes what clustertest does for loaded machines.
func asInProduction(cfg *cluster.Config) {
	cfg.HeartbeatTimeout = cluster.DefaultHeartbeatTimeout
	cfg.ElectionTimeout = cluster.DefaultElectionTimeout
	cfg.LeaderLeaseTimeout = cluster.DefaultLeaderLeaseTimeout
}

// cpuTime returns the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkProposeOfThree measures durable proposals of three nodes on this machine, each a group of 200
// messages, in as many lanes as are named, on the leader and on a follower.
func BenchmarkProposeOfThree(b *testing.B) {
	for _, on := range []string{"leader", "follower"} {
		for _, lanes := range []int{1, 2, 8} {
			b.Run(fmt.Sprintf("%s/inflight=%d", on, lanes), func(b *testing.B) {
				c := clustertest.New(b, 3, asInProduction)
				i := c.LeaderOf(0, 1, 2)
				if on == "follower" {
					i = (i + 1) % 3
				}
				propose(b, c.Node(i), lanes)
			})
		}
	}
}

func propose(b *testing.B, node *cluster.Node, lanes int) {
	const messages = 200
	batch := &store.Accept{Token: store.Token{Node: "n1", Incarnation: 1}}
	for i := range messages {
		batch.Messages = append(batch.Messages, store.Submission{Charges: -1, Message: store.Message{
			Account: "bench", Phone: "13900000000", Class: "otp", SignName: "sign", TemplateCode: "SMS_1",
			Text: fmt.Sprint(i, strings.Repeat("t", 140)),
		}})
	}
	b.SetBytes(int64(len(store.Encode(0, batch))))
	var seq atomic.Uint64
	var wg sync.WaitGroup
	cpu, term := cpuTime(b), node.Figures().Term
	b.ResetTimer()
	for range lanes {
		wg.Go(func() {
			for n := seq.Add(1); n <= uint64(b.N); n = seq.Add(1) {
				cmd := *batch
				cmd.Token.Seq, cmd.Token.Lowest = n, n-min(n-1, 128)
				for { // a loaded machine may lose its leader
					if _, err := node.Propose(context.Background(), &cmd); err == nil {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)*messages/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(float64(node.Figures().Term-term), "elections")
	b.ReportMetric(float64((cpuTime(b)-cpu).Microseconds())/float64(b.N), "cpu-µs/op")
}

// BenchmarkFollowersHear measures, in an idle cluster, how much later than the leader's answer a command is
// in the followers' stores, and what the idle cluster costs.
func BenchmarkFollowersHear(b *testing.B) {
	c := clustertest.New(b, 3, asInProduction)
	leader := c.LeaderOf(0, 1, 2)
	var late time.Duration
	seq := uint64(0)
	b.ResetTimer()
	for b.Loop() {
		seq++
		if _, err := c.Node(leader).Propose(context.Background(), acceptCommand("x", seq, "one")); err != nil {
			b.Fatal(err)
		}
		begin := time.Now()
		index, _ := c.Store(leader).Applied()
		for i := range 3 {
			for at, _ := c.Store(i).Applied(); at < index; at, _ = c.Store(i).Applied() {
				time.Sleep(100 * time.Microsecond)
			}
		}
		late += time.Since(begin)
	}
	b.StopTimer()
	b.ReportMetric(float64(late.Microseconds())/float64(seq), "µs-late/op")
	cpu, begin := cpuTime(b), time.Now()
	time.Sleep(2 * time.Second)
	b.ReportMetric(100*float64(cpuTime(b)-cpu)/float64(time.Since(begin)), "%-idle-cpu")
}

// BenchmarkSync measures a Sync on a follower of an idle cluster.
func BenchmarkSync(b *testing.B) {
	c := clustertest.New(b, 3, asInProduction)
	leader := c.LeaderOf(0, 1, 2)
	for b.Loop() {
		if err := c.Node((leader + 1) % 3).Sync(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
