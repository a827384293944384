package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/linxGnu/gosmpp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"
)

// linx is linxGnu's gosmpp as an ESME. Its user tells responses apart by their sequence_number, but it gives all
// parts of a message the same one: so one message at a time.
type linx struct {
	job    job
	events *tracker
	resps  chan *pdu.SubmitSMResp
}

func playGosmpp(ctx context.Context, j job, emit func(event)) error {
	l := &linx{job: j, events: newTracker(emit), resps: make(chan *pdu.SubmitSMResp, 100)}
	if err := l.refused(); err != nil {
		return err
	}
	var sessions []*gosmpp.Session
	for _, how := range j.binds() {
		s, err := gosmpp.NewSession(l.connector(how, j.Password), l.settings(), -1)
		if err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		defer s.Close()
		l.events.add(event{Event: eventBind})
		sessions = append(sessions, s)
	}
	for _, m := range j.Messages {
		if err := l.submit(ctx, sessions[0], m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return l.events.receipts(ctx)
}

// binds are the binds of a job as the Go libraries tell them apart.
func (j job) binds() []pdu.BindingType {
	if len(j.Binds) == 1 {
		return []pdu.BindingType{pdu.Transceiver}
	}
	return []pdu.BindingType{pdu.Transmitter, pdu.Receiver}
}

func (l *linx) connector(how pdu.BindingType, password string) gosmpp.Connector {
	auth := gosmpp.Auth{SMSC: fmt.Sprintf("%s:%d", l.job.Host, l.job.Port), SystemID: l.job.SystemID, Password: password}
	switch how {
	case pdu.Transmitter:
		return gosmpp.TXConnector(gosmpp.NonTLSDialer, auth)
	case pdu.Receiver:
		return gosmpp.RXConnector(gosmpp.NonTLSDialer, auth)
	}
	return gosmpp.TRXConnector(gosmpp.NonTLSDialer, auth)
}

func (l *linx) settings() gosmpp.Settings {
	return gosmpp.Settings{
		ReadTimeout: clientLimit, EnquireLink: 500 * time.Millisecond,
		OnPDU: func(p pdu.PDU, _ bool) {
			switch p := p.(type) {
			case *pdu.SubmitSMResp:
				l.resps <- p
			case *pdu.DeliverSM:
				l.receipt(p)
			}
		},
	}
}

// refused tries to bind with a wrong password.
func (l *linx) refused() error {
	c, err := l.connector(l.job.binds()[0], "wrong").Connect()
	var refused gosmpp.BindError
	switch {
	case err == nil:
		c.Close()
	case !errors.As(err, &refused):
		return fmt.Errorf("bind with a wrong password: %w", err)
	}
	l.events.add(event{Event: eventRefusedBind, Status: uint32(refused.CommandStatus)})
	return nil
}

func (l *linx) submit(ctx context.Context, s *gosmpp.Session, m message) error {
	parts, err := l.pdus(m)
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := s.Transmitter().Submit(p); err != nil {
			return err
		}
	}
	for range parts {
		select {
		case resp := <-l.resps:
			l.events.add(event{Event: eventResp, Name: m.Name, Status: uint32(resp.CommandStatus), ID: resp.MessageID})
		case <-ctx.Done():
			return fmt.Errorf("submit_sm_resp: %w", ctx.Err())
		}
	}
	return nil
}

// pdus are the submit_sm of a message: as many as its parts.
func (l *linx) pdus(m message) ([]*pdu.SubmitSM, error) {
	enc := map[string]data.Encoding{"gsm": data.GSM7BIT, "latin1": data.LATIN1, "ucs2": data.UCS2}[m.Coding]
	p := pdu.NewSubmitSM().(*pdu.SubmitSM)
	p.RegisteredDelivery = 1
	if err := errors.Join(p.SourceAddr.SetAddress(l.job.Source), p.DestAddr.SetAddress(m.To)); err != nil {
		return nil, err
	}
	switch m.Form {
	case "payload":
		octets, err := enc.Encode(m.Text)
		if err != nil {
			return nil, err
		}
		p.RegisterOptionalParam(pdu.Field{Tag: pdu.TagMessagePayload, Data: octets})
		return []*pdu.SubmitSM{p}, p.Message.SetMessageDataWithEncoding(nil, enc)
	case "parts":
		if err := p.Message.SetLongMessageWithEnc(m.Text, enc); err != nil {
			return nil, err
		}
		return p.Split()
	}
	return []*pdu.SubmitSM{p}, p.Message.SetMessageWithEncoding(m.Text, enc)
}

func (l *linx) receipt(p *pdu.DeliverSM) {
	text, err := p.Message.GetMessage()
	if err != nil {
		text = "" // no receipt that checkReceipt would take
	}
	id, state := p.OptionalParameters[pdu.TagReceiptedMessageID], p.OptionalParameters[pdu.TagMessageStateOption]
	e := event{
		Event: eventReceipt, ESMClass: int(p.EsmClass), Source: p.SourceAddr.Address(), Dest: p.DestAddr.Address(),
		Text: text, TLVID: id.String(),
	}
	if len(state.Data) == 1 {
		e.TLVState = int(state.Data[0])
	}
	l.events.add(e)
}
