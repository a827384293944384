package bridge

import (
	"strconv"
	"strings"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// receiptForm is how an account wants its receipts. Many clients read only the text, some only
// the TLVs, so that both are there by default.
type receiptForm struct{ text, tlvs bool }

func newReceiptForm(c configs.Receipt) receiptForm {
	return receiptForm{
		text: c.Text == nil || *c.Text,
		tlvs: c.TLVs == nil || *c.TLVs,
	}
}

// on is the form for a session that was bound with an interface_version. A client of SMPP 3.3 gets
// no optional parameters (smpp takes them off): without the text its receipt would say nothing.
func (f receiptForm) on(version byte) receiptForm {
	if version != 0 && version < 0x34 {
		f.text = true
	}
	return f
}

// deliverSM makes the deliver_sm of a receipt. Addresses are swapped but otherwise as submitted, and
// the message_id is spelt as in the submit_sm_resp, whatever the policy says by now. The text of the
// message is not repeated: it is erased by then.
func (f receiptForm) deliverSM(r *store.Receipt) *smpp.DeliverSM {
	receipt := smpp.Receipt{
		MessageID:  r.Shape.Spell(r.Number),
		Sub:        1,
		SubmitDate: time.UnixMilli(r.AcceptedAt),
		DoneDate:   time.UnixMilli(r.DoneAt),
		State:      smpp.MessageState(r.Ending),
		Err:        r.Err,
	}
	if r.Ending == store.EndDelivered {
		receipt.Dlvrd = 1
	} else {
		receipt.Text = codeText(r.Code)
	}
	m := &smpp.DeliverSM{
		ServiceType:     r.ServiceType,
		SourceAddrTON:   r.Dest.TON,
		SourceAddrNPI:   r.Dest.NPI,
		SourceAddr:      r.Dest.Addr,
		DestAddrTON:     r.Source.TON,
		DestAddrNPI:     r.Source.NPI,
		DestinationAddr: r.Source.Addr,
		ESMClass:        smpp.ESMClassReceipt,
	}
	if f.text {
		m.ShortMessage = receipt.ShortMessage()
	}
	if f.tlvs {
		m.TLVs = receipt.TLVs()
		if code, ok := networkError(r); ok {
			m.TLVs = m.TLVs.With(smpp.TagNetworkErrorCode, code)
		}
		if r.Code != "" {
			m.TLVs = m.TLVs.With(tagCode, r.Code)
		}
		m.TLVs += smpp.TLVs(r.Echo)
	}
	return m
}

// tagCode is the optional parameter of receipts with the API's own code, in the range for vendors (SMPP 3.4, 5.3.2), beside
// those that a submit may name its template by.
const tagCode smpp.Tag = 0x1403

// codeText is what a receipt's text says at its end, where a message centre repeats the message: the API's own code of a
// failure. One that might be taken for another state by who looks for words in the text is left out.
func codeText(code string) string {
	if strings.Contains(code, "DELIV") {
		return ""
	}
	return code
}

// networkCentre is the network type of a network_error_code that is the message centre's own (SMPP
// 5.0, 4.8.4.42). SMPP 3.4, 5.3.2.31 knows only networks' codes, and 3, GSM, would pass ours off as
// causes of TS 29.002.
const networkCentre = 8

// networkError is the value of network_error_code: the receipt's err as a number, where there is one.
func networkError(r *store.Receipt) (string, bool) {
	n, err := strconv.ParseUint(r.Err, 10, 16)
	if err != nil || n == 0 || r.Ending == store.EndDelivered {
		return "", false
	}
	return string([]byte{networkCentre, byte(n >> 8), byte(n)}), true
}
