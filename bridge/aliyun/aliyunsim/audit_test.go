package aliyunsim

import (
	"encoding/json"
	"net/http"
	"testing"
)

// TestAudit: what was withdrawn is refused from then on, and the lists say so; what was deleted is in no list.
func TestAudit(t *testing.T) {
	s := newServer(t, nil)
	account := s.cfg.Accounts[0].Name
	code, sign := s.cfg.Accounts[0].Templates[0].Code, s.cfg.Accounts[0].Signs[0].Name
	send := func() string {
		return do(t, s, sendSms(with(otp("13900000001"), "TemplateCode", code, "SignName", sign)).v3()).Code
	}
	list := func(action string) listAnswer {
		t.Helper()
		var out listAnswer
		a := do(t, s, testRequest{action: action, query: with(nil, "PageSize", "50")}.v3())
		if err := json.Unmarshal([]byte(a.body), &out); err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := send(); got != codeOK {
		t.Fatalf("at first: %s", got)
	}
	for _, tt := range []struct{ body, code string }{
		{`{"account":"` + account + `","template":"` + code + `","status":"AUDIT_STATE_CANCEL"}`, "isv.SMS_TEMPLATE_ILLEGAL"},
		{`{"account":"` + account + `","sign":"` + sign + `","status":"AUDIT_STATE_NOT_PASS"}`, "isv.SMS_SIGNATURE_ILLEGAL"},
	} {
		if status := ask(t, s, "PUT /sim/audit", tt.body, nil); status != http.StatusNoContent {
			t.Fatalf("%s: %d", tt.body, status)
		}
		if got := send(); got != tt.code {
			t.Errorf("%s: sends are answered %s", tt.body, got)
		}
	}
	if got := list("QuerySmsTemplateList").SmsTemplateList[0]; got.TemplateCode != code || got.AuditStatus != StatusCancel {
		t.Errorf("listed as %+v", got)
	}
	if got := list("QuerySmsSignList").SmsSignList[0]; got.SignName != sign || got.AuditStatus != StatusNotPass || got.Reason.RejectInfo == "" {
		t.Errorf("listed as %+v", got)
	}
	before := list("QuerySmsTemplateList").TotalCount
	if err := s.SetAudit(Audit{Account: account, Template: code, Status: StatusGone}); err != nil {
		t.Fatal(err)
	}
	if got := list("QuerySmsTemplateList"); got.TotalCount != before-1 || got.SmsTemplateList[0].TemplateCode == code {
		t.Errorf("deleted, and still listed: %+v", got)
	}
	// Another phone: the first one's minute is used up.
	send = func() string {
		return do(t, s, sendSms(with(otp("13900000002"), "TemplateCode", code, "SignName", sign)).v3()).Code
	}
	for _, back := range []Audit{{Account: account, Template: code, Status: StatusPass}, {Account: account, Sign: sign, Status: StatusPass}} {
		if err := s.SetAudit(back); err != nil {
			t.Fatal(err)
		}
	}
	if got := send(); got != codeOK {
		t.Errorf("approved again: %s", got)
	}
	for _, bad := range []Audit{{Account: account, Template: code, Status: "OK"}, {Account: "x", Template: code, Status: StatusPass},
		{Account: account, Template: "x", Status: StatusPass}, {Account: account, Sign: sign, Template: code, Status: StatusPass}} {
		if s.SetAudit(bad) == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}
