package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fiorix/go-smpp/smpp"
	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
)

// fiorix is fiorix's go-smpp as an ESME.
type fiorix struct {
	job    job
	events *tracker
}

// submitter is what a Transmitter and a Transceiver of go-smpp have in common.
type submitter interface {
	smpp.ClientConn
	Submit(*smpp.ShortMessage) (*smpp.ShortMessage, error)
	SubmitLongMsg(*smpp.ShortMessage) ([]smpp.ShortMessage, error)
}

func playGoSMPP(ctx context.Context, j job, emit func(event)) error {
	f := &fiorix{job: j, events: newTracker(emit)}
	if err := f.refused(ctx); err != nil {
		return err
	}
	conns, tx := f.conns()
	for _, c := range conns {
		defer c.Close()
		if err := bound(ctx, c); err != nil {
			return fmt.Errorf("bind: %w", err)
		}
		f.events.add(event{Event: eventBind})
	}
	for _, m := range j.Messages {
		if err := f.submit(tx, m); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	return f.events.receipts(ctx)
}

// conns are the connections of a job, and the one that submits.
func (f *fiorix) conns() ([]smpp.ClientConn, submitter) {
	addr := fmt.Sprintf("%s:%d", f.job.Host, f.job.Port)
	user, pass := f.job.SystemID, f.job.Password
	const enquire, resp = 500 * time.Millisecond, clientLimit
	if len(f.job.Binds) == 1 {
		c := &smpp.Transceiver{Addr: addr, User: user, Passwd: pass, EnquireLink: enquire, RespTimeout: resp, Handler: f.receipt}
		return []smpp.ClientConn{c}, c
	}
	tx := &smpp.Transmitter{Addr: addr, User: user, Passwd: pass, EnquireLink: enquire, RespTimeout: resp}
	rx := &smpp.Receiver{Addr: addr, User: user, Passwd: pass, EnquireLink: enquire, Handler: f.receipt}
	return []smpp.ClientConn{tx, rx}, tx
}

// bound waits for the bind_resp.
func bound(ctx context.Context, c smpp.ClientConn) error {
	select {
	case s := <-c.Bind():
		if s.Status() != smpp.Connected {
			return errors.Join(errors.New(s.Status().String()), s.Error())
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// refused tries to bind with a wrong password; left alone, the library would try again and again.
func (f *fiorix) refused(ctx context.Context) error {
	c := &smpp.Transceiver{
		Addr: fmt.Sprintf("%s:%d", f.job.Host, f.job.Port), User: f.job.SystemID, Passwd: "wrong", BindInterval: time.Hour,
	}
	defer c.Close()
	select {
	case s := <-c.Bind():
		var status pdu.Status
		if !errors.As(s.Error(), &status) {
			return fmt.Errorf("bind with a wrong password: %s: %w", s.Status(), s.Error())
		}
		f.events.add(event{Event: eventRefusedBind, Status: uint32(status)})
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (f *fiorix) submit(tx submitter, m message) error {
	sm := &smpp.ShortMessage{Src: f.job.Source, Dst: m.To, Register: pdufield.FinalDeliveryReceipt}
	switch m.Coding {
	case "ucs2":
		sm.Text = pdutext.UCS2(m.Text)
	case "latin1":
		sm.Text = pdutext.Latin1(m.Text)
	default:
		sm.Text = pdutext.GSM7(m.Text)
	}
	switch m.Form {
	case "parts":
		return f.submitParts(tx, m.Name, sm)
	case "payload": // the coding is that of an empty short_message
		sm.TLVFields = pdutlv.Fields{pdutlv.TagMessagePayload: sm.Text.Encode()}
		sm.Text = pdutext.UCS2("")
	}
	sm, err := tx.Submit(sm)
	var status pdu.Status
	if err != nil && !errors.As(err, &status) {
		return err
	}
	f.events.add(event{Event: eventResp, Name: m.Name, Status: uint32(status), ID: sm.RespID()})
	return nil
}

func (f *fiorix) submitParts(tx submitter, name string, sm *smpp.ShortMessage) error {
	parts, err := tx.SubmitLongMsg(sm)
	for i := range parts {
		f.events.add(event{Event: eventResp, Name: name, ID: parts[i].RespID()})
	}
	return err
}

func (f *fiorix) receipt(p pdu.Body) {
	if p.Header().ID != pdu.DeliverSMID {
		return
	}
	fields, tlvs := p.Fields(), p.TLVFields()
	e := event{
		Event: eventReceipt, Source: fields[pdufield.SourceAddr].String(), Dest: fields[pdufield.DestinationAddr].String(),
		Text: fields[pdufield.ShortMessage].String(),
	}
	class, _ := fields[pdufield.ESMClass].Raw().(uint8)
	e.ESMClass = int(class)
	if v := tlvs[pdutlv.TagReceiptedMessageID]; v != nil {
		e.TLVID = strings.TrimRight(string(v.Bytes()), "\x00")
	}
	if v := tlvs[pdutlv.TagMessageStateOption]; v != nil && len(v.Bytes()) == 1 {
		e.TLVState = int(v.Bytes()[0])
	}
	f.events.add(e)
}
