package smpptrace

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// ucs2 is text in UTF-16, as data_coding 8 has it.
func ucs2(text string) string {
	octets, err := smpp.EncodeText(smpp.DataCodingUCS2, smpp.AlphabetGSM7, text)
	if err != nil {
		panic(err) // a test's own text
	}
	return octets
}

const udh = "\x05\x00\x03\x07\x02\x01"

// receiptOf is a receipt's text.
func receiptOf(text string) string {
	r := smpp.Receipt{MessageID: "000000002a", Sub: 1, State: smpp.StateUndeliverable, Err: "123", Text: text,
		SubmitDate: time.Unix(1e9, 0).UTC(), DoneDate: time.Unix(1e9, 0).UTC()}
	return r.ShortMessage()
}

// private are PDUs with something private in each place that has room for it.
func private() []struct {
	name string
	sent bool
	pdu  smpp.PDU
	want smpp.PDU
} {
	stars := strings.Repeat("*", len(secretText))
	stars2 := strings.Repeat("\x00*", len(secretText))
	tlvs := func(tag smpp.Tag, value string) smpp.TLVs { return smpp.TLVs("").With(tag, value) }
	submit := func(change func(*smpp.SubmitSM)) *smpp.SubmitSM {
		m := &smpp.SubmitSM{ServiceType: "otp", SourceAddr: "10690000", DestinationAddr: secretPhone,
			ValidityPeriod: "000000001000000R", RegisteredDelivery: 1}
		change(m)
		return m
	}
	hidden := func(change func(*smpp.SubmitSM)) *smpp.SubmitSM {
		m := submit(change)
		m.SourceAddr, m.DestinationAddr = "********", "139****5678"
		return m
	}
	deliver := func(change func(*smpp.SubmitSM)) *smpp.DeliverSM { return (*smpp.DeliverSM)(submit(change)) }
	hiddenDeliver := func(change func(*smpp.SubmitSM)) *smpp.DeliverSM { return (*smpp.DeliverSM)(hidden(change)) }
	type set = func(*smpp.SubmitSM)
	withText := func(class, coding byte, text string) set {
		return func(m *smpp.SubmitSM) { m.ESMClass, m.DataCoding, m.ShortMessage = class, coding, text }
	}
	withTLVs := func(t smpp.TLVs) set { return func(m *smpp.SubmitSM) { m.TLVs = t } }
	return []struct {
		name string
		sent bool
		pdu  smpp.PDU
		want smpp.PDU
	}{
		{"bind", false,
			&smpp.Bind{Type: smpp.Receiver, SystemID: "bank", Password: secretWord, SystemType: "SMPP", InterfaceVersion: 0x34, AddressRange: secretPhone},
			&smpp.Bind{Type: smpp.Receiver, SystemID: "bank", Password: "********", SystemType: "SMPP", InterfaceVersion: 0x34, AddressRange: "139****5678"}},
		{"outbind", false, &smpp.Outbind{SystemID: "bank", Password: secretWord}, &smpp.Outbind{SystemID: "bank", Password: "********"}},
		{"text", false, submit(withText(0, 0, secretText)), hidden(withText(0, 0, stars))},
		{"UCS-2", false, submit(withText(0, 8, ucs2(secretText))), hidden(withText(0, 8, stars2))},
		{"UCS-2 of a message class", false, submit(withText(0, 0x18, ucs2(secretText))), hidden(withText(0, 0x18, stars2))},
		{"GBK", false, submit(withText(0, 15, secretText)), hidden(withText(0, 15, stars))},
		{"part", false, submit(withText(0x40, 8, udh+ucs2(secretText))), hidden(withText(0x40, 8, udh+stars2))},
		{"broken user data header", false, submit(withText(0x40, 0, "\x7F"+secretText)), hidden(withText(0x40, 0, "*"+stars))},
		{"text in a user data header", false, submit(withText(0x40, 0, "\x16\x99\x14"+secretText)), hidden(withText(0x40, 0, "\x16\x99\x14"+stars))},
		{"what an ESME calls a receipt", false, submit(withText(4, 0, receiptOf(secretText))),
			hidden(withText(4, 0, strings.Repeat("*", len(receiptOf(secretText)))))},
		{"message_payload", false, submit(withTLVs(tlvs(smpp.TagMessagePayload, secretText))), hidden(withTLVs(tlvs(smpp.TagMessagePayload, stars)))},
		{"template parameters", false, submit(withTLVs(tlvs(0x1400, "SMS_1").With(0x1401, secretText))),
			hidden(withTLVs(tlvs(0x1400, "SMS_1").With(0x1401, stars)))},
		{"unknown parameter", false, submit(withTLVs(tlvs(0x3FFF, secretText))), hidden(withTLVs(tlvs(0x3FFF, stars)))},
		{"short unknown parameter", false, submit(withTLVs(tlvs(0x1499, "4711"))), hidden(withTLVs(tlvs(0x1499, "****")))},
		{"text in a number's place", false, submit(withTLVs(tlvs(smpp.TagUserMessageReference, secretText))),
			hidden(withTLVs(tlvs(smpp.TagUserMessageReference, stars)))},
		{"number's parameter", false, submit(withTLVs(tlvs(smpp.TagUserMessageReference, "\x12\x34"))),
			hidden(withTLVs(tlvs(smpp.TagUserMessageReference, "\x12\x34")))},
		{"callback_num", false, submit(withTLVs(tlvs(smpp.TagCallbackNum, "\x01\x01\x01"+secretPhone))),
			hidden(withTLVs(tlvs(smpp.TagCallbackNum, "\x01\x01\x01139****5678")))},
		{"receipted_message_id of an ESME", false, submit(withTLVs(tlvs(smpp.TagReceiptedMessageID, secretPhone+"\x00"))),
			hidden(withTLVs(tlvs(smpp.TagReceiptedMessageID, strings.Repeat("*", 12))))},
		{"receipt", true, deliver(withText(4, 0, receiptOf(secretText))),
			hiddenDeliver(withText(4, 0, receiptOf(strings.Repeat("*", len(secretText)))))},
		{"receipt that is none", true, deliver(withText(4, 0, secretText)), hiddenDeliver(withText(4, 0, stars))},
		{"incoming message", true, deliver(withText(0, 0, receiptOf(secretText))),
			hiddenDeliver(withText(0, 0, strings.Repeat("*", len(receiptOf(secretText)))))},
		{"receipted_message_id", true, deliver(withTLVs(tlvs(smpp.TagReceiptedMessageID, "000000002a\x00"))),
			hiddenDeliver(withTLVs(tlvs(smpp.TagReceiptedMessageID, "000000002a\x00")))},
		{"data_sm", false, &smpp.DataSM{SourceAddr: secretPhone, DestinationAddr: "+86" + secretPhone, DataCoding: 8, TLVs: tlvs(smpp.TagMessagePayload, ucs2(secretText))},
			&smpp.DataSM{SourceAddr: "139****5678", DestinationAddr: "+86*******5678", DataCoding: 8, TLVs: tlvs(smpp.TagMessagePayload, stars2)}},
		{"submit_multi", false,
			&smpp.SubmitMulti{Message: smpp.SubmitSM{ShortMessage: secretText}, Destinations: []smpp.Destination{{Addr: secretPhone}, {List: "staff"}}},
			&smpp.SubmitMulti{Message: smpp.SubmitSM{ShortMessage: stars}, Destinations: []smpp.Destination{{Addr: "139****5678"}, {List: "*****"}}}},
		{"submit_multi_resp", true,
			&smpp.SubmitMultiResp{MessageID: "000000002a", Failed: []smpp.Unsuccess{{Addr: secretPhone, Status: 0x0B}}},
			&smpp.SubmitMultiResp{MessageID: "000000002a", Failed: []smpp.Unsuccess{{Addr: "139****5678", Status: 0x0B}}}},
		{"query_sm", false, &smpp.QuerySM{MessageID: "000000002a", SourceAddr: secretPhone}, &smpp.QuerySM{MessageID: "000000002a", SourceAddr: "139****5678"}},
		{"number for a message_id", false, &smpp.QuerySM{MessageID: secretPhone}, &smpp.QuerySM{MessageID: "139****5678"}},
		{"query_sm_resp", true, &smpp.QuerySMResp{MessageID: "000000002a", MessageState: 2}, &smpp.QuerySMResp{MessageID: "000000002a", MessageState: 2}},
		{"cancel_sm", false, &smpp.CancelSM{SourceAddr: "10690000", DestinationAddr: secretPhone}, &smpp.CancelSM{SourceAddr: "********", DestinationAddr: "139****5678"}},
		{"replace_sm", false, &smpp.ReplaceSM{MessageID: "2a", ShortMessage: secretText}, &smpp.ReplaceSM{MessageID: "2a", ShortMessage: stars}},
		{"submit_sm_resp", true, &smpp.SubmitSMResp{MessageID: "000000002a"}, &smpp.SubmitSMResp{MessageID: "000000002a"}},
		{"deliver_sm_resp", false, &smpp.DeliverSMResp{MessageID: secretText}, &smpp.DeliverSMResp{MessageID: "pri" + stars[7:] + "1153"}},
		{"alert_notification", true, &smpp.AlertNotification{SourceAddr: secretPhone, ESMEAddr: "10690000"},
			&smpp.AlertNotification{SourceAddr: "139****5678", ESMEAddr: "********"}},
		{"enquire_link", false, &smpp.EnquireLink{}, &smpp.EnquireLink{}},
	}
}

