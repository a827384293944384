package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	gosmpp "github.com/fiorix/go-smpp/smpp"
	"github.com/fiorix/go-smpp/smpp/encoding"
	"github.com/fiorix/go-smpp/smpp/pdu"
	"github.com/fiorix/go-smpp/smpp/pdu/pdufield"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutext"
	"github.com/fiorix/go-smpp/smpp/pdu/pdutlv"
)

// An esme is a third-party client, bound as a transceiver: what send shows is what an ESME sees.
type esme struct {
	tc       *gosmpp.Transceiver
	receipts chan receipt
	lost     chan error // has one error once the connection is gone
}

// responseWithin is how long a submit_sm_resp may take: an answer that comes late is still the answer.
const responseWithin = time.Minute

// bindESME binds once. go-smpp would bind again for ever, and with another bind the receipts could not be told
// from those of the time between.
func bindESME(ctx context.Context, addr, systemID, password string) (*esme, error) {
	e := &esme{receipts: make(chan receipt, 1024), lost: make(chan error, 1)}
	e.tc = &gosmpp.Transceiver{Addr: addr, User: systemID, Passwd: password, RespTimeout: responseWithin, Handler: e.handle}
	status := e.tc.Bind()
	select {
	case s := <-status:
		if s.Status() != gosmpp.Connected {
			e.close()
			return nil, fmt.Errorf("bind to %s: %w", addr, s.Error())
		}
	case <-ctx.Done():
		e.close()
		return nil, fmt.Errorf("bind to %s: %w", addr, ctx.Err())
	}
	go e.watch(status)
	return e, nil
}

// watch ends when the connection does.
func (e *esme) watch(status <-chan gosmpp.ConnStatus) {
	s, ok := <-status
	e.close()
	if ok && s.Error() != nil {
		e.lost <- s.Error()
	}
}

// close unbinds. An error says that the connection is gone, which is what is wanted.
func (e *esme) close() { _ = e.tc.Close() }

// newMessage encodes the text. What data_coding 0 means is the account's default_alphabet: GSM 7-bit here.
func newMessage(f sendFlags) (*gosmpp.ShortMessage, error) {
	_, err := encoding.GSM7(false).NewEncoder().String(f.text)
	gsm := err == nil
	var text pdutext.Codec
	switch {
	case f.text == "":
		return nil, errors.New("the text is empty")
	case f.ucs2 == "always" || f.ucs2 == "auto" && !gsm:
		text = pdutext.UCS2(f.text)
	case f.ucs2 != "auto" && f.ucs2 != "never":
		return nil, fmt.Errorf("--ucs2 %s: want auto, always or never", f.ucs2)
	case !gsm:
		return nil, errors.New("the text has characters that GSM 7-bit does not have; use --ucs2 auto")
	default:
		text = pdutext.GSM7(f.text)
	}
	m := &gosmpp.ShortMessage{Src: f.from, Dst: f.to, Text: text, Register: pdufield.FinalDeliveryReceipt}
	if f.wait == 0 {
		m.Register = pdufield.NoDeliveryReceipt
	}
	return m, nil
}

// Most octets of a text in one message: 160 characters of GSM 7-bit, one octet each in short_message, or 70 of UCS-2.
const (
	singleGSM  = 160
	singleUCS2 = 140
)

// submit sends the message, in parts if it is too long for one, and prints what is answered. It returns the
// message_ids.
func (e *esme) submit(out io.Writer, m *gosmpp.ShortMessage) ([]string, error) {
	single := singleGSM
	if m.Text.Type() == pdutext.UCS2Type {
		single = singleUCS2
	}
	octets := len(m.Text.Encode())
	fmt.Fprintf(out, "submit_sm       data_coding=%d octets=%d\n", m.Text.Type(), octets)
	if octets <= single {
		if _, err := e.tc.Submit(m); err != nil {
			return nil, refusal(out, err)
		}
		return []string{m.RespID()}, printID(out, m.RespID(), "")
	}
	parts, err := e.tc.SubmitLongMsg(m)
	ids := make([]string, len(parts))
	for i := range parts {
		ids[i] = parts[i].RespID()
		if err := printID(out, ids[i], fmt.Sprintf(" part=%d", i+1)); err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, refusal(out, err)
	}
	return ids, nil
}

func printID(out io.Writer, id, part string) error {
	_, err := fmt.Fprintf(out, "submit_sm_resp  status=0x00000000 message_id=%s%s\n", id, part)
	return err
}

// refusal prints the status in err, if there is one.
func refusal(out io.Writer, err error) error {
	if status := pdu.Status(0); errors.As(err, &status) {
		fmt.Fprintf(out, "submit_sm_resp  status=0x%08X (%v)\n", uint32(status), status)
		return fmt.Errorf("submit: status 0x%08X: %w", uint32(status), err)
	}
	return fmt.Errorf("submit: %w", err)
}

// A receipt is what a deliver_sm says about a message. The message's text, which may stand in it, is not kept.
type receipt struct {
	id   string // empty: not a receipt
	stat string
	err  string
}

const statDelivered = "DELIVRD"

// final reports whether nothing more comes. SMPP 3.4, Appendix B.
func (r receipt) final() bool { return r.stat != "ENROUTE" && r.stat != "ACCEPTD" }

func (r receipt) String() string {
	if r.id == "" {
		return "not a receipt"
	}
	return fmt.Sprintf("id=%s stat=%s err=%s", r.id, r.stat, r.err)
}

// receiptField finds one field of a receipt's text. SMPP 3.4, Appendix B.
var receiptField = regexp.MustCompile(`\b(id|stat|err):(\S+)`)

// handle takes each deliver_sm; go-smpp answers it afterwards.
func (e *esme) handle(p pdu.Body) {
	if p.Header().ID == pdu.DeliverSMID {
		e.receipts <- parseReceipt(p)
	}
}

// parseReceipt reads the text, and the TLVs of accounts whose receipts have no text.
func parseReceipt(p pdu.Body) receipt {
	var r receipt
	if sm := p.Fields()[pdufield.ShortMessage]; sm != nil {
		head, _, _ := strings.Cut(sm.String(), " text:")
		for _, m := range receiptField.FindAllStringSubmatch(head, -1) {
			switch m[1] {
			case "id":
				r.id = m[2]
			case "stat":
				r.stat = m[2]
			case "err":
				r.err = m[2]
			}
		}
	}
	tlvs := p.TLVFields()
	if v := tlvs[pdutlv.TagReceiptedMessageID]; v != nil && r.id == "" {
		r.id = strings.TrimRight(string(v.Bytes()), "\x00")
	}
	if v := tlvs[pdutlv.TagMessageStateOption]; v != nil && r.stat == "" && len(v.Bytes()) == 1 {
		r.stat = stateName(v.Bytes()[0])
	}
	return r
}

// stateName is the stat that a message_state stands for. SMPP 3.4, 5.2.28 and Appendix B.
func stateName(state byte) string {
	names := [...]string{1: "ENROUTE", 2: statDelivered, 3: "EXPIRED", 4: "DELETED", 5: "UNDELIV", 6: "ACCEPTD", 7: "UNKNOWN", 8: "REJECTD"}
	if int(state) < len(names) && names[state] != "" {
		return names[state]
	}
	return fmt.Sprintf("state %d", state)
}
