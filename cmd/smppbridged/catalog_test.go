package main

import (
	"net/http"
	"testing"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestCatalogOfANode: a node asks the API what its account has, says so, and does not send what was withdrawn there; other
// templates go on.
func TestCatalogOfANode(t *testing.T) {
	sim, addr := newSimulator(t)
	account := aliyunsim.DevConfig().Accounts[0].Name
	if err := sim.SetAudit(aliyunsim.Audit{Account: account, Template: "SMS_100000001", Status: aliyunsim.StatusCancel}); err != nil {
		t.Fatal(err)
	}
	s := newSystem(t, sim, addr)
	s.start()
	s.endWithTest()
	var known bridge.CatalogStatus
	s.eventually("the node knows what the account has", func() bool {
		doc := decoded[catalogDoc](s, "/v1/catalog")
		if len(doc.Accounts) == 1 {
			known = doc.Accounts[0]
		}
		return len(known.Templates) > 0
	})
	if !known.Heeds || known.Seen.IsZero() || known.Lacking.Templates["SMS_100000001"] != bridge.AuditWithdrawn {
		t.Errorf("got %+v", known)
	}
	otp, other := s.bind("otp", smpp.Transceiver), s.bind("test", smpp.Transceiver)
	waits := otp.mustSubmit("13900000001", "您的验证码是123456，5分钟内有效，请勿泄露。")
	sent := other.mustSubmit("13900000002", "hello")
	s.eventually("the other template is sent", func() bool { return s.state(sent) != store.StateAccepted })
	other.receipt(sent)
	if got := s.state(waits); got != store.StateAccepted || s.executed("13900000001") != 0 {
		t.Errorf("what was withdrawn is %v", got)
	}
	if code, _ := s.admin(http.MethodPost, "/v1/catalog"); code != http.StatusMethodNotAllowed {
		t.Errorf("POST answered %d", code)
	}
}
