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

// TestEveryCutIsRefused cuts each sample's body at every length: a shorter body is
// either a fault or, where the standard lets fields be absent, decodes without one.
func TestEveryCutIsRefused(t *testing.T) {
	for _, tt := range samples {
		body := fromHex(t, tt.body)
		_, isBind := tt.pdu.(*Bind)
		for n := range body {
			if n == 0 && tt.pdu.CommandID().IsResponse() {
				continue // a header alone
			}
			_, err := Decode(Header{ID: tt.pdu.CommandID()}, body[:n])
			if err == nil && !isBind && !strings.Contains(tt.body, "0210") && !strings.Contains(tt.body, "1400") {
				t.Errorf("%s cut to %d octets: no error", tt.name, n)
			}
			if err != nil && StatusOf(err, StatusOK) == StatusOK {
				t.Errorf("%s cut to %d octets: %v has no status", tt.name, n, err)
			}
		}
	}
}

func TestFaultsHaveTheirOwnStatus(t *testing.T) {
	long := strings.Repeat("1", 100)
	submit := func(change func(*SubmitSM)) []byte {
		m := SubmitSM{DestinationAddr: "8613900000000", ShortMessage: "hi"}
		change(&m)
		return m.AppendBody(nil)
	}
	tests := []struct {
		name string
		id   CommandID
		body []byte
		want Status
	}{
		{"empty bind", BindTransmitterID, nil, StatusInvCmdLen},
		{"system_id", BindTransmitterID, (&Bind{SystemID: long}).AppendBody(nil), StatusInvSysID},
		{"password", BindReceiverID, (&Bind{Password: long}).AppendBody(nil), StatusInvPaswd},
		{"system_type", BindTransceiverID, (&Bind{SystemType: long}).AppendBody(nil), StatusInvSysTyp},
		{"address_range", BindTransceiverID, (&Bind{AddressRange: long}).AppendBody(nil), StatusBindFail},
		{"empty submit", SubmitSMID, nil, StatusInvCmdLen},
		{"service_type", SubmitSMID, submit(func(m *SubmitSM) { m.ServiceType = long }), StatusInvSerTyp},
		{"source_addr", SubmitSMID, submit(func(m *SubmitSM) { m.SourceAddr = long }), StatusInvSrcAdr},
		{"destination_addr", SubmitSMID, submit(func(m *SubmitSM) { m.DestinationAddr = long }), StatusInvDstAdr},
		{"schedule_delivery_time", SubmitSMID, submit(func(m *SubmitSM) { m.ScheduleDeliveryTime = long }), StatusInvSched},
		{"short schedule_delivery_time", SubmitSMID, submit(func(m *SubmitSM) { m.ScheduleDeliveryTime = "1" }), StatusInvSched},
		{"validity_period", SubmitSMID, submit(func(m *SubmitSM) { m.ValidityPeriod = long }), StatusInvExpiry},
		{"sm_length", SubmitSMID, fromHex(t, "00 0000 00 0000 00 000000 00 00 00000000 05 41"), StatusInvMsgLen},
		{"sm_length 255", SubmitSMID, fromHex(t, "00 0000 00 0000 00 000000 00 00 00000000 ff"+strings.Repeat("41", 255)), StatusInvMsgLen},
		{"parameter", SubmitSMID, submit(func(m *SubmitSM) { m.TLVs = "\x14\x00\x00\x09a" }), StatusInvOptParStream},
		{"parameter's header", SubmitSMID, submit(func(m *SubmitSM) { m.TLVs = "\x14\x00" }), StatusInvOptParStream},
		{"message_id", SubmitSMRespID, []byte(long), StatusInvMsgID},
		{"query_sm", QuerySMID, nil, StatusInvCmdID},
		{"unknown", 0x999, nil, StatusInvCmdID},
	}
	for _, tt := range tests {
		p, err := Decode(Header{ID: tt.id}, tt.body)
		if got := StatusOf(err, StatusOK); got != tt.want || p != nil {
			t.Errorf("%s: got %v (%v), want %v", tt.name, got, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), long) {
			t.Errorf("%s: the error tells what was sent: %v", tt.name, err)
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
