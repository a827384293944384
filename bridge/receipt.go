package bridge

import (
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// esmClassReceipt marks a deliver_sm as a delivery receipt (SMPP 3.4, 5.2.12).
const esmClassReceipt = 0x04

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
	m := &smpp.DeliverSM{}
	m.ServiceType = r.ServiceType
	m.Source = smpp.Address(r.Dest)
	m.Dest = smpp.Address(r.Source)
	m.ESMClass = esmClassReceipt
	if f.text {
		m.ShortMessage = receipt.Text()
	}
	if f.tlvs {
		m.TLVs = receipt.TLVs()
	}
	return m
}
