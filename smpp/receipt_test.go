package smpp

import (
	"strings"
	"testing"
	"time"
)

func TestReceiptReadsAsAppendixBWritesIt(t *testing.T) {
	beijing := time.FixedZone("UTC+8", 8*3600)
	r := Receipt{
		MessageID: "00000000ab", Sub: 1, Dlvrd: 1, State: StateDelivered, Err: "0", Text: "【甲】code 1234 and a long tail",
		SubmitDate: time.Date(2026, 3, 4, 16, 6, 30, 0, time.UTC), DoneDate: time.Date(2026, 3, 5, 0, 7, 0, 0, beijing),
	}
	r.SubmitDate = r.SubmitDate.In(beijing)
	const want = "id:00000000ab sub:001 dlvrd:001 submit date:2603050006 done date:2603050007 stat:DELIVRD err:000 text:???code 1234 and a l"
	got := r.ShortMessage()
	if got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	back, err := ParseReceipt(got, beijing)
	if err != nil {
		t.Fatal(err)
	}
	if back.MessageID != r.MessageID || back.State != r.State || back.Err != "000" || back.Sub != 1 || back.Dlvrd != 1 ||
		!back.SubmitDate.Equal(r.SubmitDate.Truncate(time.Minute)) || !back.DoneDate.Equal(r.DoneDate) {
		t.Errorf("parsed: %+v", back)
	}
}

func TestReceiptNeverOutgrowsShortMessage(t *testing.T) {
	r := Receipt{MessageID: strings.Repeat("a", 64), Sub: 5000, Dlvrd: -1, Err: "12345", Text: strings.Repeat("長", 100)}
	text := r.ShortMessage()
	if len(text) > MaxShortMessage || !strings.Contains(text, "sub:999 dlvrd:000") || !strings.Contains(text, "err:123 ") {
		t.Errorf("%d octets: %q", len(text), text)
	}
	if _, err := EncodeText(DataCodingDefault, AlphabetGSM7, text); err != nil {
		t.Error(err)
	}
}

func TestReceiptTLVs(t *testing.T) {
	r := Receipt{MessageID: "ab", State: StateUndeliverable}
	tlvs := r.TLVs()
	if id, _ := tlvs.Get(TagReceiptedMessageID); id != "ab\x00" {
		t.Errorf("receipted_message_id: %q", id)
	}
	if st, _ := tlvs.Get(TagMessageState); st != "\x05" {
		t.Errorf("message_state: %q", st)
	}
}

func TestParseReceiptOfOtherCentres(t *testing.T) {
	got, err := ParseReceipt("ID:42 SUB:1 DLVRD:0 SUBMIT DATE:260304050607 DONE DATE:2603040508 STAT:undeliv ERR:12a TEXT:id:9 stat:x", time.UTC)
	if err != nil || got.MessageID != "42" || got.State != StateUndeliverable || got.SubmitDate.Second() != 7 || got.Err != "12a" || got.Text != "id:9 stat:x" {
		t.Errorf("got %+v %v", got, err)
	}
	if got, err = ParseReceipt("id:x stat:NEWWORD", time.UTC); err != nil || got.State != StateUnknown {
		t.Errorf("got %+v %v", got, err)
	}
	for _, bad := range []string{
		"", "hello", "your id:1 stat:DELIVRD", "id:1 sub:001", "id:1 sub:x stat:DELIVRD", "id:1 dlvrd:x stat:DELIVRD",
		"id:1 submit date:12 stat:DELIVRD", "id:1 done date:9999999999 stat:DELIVRD", "İd:1 stat:DELIVRD",
	} {
		if got, err := ParseReceipt(bad, time.UTC); err == nil {
			t.Errorf("%q: got %+v", bad, got)
		}
	}
}

func TestMessageStates(t *testing.T) {
	for s, want := range map[MessageState]string{StateEnroute: "ENROUTE", StateRejected: "REJECTD", 0: "UNKNOWN", 99: "UNKNOWN"} {
		if s.String() != want {
			t.Errorf("%d: got %s", s, s)
		}
	}
	if StateEnroute.Final() || StateAccepted.Final() || !StateExpired.Final() {
		t.Error("which states are final")
	}
}
