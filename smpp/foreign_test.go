package smpp_test

import (
	"context"
	"net"
	"testing"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp"
	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	linx "github.com/linxGnu/gosmpp"
	linxdata "github.com/linxGnu/gosmpp/data"
	linxpdu "github.com/linxGnu/gosmpp/pdu"

	"smppbridge/smpp"
)

// centre accepts every text, and sends a receipt for it once it has been answered.
type centre struct {
	texts    chan string
	answered chan smpp.Status // deliver_sm_resp
}

func newCentre() *centre {
	return &centre{texts: make(chan string, 100), answered: make(chan smpp.Status, 100)}
}

func (c *centre) Bind(_ context.Context, _ *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	if req.Password != "secret" {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusInvPaswd}
	}
	return smpp.Options{SystemID: "centre"}, nil
}

func (c *centre) Handle(s *smpp.Session, r smpp.Request, p smpp.PDU) {
	switch m := p.(type) {
	case *smpp.SubmitMulti:
		c.texts <- m.Message.ShortMessage
		resp := &smpp.SubmitMultiResp{MessageID: "00000000ab"}
		for _, d := range m.Destinations[1:] {
			resp.Failed = append(resp.Failed, smpp.Unsuccess{TON: d.TON, NPI: d.NPI, Addr: d.Addr + d.List, Status: smpp.StatusInvDstAdr})
		}
		s.RespondPDU(r, smpp.StatusOK, resp, 1)
	case *smpp.QuerySM:
		s.RespondPDU(r, smpp.StatusOK, &smpp.QuerySMResp{MessageID: m.MessageID, FinalDate: "261231235959000+",
			MessageState: smpp.StateDelivered, ErrorCode: 7}, 0)
	case *smpp.CancelSM:
		c.texts <- m.MessageID + " " + m.SourceAddr + " " + m.DestinationAddr
		s.Respond(r, smpp.StatusCancelFail, "", 0)
	case *smpp.ReplaceSM:
		c.texts <- m.MessageID + " " + m.ShortMessage
		s.RespondPDU(r, smpp.StatusOK, &smpp.ReplaceSMResp{}, 0)
	}
}

func (c *centre) SubmitSM(s *smpp.Session, r smpp.Request, m *smpp.SubmitSM) {
	text, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, m.ShortMessage)
	if err != nil {
		s.Respond(r, smpp.StatusOf(err, smpp.StatusSysErr), "", 0)
		return
	}
	c.texts <- text
	s.Respond(r, smpp.StatusOK, "00000000ab", 1)
	receipt := smpp.Receipt{MessageID: "00000000ab", Sub: 1, Dlvrd: 1, State: smpp.StateDelivered, SubmitDate: time.Now(), DoneDate: time.Now()}
	err = s.DeliverSM(&smpp.DeliverSM{
		SourceAddr: m.DestinationAddr, DestinationAddr: m.SourceAddr, ESMClass: smpp.ESMClassReceipt,
		ShortMessage: receipt.ShortMessage(), TLVs: receipt.TLVs(),
	}, func(st smpp.Status, _ error) { c.answered <- st })
	if err != nil {
		c.answered <- smpp.StatusSysErr
	}
}

func (c *centre) Closed(*smpp.Session) {}

func startCentre(t *testing.T) (*centre, string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := newCentre()
	t.Cleanup(serve(t, smpp.NewServer(smpp.Config{}, c), l))
	return c, l.Addr().String()
}

// receive fails the test when nothing comes.
func receive[T any](t *testing.T, ch <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
	}
	panic("not reached")
}

func TestGoSMPPClient(t *testing.T) {
	c, addr := startCentre(t)
	receipts := make(chan pdu.Body, 10)
	client := &gosmpp.Transceiver{Addr: addr, User: "test", Passwd: "secret", RespTimeout: 20 * time.Second,
		Handler: func(p pdu.Body) {
			if p.Header().ID == pdu.DeliverSMID {
				receipts <- p
			}
		}}
	status := client.Bind()
	t.Cleanup(func() { client.Close() })
	if st := receive(t, status, "bind"); st.Status() != gosmpp.Connected {
		t.Fatalf("bind: %s %v", st.Status(), st.Error())
	}
	for text, codec := range map[string]pdutext.Codec{
		"{code} 1234 @ 5€": pdutext.GSM7("{code} 1234 @ 5€"),
		"【甲】您的验证码为1234":    pdutext.UCS2("【甲】您的验证码为1234"),
	} {
		sm, err := client.Submit(&gosmpp.ShortMessage{Src: "1069", Dst: "8613900000000", Text: codec, Register: pdufield.FinalDeliveryReceipt})
		if err != nil || sm.RespID() != "00000000ab" {
			t.Fatalf("submit %q: id %q, %v", text, sm.RespID(), err)
		}
		if got := receive(t, c.texts, "text"); got != text {
			t.Errorf("text: got %q, want %q", got, text)
		}
		checkGoSMPPReceipt(t, receive(t, receipts, "receipt"))
		if st := receive(t, c.answered, "deliver_sm_resp"); st != smpp.StatusOK {
			t.Errorf("deliver_sm_resp: %s", st)
		}
	}
}

