package smpp_test

import (
	"testing"
	"time"

	linx "github.com/linxGnu/gosmpp"
	linxdata "github.com/linxGnu/gosmpp/data"
	linxpdu "github.com/linxGnu/gosmpp/pdu"
)

// linxSession binds linx's client and returns what it is answered.
func linxSession(t *testing.T, addr string) (*linx.Session, <-chan linxpdu.PDU) {
	t.Helper()
	answers := make(chan linxpdu.PDU, 10)
	auth := linx.Auth{SMSC: addr, SystemID: "test", Password: "secret"}
	client, err := linx.NewSession(linx.TRXConnector(linx.NonTLSDialer, auth), linx.Settings{
		ReadTimeout: 20 * time.Second, EnquireLink: time.Second,
		OnPDU: func(p linxpdu.PDU, _ bool) {
			if _, ok := p.(*linxpdu.DeliverSM); !ok {
				answers <- p
			}
		},
		OnSubmitError: func(_ linxpdu.PDU, err error) { t.Errorf("submit: %v", err) },
	}, -1)
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	t.Cleanup(func() { client.Close() })
	return client, answers
}

func linxAddress(t *testing.T, addr string) linxpdu.Address {
	t.Helper()
	a := linxpdu.NewAddressWithTonNpi(1, 1)
	if err := a.SetAddress(addr); err != nil {
		t.Fatal(err)
	}
	return a
}

// exchange submits p and returns its answer, which has the status wanted.
func exchange[T linxpdu.PDU](t *testing.T, client *linx.Session, answers <-chan linxpdu.PDU, p linxpdu.PDU, want linxdata.CommandStatusType) T {
	t.Helper()
	if err := client.Transceiver().Submit(p); err != nil {
		t.Fatal(err)
	}
	got := receive(t, answers, "answer")
	resp, ok := got.(T)
	if !ok {
		t.Fatalf("answered by a %T", got)
	}
	if h := got.GetHeader(); h.CommandStatus != want || h.SequenceNumber != p.GetSequenceNumber() {
		t.Errorf("%T: status %v, sequence_number %d", got, h.CommandStatus, h.SequenceNumber)
	}
	return resp
}

// TestLinxClientOperations: another implementation's encoding of the remaining operations is
// understood, and ours by it.
func TestLinxClientOperations(t *testing.T) {
	c, addr := startCentre(t)
	client, answers := linxSession(t, addr)
	linxSubmits(t, c, client, answers)

	query := linxpdu.NewQuerySM().(*linxpdu.QuerySM)
	query.MessageID = "00000000ab"
	resp := exchange[*linxpdu.QuerySMResp](t, client, answers, query, linxdata.ESME_ROK)
	if resp.MessageID != "00000000ab" || resp.FinalDate != "261231235959000+" || resp.MessageState != 2 || resp.ErrorCode != 7 {
		t.Errorf("query_sm_resp: %+v", resp)
	}

	cancel := linxpdu.NewCancelSM().(*linxpdu.CancelSM)
	cancel.MessageID, cancel.SourceAddr, cancel.DestAddr = "ab", linxAddress(t, "1069"), linxAddress(t, "86")
	exchange[*linxpdu.CancelSMResp](t, client, answers, cancel, linxdata.ESME_RCANCELFAIL)
	if got := receive(t, c.texts, "cancel_sm"); got != "ab 1069 86" {
		t.Errorf("cancel_sm: %q", got)
	}

	replace := linxpdu.NewReplaceSM().(*linxpdu.ReplaceSM)
	replace.MessageID = "ab"
	if err := replace.Message.SetMessageWithEncoding("bye", linxdata.GSM7BIT); err != nil {
		t.Fatal(err)
	}
	exchange[*linxpdu.ReplaceSMResp](t, client, answers, replace, linxdata.ESME_ROK)
	if got := receive(t, c.texts, "replace_sm"); got != "ab bye" {
		t.Errorf("replace_sm: %q", got)
	}
}

// linxSubmits is the part with submit_multi and data_sm.
func linxSubmits(t *testing.T, c *centre, client *linx.Session, answers <-chan linxpdu.PDU) {
	t.Helper()
	multi := linxpdu.NewSubmitMulti().(*linxpdu.SubmitMulti)
	if err := multi.Message.SetMessageWithEncoding("hello", linxdata.GSM7BIT); err != nil {
		t.Fatal(err)
	}
	list, err := linxpdu.NewDistributionList("staff")
	if err != nil {
		t.Fatal(err)
	}
	dests := make([]linxpdu.DestinationAddress, 3)
	dests[0].SetAddress(linxAddress(t, "8613900000000"))
	dests[1].SetAddress(linxAddress(t, "8613900000001"))
	dests[2].SetDistributionList(list)
	multi.DestAddrs.Add(dests...)
	resp := exchange[*linxpdu.SubmitMultiResp](t, client, answers, multi, linxdata.ESME_ROK)
	failed := resp.UnsuccessSMEs.Get()
	if resp.MessageID != "00000000ab" || len(failed) != 2 || failed[0].Address.Address() != "8613900000001" ||
		failed[1].Address.Address() != "staff" || failed[0].ErrorStatusCode() != linxdata.ESME_RINVDSTADR {
		t.Errorf("submit_multi_resp: %+v", resp)
	}
	if got := receive(t, c.texts, "text"); got != "hello" {
		t.Errorf("submit_multi's text: %q", got)
	}

	data := linxpdu.NewDataSM().(*linxpdu.DataSM)
	data.DestAddr = linxAddress(t, "8613900000000")
	data.RegisterOptionalParam(linxpdu.Field{Tag: linxpdu.TagMessagePayload, Data: []byte("hello")})
	if resp := exchange[*linxpdu.DataSMResp](t, client, answers, data, linxdata.ESME_ROK); resp.MessageID != "00000000ab" {
		t.Errorf("data_sm_resp: %+v", resp)
	}
	if got := receive(t, c.texts, "data_sm"); got != "" {
		t.Errorf("data_sm's short_message: %q", got)
	}
}
