package aliyunsim

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// cpuTime is the processor time that this process has used.
func cpuTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// benchNumber makes a phone number for the nth call.
func benchNumber(n int64) string { return fmt.Sprintf("139%08d", n%100_000_000) }

// BenchmarkHandler is the cost of one SendSms without HTTP: signature, checks, ledger, report. Requests are signed
// beforehand.
func BenchmarkHandler(b *testing.B) {
	for _, algorithm := range []string{"V3", "v1"} {
		b.Run(algorithm, func(b *testing.B) {
			s := newServer(b, func(c *Config) { c.ReportURL = "http://127.0.0.1:9/" })
			h := s.Handler()
			const batch = 1000
			requests := make([]*http.Request, 0, batch)
			b.ReportAllocs()
			for i := range b.N {
				if i%batch == 0 {
					b.StopTimer()
					requests = requests[:0]
					for j := range batch {
						q := sendSms(free(benchNumber(int64(i+j)), "您的账户余额不足，请及时充值。"))
						if algorithm == "v1" {
							requests = append(requests, q.v1())
						} else {
							requests = append(requests, q.v3())
						}
					}
					b.StartTimer()
				}
				w := httptest.NewRecorder()
				h.ServeHTTP(w, requests[i%batch])
				if i%batch == 0 && decode(b, w.Result()).Code != "OK" {
					b.Fatal("refused")
				}
			}
		})
	}
}

// BenchmarkSendSms makes calls over TCP, hand-signed through net/http, with a receiver of reports.
// cpu-ns/op is the processor time of client, server and receiver together.
func BenchmarkSendSms(b *testing.B) {
	benchmarkHTTP(b, nil, func(s *Server) http.Handler { return s.Handler() })
}

// BenchmarkFloor is the same against a handler that answers without looking: what net/http and the
// client cost.
func BenchmarkFloor(b *testing.B) {
	body := accepted("C0A0BE93-B44F-4350-BCC8-B677F78C3802", 166810747624160111)
	benchmarkHTTP(b, []byte(body.body), func(*Server) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			body.setHeader(w.Header(), "C0A0BE93-B44F-4350-BCC8-B677F78C3802")
			_, _ = w.Write(body.body)
		})
	})
}

func benchmarkHTTP(b *testing.B, fixed []byte, handler func(*Server) http.Handler) {
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"code":0,"msg":"ok"}`)
	}))
	defer receiver.Close()
	s := newServer(b, func(c *Config) { c.ReportURL = receiver.URL })
	host := ""
	if fixed == nil {
		host = run(b, s)
	} else {
		floor := httptest.NewServer(handler(s))
		defer floor.Close()
		host = floor.Listener.Addr().String()
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	var n atomic.Int64
	b.SetParallelism(16)
	b.ReportAllocs()
	before := cpuTime(b)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			q := sendSms(free(benchNumber(n.Add(1)), "您的账户余额不足，请及时充值。"))
			q.host = host
			res, err := client.Do(q.v3())
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, res.Body)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusOK {
				b.Errorf("status %d", res.StatusCode)
				return
			}
		}
	})
	b.StopTimer()
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}
