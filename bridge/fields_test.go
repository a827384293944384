package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// fieldPolicy has an account for each key that fields of a message are decided by.
const fieldPolicy = `
signatures: [测试, 别的, 第三]
templates:
  - {code: SMS_1, class: otp, text: "您的验证码是${code}。", vars: {code: {kind: digits, min: 4, max: 6}}}
  - {code: SMS_2, class: notice, text: "${content}", vars: {content: {kind: free, max: 500}}}
  - {code: SMS_3, class: notice, text: "系统维护中。"}
  - {code: SMS_4, class: notice, text: "${name}，余额${amount}元。", vars: {amount: {kind: number}}}
routes:
  - {name: main, kind: dysmsapi, endpoint: "127.0.0.1:1"}
accounts:
  - {system_id: any, password_hash: "HASH", sign_name: 测试}
  - {system_id: flat, password_hash: "HASH", sign_name: 测试, priority_flag: ignore}
  - {system_id: strict, password_hash: "HASH", sign_name: 测试, ack: submitted, ack_within: 7s}
  - {system_id: quirks, password_hash: "HASH", sign_name: 测试, message_id: dec10, receipt: {parts: last}}
  - {system_id: once, password_hash: "HASH", sign_name: 测试, dedupe: 60s}
  - system_id: named
    password_hash: "HASH"
    sign_name: 测试
    templates: [SMS_1, SMS_3, SMS_4]
    signatures: [测试, 别的]
    vendor_tlvs: true
    default_msg_ids: {1: SMS_3, 2: SMS_1, 3: SMS_4}
  - {system_id: unsigned, password_hash: "HASH", vendor_tlvs: true}
`

func compile1(t testing.TB, doc, account string) *account {
	t.Helper()
	parsed, err := configs.ParsePolicy("test", []byte(strings.ReplaceAll(doc, "HASH", testHash)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := compile(3, parsed)
	if err != nil {
		t.Fatal(err)
	}
	return p.accounts[account]
}

var fieldNow = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

// fieldTests are submit_sm with one field each that is not usual.
var fieldTests = []struct {
	name, account string
	change        func(*smpp.SubmitSM)
	want          smpp.Status
}{
	{"any service_type", "any", func(m *smpp.SubmitSM) { m.ServiceType = "WAP" }, smpp.StatusOK},
	{"any numbering plan", "any", func(m *smpp.SubmitSM) { m.SourceAddrNPI, m.DestAddrNPI = 18, 255 }, smpp.StatusOK},
	{"any type of source", "any", func(m *smpp.SubmitSM) { m.SourceAddrTON, m.SourceAddr = 5, "Bank" }, smpp.StatusOK},
	{"national destination", "any", func(m *smpp.SubmitSM) { m.DestAddrTON = 2 }, smpp.StatusOK},
	{"datagram mode", "any", func(m *smpp.SubmitSM) { m.ESMClass = 1 }, smpp.StatusOK},
	{"store and forward mode", "any", func(m *smpp.SubmitSM) { m.ESMClass = 3 }, smpp.StatusOK},
	{"transaction mode", "any", func(m *smpp.SubmitSM) { m.ESMClass = 2 }, smpp.StatusInvEsmClass},
	{"transaction mode, answered after the API", "strict", func(m *smpp.SubmitSM) { m.ESMClass = 2 }, smpp.StatusOK},
	{"a receipt", "any", func(m *smpp.SubmitSM) { m.ESMClass = 0x04 }, smpp.StatusInvEsmClass},
	{"an acknowledgement", "any", func(m *smpp.SubmitSM) { m.ESMClass = 0x08 }, smpp.StatusInvEsmClass},
	{"a manual acknowledgement", "any", func(m *smpp.SubmitSM) { m.ESMClass = 0x10 }, smpp.StatusInvEsmClass},
	{"a reserved message type", "any", func(m *smpp.SubmitSM) { m.ESMClass = 0x20 }, smpp.StatusInvEsmClass},
	{"reply path", "any", func(m *smpp.SubmitSM) { m.ESMClass = 0x80 }, smpp.StatusOK},
	{"protocol_id", "any", func(m *smpp.SubmitSM) { m.ProtocolID = 0x41 }, smpp.StatusOK},
	{"priority 3", "any", func(m *smpp.SubmitSM) { m.PriorityFlag = 3 }, smpp.StatusOK},
	{"priority 4", "any", func(m *smpp.SubmitSM) { m.PriorityFlag = 4 }, smpp.StatusInvPrtFlg},
	{"reserved bits of registered_delivery", "any", func(m *smpp.SubmitSM) { m.RegisteredDelivery = 0xED }, smpp.StatusOK},
	{"replace_if_present", "any", func(m *smpp.SubmitSM) { m.ReplaceIfPresent = 1 }, smpp.StatusInvSubRep},
	{"replace_if_present 2", "any", func(m *smpp.SubmitSM) { m.ReplaceIfPresent = 2 }, smpp.StatusInvRepFlag},
	{"sm_default_msg_id without a table", "any", func(m *smpp.SubmitSM) { m.SMDefaultMsgID = 1 }, smpp.StatusInvDftMsgID},
	{"unknown parameters", "any", tlv(0x3FFF, "x"), smpp.StatusOK},
	{"others' vendor parameters", "any", func(m *smpp.SubmitSM) {
		m.TLVs = m.TLVs.With(tagTemplateCode, "1107").With(tagTemplateParam, "{").With(tagSignName, "?")
	}, smpp.StatusOK},
	{"user_message_reference", "any", tlv(smpp.TagUserMessageReference, "\x00\x07"), smpp.StatusOK},
	{"user_message_reference of one octet", "any", tlv(smpp.TagUserMessageReference, "\x07"), smpp.StatusInvParLen},
	{"source_port of three octets", "any", tlv(smpp.TagSourcePort, "abc"), smpp.StatusInvParLen},
	{"empty destination_port", "any", tlv(smpp.TagDestinationPort, ""), smpp.StatusInvParLen},
	{"both texts", "any", tlv(smpp.TagMessagePayload, "hello"), smpp.StatusOptParNotAllwd},
	{"a payload that no template takes", "any", func(m *smpp.SubmitSM) {
		m.ShortMessage, m.TLVs = "", m.TLVs.With(smpp.TagMessagePayload, strings.Repeat("\x60\xA8", 32767))
	}, smpp.StatusInvMsgLen},
}

func tlv(tag smpp.Tag, value string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.TLVs = m.TLVs.With(tag, value) }
}

// TestFields: what a submit_sm asks for beyond a text and is not done has its own status; what has no
// meaning for an SMS of the API is ignored.
func TestFields(t *testing.T) {
	for _, tt := range fieldTests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM("您的验证码是4711。")
			tt.change(m)
			_, err := compile1(t, fieldPolicy, tt.account).decide(m, fieldNow)
			if got := smpp.StatusOf(err, smpp.StatusUnknownErr); got != tt.want {
				t.Errorf("got %v (%v), want %v", got, err, tt.want)
			}
		})
	}
}

