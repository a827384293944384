package smpp

import (
	"errors"
	"strings"
	"testing"
)

func TestTexts(t *testing.T) {
	tests := []struct {
		name   string
		coding byte
		zero   Alphabet
		text   string
		octets string
	}{
		{"GSM plain", 0, AlphabetGSM7, "Your code is 1234.", "Your code is 1234."},
		{"GSM @ is 0x00", 0, AlphabetGSM7, "a@b", "a\x00b"},
		{"GSM table", 0, AlphabetGSM7, "£¥èÇØøÅåΔ_ΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà$", "\x01\x03\x04\x09\x0B\x0C\x0E\x0F\x10\x11\x1A\x1C\x1D\x1E\x1F\x24\x40\x5B\x5C\x5D\x5E\x5F\x60\x7B\x7C\x7D\x7E\x7F\x02"},
		{"GSM extension", 0, AlphabetGSM7, "{[€]}~\\|^\f", "\x1B\x28\x1B\x3C\x1B\x65\x1B\x3E\x1B\x29\x1B\x3D\x1B\x2F\x1B\x40\x1B\x14\x1B\x0A"},
		{"ASCII by data_coding", 1, AlphabetGSM7, "a@b$_", "a@b$_"},
		{"ASCII with white space", 1, 0, "a$\t\r\n@", "a$\t\r\n@"},
		{"ASCII as 0", 0, AlphabetASCII, "a@b", "a@b"},
		{"Latin-1", 3, AlphabetGSM7, "für 5£ ÿ", "f\xFCr 5\xA3 \xFF"},
		{"Latin-1 as 0", 0, AlphabetLatin1, "é", "\xE9"},
		{"UTF-8 as 0", 0, AlphabetUTF8, "您好", "您好"},
		{"UCS-2", 8, AlphabetGSM7, "【甲】a", "\x30\x10\x75\x32\x30\x11\x00a"},
		{"emoji", 8, AlphabetGSM7, "😀", "\xD8\x3D\xDE\x00"},
		{"empty", 8, AlphabetGSM7, "", ""},
		{"Cyrillic", 6, AlphabetGSM7, "Ваш код 5№ Ё", "\xB2\xD0\xE8 \xDA\xDE\xD4 5\xF0 \xA1"},
		{"Hebrew", 7, AlphabetGSM7, "קוד 5", "\xF7\xE5\xE3 5"},
		{"GBK", 15, AlphabetGSM7, "【甲】验证码a", "\xA1\xBE\xBC\xD7\xA1\xBF\xD1\xE9\xD6\xA4\xC2\xEBa"},
		{"GBK as 0", 0, AlphabetGBK, "您好", "\xC4\xFA\xBA\xC3"},
		{"GB 18030 with four octets", 15, 0, "€😀", "\xA2\xE3\x94\x39\xFC\x36"},
		{"GB 18030 of the replacement character", 15, 0, "a\uFFFD", "a\x84\x31\xA4\x37"},
		{"class in the general group, whatever 0 means", 0x10, AlphabetLatin1, "a@é{", "a\x00\x05\x1B\x28"},
		{"class in the general group, UCS-2", 0x18, AlphabetGSM7, "您", "\x60\xA8"},
		{"class in its own group", 0xF0, AlphabetUTF8, "@", "\x00"},
	}
	for _, tt := range tests {
		got, err := DecodeText(tt.coding, tt.zero, tt.octets)
		if err != nil || got != tt.text {
			t.Errorf("%s: decoded: got %q %v, want %q", tt.name, got, err, tt.text)
		}
		back, err := EncodeText(tt.coding, tt.zero, tt.text)
		if err != nil || back != tt.octets {
			t.Errorf("%s: encoded: got %x %v, want %x", tt.name, back, err, tt.octets)
		}
	}
}

func TestTextsThatAreReadOneWayOnly(t *testing.T) {
	for _, tt := range []struct {
		name   string
		coding byte
		octets string
		want   string
	}{
		{"little-endian behind a mark", 8, "\xFF\xFEa\x00\x3D\xD8\x00\xDE", "a😀"},
		{"big-endian behind a mark", 8, "\xFE\xFF\x00a", "a"},
		{"an escape at the end is a space", 0, "a\x1B", "a "},
		{"a mark in the middle, as each part has one", 8, "\xFF\xFEa\x00\xFF\xFEb\x00\xFE\xFF\x00c", "abc"},
		{"a mark in the middle of big-endian", 8, "\x00a\xFE\xFF\x00b", "ab"},
		{"a part in the other order", 8, "\x00a\xFF\xFEb\x00", "ab"},
		{"a mark alone", 8, "\xFF\xFE", ""},
		{"code page 936's euro sign", 15, "\x80", "€"},
		{"an escape that leads nowhere", 0, "\x1Ba\x1B\x1B", "a "},
	} {
		if got, err := DecodeText(tt.coding, AlphabetGSM7, tt.octets); err != nil || got != tt.want {
			t.Errorf("%s: got %q %v, want %q", tt.name, got, err, tt.want)
		}
	}
}

