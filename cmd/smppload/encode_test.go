package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"smppbridge/smpp"
)

// joined decodes all parts of message n and puts their texts together.
func joined(t *testing.T, all *texts, n int64) (string, []*smpp.SubmitSM) {
	t.Helper()
	var text strings.Builder
	var pdus []*smpp.SubmitSM
	for i := range all.of(n).parts {
		pdu := all.appendTo(nil, uint32(i+1), newPiece(n, i))
		h, body, err := smpp.NewReader(strings.NewReader(string(pdu)), smpp.MaxPDU).Next()
		if err != nil || int(h.Length) != len(pdu) {
			t.Fatalf("part %d: length %d of %d, %v", i, h.Length, len(pdu), err)
		}
		sm := new(smpp.SubmitSM)
		if err := sm.Decode(body); err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		_, octets, _, err := sm.Segment()
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		piece, err := smpp.DecodeText(sm.DataCoding, smpp.AlphabetGSM7, octets)
		if err != nil {
			t.Fatalf("part %d: %v", i, err)
		}
		text.WriteString(piece)
		pdus = append(pdus, sm)
	}
	return text.String(), pdus
}

func TestLongTextIsCutIntoParts(t *testing.T) {
	gsm := strings.Repeat("0123456789", 40)
	tests := []struct {
		name  string
		text  string
		long  longForm
		sizes []int // octets of text in each part
	}{
		{"fits", gsm[:160], longUDH8, []int{160}},
		{"one more", gsm[:161], longUDH8, []int{153, 8}},
		{"16 bits", gsm[:305], longUDH16, []int{152, 152, 1}},
		{"sar", gsm[:304], longSAR, []int{152, 152}},
		{"payload", gsm[:255], longPayload, []int{255}},
		{"UCS-2 fits", strings.Repeat("码", 70), longUDH8, []int{140}},
		{"UCS-2", strings.Repeat("码", 71), longUDH8, []int{134, 8}},
		{"UCS-2, 16 bits", strings.Repeat("码", 133), longUDH16, []int{132, 132, 2}},
		{"an extension at the edge", gsm[:152] + "€" + gsm[:20], longUDH8, []int{152, 22}},
		{"two octets before it", gsm[:151] + "€" + gsm[:20], longUDH8, []int{153, 20}},
		{"a surrogate pair at the edge", strings.Repeat("码", 66) + "😀" + strings.Repeat("码", 5), longUDH8, []int{132, 14}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := mustTexts(t, messageOptions{text: tt.text, long: tt.long, destPrefix: "138", registered: true})
			text, parts := joined(t, all, 0x1234)
			if text != tt.text {
				t.Errorf("joined: %q\nwant %q", text, tt.text)
			}
			if len(parts) != len(tt.sizes) {
				t.Fatalf("%d parts, want %v", len(parts), tt.sizes)
			}
			for i, sm := range parts {
				want := smpp.Concat{Ref: 0x1234, Total: uint8(len(parts)), Seq: uint8(i + 1), Wide: true}
				if tt.long == longUDH8 {
					want.Ref, want.Wide = 0x34, false
				}
				checkPart(t, sm, want, tt.sizes[i])
			}
		})
	}
}

// checkPart looks at the submit_sm of one part with so many octets of text.
func checkPart(t *testing.T, sm *smpp.SubmitSM, want smpp.Concat, size int) {
	t.Helper()
	c, octets, part, err := sm.Segment()
	if err != nil || part != (want.Total > 1) || len(octets) != size {
		t.Errorf("part %d has %d octets (a part: %v, %v), want %d", want.Seq, len(octets), part, err, size)
	}
	if part && c != want {
		t.Errorf("part %+v, want %+v", c, want)
	}
	if sm.RegisteredDelivery != smpp.RegisteredDeliveryAlways || sm.DestinationAddr != "13800004660" {
		t.Errorf("part %d to %s, registered_delivery %d; want the same phone and 1", want.Seq, sm.DestinationAddr, sm.RegisteredDelivery)
	}
}

// TestNumbersCrossParts has placeholders at every offset around an edge.
func TestNumbersCrossParts(t *testing.T) {
	const n = 123456789
	for _, letter := range []string{"x", "码"} {
		for lead := 40; lead < 160; lead++ {
			o := messageOptions{text: strings.Repeat(letter, lead) + "{n}" + letter + "{code}" + strings.Repeat(letter, 90), long: longUDH8, destPrefix: "138"}
			all := mustTexts(t, o)
			want := strings.NewReplacer("{n}", "123456789", "{code}", fmt.Sprint(codeOf(n))).Replace(o.text)
			joined(t, all, 999_999_999) // leaves no trace
			got, _ := joined(t, all, n)
			if got != want {
				t.Fatalf("%d characters before the number: %q\nwant %q", lead, got, want)
			}
		}
	}
}

func TestDataCodingIsChosenByText(t *testing.T) {
	for _, tt := range []struct {
		text   string
		coding coding
		want   byte
	}{
		{"plain {n}", coding{}, smpp.DataCodingDefault},
		{"[€]", coding{}, smpp.DataCodingDefault},
		{"码", coding{}, smpp.DataCodingUCS2},
		{"plain", ucs2, smpp.DataCodingUCS2},
		{"café", coding{forced: true, value: smpp.DataCodingLatin1}, smpp.DataCodingLatin1},
	} {
		all := mustTexts(t, messageOptions{text: tt.text, coding: tt.coding, destPrefix: "138"})
		text, parts := joined(t, all, 0)
		if parts[0].DataCoding != tt.want || text != strings.ReplaceAll(tt.text, "{n}", "000000000") {
			t.Errorf("%q: data_coding %d and %q, want %d", tt.text, parts[0].DataCoding, text, tt.want)
		}
	}
}

