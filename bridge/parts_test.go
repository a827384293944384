package bridge

import (
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// udh8, udh16 and sar say in the three ways there are that a message is part seq of total.
func udh8(ref byte, total, seq uint8) func(*smpp.SubmitSM) {
	return udh(smpp.Concat{Ref: uint16(ref), Total: total, Seq: seq})
}

func udh16(ref uint16, total, seq uint8) func(*smpp.SubmitSM) {
	return udh(smpp.Concat{Ref: ref, Total: total, Seq: seq, Wide: true})
}

func udh(c smpp.Concat) func(*smpp.SubmitSM) { return header(string(c.AppendUDH(nil))) }

// header puts a user data header before the text.
func header(octets string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.ESMClass, m.ShortMessage = smpp.ESMClassUDHI, octets+m.ShortMessage }
}

func sar(ref uint16, total, seq uint8) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) {
		m.TLVs = m.TLVs.With(smpp.TagSARMsgRefNum, string([]byte{byte(ref >> 8), byte(ref)})).
			WithByte(smpp.TagSARTotalSegments, total).WithByte(smpp.TagSARSegmentSeqnum, seq)
	}
}

// raw has a message carry octets in a data_coding.
func raw(dataCoding byte, octets string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.DataCoding, m.ShortMessage = dataCoding, octets }
}

// payload moves the text to message_payload.
func payload(m *smpp.SubmitSM) {
	m.TLVs, m.ShortMessage = m.TLVs.With(smpp.TagMessagePayload, m.ShortMessage), ""
}

type part []func(*smpp.SubmitSM)

// partTests are long messages in all the ways that ESMEs cut them.
var partTests = []struct {
	name  string
	parts []part
	want  []string // texts sent, in any order
}{
	{"8-bit references", []part{{raw(0, "one "), udh8(7, 2, 1)}, {raw(0, "two"), udh8(7, 2, 2)}}, []string{"one two"}},
	{"16-bit references", []part{{raw(0, "one "), udh16(0x1207, 2, 1)}, {raw(0, "two"), udh16(0x1207, 2, 2)}}, []string{"one two"}},
	{"16-bit references of UCS-2", []part{{raw(8, "\x4E\x00"), udh16(0x1207, 2, 1)}, {raw(8, "\x4E\x8C"), udh16(0x1207, 2, 2)}}, []string{"一二"}},
	{"that differ in their high octet", []part{
		{raw(0, "one "), udh16(0x1207, 2, 1)}, {raw(0, "1 "), udh16(0x1307, 2, 1)},
		{raw(0, "2"), udh16(0x1307, 2, 2)}, {raw(0, "two"), udh16(0x1207, 2, 2)}}, []string{"one two", "1 2"}},
	{"sar_ parameters", []part{{raw(0, "one "), sar(0x1207, 2, 1)}, {raw(0, "two"), sar(0x1207, 2, 2)}}, []string{"one two"}},
	{"both, of which the header counts", []part{
		{raw(0, "one "), udh8(7, 2, 1), sar(9, 2, 2)}, {raw(0, "two"), udh8(7, 2, 2), sar(9, 2, 1)}}, []string{"one two"}},
	{"the last first", []part{{raw(0, "three"), udh8(7, 3, 3)}, {raw(0, "one "), udh8(7, 3, 1)}, {raw(0, "two "), udh8(7, 3, 2)}},
		[]string{"one two three"}},
	{"in message_payload", []part{{raw(0, "one "), udh8(7, 2, 1), payload}, {raw(0, "two"), sar(7, 2, 2), payload}}, []string{"one two"}},
	{"a reference that is used again", []part{
		{raw(0, "one "), udh8(7, 2, 1)}, {raw(0, "two"), udh8(7, 2, 2)},
		{raw(0, "1 "), udh8(7, 2, 1)}, {raw(0, "2"), udh8(7, 2, 2)}}, []string{"one two", "1 2"}},
	{"a reference used by another source", []part{
		{raw(0, "one "), udh8(7, 2, 1)}, {raw(0, "2"), udh8(7, 2, 2), from("1068")},
		{raw(0, "1 "), udh8(7, 2, 1), from("1068")}, {raw(0, "two"), udh8(7, 2, 2)}}, []string{"one two", "1 2"}},
	{"other elements beside", []part{
		{raw(0, "one "), header("\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x07\x02\x01")},
		{raw(0, "two"), header("\x0B\x05\x04\x0B\x84\x23\xF0\x00\x03\x07\x02\x02")}}, []string{"one two"}},
	{"a header without parts", []part{{raw(0, "one"), header("\x06\x05\x04\x0B\x84\x23\xF0")}}, []string{"one"}},
	{"part 1 of 1", []part{{raw(0, "one"), udh8(7, 1, 1)}}, []string{"one"}},
	{"a byte order mark in the first", []part{{raw(8, "\xFF\xFE\x00\x4E"), udh8(7, 2, 1)}, {raw(8, "\x8C\x4E"), udh8(7, 2, 2)}}, []string{"一二"}},
	{"a byte order mark in each", []part{{raw(8, "\xFF\xFE\x00\x4E"), udh8(7, 2, 1)}, {raw(8, "\xFF\xFE\x8C\x4E"), udh8(7, 2, 2)}}, []string{"一二"}},
	{"cut within a surrogate pair", []part{{raw(8, "\xD8\x40"), udh8(7, 2, 1)}, {raw(8, "\xDC\x00"), udh8(7, 2, 2)}}, []string{"𠀀"}},
	{"cut behind a GSM escape", []part{{raw(0, "a\x1B"), udh8(7, 2, 1)}, {raw(0, "\x65b"), udh8(7, 2, 2)}}, []string{"a€b"}},
	{"GBK cut within a character", []part{{raw(15, "\xD2"), udh8(7, 2, 1)}, {raw(15, "\xBB"), udh8(7, 2, 2)}}, []string{"一"}},
}

