package smpp

import (
	"bytes"
	"encoding/hex"
	"reflect"
	"strings"
	"testing"
)

// samples are PDUs and their octets, written by hand from the standard.
var samples = []struct {
	name string
	pdu  PDU
	body string // hexadecimal
}{
	{"bind_transmitter", &Bind{Type: Transmitter, SystemID: "SMPP3TEST", Password: "secret08", SystemType: "SUBMIT1", InterfaceVersion: 0x34, AddrTON: 1, AddrNPI: 1},
		"534d50503354455354 00 7365637265743038 00 5355424d495431 00 34 01 01 00"},
	{"bind_receiver", &Bind{Type: Receiver, SystemID: "a", AddressRange: "^86"}, "6100 00 00 000000 5e383600"},
	{"bind_transceiver_resp", &BindResp{Type: Transceiver, SystemID: "centre", TLVs: "\x02\x10\x00\x01\x34"},
		"63656e74726500 0210 0001 34"},
	{"submit_sm", &SubmitSM{
		ServiceType: "CMT", SourceAddrTON: 5, SourceAddrNPI: 0, SourceAddr: "Bank", DestAddrTON: 1, DestAddrNPI: 1,
		DestinationAddr: "8613900000000", ESMClass: 0x40, ProtocolID: 2, PriorityFlag: 3,
		ScheduleDeliveryTime: "000000001000000R", ValidityPeriod: "261231235959000+",
		RegisteredDelivery: 1, ReplaceIfPresent: 1, DataCoding: 8, SMDefaultMsgID: 9, ShortMessage: "\x00\x41",
		TLVs: TLVs("").With(0x1400, "x").With(TagMessagePayload, "")},
		"434d5400 0500 42616e6b00 0101 3836313339303030303030303000 40 02 03" +
			"30303030303030303130303030303052 00 3236313233313233353935393030302b 00 01 01 08 09 02 0041 1400 0001 78 0424 0000"},
	{"submit_sm_resp", &SubmitSMResp{MessageID: "00000000ab"}, "3030303030303030616200"},
	{"deliver_sm", &DeliverSM{SourceAddr: "86", ShortMessage: "id:1", ESMClass: 4}, "00 0000 383600 0000 00 04 00 00 00 00 00 00 00 00 04 69643a31"},
	{"deliver_sm_resp", &DeliverSMResp{}, "00"},
	{"submit_multi", &SubmitMulti{
		Message: SubmitSM{ServiceType: "CMT", SourceAddrTON: 5, SourceAddr: "Bank", ESMClass: 3, ValidityPeriod: "000001000000000R",
			RegisteredDelivery: 1, DataCoding: 8, ShortMessage: "\x00\x41", TLVs: TLVs("").With(TagUserMessageReference, "\x00\x07")},
		Destinations: []Destination{{TON: 1, NPI: 1, Addr: "8613900000000"}, {List: "staff"}, {TON: 2, Addr: "139"}}},
		"434d5400 0500 42616e6b00 03 01 0101 3836313339303030303030303000 02 737461666600 01 0200 31333900" +
			"03 00 00 00 3030303030313030303030303030305200 01 00 08 00 02 0041 0204 0002 0007"},
	{"submit_multi_resp", &SubmitMultiResp{MessageID: "ab",
		Failed: []Unsuccess{{TON: 1, NPI: 1, Addr: "86", Status: StatusInvDstAdr}, {Addr: "x", Status: 0x01020304}},
		TLVs:   TLVs("").WithByte(TagCongestionState, 80)},
		"616200 02 0101 383600 0000000b 0000 7800 01020304 0428 0001 50"},
	{"data_sm", &DataSM{ServiceType: "WAP", SourceAddrTON: 5, SourceAddr: "Bank", DestAddrTON: 1, DestAddrNPI: 1, DestinationAddr: "86139",
		ESMClass: 0x40, RegisteredDelivery: 1, DataCoding: 8, TLVs: TLVs("").With(TagMessagePayload, "\x00\x41")},
		"57415000 0500 42616e6b00 0101 383631333900 40 01 08 0424 0002 0041"},
	{"data_sm_resp", &DataSMResp{MessageID: "00000000ab", TLVs: TLVs("").WithByte(TagDeliveryFailureReason, 0)}, "3030303030303030616200 0425 0001 00"},
	{"query_sm", &QuerySM{MessageID: "ab", SourceAddrTON: 5, SourceAddrNPI: 1, SourceAddr: "Bank"}, "616200 0501 42616e6b00"},
	{"query_sm_resp", &QuerySMResp{MessageID: "ab", FinalDate: "261231235959000+", MessageState: StateUndeliverable, ErrorCode: 7},
		"616200 3236313233313233353935393030302b00 05 07"},
	{"cancel_sm", &CancelSM{ServiceType: "CMT", MessageID: "ab", SourceAddrTON: 5, SourceAddr: "Bank", DestAddrTON: 1, DestAddrNPI: 1, DestinationAddr: "86"},
		"434d5400 616200 0500 42616e6b00 0101 383600"},
	{"cancel_sm_resp", &CancelSMResp{}, ""},
	{"replace_sm", &ReplaceSM{MessageID: "ab", SourceAddrTON: 5, SourceAddr: "Bank", ScheduleDeliveryTime: "000000001000000R",
		ValidityPeriod: "261231235959000+", RegisteredDelivery: 1, SMDefaultMsgID: 9, ShortMessage: "hi", TLVs: TLVs("").With(TagMessagePayload, "")},
		"616200 0500 42616e6b00 3030303030303030313030303030305200 3236313233313233353935393030302b00 01 09 02 6869 0424 0000"},
	{"replace_sm_resp", &ReplaceSMResp{}, ""},
	{"outbind", &Outbind{SystemID: "centre", Password: "secret"}, "63656e74726500 73656372657400"},
	{"alert_notification", &AlertNotification{SourceAddrTON: 1, SourceAddrNPI: 1, SourceAddr: "86", ESMEAddrTON: 2, ESMEAddr: "1069",
		TLVs: TLVs("").WithByte(TagMSAvailabilityStatus, 0)}, "0101 383600 0200 3130363900 0422 0001 00"},
	{"unbind", &Unbind{}, ""},
	{"unbind_resp", &UnbindResp{}, ""},
	{"enquire_link", &EnquireLink{}, ""},
	{"enquire_link_resp", &EnquireLinkResp{}, ""},
	{"generic_nack", &GenericNack{}, ""},
}

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return b
}