func TestErrorsShowNoText(t *testing.T) {
	_, err := newTexts(messageOptions{texts: []string{"x", "geheim 码"}, coding: coding{forced: true}, destPrefix: "138"}, 0)
	if err == nil || strings.Contains(err.Error(), "geheim") || !strings.Contains(err.Error(), "text 2") {
		t.Errorf("error %v, want one that names the second text and does not show it", err)
	}
}

func TestSubmittedAgainIsMarked(t *testing.T) {
	for _, plain := range []bool{false, true} {
		all := mustTexts(t, messageOptions{text: "{n}", destPrefix: "138", plain: plain})
		pdu := all.appendTo(nil, 7, newPiece(42, 0).sentAgain())
		h, body, err := smpp.NewReader(strings.NewReader(string(pdu)), smpp.MaxPDU).Next()
		var sm smpp.SubmitSM
		if err != nil || h.Sequence != 7 || sm.Decode(body) != nil {
			t.Fatalf("plain %v: header %+v, %v", plain, h, err)
		}
		value, marked := sm.TLVs.Get(tagUserMessageReference)
		if marked == plain || marked && value != "\x00\x01" || sm.ShortMessage != "000000042" {
			t.Errorf("plain %v: user_message_reference %q (%v) and %q; want 1 unless plain", plain, value, marked, sm.ShortMessage)
		}
	}
}

func TestTextsTakeTurnsOrAreDrawn(t *testing.T) {
	set := []string{"a", "b", "c", "d"}
	turns := mustTexts(t, messageOptions{texts: set, destPrefix: "138"})
	for n := range int64(9) {
		if got, _ := joined(t, turns, n); got != set[n%4] {
			t.Errorf("message %d has %q, want %q", n, got, set[n%4])
		}
	}
	draw := func(seed uint64) (drawn string, counts map[string]int) {
		all := mustTexts(t, messageOptions{texts: set, destPrefix: "138", random: true, seed: seed})
		counts = make(map[string]int)
		for n := range int64(4000) {
			text, _ := joined(t, all, n)
			drawn += text
			counts[text]++
		}
		return drawn, counts
	}
	first, counts := draw(1)
	for _, text := range set {
		if counts[text] < 850 || counts[text] > 1150 {
			t.Errorf("%q was drawn %d times of 4000 among four", text, counts[text])
		}
	}
	if same, _ := draw(1); same != first {
		t.Error("the same seed draws other texts")
	}
	if other, _ := draw(2); other == first {
		t.Error("another seed draws the same texts")
	}
}

func TestReadTexts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "texts")
	if err := os.WriteFile(path, []byte("one\n\n two \\n lines\\\\n\r\n【签名】三"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readTexts(path)
	want := []string{"one", " two \n lines\\n", "【签名】三"}
	if err != nil || strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("readTexts: %q, %v; want %q", got, err, want)
	}
}

func TestPhoneInIsStrict(t *testing.T) {
	all := mustTexts(t, messageOptions{text: "x", source: "1069", destPrefix: "138"})
	right := smpp.DeliverSM{SourceAddr: "13800000042", SourceAddrTON: destTON, SourceAddrNPI: destNPI, DestinationAddr: "1069"}
	if n, ok := all.phoneIn(&right); !ok || n != 42 {
		t.Errorf("phoneIn: %d, %v; want 42", n, ok)
	}
	for name, change := range map[string]func(*smpp.DeliverSM){
		"plus":            func(m *smpp.DeliverSM) { m.SourceAddr = "+8613800000042" },
		"other prefix":    func(m *smpp.DeliverSM) { m.SourceAddr = "13900000042" },
		"shorter":         func(m *smpp.DeliverSM) { m.SourceAddr = "1380000042" },
		"letter":          func(m *smpp.DeliverSM) { m.SourceAddr = "1380000004x" },
		"not swapped":     func(m *smpp.DeliverSM) { m.SourceAddr, m.DestinationAddr = "1069", "13800000042" },
		"destination":     func(m *smpp.DeliverSM) { m.DestinationAddr = "10690" },
		"source TON":      func(m *smpp.DeliverSM) { m.SourceAddrTON = 0 },
		"source NPI":      func(m *smpp.DeliverSM) { m.SourceAddrNPI = 0 },
		"destination TON": func(m *smpp.DeliverSM) { m.DestAddrTON = 5 },
		"destination NPI": func(m *smpp.DeliverSM) { m.DestAddrNPI = 1 },
	} {
		m := right
		change(&m)
		if _, ok := all.phoneIn(&m); ok {
			t.Errorf("%s: taken for ours", name)
		}
	}
}

func FuzzSplit(f *testing.F) {
	f.Add(strings.Repeat("€{n}", 50), uint8(1))
	f.Add(strings.Repeat("码😀", 60), uint8(2))
	f.Fuzz(func(t *testing.T, text string, long uint8) {
		o := messageOptions{text: text, long: longForm(long % 4), destPrefix: "138"}
		all, err := newTexts(o, 0)
		if err != nil {
			if utf8.ValidString(text) && len(text) < 1000 {
				t.Fatalf("newTexts: %v", err)
			}
			return
		}
		if strings.Contains(text, "\uFEFF") || strings.Contains(text, "\uFFFE") {
			return // byte order marks read as such
		}
		want := strings.NewReplacer("{n}", "000000000", "{code}", "100000").Replace(text)
		if got, _ := joined(t, all, 0); got != want {
			t.Fatalf("%q\nwant %q", got, want)
		}
	})
}
