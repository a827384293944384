package aliyunsim_test

import (
	"context"
	"fmt"
	"net"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysmsapi "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// A call that is executed although its client is told otherwise, and the ledger that knows.
func Example() {
	cfg := aliyunsim.DevConfig()
	cfg.Faults = aliyunsim.Faults{{Kind: aliyunsim.FaultBusiness, Code: "isp.SYSTEM_ERROR", Executed: true, Count: 1}}
	sim, err := aliyunsim.New(cfg)
	if err != nil {
		panic(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- sim.Run(ctx, ln) }()

	client, err := dysmsapi.NewClient(&openapi.Config{Endpoint: tea.String(ln.Addr().String()), Protocol: tea.String("HTTP"),
		AccessKeyId: tea.String("sim-key"), AccessKeySecret: tea.String("sim-secret")})
	if err != nil {
		panic(err)
	}
	answer, err := client.SendSms(&dysmsapi.SendSmsRequest{PhoneNumbers: tea.String("13900000001"), SignName: tea.String("速通银行"),
		TemplateCode: tea.String("SMS_100000001"), TemplateParam: tea.String(`{"code":"123456"}`)})
	if err != nil {
		panic(err)
	}
	fmt.Println(tea.StringValue(answer.Body.Code))
	for _, e := range sim.Ledger() {
		fmt.Println(e.Template, e.Params)
	}
	stop()
	fmt.Println(<-done)
	// Output:
	// isp.SYSTEM_ERROR
	// SMS_100000001 {"code":"123456"}
	// <nil>
}