// TestScheduleBounds: schedule_delivery_time may be a week ahead; one that has just passed is now.
func TestScheduleBounds(t *testing.T) {
	tests := []struct {
		name, at string
		want     smpp.Status
		sendAt   time.Duration // after now; 0 = at once
	}{
		{"none", "", smpp.StatusOK, 0},
		{"relative", "000000003000000R", smpp.StatusOK, 30 * time.Minute},
		{"relative nothing", "000000000000000R", smpp.StatusOK, 0},
		{"a week", "000007000000000R", smpp.StatusOK, 7 * 24 * time.Hour},
		{"beyond a week", "000007000001000R", smpp.StatusInvSched, 0},
		{"absolute", "261121090000000+", smpp.StatusOK, time.Hour},
		{"tenths of a second", "261121080000500+", smpp.StatusOK, 500 * time.Millisecond},
		{"in UTC+8", "261121170000032+", smpp.StatusOK, time.Hour},
		{"in UTC-5", "261121040000020-", smpp.StatusOK, time.Hour},
		{"a year ahead", "271121090000000+", smpp.StatusInvSched, 0},
		{"just over", "261121075900000+", smpp.StatusOK, 0},
		{"over since yesterday", "261120090000000+", smpp.StatusOK, 0},
		{"over for more than a day", "261120075900000+", smpp.StatusInvSched, 0},
		{"no such day", "261131090000000+", smpp.StatusInvSched, 0},
		{"not a time", "tomorrow", smpp.StatusInvSched, 0},
	}
	acct := compile1(t, fieldPolicy, "any")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := submitSM("hello")
			m.ScheduleDeliveryTime = tt.at
			got, err := acct.decide(m, fieldNow)
			if st := smpp.StatusOf(err, smpp.StatusUnknownErr); st != tt.want {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			want := int64(0)
			if tt.sendAt != 0 {
				want = fieldNow.Add(tt.sendAt).UnixMilli()
			}
			if got.SendAt != want {
				t.Errorf("SendAt %d, want %d", got.SendAt, want)
			}
		})
	}
}

// TestDataSM: a data_sm is a submit_sm in other words; its validity is in qos_time_to_live.
func TestDataSM(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		m := &smpp.DataSM{DestinationAddr: "13800138000", RegisteredDelivery: 1}
		m.TLVs = m.TLVs.With(smpp.TagMessagePayload, "hello").With(smpp.TagQOSTimeToLive, "\x00\x00\x00\x5A").
			With(smpp.TagUserMessageReference, "ab")
		e.Send(m)
		h, p := e.Expect(smpp.DataSMRespID)
		if h.Status != smpp.StatusOK {
			t.Fatalf("answered %v", h.Status)
		}
		id := p.(*smpp.DataSMResp).MessageID
		stored, st, err := r.store.Lookup(1)
		if err != nil || id != "0000000001" {
			t.Fatalf("message %s: %v", id, err)
		}
		if left := stored.Expires - st.AcceptedAt; left < 89_000 || left > 90_000 {
			t.Errorf("it expires %d ms after it was accepted, want 90,000", left)
		}
		pass(time.Second)
		r.report(1)
		if got := e.take(smpp.StatusOK).MessageID; got != id {
			t.Errorf("receipt of %s, want %s", got, id)
		}
		e.Send(&smpp.DataSM{DestinationAddr: "13800138000"})
		if h, _ := e.Expect(smpp.DataSMRespID); h.Status != smpp.StatusInvDftMsgID {
			t.Errorf("without a text: answered %v", h.Status)
		}
	})
}

