package cluster

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"smppbridge/store"
)

// BenchmarkPropose measures durable proposals of one node: synced log, synced file. One of 100 KiB
// is a group of the batcher's, of about 400 messages.
func BenchmarkPropose(b *testing.B) {
	for _, size := range []struct {
		name     string
		messages int
	}{{"200B", 1}, {"100KiB", 400}} {
		for _, lanes := range []int{1, 2, 64} {
			b.Run(fmt.Sprintf("%s/inflight=%d", size.name, lanes), func(b *testing.B) {
				benchmarkPropose(b, size.messages, lanes)
			})
		}
	}
}

func benchmarkPropose(b *testing.B, messages, lanes int) {
	s := newSite(b, func(c *Config) { c.MaxWaitingBytes = 64 << 20 })
	s.start()
	before := s.node.Figures()
	batch := group(messages)
	octets := len(store.Encode(0, batch))
	var seq atomic.Uint64
	var wg sync.WaitGroup
	b.SetBytes(int64(octets))
	b.ResetTimer()
	for range lanes {
		wg.Go(func() {
			for {
				n := seq.Add(1)
				if n > uint64(b.N) {
					return
				}
				cmd := *batch
				cmd.Token.Seq, cmd.Token.Lowest = n, n-min(n-1, 128)
				if _, err := s.node.Propose(context.Background(), &cmd); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := s.node.Figures()
	n := float64(b.N)
	b.ReportMetric(n*float64(messages)/b.Elapsed().Seconds(), "messages/s")
	b.ReportMetric(n/float64(after.Appends-before.Appends), "entries/append")
	b.ReportMetric(float64((after.AppendTime-before.AppendTime).Microseconds())/float64(after.Appends-before.Appends), "µs/append")
	b.ReportMetric(float64((after.ApplyTime-before.ApplyTime).Microseconds())/float64(after.Batches-before.Batches), "µs/apply")
}

// group makes an Accept as the batcher does.
func group(messages int) *store.Accept {
	a := &store.Accept{Token: store.Token{Node: "n1", Incarnation: 1, Seq: 1, Lowest: 1}}
	for i := range messages {
		a.Messages = append(a.Messages, store.Submission{Charges: -1, Message: store.Message{
			Account: "bench", Phone: "13900000000", Class: "otp", SignName: "sign", TemplateCode: "SMS_1",
			Source: store.Address{Addr: "1069"}, Dest: store.Address{TON: 1, NPI: 1, Addr: "8613900000000"},
			Text: fmt.Sprint(i, strings.Repeat("t", 140)), Wants: store.WantsSuccess,
		}})
	}
	return a
}
