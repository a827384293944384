package aliyunsim

import (
	"errors"
	"fmt"
	"testing"
	"time"

	openapi "github.com/alibabacloud-go/darabonba-openapi/v2/client"
	dysmsapi "github.com/alibabacloud-go/dysmsapi-20170525/v3/client"
	"github.com/alibabacloud-go/tea/tea"
)

// sdk returns Alibaba's own client, pointed at host.
func sdk(t *testing.T, host, algorithm, secret string) *dysmsapi.Client {
	t.Helper()
	cfg := &openapi.Config{Endpoint: tea.String(host), Protocol: tea.String("HTTP"),
		AccessKeyId: tea.String("sim-key"), AccessKeySecret: tea.String(secret)}
	if algorithm != "" {
		cfg.SignatureAlgorithm = tea.String(algorithm)
	}
	c, err := dysmsapi.NewClient(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestForeignClient lets Alibaba's SDK make every call that is played, with both of its signature algorithms.
func TestForeignClient(t *testing.T) {
	for _, algorithm := range []string{"", "v2"} {
		t.Run("algorithm "+algorithm, func(t *testing.T) {
			s := newServer(t, func(c *Config) { c.Reports.Delay = time.Millisecond })
			c := sdk(t, run(t, s), algorithm, "sim-secret")

			sent, err := c.SendSms(&dysmsapi.SendSmsRequest{PhoneNumbers: tea.String("13900000001"),
				SignName: tea.String("速通银行"), TemplateCode: tea.String("SMS_100000002"), OutId: tea.String("o 1*~+/"),
				TemplateParam: tea.String(`{"name":"张 三*~","order":"A+1/2=3&4"}`)})
			if err != nil {
				t.Fatal(err)
			}
			if got := tea.StringValue(sent.Body.Code); got != "OK" {
				t.Fatalf("SendSms: code %s, want OK", got)
			}
			batch, err := c.SendBatchSms(&dysmsapi.SendBatchSmsRequest{
				PhoneNumberJson: tea.String(`["13900000001","+8613900000002"]`), SignNameJson: tea.String(`["速通银行","阿里云测试"]`),
				TemplateCode: tea.String("SMS_100000003"), OutId: tea.String("o2"),
				TemplateParamJson: tea.String(`[{"content":"一"},{"content":"two"}]`)})
			if err != nil {
				t.Fatal(err)
			}
			if got := tea.StringValue(batch.Body.Code); got != "OK" {
				t.Fatalf("SendBatchSms: code %s, want OK", got)
			}
			ledger := s.Ledger()
			if len(ledger) != 3 {
				t.Fatalf("%d messages in the ledger, want 3", len(ledger))
			}
			if got := ledger[0].BizID; got != tea.StringValue(sent.Body.BizId) {
				t.Errorf("ledger has BizId %s, the client %s", got, tea.StringValue(sent.Body.BizId))
			}
			if got := ledger[0].OutID; got != "o 1*~+/" {
				t.Errorf("OutId %q, want %q", got, "o 1*~+/")
			}
			if ledger[1].BizID != ledger[2].BizID || ledger[2].Phone != "13900000002" {
				t.Errorf("batch executed as %+v", ledger[1:])
			}
			checkDetails(t, c, beijing(ledger[0].Time))
			checkLists(t, c)
		})
	}
}

func checkDetails(t *testing.T, c *dysmsapi.Client, day time.Time) {
	t.Helper()
	res, err := c.QuerySendDetails(&dysmsapi.QuerySendDetailsRequest{PhoneNumber: tea.String("13900000001"),
		SendDate: tea.String(day.Format("20060102")), PageSize: tea.Int64(50), CurrentPage: tea.Int64(1)})
	if err != nil {
		t.Fatal(err)
	}
	rows := res.Body.SmsSendDetailDTOs.SmsSendDetailDTO
	if tea.StringValue(res.Body.TotalCount) != "2" || len(rows) != 2 {
		t.Fatalf("QuerySendDetails: %s", res.Body)
	}
	if got, want := tea.StringValue(rows[1].Content), "【速通银行】尊敬的张 三*~，您的订单A+1/2=3&4已发货，请注意查收。"; got != want {
		t.Errorf("content %q, want %q", got, want)
	}
	if got := tea.StringValue(rows[0].OutId); got != "o2" {
		t.Errorf("OutId %q, want o2: youngest first", got)
	}
}

func checkLists(t *testing.T, c *dysmsapi.Client) {
	t.Helper()
	templates, err := c.QuerySmsTemplateList(&dysmsapi.QuerySmsTemplateListRequest{PageIndex: tea.Int32(2), PageSize: tea.Int32(3)})
	if err != nil {
		t.Fatal(err)
	}
	list := templates.Body.SmsTemplateList
	if len(list) != 1 || tea.StringValue(list[0].TemplateCode) != "SMS_100000004" || tea.Int64Value(templates.Body.TotalCount) != 4 {
		t.Errorf("second page of templates: %s", templates.Body)
	}
	signs, err := c.QuerySmsSignList(&dysmsapi.QuerySmsSignListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if len(signs.Body.SmsSignList) != 2 || tea.StringValue(signs.Body.SmsSignList[1].AuditStatus) != "AUDIT_STATE_PASS" {
		t.Errorf("signatures: %s", signs.Body)
	}
}

// TestForeignClientRefused checks that the SDK takes our errors for what they are.
func TestForeignClientRefused(t *testing.T) {
	for _, algorithm := range []string{"", "v2"} {
		t.Run(fmt.Sprintf("algorithm %q", algorithm), func(t *testing.T) {
			s := newServer(t, nil)
			c := sdk(t, run(t, s), algorithm, "wrong-secret")
			_, err := c.SendSms(&dysmsapi.SendSmsRequest{PhoneNumbers: tea.String("13900000001"), SignName: tea.String("速通银行"),
				TemplateCode: tea.String("SMS_100000001"), TemplateParam: tea.String(`{"code":"1234"}`)})
			var sdkErr *tea.SDKError
			if !errors.As(err, &sdkErr) {
				t.Fatalf("got %v, want an SDKError", err)
			}
			if tea.StringValue(sdkErr.Code) != "SignatureDoesNotMatch" || tea.IntValue(sdkErr.StatusCode) != 400 {
				t.Errorf("got %s with status %d", tea.StringValue(sdkErr.Code), tea.IntValue(sdkErr.StatusCode))
			}
			if n := len(s.Ledger()); n != 0 {
				t.Errorf("%d messages were executed", n)
			}
		})
	}
}
