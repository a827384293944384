package main

import (
	"strings"
	"testing"

	"smppbridge/smpp"
)

// ucs2 is --data-coding 8.
var ucs2 = coding{forced: true, value: smpp.DataCodingUCS2}

// mustTexts encodes o, numbered from 0.
func mustTexts(t *testing.T, o messageOptions) *texts {
	t.Helper()
	all, err := newTexts(o, 0)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// submitOf decodes message n of m, and the text in it.
func submitOf(t *testing.T, m *texts, seq uint32, n int64) (*smpp.SubmitSM, string) {
	t.Helper()
	pdu := m.appendTo([]byte("before"), seq, newPiece(n, 0))[len("before"):]
	r := smpp.NewReader(strings.NewReader(string(pdu)), smpp.MaxPDU)
	h, body, err := r.Next()
	if err != nil || h.ID != smpp.SubmitSMID || h.Sequence != seq {
		t.Fatalf("message %d: %+v, %v; want submit_sm number %d", n, h, err, seq)
	}
	var sm smpp.SubmitSM
	if err := sm.Decode(body); err != nil {
		t.Fatalf("message %d: %v", n, err)
	}
	_, octets, _, err := sm.Segment()
	if err != nil {
		t.Fatalf("message %d: %v", n, err)
	}
	text, err := smpp.DecodeText(sm.DataCoding, smpp.AlphabetGSM7, octets)
	if err != nil {
		t.Fatalf("message %d: %v", n, err)
	}
	return &sm, text
}

func TestMessage(t *testing.T) {
	long := strings.Repeat("long ", 60)
	tests := []struct {
		name  string
		o     messageOptions
		n     int64
		phone string
		text  string
	}{
		{"plain", messageOptions{text: "hello", destPrefix: "138"}, 42, "13800000042", "hello"},
		{"number", messageOptions{text: "a {n}.", destPrefix: "138"}, 99_999_999, "13899999999", "a 099999999."},
		{"wraps", messageOptions{text: "{n}", destPrefix: "138"}, 1_100_000_005, "13800000005", "100000005"},
		{"several", messageOptions{text: "{n}{code}€{n}", destPrefix: "1"}, 3, "10000000003", "000000003939987€000000003"},
		{"ucs2", messageOptions{text: "【签名】码{code}号{n}", coding: ucs2, destPrefix: "1391234"}, 3, "13912340003", "【签名】码939987号000000003"},
		{"long", messageOptions{text: long + "{n}", destPrefix: ""}, 7, "00000000007", long + "000000007"},
		{"like the phone", messageOptions{text: "13800000000\x00 {n}", source: "13800000000", destPrefix: "138"}, 1, "13800000001", "13800000000@ 000000001"},
		{"unknown placeholder", messageOptions{text: "{x} {n", destPrefix: "138"}, 1, "13800000001", "{x} {n"},
		{"empty", messageOptions{destPrefix: "138"}, 1, "13800000001", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.o.text = strings.ReplaceAll(tt.o.text, "\x00", "@") // GSM 7-bit's @ is a NUL on the wire
			m := mustTexts(t, tt.o)
			for _, n := range []int64{tt.n + 1, tt.n} { // one message leaves no trace in the next
				sm, text := submitOf(t, m, 0x01020304, n)
				if n == tt.n && (sm.DestinationAddr != tt.phone || text != tt.text) {
					t.Errorf("to %q: %q\nwant %q: %q", sm.DestinationAddr, text, tt.phone, tt.text)
				}
				if sm.SourceAddr != tt.o.source || sm.RegisteredDelivery != 0 {
					t.Errorf("source %q, registered %d; want %q, 0", sm.SourceAddr, sm.RegisteredDelivery, tt.o.source)
				}
			}
		})
	}
}

func TestMessageRegistered(t *testing.T) {
	m := mustTexts(t, messageOptions{text: "x", registered: true, destPrefix: "138"})
	if sm, _ := submitOf(t, m, 1, 0); sm.RegisteredDelivery != smpp.RegisteredDeliveryAlways {
		t.Errorf("registered_delivery %d, want 1", sm.RegisteredDelivery)
	}
}

func TestMessageRefuses(t *testing.T) {
	for name, o := range map[string]messageOptions{
		"not GSM":        {text: "码", destPrefix: "138", coding: coding{forced: true}},
		"no such coding": {text: "x", destPrefix: "138", coding: coding{forced: true, value: 4}},
		"3.3 and long":   {text: strings.Repeat("x", 255), destPrefix: "138", plain: true},
		"too many parts": {text: strings.Repeat("x", 153*255+1), destPrefix: "138", long: longUDH8},
		"second text":    {texts: []string{"x", "\xff"}, destPrefix: "138"},
		"letters":        {text: "x", destPrefix: "13a"},
		"long prefix":    {text: "x", destPrefix: "13800000"},
		"long source":    {text: "x", destPrefix: "138", source: strings.Repeat("1", 21)},
		"text too long":  {text: strings.Repeat("x", 70_000), destPrefix: "138"},
		"invalid UTF-8":  {text: "\xff", destPrefix: "138"},
		"invalid in UCS": {text: "\xff", destPrefix: "138", coding: ucs2},
	} {
		if _, err := newTexts(o, 0); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestCodesAreCodes(t *testing.T) {
	seen := make(map[int64]bool)
	for n := range int64(1000) {
		c := codeOf(n)
		if c < 100_000 || c > 999_999 {
			t.Fatalf("code of %d is %d", n, c)
		}
		seen[c] = true
	}
	if len(seen) < 990 {
		t.Errorf("1000 messages have %d codes", len(seen))
	}
}
