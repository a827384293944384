package bridge

import (
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

// deliverSM makes the deliver_sm of a receipt. Addresses are swapped but otherwise as submitted,
// and the message_id is spelt as in the submit_sm_resp. The text of the message is not repeated:
// it is erased by then.
func (f receiptForm) deliverSM(r *store.Receipt) *smpp.DeliverSM {
	receipt := smpp.Receipt{
		MessageID:  r.Number.String(),
		Sub:        1,
		SubmitDate: time.UnixMilli(r.AcceptedAt),
		DoneDate:   time.UnixMilli(r.DoneAt),
		State:      smpp.MessageState(r.Ending),
		Err:        r.Err,
	}
	if r.Ending == store.EndDelivered {
		receipt.Dlvrd = 1
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
	}
	return m
}