func TestPDUsAreOnTheWireAsTheStandardWritesThem(t *testing.T) {
	for _, tt := range samples {
		t.Run(tt.name, func(t *testing.T) {
			if name := tt.pdu.CommandID().String(); name != tt.name {
				t.Errorf("command_id: got %s", name)
			}
			body := fromHex(t, tt.body)
			got := Append([]byte("before"), StatusThrottled, 0x01020304, tt.pdu)
			if !bytes.HasPrefix(got, []byte("before")) {
				t.Fatalf("Append lost what was there: %x", got)
			}
			got = got[len("before"):]
			if !bytes.Equal(got[HeaderLen:], body) {
				t.Errorf("body:\n got %x\nwant %x", got[HeaderLen:], body)
			}
			want := Header{Length: uint32(HeaderLen + len(body)), ID: tt.pdu.CommandID(), Status: StatusThrottled, Sequence: 0x01020304}
			h := parseHeader(got)
			if h != want {
				t.Errorf("header: got %+v, want %+v", h, want)
			}
			back, err := Decode(h, body)
			if err != nil || !reflect.DeepEqual(back, tt.pdu) {
				t.Errorf("decoded: got %+v, %v\nwant %+v", back, err, tt.pdu)
			}
		})
	}
}

// TestEveryCutIsRefused cuts each sample's body at every length: a shorter body is a
// fault, unless only parameters were cut off, whole ones, or the standard lets fields be absent.
func TestEveryCutIsRefused(t *testing.T) {
	for _, tt := range samples {
		body := fromHex(t, tt.body)
		mandatory := len(body)
		if m, ok := tt.pdu.(*SubmitMulti); ok {
			mandatory -= len(m.Message.TLVs)
		} else if tlvs := reflect.ValueOf(tt.pdu).Elem().FieldByName("TLVs"); tlvs.IsValid() {
			mandatory -= tlvs.Len()
		}
		_, isBind := tt.pdu.(*Bind)
		for n := range body {
			if n == 0 && tt.pdu.CommandID().IsResponse() {
				continue // a header alone
			}
			_, err := Decode(Header{ID: tt.pdu.CommandID()}, body[:n])
			if err == nil && !isBind && n < mandatory {
				t.Errorf("%s cut to %d octets: no error", tt.name, n)
			}
			if err != nil && StatusOf(err, StatusOK) == StatusOK {
				t.Errorf("%s cut to %d octets: %v has no status", tt.name, n, err)
			}
		}
	}
}