// TestMaskedPDUsKeepTheirForm: nothing private is left, and all else is as it was, lengths too.
func TestMaskedPDUsKeepTheirForm(t *testing.T) {
	for _, tt := range private() {
		t.Run(tt.name, func(t *testing.T) {
			pdu := smpp.Append(nil, smpp.StatusOK, 7, tt.pdu)
			want := smpp.Append(nil, smpp.StatusOK, 7, tt.want)
			if got := mask(bytes.Clone(pdu), tt.sent, false); !bytes.Equal(got, want) {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// TestUnmaskedHidesPasswords: and nothing else.
func TestUnmaskedHidesPasswords(t *testing.T) {
	for _, tt := range private() {
		pdu := smpp.Append(nil, smpp.StatusOK, 7, tt.pdu)
		want := bytes.ReplaceAll(bytes.Clone(pdu), []byte(secretWord), []byte("********"))
		if got := mask(pdu, tt.sent, true); !bytes.Equal(got, want) {
			t.Errorf("%s: got  %q\nwant %q", tt.name, got, want)
		}
	}
}

// TestOddBinds: clients leave fields out, and send octets behind the last one.
func TestOddBinds(t *testing.T) {
	for name, tt := range map[string]struct{ body, want string }{
		"nothing behind the password": {"bank\x00" + secretWord + "\x00", "bank\x00********\x00"},
		"no system_type":              {"bank\x00" + secretWord + "\x00\x34\x01\x01" + secretPhone + "\x00", "bank\x00********\x00\x34\x01\x01139****5678\x00"},
		"octets behind":               {"bank\x00" + secretWord + "\x00\x00\x34\x01\x01\x00" + secretWord, "bank\x00********\x00\x00\x34\x01\x01\x00" + strings.Repeat("\x00", len(secretWord))},
	} {
		for _, whole := range []bool{false, true} {
			if whole && name != "nothing behind the password" {
				continue
			}
			pdu := withBody(smpp.BindTransceiverID, tt.body)
			if got := mask(pdu, false, whole)[smpp.HeaderLen:]; string(got) != tt.want {
				t.Errorf("%s, whole %v: got %q, want %q", name, whole, got, tt.want)
			}
		}
	}
}

func withBody(id smpp.CommandID, body string) []byte {
	pdu := append(smpp.AppendHeader(nil, id, smpp.StatusOK, 7), body...)
	binary.BigEndian.PutUint32(pdu, uint32(len(pdu)))
	return pdu
}

// TestUndecodableIsAHeader: where the private fields are is not known.
func TestUndecodableIsAHeader(t *testing.T) {
	sm := string((&smpp.SubmitSM{DestinationAddr: secretPhone, ShortMessage: secretText}).AppendBody(nil))
	for name, tt := range map[string]struct {
		id    smpp.CommandID
		body  string
		whole bool // a header also when not masked
	}{
		"unterminated password":  {smpp.BindTransmitterID, "bank\x00" + secretWord, true},
		"unterminated outbind":   {smpp.OutbindID, "bank\x00" + secretWord, true},
		"unknown command":        {0x00010203, secretText, false},
		"truncated submit_sm":    {smpp.SubmitSMID, sm[:len(sm)-3], false},
		"text for service_type":  {smpp.SubmitSMID, secretText + "\x00" + sm, false},
		"parameter without end":  {smpp.SubmitSMID, sm + "\x04\x24\x00\xFF" + secretText, false},
		"unknown response":       {0x80010203, secretText, false},
		"submit_sm without body": {smpp.SubmitSMID, "", false},
	} {
		header := smpp.AppendHeader(nil, tt.id, smpp.StatusOK, 7)
		if got := mask(withBody(tt.id, tt.body), false, false); !bytes.Equal(got, header) {
			t.Errorf("%s: got %q, want the header", name, got)
		}
		want := withBody(tt.id, tt.body)
		if tt.whole {
			want = header
		}
		if got := mask(withBody(tt.id, tt.body), false, true); !bytes.Equal(got, want) {
			t.Errorf("%s, not masked: got %q, want %q", name, got, want)
		}
	}
}

// FuzzMask: whatever is sent, what is written can be decoded, is as long as it was or a header, and hides no less
// when it is masked again.
func FuzzMask(f *testing.F) {
	for _, tt := range private() {
		f.Add(uint32(tt.pdu.CommandID()), tt.sent, tt.pdu.AppendBody(nil))
	}
	f.Fuzz(func(t *testing.T, id uint32, sent bool, body []byte) {
		pdu := withBody(smpp.CommandID(id), string(body))
		got := mask(bytes.Clone(pdu), sent, false)
		switch h := headerOf(got); {
		case int(h.Length) != len(got):
			t.Fatalf("command_length %d of %d octets", h.Length, len(got))
		case len(got) == smpp.HeaderLen:
			return
		case len(got) != len(pdu):
			t.Fatalf("%d octets became %d", len(pdu), len(got))
		default:
			if _, err := smpp.Decode(h, got[smpp.HeaderLen:]); err != nil {
				t.Fatalf("masked, it cannot be decoded: %v", err)
			}
		}
		if again := mask(bytes.Clone(got), sent, false); !bytes.Equal(again, got) {
			t.Fatalf("masked again:\n%q\nonce:\n%q", again, got)
		}
	})
}
