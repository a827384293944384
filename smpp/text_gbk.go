package smpp

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/simplifiedchinese"
)

// gbkReplacement is how GB 18030 writes U+FFFD, which from the decoder otherwise means
// octets that are no character.
const gbkReplacement = "\x84\x31\xA4\x37"

// decodeGBK reads GB 18030 strictly: the decoder that does the work replaces what is
// wrong, and takes some octets for text that are not.
func decodeGBK(octets string) (string, error) {
	i := sevenBits(octets)
	if i == len(octets) {
		return octets, nil
	}
	for i < len(octets) {
		n := gbkLength(octets[i:])
		if n == 0 {
			return "", notIn(AlphabetGBK, i)
		}
		i += n
	}
	text, err := simplifiedchinese.GB18030.NewDecoder().String(octets)
	if err != nil {
		return "", notIn(AlphabetGBK, 0)
	}
	i = 0
	for _, r := range text { // a character for each sequence of octets, up to one that is wrong
		n := gbkLength(octets[i:])
		if r == utf8.RuneError && octets[i:i+n] != gbkReplacement || !gbkHas(r) {
			return "", notIn(AlphabetGBK, i)
		}
		i += n
	}
	return text, nil
}

// gbkLength returns how many octets the character at the front of s has: one, two or
// four; 0 if its octets do not hold together.
func gbkLength(s string) int {
	lead := func(c byte) bool { return c >= 0x81 && c <= 0xFE }
	digit := func(c byte) bool { return c >= '0' && c <= '9' }
	switch {
	case s[0] <= 0x80: // 0x80 is code page 936's euro sign
		return 1
	case !lead(s[0]) || len(s) < 2:
		return 0
	case s[1] >= 0x40 && s[1] <= 0xFE && s[1] != 0x7F:
		return 2
	case len(s) >= 4 && digit(s[1]) && lead(s[2]) && digit(s[3]):
		return 4
	}
	return 0
}

// gbkHas reports whether r has octets that mean r. All characters have, but most of
// those for private use: the editions of the standard do not agree on them.
func gbkHas(r rune) bool {
	if r < 0xE000 || r > 0xF8FF {
		return true
	}
	octets, err := simplifiedchinese.GB18030.NewEncoder().String(string(r))
	if err != nil {
		return false
	}
	back, err := simplifiedchinese.GB18030.NewDecoder().String(octets)
	return err == nil && back == string(r)
}

func encodeGBK(text string) (string, error) {
	i := sevenBits(text)
	if i == len(text) {
		return text, nil
	}
	if _, err := checkUTF8(text); err != nil {
		return "", err
	}
	for offset, r := range text[i:] {
		if !gbkHas(r) {
			return "", notIn(AlphabetGBK, i+offset)
		}
	}
	octets, err := simplifiedchinese.GB18030.NewEncoder().String(text)
	if err != nil {
		return "", notIn(AlphabetGBK, i)
	}
	return octets, nil
}