func checkGoSMPPReceipt(t *testing.T, p pdu.Body) {
	t.Helper()
	r, err := smpp.ParseReceipt(p.Fields()[pdufield.ShortMessage].String(), time.Local)
	if err != nil || r.MessageID != "00000000ab" || r.State != smpp.StateDelivered {
		t.Errorf("receipt: %+v %v", r, err)
	}
	if src := p.Fields()[pdufield.SourceAddr].String(); src != "8613900000000" {
		t.Errorf("receipt's source_addr: %s", src)
	}
}

func TestGoSMPPClientSeesWhyItsBindFails(t *testing.T) {
	_, addr := startCentre(t)
	client := &gosmpp.Transceiver{Addr: addr, User: "test", Passwd: "wrong", BindInterval: time.Minute}
	status := client.Bind()
	t.Cleanup(func() { client.Close() })
	if st := receive(t, status, "status"); st.Status() != gosmpp.BindFailed || st.Error() == nil || st.Error().Error() != "invalid password" {
		t.Errorf("got %s %v", st.Status(), st.Error())
	}
}

func TestLinxClient(t *testing.T) {
	c, addr := startCentre(t)
	receipts := make(chan *linxpdu.DeliverSM, 10)
	responses := make(chan *linxpdu.SubmitSMResp, 10)
	auth := linx.Auth{SMSC: addr, SystemID: "test", Password: "secret"}
	client, err := linx.NewSession(linx.TRXConnector(linx.NonTLSDialer, auth), linx.Settings{
		ReadTimeout: 20 * time.Second, EnquireLink: time.Second,
		OnPDU: func(p linxpdu.PDU, _ bool) {
			switch p := p.(type) {
			case *linxpdu.DeliverSM:
				receipts <- p
			case *linxpdu.SubmitSMResp:
				responses <- p
			}
		},
	}, -1)
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	t.Cleanup(func() { client.Close() })
	if id := client.Transceiver().SystemID(); id != "centre" {
		t.Errorf("bind_transceiver_resp: system_id %q", id)
	}
	for text, coding := range map[string]linxdata.Encoding{"{code} 1234 @ 5€": linxdata.GSM7BIT, "您的验证码为1234": linxdata.UCS2} {
		m := linxpdu.NewSubmitSM().(*linxpdu.SubmitSM)
		if err := m.Message.SetMessageWithEncoding(text, coding); err != nil {
			t.Fatal(err)
		}
		if err := client.Transceiver().Submit(m); err != nil {
			t.Fatal(err)
		}
		if resp := receive(t, responses, "submit_sm_resp"); resp.MessageID != "00000000ab" || resp.CommandStatus != linxdata.ESME_ROK {
			t.Errorf("submit_sm_resp: %+v", resp)
		}
		if got := receive(t, c.texts, "text"); got != text {
			t.Errorf("text: got %q, want %q", got, text)
		}
		checkLinxReceipt(t, receive(t, receipts, "receipt"))
		if st := receive(t, c.answered, "deliver_sm_resp"); st != smpp.StatusOK {
			t.Errorf("deliver_sm_resp: %s", st)
		}
	}
}

func checkLinxReceipt(t *testing.T, p *linxpdu.DeliverSM) {
	t.Helper()
	text, err := p.Message.GetMessage()
	if err != nil {
		t.Fatal(err)
	}
	if r, err := smpp.ParseReceipt(text, time.Local); err != nil || r.MessageID != "00000000ab" {
		t.Errorf("receipt: %+v %v", r, err)
	}
	id := p.OptionalParameters[linxpdu.TagReceiptedMessageID]
	if id.String() != "00000000ab" {
		t.Errorf("receipted_message_id: %q", id.String())
	}
}

func TestLinxClientSeesWhyItsBindFails(t *testing.T) {
	_, addr := startCentre(t)
	for name, connect := range map[string]func(linx.Dialer, linx.Auth) linx.Connector{
		"transceiver": func(d linx.Dialer, a linx.Auth) linx.Connector { return linx.TRXConnector(d, a) },
		"transmitter": func(d linx.Dialer, a linx.Auth) linx.Connector { return linx.TXConnector(d, a) },
		"receiver":    func(d linx.Dialer, a linx.Auth) linx.Connector { return linx.RXConnector(d, a) },
	} {
		_, err := connect(linx.NonTLSDialer, linx.Auth{SMSC: addr, SystemID: "test", Password: "wrong"}).Connect()
		bindErr, ok := err.(linx.BindError)
		if !ok || bindErr.CommandStatus != linxdata.ESME_RINVPASWD {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