func TestLongestFieldsAreTaken(t *testing.T) {
	m := &SubmitSM{
		ServiceType: "12345", SourceAddr: strings.Repeat("1", 20), DestinationAddr: strings.Repeat("2", 20),
		ScheduleDeliveryTime: strings.Repeat("3", 16), ValidityPeriod: strings.Repeat("4", 16),
		ShortMessage: strings.Repeat("\x00", MaxShortMessage), TLVs: TLVs("").With(TagMessagePayload, strings.Repeat("x", 0xFFFF)),
	}
	if err := m.Check(); err != nil {
		t.Fatal(err)
	}
	octets := Append(nil, StatusOK, 1, m)
	if len(octets) > MaxPDU {
		t.Errorf("a PDU of %d octets is longer than MaxPDU", len(octets))
	}
	var back SubmitSM
	if err := back.Decode(octets[HeaderLen:]); err != nil || !reflect.DeepEqual(&back, m) {
		t.Errorf("got %v", err)
	}
}

func TestNULBehindShortMessageIsForgiven(t *testing.T) {
	m := &SubmitSM{DestinationAddr: "86", ShortMessage: "hi"}
	tlvs := TLVs("").With(0x1400, "a")
	for _, tt := range []struct {
		name, tail string
		want       TLVs
	}{
		{"one", "\x00", ""},
		{"three", "\x00\x00\x00", ""},
		{"before a parameter", "\x00" + string(tlvs), tlvs},
		{"parameter 0x0005 is none", "\x00\x05\x00\x01\x02", "\x00\x05\x00\x01\x02"},
	} {
		var got SubmitSM
		err := got.Decode(append(m.AppendBody(nil), tt.tail...))
		if err != nil || got.ShortMessage != "hi" || got.TLVs != tt.want {
			t.Errorf("%s: got %q %q %v", tt.name, got.ShortMessage, got.TLVs, err)
		}
	}
}

func TestBindWithFieldsLeftOut(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       Bind
	}{
		{"nothing behind the password", "a\x00b\x00", Bind{}},
		{"no system_type", "a\x00b\x00\x33\x01\x02x\x00", Bind{InterfaceVersion: 0x33, AddrTON: 1, AddrNPI: 2, AddressRange: "x"}},
		{"octets behind address_range", "a\x00b\x00t\x00\x34\x00\x00\x00more", Bind{SystemType: "t", InterfaceVersion: 0x34}},
	} {
		got := Bind{Type: Transmitter}
		tt.want.Type, tt.want.SystemID, tt.want.Password = Transmitter, "a", "b"
		if err := got.decode(tt.body); err != nil || got != tt.want {
			t.Errorf("%s: got %+v %v", tt.name, got, err)
		}
	}
}

// TestABadFieldNeverShiftsOthers encodes what Check refuses: the rest stays readable.
func TestABadFieldNeverShiftsOthers(t *testing.T) {
	m := &SubmitSM{SourceAddr: "a\x00b", DestinationAddr: "86", ShortMessage: strings.Repeat("x", 300)}
	if err := m.Check(); StatusOf(err, StatusOK) != StatusInvMsgLen {
		t.Errorf("Check: %v", err)
	}
	var back SubmitSM
	if err := back.Decode(m.AppendBody(nil)); err != nil || back.SourceAddr != "a" || back.DestinationAddr != "86" || len(back.ShortMessage) != MaxShortMessage {
		t.Errorf("got %+v %v", back, err)
	}
}

