package store

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
)

func benchMessage(i int) Message {
	return Message{
		Account: "shop", Origin: Origin{Node: "node-1", Incarnation: 1700000000000, Session: 42, Mark: uint64(i)},
		Source: Address{TON: 5, Addr: "10690000"}, Dest: Address{TON: 1, NPI: 1, Addr: "8613800000000"},
		RegisteredDelivery: 1, DataCoding: 8, Phone: fmt.Sprintf("138%08d", i%100_000_000), Class: "otp", SignName: "示例商城",
		TemplateCode: "SMS_123456789", Params: `{"code":"123456"}`, Text: "【示例商城】您的验证码是123456，5分钟内有效，请勿泄露。",
		Wants: WantsSuccess | WantsFailure, Expires: 1800000000000,
	}
}

func benchAccept(n int) *Accept {
	c := &Accept{
		Token: Token{Node: "node-1", Incarnation: 7, Seq: 1, Lowest: 1},
		Charges: [][]Charge{{
			{Key: "rate/shop", Amount: 1, Rules: []Rule{{Kind: RuleBucket, Limit: 1 << 30, Burst: 1 << 30, Period: 1000}}},
			{Key: "day/shop", Amount: 1, Rules: []Rule{{Kind: RuleWindow, Limit: 1 << 31, Period: 86400000, Offset: 8 * 3600000}}},
			{Key: OpenKey("shop"), Amount: 1, Rules: []Rule{{Kind: RuleLevel, Limit: 1 << 31}}},
		}},
	}
	for i := range n {
		c.Messages = append(c.Messages, Submission{Message: benchMessage(i)})
	}
	return c
}

func BenchmarkEncodeAccept(b *testing.B) {
	c := benchAccept(100)
	b.ReportAllocs()
	var n int
	for b.Loop() {
		n = len(Encode(1700000000000, c))
	}
	b.SetBytes(int64(n))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}

func BenchmarkDecodeAccept(b *testing.B) {
	raw := Encode(1700000000000, benchAccept(100))
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		if _, _, err := Decode(raw); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100, "ns/message")
}

func BenchmarkApplyAccept(b *testing.B) {
	for _, n := range []int{64, 400} {
		for _, sync := range []bool{false, true} {
			b.Run(fmt.Sprintf("%d/sync=%t", n, sync), func(b *testing.B) {
				s, err := Open(filepath.Join(b.TempDir(), "state"), Options{NoSync: !sync})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				c := benchAccept(n)
				index := uint64(0)
				var spent time.Duration // in Apply alone
				for b.Loop() {
					index++
					c.Token.Seq, c.Token.Lowest = index, index
					e := []Entry{{Index: index, Term: 1, Command: Encode(1700000000000+int64(index), c)}}
					start := time.Now()
					if _, err := s.Apply(e); err != nil {
						b.Fatal(err)
					}
					spent += time.Since(start)
				}
				b.ReportMetric(float64(spent.Nanoseconds())/float64(b.N)/float64(n), "ns/message")
			})
		}
	}
}
