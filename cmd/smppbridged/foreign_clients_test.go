package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp"
	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
	linx "github.com/linxGnu/gosmpp"
	linxdata "github.com/linxGnu/gosmpp/data"
	linxpdu "github.com/linxGnu/gosmpp/pdu"

	"smppbridge/smpp"
)

// goSMPP is go-smpp's client.
type goSMPP struct {
	tx       *gosmpp.Transmitter // a Transceiver has one inside
	receipts chan pdu.Body
}

func newGoSMPP() *goSMPP { return &goSMPP{receipts: make(chan pdu.Body, 100)} }

func (g *goSMPP) handle(p pdu.Body) {
	if p.Header().ID == pdu.DeliverSMID {
		g.receipts <- p
	}
}

func (d *devProcess) bindGoSMPP(t *testing.T, account string) foreignESME {
	g := newGoSMPP()
	c := &gosmpp.Transceiver{Addr: d.smpp, User: account, Passwd: devPassword, RespTimeout: patience, Handler: g.handle}
	g.connect(t, c)
	g.tx = &c.Transmitter
	return g
}

func (d *devProcess) bindGoSMPPPair(t *testing.T, account string) foreignESME {
	g := newGoSMPP()
	g.tx = &gosmpp.Transmitter{Addr: d.smpp, User: account, Passwd: devPassword, RespTimeout: patience}
	g.connect(t, g.tx)
	g.connect(t, &gosmpp.Receiver{Addr: d.smpp, User: account, Passwd: devPassword, Handler: g.handle})
	return g
}

func (g *goSMPP) connect(t *testing.T, c gosmpp.ClientConn) {
	t.Helper()
	status := c.Bind()
	t.Cleanup(func() { c.Close() })
	if st := soon(t, status, "bind"); st.Status() != gosmpp.Connected {
		t.Fatalf("bind: %s %v", st.Status(), st.Error())
	}
}

func (g *goSMPP) message(to, text string) *gosmpp.ShortMessage {
	m := &gosmpp.ShortMessage{Src: "1069", Dst: to, Text: pdutext.GSM7(text), Register: pdufield.FinalDeliveryReceipt}
	if smpp.ChooseDataCoding(smpp.AlphabetGSM7, text) == smpp.DataCodingUCS2 {
		m.Text = pdutext.UCS2(text)
	}
	return m
}

func (g *goSMPP) submit(t *testing.T, to, text string) (smpp.Status, string) {
	t.Helper()
	m, err := g.tx.Submit(g.message(to, text))
	if status, ok := errors.AsType[pdu.Status](err); ok {
		return smpp.Status(status), m.RespID()
	}
	if err != nil {
		t.Fatal(err)
	}
	return smpp.StatusOK, m.RespID()
}

func (g *goSMPP) submitLong(t *testing.T, to, text string) (ids []string) {
	t.Helper()
	parts, err := g.tx.SubmitLongMsg(g.message(to, text))
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		ids = append(ids, parts[i].RespID())
	}
	return ids
}

func (g *goSMPP) receipt(t *testing.T) foreignReceipt {
	t.Helper()
	p := soon(t, g.receipts, "receipt")
	f, tlvs := p.Fields(), p.TLVFields()
	r := foreignReceipt{
		source: f[pdufield.SourceAddr].String(), dest: f[pdufield.DestinationAddr].String(),
		text: f[pdufield.ShortMessage].String(),
	}
	r.esmClass, _ = f[pdufield.ESMClass].Raw().(uint8)
	if v := tlvs[pdutlv.TagReceiptedMessageID]; v != nil {
		r.tlvID = strings.TrimRight(string(v.Bytes()), "\x00")
	}
	if v := tlvs[pdutlv.TagMessageStateOption]; v != nil {
		r.tlvState = string(v.Bytes())
	}
	return r
}

