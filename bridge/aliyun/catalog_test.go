package aliyun_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
)

// TestCatalogOfAnAccount: all pages are read, and what the auditors decided is understood.
func TestCatalogOfAnAccount(t *testing.T) {
	sim, client := startSim(t, func(c *aliyunsim.Config) {
		a := &c.Accounts[0]
		for i := range 60 {
			a.Templates = append(a.Templates, aliyunsim.Template{Code: fmt.Sprintf("SMS_3%08d", i), Name: "更多", Content: "更多${v}"})
		}
		a.Templates[1].Type = aliyunsim.TypePromotion
		a.Templates[3].Type = aliyunsim.TypeInternational
	}, false)
	for _, v := range []aliyunsim.Audit{
		{Account: "dev", Template: "SMS_100000001", Status: aliyunsim.StatusCancel},
		{Account: "dev", Template: "SMS_100000002", Status: aliyunsim.StatusNotPass},
		{Account: "dev", Template: "SMS_100000003", Status: aliyunsim.StatusInit},
		{Account: "dev", Sign: "速通银行", Status: aliyunsim.StatusNotPass},
		{Account: "dev", Template: "SMS_300000007", Status: aliyunsim.StatusGone},
	} {
		if err := sim.SetAudit(v); err != nil {
			t.Fatal(err)
		}
	}
	got, err := client.Catalog(context.Background(), "main")
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Templates) != 63 || len(got.Signatures) != 2 {
		t.Fatalf("%d templates and %d signatures, want 63 and 2", len(got.Templates), len(got.Signatures))
	}
	for i, want := range []bridge.CatalogTemplate{
		{Code: "SMS_100000001", Type: "otp", State: bridge.AuditWithdrawn},
		{Code: "SMS_100000002", Type: "promotion", State: bridge.AuditRejected},
		{Code: "SMS_100000003", Type: "notice", State: bridge.AuditPending},
		{Code: "SMS_100000004", Type: "international", State: bridge.AuditPassed},
	} {
		g := got.Templates[i]
		if g.Code != want.Code || g.Type != want.Type || g.State != want.State || (g.Reason != "") != (want.State == bridge.AuditRejected) {
			t.Errorf("template %d: got %+v, want %+v", i, g, want)
		}
	}
	if got.Templates[0].Text != "您的验证码是${code}，5分钟内有效，请勿泄露。" || got.Templates[0].Name == "" {
		t.Errorf("got %+v", got.Templates[0])
	}
	for _, s := range got.Signatures {
		want := bridge.AuditPassed
		if s.Name == "速通银行" {
			want = bridge.AuditRejected
		}
		if s.State != want || (s.Reason != "") != (want == bridge.AuditRejected) {
			t.Errorf("signature %+v, want %s", s, want)
		}
	}
}

// TestCatalogFails: a list that is not whole is no list, and an account without the permission is told from one that is
// down.
func TestCatalogFails(t *testing.T) {
	sim, client := startSim(t, nil, false)
	for _, tt := range []struct {
		name   string
		fault  aliyunsim.Fault
		denied bool
	}{
		{"not permitted, by the service", aliyunsim.Fault{Kind: aliyunsim.FaultBusiness, Code: "isp.RAM_PERMISSION_DENY"}, true},
		{"not permitted, by the gateway", aliyunsim.Fault{Kind: aliyunsim.FaultGateway, Code: "Forbidden.RAM", Status: 403}, true},
		{"down", aliyunsim.Fault{Kind: aliyunsim.FaultHTML502}, false},
		{"cut off", aliyunsim.Fault{Kind: aliyunsim.FaultTruncated}, false},
		{"no JSON", aliyunsim.Fault{Kind: aliyunsim.FaultGarbage}, false},
		{"throttled", aliyunsim.Fault{Kind: aliyunsim.FaultThrottle}, false},
	} {
		for _, action := range []string{"QuerySmsTemplateList", "QuerySmsSignList"} {
			tt.fault.Action = action
			if err := sim.SetFaults(aliyunsim.Faults{tt.fault}); err != nil {
				t.Fatal(err)
			}
			got, err := client.Catalog(context.Background(), "main")
			if err == nil || errors.Is(err, bridge.ErrCatalogDenied) != tt.denied || got.Templates != nil {
				t.Errorf("%s, %s: %d templates, %v; want denied %v", tt.name, action, len(got.Templates), err, tt.denied)
			}
		}
	}
	if _, err := client.Catalog(context.Background(), "no such route"); err == nil {
		t.Error("a route that is not there has a catalog")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := client.Catalog(ctx, "main"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestCatalogOfAPart: a list that has fewer items than it counts, or does not count, is not the account's.
func TestCatalogOfAPart(t *testing.T) {
	const one = `{"TemplateCode":"SMS_1","AuditStatus":"AUDIT_STATE_PASS"}`
	for name, pages := range map[string][]string{
		"ends early":  {`{"Code":"OK","TotalCount":3,"SmsTemplateList":[` + one + `]}`, `{"Code":"OK","TotalCount":3}`},
		"no count":    {`{"Code":"OK","SmsTemplateList":[` + one + `]}`},
		"no code":     {`{"TotalCount":1,"SmsTemplateList":[` + one + `]}`},
		"null inside": {`{"Code":"OK","TotalCount":2,"SmsTemplateList":[null]}`, `{"Code":"OK","TotalCount":2,"SmsTemplateList":[]}`},
	} {
		asked := 0
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, pages[min(asked, len(pages)-1)])
			asked++
		}))
		keys, err := aliyun.Static("key", "secret", "")
		if err != nil {
			t.Fatal(err)
		}
		client, err := aliyun.New(aliyun.Config{Routes: []aliyun.Route{{Name: "main", Endpoint: srv.Listener.Addr().String(), Plain: true, Credentials: keys}}})
		if err != nil {
			t.Fatal(err)
		}
		got, err := client.Catalog(t.Context(), "main")
		if err == nil || got.Templates != nil || asked != len(pages) {
			t.Errorf("%s: %+v, %v, after %d calls, want an error after %d", name, got, err, asked, len(pages))
		}
		srv.Close()
	}
}
