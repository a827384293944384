package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp"
	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
)

// esme is a third-party client, bound as a transceiver.
type esme struct {
	tc       *gosmpp.Transceiver
	receipts chan receipt
}

// receipt is what the client got in a deliver_sm.
type receipt struct {
	id    string // of the text
	tlvID string // of receipted_message_id
	stat  string
}

var receiptText = regexp.MustCompile(`^id:(\S+) .* stat:(\S+) err:(\S{3})`)

// bind logs in as account and waits for the bind_resp.
func bind(ctx context.Context, addr, account string) (*esme, error) {
	e := &esme{receipts: make(chan receipt, 100)}
	e.tc = &gosmpp.Transceiver{Addr: addr, User: account, Passwd: "secret", Handler: e.handle,
		RespTimeout: time.Minute} // its default of a second is less than two syncs may take on a busy machine
	conn := e.tc.Bind()
	select {
	case s := <-conn:
		if s.Status() != gosmpp.Connected {
			return nil, fmt.Errorf("bind as %s: %w", account, s.Error())
		}
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	go func() { // ends when the client is closed
		for range conn {
		}
	}()
	fmt.Printf("   bound as %s\n", account)
	return e, nil
}

func (e *esme) handle(p pdu.Body) {
	if p.Header().ID != pdu.DeliverSMID {
		return
	}
	text := p.Fields()[pdufield.ShortMessage].String()
	fmt.Printf("   <- deliver_sm       %s\n", text)
	var r receipt
	if m := receiptText.FindStringSubmatch(text); m != nil {
		r.id, r.stat = m[1], m[2]
	}
	if v := p.TLVFields()[pdutlv.TagReceiptedMessageID]; v != nil {
		r.tlvID = strings.TrimRight(string(v.Bytes()), "\x00")
	}
	e.receipts <- r
}

// submit sends a text that fits one message; it returns its message_id.
func (e *esme) submit(to string, text pdutext.Codec) (string, error) {
	sm, err := e.tc.Submit(&gosmpp.ShortMessage{Src: "10690000", Dst: to, Text: text, Register: pdufield.FinalDeliveryReceipt})
	var status pdu.Status
	if errors.As(err, &status) {
		fmt.Printf("   <- submit_sm_resp   status 0x%08x (%s)\n", uint32(status), status.Error())
	}
	if err != nil {
		return "", err
	}
	fmt.Printf("   <- submit_sm_resp   ESME_ROK message_id=%s\n", sm.RespID())
	return sm.RespID(), nil
}

// submitLong sends a text in parts; it returns their message_ids.
func (e *esme) submitLong(to string, text pdutext.Codec) ([]string, error) {
	parts, err := e.tc.SubmitLongMsg(&gosmpp.ShortMessage{Src: "10690000", Dst: to, Text: text, Register: pdufield.FinalDeliveryReceipt})
	if err != nil {
		return nil, err
	}
	var ids []string
	for i := range parts {
		ids = append(ids, parts[i].RespID())
		fmt.Printf("   <- submit_sm_resp   ESME_ROK message_id=%s (part %d of %d)\n", parts[i].RespID(), i+1, len(parts))
	}
	return ids, nil
}

// await wants one DELIVRD receipt for each id, in any order, the id being the same letter for
// letter in text and TLV.
func (e *esme) await(ctx context.Context, ids ...string) error {
	open := make(map[string]bool, len(ids))
	for _, id := range ids {
		open[id] = true
	}
	for len(open) > 0 {
		select {
		case r := <-e.receipts:
			switch {
			case !open[r.id]:
				return fmt.Errorf("receipt for message_id %q, want one of %v", r.id, ids)
			case r.tlvID != r.id:
				return fmt.Errorf("receipted_message_id %q, but the text says %q", r.tlvID, r.id)
			case r.stat != "DELIVRD":
				return fmt.Errorf("receipt of %s says %s, want DELIVRD", r.id, r.stat)
			}
			delete(open, r.id)
		case <-ctx.Done():
			return fmt.Errorf("no receipt for %d of %d messages: %w", len(open), len(ids), ctx.Err())
		}
	}
	return nil
}
