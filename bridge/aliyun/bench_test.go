package aliyun

import (
	"context"
	"fmt"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysms "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	util "github.com/alibabacloud-go/tea-utils/v2/service"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/store"
)

// parallelism is goroutines per processor in the benchmarks.
const parallelism = 32

// BenchmarkSDKCeiling is the SDK alone, used as well as it can be, against a server that does
// nothing: the most that any client can reach that uses it. Compare BenchmarkClientSend.
func BenchmarkSDKCeiling(b *testing.B) {
	for _, workers := range []int{1, parallelism} {
		b.Run(fmt.Sprintf("%dx", workers), func(b *testing.B) {
			srv := serve(b, respond(200, okBody))
			route := plainRoute(b, srv.URL)
			base, err := dysms.NewClient(&openapi.Config{
				Endpoint: tea.String(route.Endpoint), Protocol: tea.String("http"),
				AccessKeyId: tea.String(testKeyID), AccessKeySecret: tea.String(testSecret),
			})
			if err != nil {
				b.Fatal(err)
			}
			options := &util.RuntimeOptions{
				ReadTimeout: tea.Int(5000), ConnectTimeout: tea.Int(2), MaxIdleConns: tea.Int(1024), NoProxy: tea.String(route.Endpoint),
			}
			call := testCall()
			to := call.Recipients[0]
			b.SetParallelism(workers)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				own := *base
				for pb.Next() {
					response, err := own.SendSmsWithOptions(&dysms.SendSmsRequest{
						OutId: tea.String(call.OutID), PhoneNumbers: tea.String(to.Phone), SignName: tea.String(to.SignName),
						TemplateCode: tea.String(call.Template), TemplateParam: tea.String(to.Params),
					}, options)
					if err != nil || tea.StringValue(response.Body.Code) != "OK" {
						b.Error("a call failed")
						return
					}
				}
			})
		})
	}
}

// BenchmarkClientSend is the same calls through a Client.
func BenchmarkClientSend(b *testing.B) {
	for _, workers := range []int{1, parallelism} {
		b.Run(fmt.Sprintf("%dx", workers), func(b *testing.B) {
			route := plainRoute(b, serve(b, respond(200, okBody)).URL)
			route.Workers = 1024
			c := newClient(b, nil, route)
			call := testCall()
			b.SetParallelism(workers)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					call := call
					call.Before = time.Now().Add(time.Second)
					if a := c.Send(context.Background(), call); a.Kind != store.OutcomeAccepted {
						b.Errorf("%+v", a)
						return
					}
				}
			})
		})
	}
}

// BenchmarkClientOverhead is what a Client adds to the SDK's own work: all of Send but the call,
// which is too late to be made.
func BenchmarkClientOverhead(b *testing.B) {
	c := newClient(b, nil, plainRoute(b, "http://127.0.0.1:1"))
	call := testCall()
	call.Before = time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if a := c.Send(context.Background(), call); a.Code != codeTooLate {
			b.Fatalf("%+v", a)
		}
	}
}
