package aliyun_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	util "github.com/alibabacloud-go/tea-utils/v2/service"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// BenchmarkSDKAndSimulator is the SDK alone, 32 calls at a time for each processor, against the simulator as
// `smppbridged dev` has it, reports pushed to somebody who does nothing with them. It is what a node that makes one call
// for each message is compared with: cmd/smppload/bench.sh.
func BenchmarkSDKAndSimulator(b *testing.B) {
	var reports atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		reports.Add(1)
		_, _ = io.WriteString(w, `{"code":0,"msg":"OK"}`)
	}))
	defer receiver.Close()
	cfg := aliyunsim.DevConfig()
	cfg.ReportURL = receiver.URL
	endpoint := benchSimulator(b, cfg)
	base, err := dysms.NewClient(&openapi.Config{
		Endpoint: tea.String(endpoint), Protocol: tea.String("http"),
		AccessKeyId: tea.String("sim-key"), AccessKeySecret: tea.String("sim-secret"),
	})
	if err != nil {
		b.Fatal(err)
	}
	options := &util.RuntimeOptions{
		ReadTimeout: tea.Int(5000), ConnectTimeout: tea.Int(2), MaxIdleConns: tea.Int(1024), NoProxy: tea.String(endpoint),
	}
	var calls atomic.Int64
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		own := *base
		for pb.Next() {
			n := calls.Add(1)
			response, err := own.SendSmsWithOptions(&dysms.SendSmsRequest{
				OutId: tea.String(fmt.Sprintf("sb-1-%d", n)), PhoneNumbers: tea.String(fmt.Sprintf("139%08d", n)),
				SignName: tea.String("速通银行"), TemplateCode: tea.String("SMS_100000003"),
				TemplateParam: tea.String(`{"content":"您的账户余额不足"}`),
			}, options)
			if err != nil || tea.StringValue(response.Body.Code) != "OK" {
				b.Error("a call failed")
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
	b.ReportMetric(float64(b.N)/max(1, float64(reports.Load())), "calls/push")
}

// benchSimulator runs the simulator until the benchmark ends, and returns its address.
func benchSimulator(b *testing.B, cfg aliyunsim.Config) string {
	b.Helper()
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		_ = sim.Run(ctx, l)
	}()
	b.Cleanup(func() { cancel(); <-ended })
	return l.Addr().String()
}