func TestCheck(t *testing.T) {
	long := strings.Repeat("1", 21)
	for _, tt := range []struct {
		name string
		m    SubmitSM
		want Status
	}{
		{"fine", SubmitSM{SourceAddr: long[1:]}, StatusOK},
		{"service_type", SubmitSM{ServiceType: "123456"}, StatusInvSerTyp},
		{"source_addr", SubmitSM{SourceAddr: long}, StatusInvSrcAdr},
		{"NUL", SubmitSM{DestinationAddr: "8\x006"}, StatusInvDstAdr},
		{"times", SubmitSM{ScheduleDeliveryTime: long}, StatusInvSched},
		{"validity", SubmitSM{ValidityPeriod: long}, StatusInvExpiry},
		{"parameters", SubmitSM{TLVs: "\x00"}, StatusInvOptParStream},
	} {
		if got := StatusOf(tt.m.Check(), StatusSysErr); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
	if err := (&Bind{SystemID: long}).Check(); StatusOf(err, StatusOK) != StatusInvSysID {
		t.Errorf("bind: %v", err)
	}
}

func TestTLVs(t *testing.T) {
	tlvs := TLVs("").With(0x1400, "first").WithByte(0x0005, 7).With(0x1400, "second").With(0x7777, "")
	if v, ok := tlvs.Get(0x1400); !ok || v != "first" {
		t.Errorf("Get of a repeated one: got %q %v", v, ok)
	}
	if v, ok := tlvs.Get(0x7777); !ok || v != "" {
		t.Errorf("Get of an empty one: got %q %v", v, ok)
	}
	if _, ok := tlvs.Get(0x0001); ok {
		t.Error("Get found what is not there")
	}
	var order []Tag
	for tag := range tlvs.All() {
		order = append(order, tag)
	}
	if want := []Tag{0x1400, 0x0005, 0x1400, 0x7777}; !reflect.DeepEqual(order, want) {
		t.Errorf("All: got %x, want %x", order, want)
	}
	for range tlvs.All() {
		break // an iterator must take no for an answer
	}
	if long := TLVs("").With(1, strings.Repeat("x", 70000)); !long.valid() || len(long) != 4+0xFFFF {
		t.Errorf("With of 70,000 octets: %d octets", len(long))
	}
	if v, _ := TLVs("\x00\x01\x00\x09ab").Get(1); v != "ab" {
		t.Errorf("a hand-made overrun: got %q", v)
	}
}

func TestDecodeAllocatesOnce(t *testing.T) {
	m := *benchSubmit
	m.TLVs = m.TLVs.With(0x1400, "1101")
	body := m.AppendBody(nil)
	var got SubmitSM
	if n := testing.AllocsPerRun(100, func() { _ = got.Decode(body) }); n > 1 {
		t.Errorf("Decode: %v allocations", n)
	}
	buf := make([]byte, 0, 1000)
	if n := testing.AllocsPerRun(100, func() { buf = Append(buf[:0], StatusOK, 1, &m) }); n > 0 {
		t.Errorf("Append: %v allocations", n)
	}
}

func TestNamesOfCommandsAndStatuses(t *testing.T) {
	for i, id := range commandIDs {
		if id.index() != i {
			t.Errorf("%s: index %d, want %d", commandNames[i], id.index(), i)
		}
		if back, ok := ParseCommandID(id.String()); !ok || back != id {
			t.Errorf("%s does not parse", id)
		}
	}
	if _, ok := AlertNotificationID.Response(); ok || OutbindID.IsResponse() {
		t.Error("alert_notification and outbind have no response")
	}
	if id, ok := DataSMID.Response(); !ok || id != DataSMRespID {
		t.Errorf("data_sm: got %v", id)
	}
	if got := CommandID(0x999).String(); got != "command_00000999" {
		t.Errorf("unknown command: %s", got)
	}
	for st, name := range statusNames {
		if back, ok := ParseStatus(name); !ok || back != st || st.String() != name {
			t.Errorf("%s does not parse", name)
		}
	}
	if got := Status(0x400).String(); got != "0x00000400" {
		t.Errorf("unknown status: %s", got)
	}
}
