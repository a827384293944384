package smpp

import "testing"

func TestSegment(t *testing.T) {
	sar := func(ref, total, seq string) TLVs {
		return TLVs("").With(TagSARMsgRefNum, ref).With(TagSARTotalSegments, total).With(TagSARSegmentSeqnum, seq)
	}
	const udh8, udh16 = "\x05\x00\x03\x2A\x03\x02", "\x06\x08\x04\x12\x34\x03\x02"
	tests := []struct {
		name    string
		m       SubmitSM
		want    Concat
		payload string
		ok      bool
		status  Status
	}{
		{"whole", SubmitSM{ShortMessage: "text"}, Concat{}, "text", false, 0},
		{"in message_payload", SubmitSM{TLVs: TLVs("").With(TagMessagePayload, "long")}, Concat{}, "long", false, 0},
		{"in both", SubmitSM{ShortMessage: "a", TLVs: TLVs("").With(TagMessagePayload, "b")}, Concat{}, "", false, StatusOptParNotAllwd},
		{"an empty message_payload", SubmitSM{ShortMessage: "a", TLVs: TLVs("").With(TagMessagePayload, "")}, Concat{}, "a", false, 0},
		{"8-bit reference", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: udh8 + "text"}, Concat{Ref: 42, Total: 3, Seq: 2}, "text", true, 0},
		{"16-bit reference", SubmitSM{ESMClass: ESMClassUDHI | 3, ShortMessage: udh16 + "text"}, Concat{Ref: 0x1234, Total: 3, Seq: 2, Wide: true}, "text", true, 0},
		{"header in message_payload", SubmitSM{ESMClass: ESMClassUDHI, TLVs: TLVs("").With(TagMessagePayload, udh8+"x")}, Concat{Ref: 42, Total: 3, Seq: 2}, "x", true, 0},
		{"other elements around", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x2A\x03\x02x"}, Concat{Ref: 42, Total: 3, Seq: 2}, "x", true, 0},
		{"ports only", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x06\x05\x04\x0B\x84\x23\xF0x"}, Concat{}, "x", false, 0},
		{"empty header", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x00x"}, Concat{}, "x", false, 0},
		{"the only part", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x05\x00\x03\x2A\x01\x01x"}, Concat{Ref: 42, Total: 1, Seq: 1}, "x", false, 0},
		{"the bit without a header", SubmitSM{ESMClass: ESMClassUDHI}, Concat{}, "", false, StatusInvEsmClass},
		{"header longer than the message", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x05\x00\x03"}, Concat{}, "", false, StatusInvEsmClass},
		{"element longer than the header", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x05\x00\x09\x2A\x03\x02x"}, Concat{}, "", false, StatusInvEsmClass},
		{"half an element", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x01\x00x"}, Concat{}, "", false, StatusInvEsmClass},
		{"element of wrong length", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x04\x00\x02\x2A\x03x"}, Concat{}, "", false, StatusInvEsmClass},
		{"part 0", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x05\x00\x03\x2A\x03\x00x"}, Concat{}, "", false, StatusInvEsmClass},
		{"part 4 of 3", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: "\x05\x00\x03\x2A\x03\x04x"}, Concat{}, "", false, StatusInvEsmClass},
		{"sar", SubmitSM{ShortMessage: "x", TLVs: sar("\x12\x34", "\x03", "\x01")}, Concat{Ref: 0x1234, Total: 3, Seq: 1, Wide: true}, "x", true, 0},
		{"both: the header is preferred", SubmitSM{ESMClass: ESMClassUDHI, ShortMessage: udh8 + "x", TLVs: sar("\x12\x34", "\x09", "\x01")}, Concat{Ref: 42, Total: 3, Seq: 2}, "x", true, 0},
		{"sar not complete", SubmitSM{TLVs: TLVs("").With(TagSARMsgRefNum, "\x00\x01")}, Concat{}, "", false, StatusMissingOptParam},
		{"sar of wrong length", SubmitSM{TLVs: sar("\x01", "\x03", "\x01")}, Concat{}, "", false, StatusInvParLen},
		{"sar out of range", SubmitSM{TLVs: sar("\x00\x01", "\x03", "\x04")}, Concat{}, "", false, StatusInvOptParamVal},
	}
	for _, tt := range tests {
		c, payload, ok, err := tt.m.Segment()
		if c != tt.want || payload != tt.payload || ok != tt.ok || StatusOf(err, StatusSysErr) != tt.status {
			t.Errorf("%s: got %+v %q %v %v", tt.name, c, payload, ok, err)
		}
	}
}

func TestAppendUDHIsParsed(t *testing.T) {
	for _, c := range []Concat{{Ref: 200, Total: 5, Seq: 5}, {Ref: 0xABCD, Total: 255, Seq: 1, Wide: true}} {
		got, rest, err := ParseUDH(ESMClassUDHI, string(c.AppendUDH(nil))+"rest")
		if got != c || rest != "rest" || err != nil {
			t.Errorf("%+v: got %+v %q %v", c, got, rest, err)
		}
	}
}
