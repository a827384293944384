package smpp

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestEveryDataCoding goes through all 256: what is not named here is refused.
func TestEveryDataCoding(t *testing.T) {
	want := map[byte]Alphabet{
		0: AlphabetUTF8, 1: AlphabetASCII, 3: AlphabetLatin1, 6: AlphabetCyrillic, 7: AlphabetHebrew,
		8: AlphabetUCS2, 15: AlphabetGBK,
	}
	for class := range byte(4) {
		want[0x10+class], want[0x18+class] = AlphabetGSM7, AlphabetUCS2
		want[0xF0+class], want[0xF8+class] = AlphabetGSM7, AlphabetGSM7 // bit 3 has no meaning
	}
	for dcs := range 256 {
		got, err := alphabetOf(byte(dcs), AlphabetUTF8)
		a, ok := want[byte(dcs)]
		if ok != (err == nil) || got != a {
			t.Errorf("0x%02X: got %s %v, want %s, %v", dcs, got, err, a, ok)
		}
		if !ok && StatusOf(err, StatusOK) != StatusInvDCS {
			t.Errorf("0x%02X: got %v, want ESME_RINVDCS", dcs, err)
		}
	}
}

// TestEveryCharacterOfUnicodeComesBack, from the alphabets that have it.
func TestEveryCharacterOfUnicodeComesBack(t *testing.T) {
	had := map[byte]int{}
	for _, coding := range []byte{DataCodingCyrillic, DataCodingHebrew, DataCodingUCS2, DataCodingGBK} {
		for r := rune(0); r <= utf8.MaxRune; r++ {
			if !utf8.ValidRune(r) || coding == DataCodingUCS2 && r == byteOrderMark {
				continue
			}
			text := string(r)
			octets, err := EncodeText(coding, 0, text)
			if err != nil {
				continue
			}
			had[coding]++
			if back, err := DecodeText(coding, 0, octets); err != nil || back != text {
				t.Fatalf("data_coding %d: %U is %x comes back as %q %v", coding, r, octets, back, err)
			}
		}
	}
	const all = 0x110000 - 0x800 // but surrogates
	want := map[byte]int{DataCodingCyrillic: 224, DataCodingHebrew: 188, DataCodingUCS2: all - 2, DataCodingGBK: all - 2068}
	for coding, n := range want {
		if had[coding] != n {
			t.Errorf("data_coding %d has %d characters, want %d", coding, had[coding], n)
		}
	}
}

// TestTextCutAnywhere: whatever a client cuts between two parts that CheckPart lets
// pass is read once they are joined.
func TestTextCutAnywhere(t *testing.T) {
	for _, tt := range []struct {
		name   string
		coding byte
		zero   Alphabet
		text   string
		step   int // UCS-2 is cut between units
	}{
		{"GSM", 0, AlphabetGSM7, "5€{@}", 1},
		{"UTF-8", 0, AlphabetUTF8, "您😀é", 1},
		{"GBK", 15, 0, "您好€😀a", 1},
		{"UCS-2", 8, 0, "您😀a", 2},
		{"Cyrillic", 6, 0, "код", 1},
	} {
		octets, err := EncodeText(tt.coding, tt.zero, tt.text)
		if err != nil {
			t.Fatal(err)
		}
		for at := tt.step; at < len(octets); at += tt.step {
			first, second := octets[:at], octets[at:]
			for _, part := range []string{first, second} {
				if err := CheckPart(tt.coding, tt.zero, part); err != nil {
					t.Errorf("%s: part %x: %v", tt.name, part, err)
				}
			}
			if got, err := DecodeText(tt.coding, tt.zero, first+second); err != nil || got != tt.text {
				t.Errorf("%s cut at %d: got %q %v", tt.name, at, got, err)
			}
		}
	}
}

func TestPartsThatCanNeverBeRead(t *testing.T) {
	for _, tt := range []struct {
		name   string
		coding byte
		zero   Alphabet
		octets string
		want   Status
		offset int
	}{
		{"half a UTF-16 unit", 8, 0, "\x00a\x00", StatusInvMsgLen, -1},
		{"GSM", 0, AlphabetGSM7, "ab\x80", StatusInvDCS, 2},
		{"ASCII", 1, 0, "a\xFF", StatusInvDCS, 1},
		{"Hebrew", 7, 0, "a\xA1", StatusInvDCS, 1},
		{"binary", 4, 0, "x", StatusInvDCS, -1},
		{"8-bit message class", 0xF4, 0, "x", StatusInvDCS, -1},
		{"no alphabet", 0, alphabets, "x", StatusInvDCS, -1},
	} {
		checkTextError(t, tt.name, CheckPart(tt.coding, tt.zero, tt.octets), tt.want, tt.offset)
	}
}

// FuzzText: what has octets comes back from them; what is read can be written; and no
// fault is without its status.
func FuzzText(f *testing.F) {
	for _, text := range []string{"", "plain", "您好 €{}", "😀", "a\uFEFFb", "\uFFFE", "\uFFFD", "Ваш", "קוד", "\xFF"} {
		for _, coding := range []byte{0, 1, 3, 6, 7, 8, 15, 0x10, 0x18, 0xF0, 4} {
			f.Add(coding, byte(AlphabetGBK), text)
		}
	}
	f.Add(byte(15), byte(0), "\x81\x3A\x81\x30\xC4\xFA\x80\xFF")
	f.Fuzz(func(t *testing.T, coding, zero byte, s string) {
		a := Alphabet(zero)
		if octets, err := EncodeText(coding, a, s); err == nil {
			want := s
			if actual, _ := alphabetOf(coding, a); actual == AlphabetUCS2 {
				want = strings.ReplaceAll(s, "\uFEFF", "")
			}
			if back, err := DecodeText(coding, a, octets); err != nil || back != want {
				t.Errorf("%q is %x comes back as %q %v", s, octets, back, err)
			}
			if err := CheckPart(coding, a, octets); err != nil {
				t.Errorf("%x is no part: %v", octets, err)
			}
		} else if StatusOf(err, StatusOK) == StatusOK {
			t.Errorf("encode: %v has no status", err)
		}
		text, err := DecodeText(coding, a, s)
		if err != nil {
			if StatusOf(err, StatusOK) == StatusOK {
				t.Errorf("decode: %v has no status", err)
			}
			return
		}
		if !utf8.ValidString(text) {
			t.Fatalf("%x reads as %x, which is not UTF-8", s, text)
		}
		checkComesBack(t, coding, a, text)
	})
}

// checkComesBack writes a text that was read, and reads it again. GSM's alphabet under
// ASCII's name is only read.
func checkComesBack(t *testing.T, coding byte, zero Alphabet, text string) {
	t.Helper()
	octets, err := EncodeText(coding, zero, text)
	if err != nil {
		if a, _ := alphabetOf(coding, zero); a != AlphabetASCII {
			t.Errorf("data_coding 0x%02X, %s: %q was read and cannot be written: %v", coding, zero, text, err)
		}
		return
	}
	if again, err := DecodeText(coding, zero, octets); err != nil || again != text {
		t.Errorf("data_coding 0x%02X, %s: %q comes back as %q %v", coding, zero, text, again, err)
	}
}
