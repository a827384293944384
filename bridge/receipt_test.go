package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// failed is a receipt as the store has it.
func failed() store.Receipt {
	return store.Receipt{
		Account: "any", Number: 0x1_2345_6789,
		Source: store.Address{TON: 5, NPI: 0, Addr: "BANK"}, Dest: store.Address{TON: 1, NPI: 1, Addr: "+8613800138000"},
		ServiceType: "CMT", DataCoding: 8, ESMClass: 0x40,
		Ending: store.EndUndeliverable, Err: "101",
		AcceptedAt: time.Date(2026, 1, 2, 3, 4, 0, 0, time.Local).UnixMilli(),
		DoneAt:     time.Date(2026, 1, 2, 3, 5, 0, 0, time.Local).UnixMilli(),
	}
}

// TestReceiptForm: what a receipt looks like under an account's switches and for a version of SMPP.
func TestReceiptForm(t *testing.T) {
	both := receiptForm{text: true, tlvs: true}
	const text = "id:%s sub:001 dlvrd:%s submit date:2601020304 done date:2601020305 stat:%s err:%s text:"
	spell := func(id, dlvrd, stat, err string) string {
		return strings.NewReplacer("id:%s", "id:"+id, "dlvrd:%s", "dlvrd:"+dlvrd, "stat:%s", "stat:"+stat, "err:%s", "err:"+err).Replace(text)
	}
	tests := []struct {
		name   string
		form   receiptForm
		change func(*store.Receipt)
		text   string
		tlvs   smpp.TLVs
	}{
		{"usual", both, func(*store.Receipt) {}, spell("0123456789", "000", "UNDELIV", "101"),
			"\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x65"},
		{"delivered", both, func(r *store.Receipt) { r.Ending, r.Err = store.EndDelivered, "000" },
			spell("0123456789", "001", "DELIVRD", "000"), "\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x02"},
		{"cancelled", both, func(r *store.Receipt) { r.Ending, r.Err = store.EndDeleted, "" },
			spell("0123456789", "000", "DELETED", "000"), "\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x04"},
		{"8 digits", both, func(r *store.Receipt) { r.Shape = store.ShapeHex8 }, spell("23456789", "000", "UNDELIV", "101"),
			"\x00\x1E\x00\x0923456789\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x65"},
		{"decimal", both, func(r *store.Receipt) { r.Shape = store.ShapeDec10 }, spell("4886718345", "000", "UNDELIV", "101"),
			"\x00\x1E\x00\x0B4886718345\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x65"},
		{"an err with letters", both, func(r *store.Receipt) { r.Err = "MK:0001" }, spell("0123456789", "000", "UNDELIV", "MK:"),
			"\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x05"},
		{"a short err", both, func(r *store.Receipt) { r.Err = "7" }, spell("0123456789", "000", "UNDELIV", "007"),
			"\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x07"},
		{"echoed parameters", both, func(r *store.Receipt) { r.Echo = "\x02\x04\x00\x02\x12\x34" }, spell("0123456789", "000", "UNDELIV", "101"),
			"\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x65" + "\x02\x04\x00\x02\x12\x34"},
		{"the API's code", both, func(r *store.Receipt) { r.Code, r.Echo = "MOBILE_NOT_ON_SERVICE", "\x02\x04\x00\x02\x12\x34" },
			spell("0123456789", "000", "UNDELIV", "101") + "MOBILE_NOT_ON_SERVIC",
			"\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x65" +
				"\x14\x03\x00\x15MOBILE_NOT_ON_SERVICE" + "\x02\x04\x00\x02\x12\x34"},
		{"the API's code of success", both, func(r *store.Receipt) { r.Ending, r.Err, r.Code = store.EndDelivered, "000", "DELIVERED" },
			spell("0123456789", "001", "DELIVRD", "000"), "\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x02" + "\x14\x03\x00\x09DELIVERED"},
		{"a code like another state", receiptForm{text: true}, func(r *store.Receipt) { r.Code = "DELIVRD" }, spell("0123456789", "000", "UNDELIV", "101"), ""},
		{"text only", receiptForm{text: true}, func(r *store.Receipt) { r.Echo = "\x02\x04\x00\x02\x12\x34" },
			spell("0123456789", "000", "UNDELIV", "101"), ""},
		{"TLVs only", receiptForm{tlvs: true}, func(*store.Receipt) {}, "",
			"\x00\x1E\x00\x0B0123456789\x00" + "\x04\x27\x00\x01\x05" + "\x04\x23\x00\x03\x08\x00\x65"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := failed()
			tt.change(&r)
			m := tt.form.deliverSM(&r)
			if m.ShortMessage != tt.text {
				t.Errorf("text\n got %s\nwant %s", m.ShortMessage, tt.text)
			}
			if m.TLVs != tt.tlvs {
				t.Errorf("TLVs\n got %x\nwant %x", string(m.TLVs), string(tt.tlvs))
			}
			if m.ESMClass != 0x04 || m.DataCoding != 0 || m.ServiceType != "CMT" {
				t.Errorf("esm_class %#x, data_coding %d, service_type %q; want 0x4, 0, CMT", m.ESMClass, m.DataCoding, m.ServiceType)
			}
			from := store.Address{TON: m.SourceAddrTON, NPI: m.SourceAddrNPI, Addr: m.SourceAddr}
			to := store.Address{TON: m.DestAddrTON, NPI: m.DestAddrNPI, Addr: m.DestinationAddr}
			if from != r.Dest || to != r.Source {
				t.Error("addresses are not those of the submit_sm, swapped")
			}
			if err := m.Check(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestReceiptTextForOldClients: a client of SMPP 3.3 gets no optional parameters, so that it gets the
// text whatever its account says.
func TestReceiptTextForOldClients(t *testing.T) {
	for version, text := range map[byte]bool{0x33: true, 0x01: true, 0x00: false, 0x34: false, 0x50: false} {
		if got := (receiptForm{tlvs: true}).on(version).text; got != text {
			t.Errorf("interface_version %#x: text %v, want %v", version, got, text)
		}
	}
	inRig(t, func(t *testing.T, r *rig) {
		e := r.dial()
		e.Send(&smpp.Bind{Type: smpp.Transceiver, SystemID: "tlvs", Password: rigPassword, InterfaceVersion: 0x33})
		e.Expect(smpp.BindTransceiverRespID)
		n := e.delivered("hello")
		if _, got, _ := e.receipt(); got.MessageID != n.String() {
			t.Errorf("receipt of %q, want %s", got.MessageID, n)
		}
	})
}

// TestReceiptSwitches: each account has its receipts as its policy says, also when it changed since the
// message was accepted; the message_id stays as it was in the submit_sm_resp.
func TestReceiptSwitches(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		sender := r.bind("hex8", smpp.Transmitter)
		sender.submit("hello")
		_, p := sender.Expect(smpp.SubmitSMRespID)
		id := p.(*smpp.SubmitSMResp).MessageID
		pass(time.Second)
		r.putPolicy(strings.ReplaceAll(promisePolicy, "message_id: hex8", "message_id: dec10, receipt: {text: false}"))
		pass(time.Second)
		r.report(1)
		_, p = r.bind("hex8", smpp.Receiver).Expect(smpp.DeliverSMID)
		m := p.(*smpp.DeliverSM)
		if m.ShortMessage != "" {
			t.Error("the receipt has a text, although the policy says that it has none")
		}
		if got, _ := m.TLVs.Get(smpp.TagReceiptedMessageID); len(id) != 8 || got != id+"\x00" {
			t.Errorf("submit_sm_resp says %s, receipt %q", id, got)
		}
	})
}