// TestEcho: what the ESME's application knows its request by comes back in the receipt.
func TestEcho(t *testing.T) {
	m := submitSM("hello")
	m.TLVs = m.TLVs.With(smpp.TagDestinationPort, "\x00\x02").With(0x0381, "x").
		With(smpp.TagUserMessageReference, "ab").With(smpp.TagSourcePort, "\x00\x01")
	got, err := compile1(t, fieldPolicy, "any").decide(m, fieldNow)
	if err != nil {
		t.Fatal(err)
	}
	want := smpp.TLVs("").With(smpp.TagUserMessageReference, "ab").
		With(smpp.TagDestinationPort, "\x00\x01").With(smpp.TagSourcePort, "\x00\x02")
	if got.Echo != string(want) {
		t.Errorf("got %x, want %x", got.Echo, want)
	}
}

// TestPreferred: priority_flag is a place in the queue, behind urgent classes; an account may have it
// ignored.
func TestPreferred(t *testing.T) {
	tests := []struct {
		account, text     string
		flag              uint8
		urgent, preferred bool
	}{
		{"any", "hello", 0, false, false},
		{"any", "hello", 1, false, true},
		{"any", "hello", 3, false, true},
		{"any", "您的验证码是4711。", 0, true, false},
		{"any", "您的验证码是4711。", 3, true, false},
		{"flat", "hello", 3, false, false},
	}
	for _, tt := range tests {
		m := submitSM(tt.text)
		m.PriorityFlag = tt.flag
		got, err := compile1(t, fieldPolicy, tt.account).decide(m, fieldNow)
		if err != nil || got.Urgent != tt.urgent || got.Preferred != tt.preferred || got.Priority != tt.flag {
			t.Errorf("%s, priority_flag %d: urgent %v, preferred %v, Priority %d (%v)", tt.account, tt.flag,
				got.Urgent, got.Preferred, got.Priority, err)
		}
	}
}

// TestAnswerBy: only what is sent at once and by itself can be answered after the API.
func TestAnswerBy(t *testing.T) {
	part := func(m *smpp.SubmitSM) {
		m.ESMClass, m.ShortMessage = smpp.ESMClassUDHI, "\x05\x00\x03\x01\x02\x01"+m.ShortMessage
	}
	tests := []struct {
		name, account string
		change        func(*smpp.SubmitSM)
		waits         bool
	}{
		{"stored", "any", func(*smpp.SubmitSM) {}, false},
		{"submitted", "strict", func(*smpp.SubmitSM) {}, true},
		{"a part", "strict", part, false},
		{"sent later", "strict", func(m *smpp.SubmitSM) { m.ScheduleDeliveryTime = "000000000100000R" }, false},
	}
	for _, tt := range tests {
		m := submitSM("hello")
		tt.change(m)
		got, err := compile1(t, fieldPolicy, tt.account).decide(m, fieldNow)
		want := int64(0)
		if tt.waits {
			want = fieldNow.Add(7 * time.Second).UnixMilli()
		}
		if err != nil || got.AnswerBy != want {
			t.Errorf("%s: AnswerBy %d (%v), want %d", tt.name, got.AnswerBy, err, want)
		}
	}
}

// TestQuirks: the spelling of ids and the form of receipts go with the message.
func TestQuirks(t *testing.T) {
	m := submitSM("hello")
	m.ESMClass, m.ShortMessage = smpp.ESMClassUDHI, "\x06\x08\x04\x12\x34\x02\x01"+m.ShortMessage
	got, err := compile1(t, fieldPolicy, "quirks").decide(m, fieldNow)
	if err != nil {
		t.Fatal(err)
	}
	if got.Shape != store.ShapeDec10 || !got.OneReceipt || got.Segment != (store.Segment{Ref: 0x1234, Total: 2, Seq: 1}) {
		t.Errorf("shape %d, one receipt %v, %+v", got.Shape, got.OneReceipt, got.Segment)
	}
	if got, err = compile1(t, fieldPolicy, "any").decide(m, fieldNow); err != nil || got.Shape != store.ShapeHex10 || got.OneReceipt {
		t.Errorf("default: shape %d, one receipt %v (%v)", got.Shape, got.OneReceipt, err)
	}
}
