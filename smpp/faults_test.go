package smpp

import (
	"reflect"
	"strings"
	"testing"
)

func TestFaultsHaveTheirOwnStatus(t *testing.T) {
	long := strings.Repeat("1", 100)
	submit := func(change func(*SubmitSM)) []byte {
		m := SubmitSM{DestinationAddr: "8613900000000", ShortMessage: "hi"}
		change(&m)
		return m.AppendBody(nil)
	}
	multi := func(change func(*SubmitMulti)) []byte {
		m := SubmitMulti{Destinations: []Destination{{Addr: "8613900000000"}}, Message: SubmitSM{ShortMessage: "hi"}}
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
		{"submit_multi without destinations", SubmitMultiID, fromHex(t, "00 0000 00 00 000000 00 00 00000000 00"), StatusInvNumDests},
		{"submit_multi to 255", SubmitMultiID, fromHex(t, "00 0000 00 ff"), StatusInvNumDests},
		{"submit_multi to one fewer than it says", SubmitMultiID, fromHex(t, "00 0000 00 02 01 0000 3100"), StatusInvCmdLen},
		{"dest_flag", SubmitMultiID, fromHex(t, "00 0000 00 01 03 0000 3100"), StatusInvDestFlag},
		{"dl_name", SubmitMultiID, multi(func(m *SubmitMulti) { m.Destinations[0].List = long }), StatusInvDLName},
		{"empty dl_name", SubmitMultiID, fromHex(t, "00 0000 00 01 02 00"), StatusInvDLName},
		{"destination_addr of several", SubmitMultiID, multi(func(m *SubmitMulti) { m.Destinations[0].Addr = long }), StatusInvDstAdr},
		{"source_addr of several", SubmitMultiID, multi(func(m *SubmitMulti) { m.Message.SourceAddr = long }), StatusInvSrcAdr},
		{"validity_period of several", SubmitMultiID, multi(func(m *SubmitMulti) { m.Message.ValidityPeriod = "1" }), StatusInvExpiry},
		{"parameter of several", SubmitMultiID, multi(func(m *SubmitMulti) { m.Message.TLVs = "\x14\x00" }), StatusInvOptParStream},
		{"empty data_sm", DataSMID, nil, StatusInvCmdLen},
		{"service_type of data_sm", DataSMID, (&DataSM{ServiceType: long}).AppendBody(nil), StatusInvSerTyp},
		{"source_addr of data_sm", DataSMID, (&DataSM{SourceAddr: long}).AppendBody(nil), StatusInvSrcAdr},
		{"destination_addr of data_sm", DataSMID, (&DataSM{DestinationAddr: long}).AppendBody(nil), StatusInvDstAdr},
		{"parameter of data_sm", DataSMID, (&DataSM{TLVs: "\x04\x24\x00\x09a"}).AppendBody(nil), StatusInvOptParStream},
		{"empty query_sm", QuerySMID, nil, StatusInvCmdLen},
		{"message_id of query_sm", QuerySMID, (&QuerySM{MessageID: long}).AppendBody(nil), StatusInvMsgID},
		{"source_addr of query_sm", QuerySMID, (&QuerySM{SourceAddr: long}).AppendBody(nil), StatusInvSrcAdr},
		{"octets behind query_sm", QuerySMID, append((&QuerySM{}).AppendBody(nil), 1), StatusInvOptParStream},
		{"service_type of cancel_sm", CancelSMID, (&CancelSM{ServiceType: long}).AppendBody(nil), StatusInvSerTyp},
		{"message_id of cancel_sm", CancelSMID, (&CancelSM{MessageID: long}).AppendBody(nil), StatusInvMsgID},
		{"source_addr of cancel_sm", CancelSMID, (&CancelSM{SourceAddr: long}).AppendBody(nil), StatusInvSrcAdr},
		{"destination_addr of cancel_sm", CancelSMID, (&CancelSM{DestinationAddr: long}).AppendBody(nil), StatusInvDstAdr},
		{"octets behind cancel_sm", CancelSMID, append((&CancelSM{}).AppendBody(nil), 1), StatusInvOptParStream},
		{"message_id of replace_sm", ReplaceSMID, (&ReplaceSM{MessageID: long}).AppendBody(nil), StatusInvMsgID},
		{"source_addr of replace_sm", ReplaceSMID, (&ReplaceSM{SourceAddr: long}).AppendBody(nil), StatusInvSrcAdr},
		{"schedule_delivery_time of replace_sm", ReplaceSMID, (&ReplaceSM{ScheduleDeliveryTime: "1"}).AppendBody(nil), StatusInvSched},
		{"validity_period of replace_sm", ReplaceSMID, (&ReplaceSM{ValidityPeriod: "1"}).AppendBody(nil), StatusInvExpiry},
		{"sm_length of replace_sm", ReplaceSMID, fromHex(t, "00 0000 00 00 00 00 00 05 41"), StatusInvMsgLen},
		{"parameter of replace_sm", ReplaceSMID, (&ReplaceSM{TLVs: "\x04\x24\x00\x09a"}).AppendBody(nil), StatusInvOptParStream},
		{"final_date", QuerySMRespID, (&QuerySMResp{FinalDate: "1"}).AppendBody(nil), StatusUnknownErr},
		{"broadcast_sm", 0x111, nil, StatusInvCmdID},
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

// TestChecksAgreeWithDecoding: what Check lets through is read back, what it refuses has the
// status that the peer would answer.
func TestChecksAgreeWithDecoding(t *testing.T) {
	long := strings.Repeat("1", 100)
	addr20, addr64 := long[:20], long[:64]
	for _, tt := range []struct {
		name string
		pdu  PDU
		want Status
	}{
		{"submit_multi", &SubmitMulti{Destinations: make([]Destination, MaxDestinations)}, StatusOK},
		{"submit_multi to none", &SubmitMulti{}, StatusInvNumDests},
		{"submit_multi to 255", &SubmitMulti{Destinations: make([]Destination, 255)}, StatusInvNumDests},
		{"submit_multi address", &SubmitMulti{Destinations: []Destination{{Addr: long}}}, StatusInvDstAdr},
		{"submit_multi list", &SubmitMulti{Destinations: []Destination{{List: long}}}, StatusInvDLName},
		{"submit_multi text", &SubmitMulti{Destinations: []Destination{{Addr: addr20}}, Message: SubmitSM{ShortMessage: strings.Repeat("x", 255)}}, StatusInvMsgLen},
		{"data_sm", &DataSM{SourceAddr: addr64, DestinationAddr: addr64}, StatusOK},
		{"data_sm source", &DataSM{SourceAddr: long[:65]}, StatusInvSrcAdr},
		{"data_sm destination", &DataSM{DestinationAddr: long[:65]}, StatusInvDstAdr},
		{"query_sm", &QuerySM{MessageID: addr64, SourceAddr: addr20}, StatusOK},
		{"query_sm message_id", &QuerySM{MessageID: long[:65]}, StatusInvMsgID},
		{"cancel_sm", &CancelSM{MessageID: addr64, SourceAddr: addr20, DestinationAddr: addr20}, StatusOK},
		{"cancel_sm destination", &CancelSM{DestinationAddr: long[:21]}, StatusInvDstAdr},
		{"replace_sm", &ReplaceSM{MessageID: addr64, ShortMessage: strings.Repeat("x", 254)}, StatusOK},
		{"replace_sm text", &ReplaceSM{ShortMessage: strings.Repeat("x", 255)}, StatusInvMsgLen},
		{"replace_sm parameters", &ReplaceSM{TLVs: "x"}, StatusInvOptParStream},
		{"bind password of 64", &Bind{Type: Transmitter, Password: addr64}, StatusOK},
		{"bind password of 65", &Bind{Password: long[:65]}, StatusInvPaswd},
		{"outbind", &Outbind{SystemID: "a"}, StatusOK},
		{"outbind system_id", &Outbind{SystemID: long}, StatusInvSysID},
		{"alert_notification", &AlertNotification{SourceAddr: addr64, ESMEAddr: addr64}, StatusOK},
		{"alert_notification source", &AlertNotification{SourceAddr: long}, StatusInvSrcAdr},
	} {
		err := tt.pdu.(interface{ Check() error }).Check()
		if got := StatusOf(err, StatusSysErr); got != tt.want {
			t.Errorf("%s: Check: got %v, want %v", tt.name, got, tt.want)
		}
		if err != nil {
			continue
		}
		back, err := Decode(Header{ID: tt.pdu.CommandID()}, tt.pdu.AppendBody(nil))
		if err != nil || !reflect.DeepEqual(back, tt.pdu) {
			t.Errorf("%s: comes back as %+v %v", tt.name, back, err)
		}
	}
}

// TestDestinationsBeyondTheLimitAreLeftOut: a count of one octet could not name them.
func TestDestinationsBeyondTheLimitAreLeftOut(t *testing.T) {
	var back SubmitMulti
	m := SubmitMulti{Destinations: make([]Destination, 300)}
	if err := back.decode(string(m.AppendBody(nil))); err != nil || len(back.Destinations) != MaxDestinations {
		t.Errorf("submit_multi: %d destinations, %v", len(back.Destinations), err)
	}
	var resp SubmitMultiResp
	if err := resp.decode(string((&SubmitMultiResp{Failed: make([]Unsuccess, 300)}).AppendBody(nil))); err != nil || len(resp.Failed) != MaxDestinations {
		t.Errorf("submit_multi_resp: %d failures, %v", len(resp.Failed), err)
	}
}

func TestDataSMAsSubmitSM(t *testing.T) {
	whole := DataSM{ServiceType: "WAP", SourceAddrTON: 5, SourceAddrNPI: 9, SourceAddr: "Bank", DestAddrTON: 1, DestAddrNPI: 2,
		DestinationAddr: "86", ESMClass: 0x40, RegisteredDelivery: 1, DataCoding: 8, TLVs: TLVs("").With(TagMessagePayload, "x")}
	want := SubmitSM{ServiceType: "WAP", SourceAddrTON: 5, SourceAddrNPI: 9, SourceAddr: "Bank", DestAddrTON: 1, DestAddrNPI: 2,
		DestinationAddr: "86", ESMClass: 0x40, RegisteredDelivery: 1, DataCoding: 8, TLVs: whole.TLVs}
	if got, err := whole.Submit(); err != nil || got != want {
		t.Errorf("got %+v %v", got, err)
	}
	ttl := func(value string) TLVs { return TLVs("").With(TagQOSTimeToLive, value) }
	for _, tt := range []struct {
		name     string
		m        DataSM
		validity string
		want     Status
	}{
		{"source_addr of 20", DataSM{SourceAddr: strings.Repeat("1", 20)}, "", StatusOK},
		{"source_addr of 21", DataSM{SourceAddr: strings.Repeat("1", 21)}, "", StatusInvSrcAdr},
		{"destination_addr of 21", DataSM{DestinationAddr: strings.Repeat("1", 21)}, "", StatusInvDstAdr},
		{"90,061 s to live", DataSM{TLVs: ttl("\x00\x01\x5F\xCD")}, "000001010101000R", StatusOK},
		{"136 years to live", DataSM{TLVs: ttl("\xFF\xFF\xFF\xFF")}, "000099000000000R", StatusOK},
		{"qos_time_to_live of two octets", DataSM{TLVs: ttl("\x00\x01")}, "", StatusInvParLen},
	} {
		got, err := tt.m.Submit()
		if st := StatusOf(err, StatusSysErr); st != tt.want || got.ValidityPeriod != tt.validity {
			t.Errorf("%s: got %q %v, want %q %v", tt.name, got.ValidityPeriod, err, tt.validity, tt.want)
		}
	}
}

func TestTagNames(t *testing.T) {
	for tag, name := range tagNames {
		if back, ok := ParseTag(name); !ok || back != tag || tag.String() != name {
			t.Errorf("%s does not parse", name)
		}
	}
	if len(tagNames) != 45 {
		t.Errorf("%d names, want the 44 of SMPP 3.4 and congestion_state", len(tagNames))
	}
	if got := Tag(0x1400).String(); got != "0x1400" {
		t.Errorf("a vendor's tag: %s", got)
	}
	if tag, ok := ParseTag("0x1400"); !ok || tag != 0x1400 {
		t.Errorf("0x1400: %v %v", tag, ok)
	}
	for _, name := range []string{"", "0x", "0x10000", "message"} {
		if tag, ok := ParseTag(name); ok {
			t.Errorf("%q parses as %s", name, tag)
		}
	}
}