// linxESME is gosmpp's client.
type linxESME struct {
	tx        *linx.Session
	responses chan *linxpdu.SubmitSMResp
	receipts  chan *linxpdu.DeliverSM
}

func newLinx() *linxESME {
	return &linxESME{responses: make(chan *linxpdu.SubmitSMResp, 100), receipts: make(chan *linxpdu.DeliverSM, 100)}
}

func (d *devProcess) linxAuth(account string) linx.Auth {
	return linx.Auth{SMSC: d.smpp, SystemID: account, Password: devPassword}
}

func (d *devProcess) bindLinx(t *testing.T, account string) foreignESME {
	l := newLinx()
	l.tx = l.connect(t, linx.TRXConnector(linx.NonTLSDialer, d.linxAuth(account)))
	return l
}

func (d *devProcess) bindLinxPair(t *testing.T, account string) foreignESME {
	l := newLinx()
	l.tx = l.connect(t, linx.TXConnector(linx.NonTLSDialer, d.linxAuth(account)))
	l.connect(t, linx.RXConnector(linx.NonTLSDialer, d.linxAuth(account)))
	return l
}

func (l *linxESME) connect(t *testing.T, c linx.Connector) *linx.Session {
	t.Helper()
	s, err := linx.NewSession(c, linx.Settings{ReadTimeout: patience, EnquireLink: time.Second, OnPDU: func(p linxpdu.PDU, _ bool) {
		switch p := p.(type) {
		case *linxpdu.SubmitSMResp:
			l.responses <- p
		case *linxpdu.DeliverSM:
			l.receipts <- p
		}
	}}, -1)
	if err != nil {
		t.Fatalf("bind: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func (l *linxESME) message(t *testing.T, to, text string) *linxpdu.SubmitSM {
	t.Helper()
	m := linxpdu.NewSubmitSM().(*linxpdu.SubmitSM)
	coding := linxdata.GSM7BIT
	if smpp.ChooseDataCoding(smpp.AlphabetGSM7, text) == smpp.DataCodingUCS2 {
		coding = linxdata.UCS2
	}
	m.RegisteredDelivery = smpp.RegisteredDeliveryAlways
	err := errors.Join(m.SourceAddr.SetAddress("1069"), m.DestAddr.SetAddress(to), m.Message.SetLongMessageWithEnc(text, coding))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// send cuts a text into messages, one if it is short, and submits them.
func (l *linxESME) send(t *testing.T, to, text string) (n int) {
	t.Helper()
	parts, err := l.message(t, to, text).Split()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range parts {
		if err := l.tx.Transmitter().Submit(p); err != nil { // all with one sequence_number: so it is
			t.Fatal(err)
		}
	}
	return len(parts)
}

func (l *linxESME) submit(t *testing.T, to, text string) (smpp.Status, string) {
	t.Helper()
	want(t, "parts", l.send(t, to, text), 1)
	resp := soon(t, l.responses, "submit_sm_resp")
	return smpp.Status(resp.CommandStatus), resp.MessageID
}

func (l *linxESME) submitLong(t *testing.T, to, text string) (ids []string) {
	t.Helper()
	for range l.send(t, to, text) {
		resp := soon(t, l.responses, "submit_sm_resp")
		want(t, "a part", smpp.Status(resp.CommandStatus), smpp.StatusOK)
		ids = append(ids, resp.MessageID)
	}
	return ids
}

func (l *linxESME) receipt(t *testing.T) foreignReceipt {
	t.Helper()
	p := soon(t, l.receipts, "receipt")
	text, err := p.Message.GetMessage()
	if err != nil {
		t.Fatal(err)
	}
	id, state := p.OptionalParameters[linxpdu.TagReceiptedMessageID], p.OptionalParameters[linxpdu.TagMessageStateOption]
	return foreignReceipt{
		esmClass: p.EsmClass, source: p.SourceAddr.Address(), dest: p.DestAddr.Address(),
		text: text, tlvID: id.String(), tlvState: string(state.Data),
	}
}