// TestPartsAreOneSMS: however an ESME cuts and numbers a long message, and over whichever of its binds
// and in whatever order the parts come, it is one SMS.
func TestPartsAreOneSMS(t *testing.T) {
	for _, tt := range partTests {
		t.Run(tt.name, func(t *testing.T) {
			inRig(t, func(t *testing.T, r *rig) {
				binds := [2]*esme{r.bind("any", smpp.Transmitter), r.bind("any", smpp.Transceiver)}
				for i, p := range tt.parts {
					binds[i%2].accepted("", p...)
				}
				pass(time.Second)
				var sent []string
				for _, c := range r.api.called() {
					sent = append(sent, c.Recipients[0].Params)
				}
				if len(sent) != len(tt.want) {
					t.Fatalf("%d SMS, want %d", len(sent), len(tt.want))
				}
				for _, text := range tt.want {
					if all := strings.Join(sent, "\n"); strings.Count(all, `{"content":"`+text+`"}`) != 1 {
						t.Errorf("%q was not sent once: %s", text, all)
					}
				}
			})
		})
	}
}

func from(source string) func(*smpp.SubmitSM) {
	return func(m *smpp.SubmitSM) { m.SourceAddr = source }
}

// TestPartsRefused: a part that could never be read is refused by itself, before it is accepted.
func TestPartsRefused(t *testing.T) {
	tests := []struct {
		name string
		part []func(*smpp.SubmitSM)
		want smpp.Status
	}{
		{"half a UCS-2 unit", []func(*smpp.SubmitSM){raw(8, "\x4E\x00\x4E"), udh8(7, 2, 1)}, smpp.StatusInvMsgLen},
		{"half a unit behind a 16-bit reference", []func(*smpp.SubmitSM){raw(8, "\x4E\x00\x4E"), udh16(7, 2, 1)}, smpp.StatusInvMsgLen},
		{"not GSM", []func(*smpp.SubmitSM){raw(0, "a\x80"), udh8(7, 2, 1)}, smpp.StatusInvDCS},
		{"binary", []func(*smpp.SubmitSM){raw(4, "a"), sar(7, 2, 1)}, smpp.StatusInvDCS},
		{"longer than a message", []func(*smpp.SubmitSM){raw(0, strings.Repeat("a", maxPart+1)), sar(7, 2, 1), payload}, smpp.StatusInvMsgLen},
		{"part 3 of 2", []func(*smpp.SubmitSM){raw(0, "a"), udh8(7, 2, 3)}, smpp.StatusInvEsmClass},
		{"segment 0", []func(*smpp.SubmitSM){raw(0, "a"), sar(7, 2, 0)}, smpp.StatusInvOptParamVal},
	}
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		for _, tt := range tests {
			e.submit("", tt.part...)
			if h, _ := e.Expect(smpp.SubmitSMRespID); h.Status != tt.want {
				t.Errorf("%s: answered %v, want %v", tt.name, h.Status, tt.want)
			}
		}
		e.accepted("hello") // the session goes on
		if got := r.stored(); got != 1 {
			t.Errorf("%d messages in the store, want 1", got)
		}
	})
}

// TestEchoOfALongMessage: each part's receipt has what that part carried.
func TestEchoOfALongMessage(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transceiver)
		reference := func(v string) func(*smpp.SubmitSM) {
			return func(m *smpp.SubmitSM) { m.TLVs = m.TLVs.With(smpp.TagUserMessageReference, v) }
		}
		want := map[string]string{
			e.accepted("one ", udh8(7, 2, 1), reference("\x00\x01")).String(): "\x00\x01",
			e.accepted("two", udh8(7, 2, 2), reference("\x00\x02")).String():  "\x00\x02",
		}
		pass(time.Second)
		for n := store.Number(1); n <= 3; n++ {
			if r.status(n).State == store.StateSent {
				r.report(n)
			}
		}
		for range 2 {
			seq, receipt, m := e.receipt()
			e.Respond(seq, smpp.StatusOK, &smpp.DeliverSMResp{})
			if got, _ := m.TLVs.Get(smpp.TagUserMessageReference); got == "" || got != want[receipt.MessageID] {
				t.Errorf("receipt of %s has user_message_reference %x, want %x", receipt.MessageID, got, want[receipt.MessageID])
			}
			delete(want, receipt.MessageID)
		}
	})
}

// TestPreferredLongMessage: priority_flag of the parts holds for what is made of them.
func TestPreferredLongMessage(t *testing.T) {
	inRig(t, func(t *testing.T, r *rig) {
		e := r.bind("any", smpp.Transmitter)
		prefer := func(m *smpp.SubmitSM) { m.PriorityFlag = 2 }
		e.accepted("one ", udh8(7, 2, 1), prefer)
		e.accepted("two", udh8(7, 2, 2), prefer)
		if got := r.status(3).Action; got != store.ActionPrefer {
			t.Errorf("the joined message waits for action %d, want %d", got, store.ActionPrefer)
		}
	}, func(c *Config) { c.Paused = true })
}