func TestTextFaults(t *testing.T) {
	for _, tt := range []struct {
		name   string
		coding byte
		zero   Alphabet
		octets string
		want   Status
		offset int // -1: not a TextError
	}{
		{"GSM", 0, AlphabetGSM7, "ab\x80", StatusInvDCS, 2},
		{"GSM extension", 0, AlphabetGSM7, "ab\x1B\x80", StatusInvDCS, 3},
		{"ASCII", 1, 0, "secret\xFF", StatusInvDCS, 6},
		{"UTF-8", 0, AlphabetUTF8, "a\xFF", StatusInvDCS, 1},
		{"half a character", 8, 0, "\x00a\x00", StatusInvMsgLen, -1},
		{"half a pair", 8, 0, "\x00a\xD8\x3D", StatusInvDCS, 2},
		{"a pair reversed", 8, 0, "\xDE\x00\xD8\x3D", StatusInvDCS, 0},
		{"a pair broken", 8, 0, "\xD8\x3D\x00a", StatusInvDCS, 0},
		{"binary", 4, 0, "x", StatusInvDCS, -1},
		{"half a character behind a mark", 8, 0, "\xFF\xFEa", StatusInvMsgLen, -1},
		{"GBK, an octet that begins nothing", 15, 0, "a\xFF", StatusInvDCS, 1},
		{"GBK, half a character", 15, 0, "ab\xC4", StatusInvDCS, 2},
		{"GBK, no second octet", 15, 0, "\xC4\x7F", StatusInvDCS, 0},
		{"GBK, three octets of four", 15, 0, "\x81\x30\x81", StatusInvDCS, 0},
		{"GBK, a second octet that decoders take", 15, 0, "a\x81\x3A\x81\x30", StatusInvDCS, 1},
		{"GBK, a fourth octet that is no digit", 15, 0, "\x81\x30\x81\x40", StatusInvDCS, 0},
		{"GBK, no such character", 15, 0, "\xC4\xFA\xFE\x39\xFE\x39", StatusInvDCS, 2},
		{"Hebrew, no such character", 7, 0, "a\xA1", StatusInvDCS, 1},
		{"compressed", 0x20, 0, "x", StatusInvDCS, -1},
		{"no alphabet", 0, 99, "x", StatusInvDCS, -1},
	} {
		got, err := DecodeText(tt.coding, tt.zero, tt.octets)
		checkTextError(t, tt.name, err, tt.want, tt.offset)
		if got != "" || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: got %q %v", tt.name, got, err)
		}
	}
}

// TestGSMCalledASCII: a client that writes GSM's alphabet and says data_coding 1 is understood.
func TestGSMCalledASCII(t *testing.T) {
	for octets, want := range map[string]string{
		"Price 5\x1Be \x00 \x1B<1\x1B>": "Price 5€ @ [1]",
		"\x025\n":                       "$5\n",
	} {
		if got, err := DecodeText(DataCodingASCII, AlphabetLatin1, octets); got != want || err != nil {
			t.Errorf("%q: got %q, %v, want %q", octets, got, err, want)
		}
	}
	if _, err := EncodeText(DataCodingASCII, AlphabetGSM7, "a\x00"); err == nil {
		t.Error("a NUL was written as ASCII, and would be read as @")
	}
}

func TestTextsThatHaveNoOctets(t *testing.T) {
	for _, tt := range []struct {
		name   string
		coding byte
		zero   Alphabet
		text   string
		offset int
	}{
		{"GSM", 0, AlphabetGSM7, "ab您", 2},
		{"ASCII", 1, 0, "é", 0},
		{"Latin-1", 3, 0, "é您", 2},
		{"UCS-2", 8, 0, "a\xFF", 1},
		{"UTF-8", 0, AlphabetUTF8, "\xFF", 0},
		{"GBK", 15, 0, "您\xFF", 3},
		{"GBK, private use", 15, 0, "您\uE000", 3},
		{"UCS-2 of what is no character", 8, 0, "a\uFFFE", 1},
		{"Cyrillic", 6, 0, "Ваш 您", 7},
		{"Hebrew", 7, 0, "\uFFFD", 0},
		{"class", 0xF0, AlphabetUTF8, "您", 0},
		{"binary", 4, 0, "x", -1},
		{"no alphabet", 0, 99, "x", -1},
	} {
		_, err := EncodeText(tt.coding, tt.zero, tt.text)
		checkTextError(t, "encode "+tt.name, err, StatusInvDCS, tt.offset)
	}
}

func checkTextError(t *testing.T, name string, err error, want Status, offset int) {
	t.Helper()
	if got := StatusOf(err, StatusOK); got != want {
		t.Errorf("%s: got %v (%v), want %v", name, got, err, want)
	}
	e, ok := errors.AsType[*TextError](err)
	if ok != (offset >= 0) || ok && e.Offset != offset {
		t.Errorf("%s: got %v, want offset %d", name, err, offset)
	}
}

// TestEveryCharacterComesBack goes through all octets of each alphabet.
func TestEveryCharacterComesBack(t *testing.T) {
	for _, a := range []Alphabet{AlphabetGSM7, AlphabetASCII, AlphabetLatin1, AlphabetCyrillic, AlphabetHebrew} {
		for c := range 256 {
			octets := string([]byte{byte(c)})
			text, err := DecodeText(0, a, octets)
			if err != nil || a == AlphabetGSM7 && c == gsm7Escape || a == AlphabetASCII && controlOctet(octets) == 0 {
				continue
			}
			if back, err := EncodeText(0, a, text); err != nil || back != octets {
				t.Errorf("%s 0x%02X: %q comes back as %x, %v", a, c, text, back, err)
			}
		}
	}
	if Alphabet(99).String() != "alphabet 99" || AlphabetUCS2.String() != "UCS-2" || AlphabetUTF8.String() != "UTF-8" {
		t.Error("names of alphabets")
	}
}

func TestChooseDataCoding(t *testing.T) {
	for text, want := range map[string]byte{"plain": DataCodingDefault, "€ {}": DataCodingDefault, "您": DataCodingUCS2} {
		if got := ChooseDataCoding(AlphabetGSM7, text); got != want {
			t.Errorf("%q: got %d, want %d", text, got, want)
		}
	}
}
