package smpp

import (
	"strings"
	"unicode/utf8"
)

const gsm7Escape = 0x1B

// gsm7 is the GSM 7-bit default alphabet (3GPP TS 23.038, 6.2.1). The escape
// stands for a space, which is what a receiver shows for one that leads nowhere.
var gsm7 = [128]rune{
	'@', '£', '$', '¥', 'è', 'é', 'ù', 'ì', 'ò', 'Ç', '\n', 'Ø', 'ø', '\r', 'Å', 'å',
	'Δ', '_', 'Φ', 'Γ', 'Λ', 'Ω', 'Π', 'Ψ', 'Σ', 'Θ', 'Ξ', ' ', 'Æ', 'æ', 'ß', 'É',
	' ', '!', '"', '#', '¤', '%', '&', '\'', '(', ')', '*', '+', ',', '-', '.', '/',
	'0', '1', '2', '3', '4', '5', '6', '7', '8', '9', ':', ';', '<', '=', '>', '?',
	'¡', 'A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J', 'K', 'L', 'M', 'N', 'O',
	'P', 'Q', 'R', 'S', 'T', 'U', 'V', 'W', 'X', 'Y', 'Z', 'Ä', 'Ö', 'Ñ', 'Ü', '§',
	'¿', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o',
	'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z', 'ä', 'ö', 'ñ', 'ü', 'à',
}

// gsm7Extension is the extension table (3GPP TS 23.038, 6.2.1.1), by the octet
// behind the escape; 0 where it has none.
var gsm7Extension = [128]rune{
	0x0A: '\f', 0x14: '^', 0x28: '{', 0x29: '}', 0x2F: '\\',
	0x3C: '[', 0x3D: '~', 0x3E: ']', 0x40: '|', 0x65: '€',
}

var (
	gsm7Same    = gsm7SameTable()
	gsm7Reverse = gsm7ReverseTable()
)

// gsm7SameTable marks the octets that mean the same in GSM 7-bit and in UTF-8.
// Most texts consist of them alone and are not copied.
func gsm7SameTable() (same [256]bool) {
	for i, r := range gsm7 {
		same[i] = rune(i) == r && i != gsm7Escape
	}
	return same
}

// gsm7ReverseTable gives each character's octets.
func gsm7ReverseTable() map[rune]string {
	reverse := make(map[rune]string, len(gsm7)+len(gsm7Extension))
	for i, r := range gsm7 {
		if i != gsm7Escape {
			reverse[r] = string([]byte{byte(i)})
		}
	}
	for i, r := range gsm7Extension {
		if r != 0 {
			reverse[r] = string([]byte{gsm7Escape, byte(i)})
		}
	}
	return reverse
}

// gsm7Prefix returns how many octets at the front of s are the same in both.
func gsm7Prefix(s string) int {
	for i := range len(s) {
		if !gsm7Same[s[i]] {
			return i
		}
	}
	return len(s)
}

func decodeGSM7(octets string) (string, error) {
	i := gsm7Prefix(octets)
	if i == len(octets) {
		return octets, nil
	}
	var stack [2 * MaxShortMessage]byte
	b := append(stack[:0], octets[:i]...)
	for ; i < len(octets); i++ {
		c := octets[i]
		switch {
		case c >= 0x80:
			return "", notIn(AlphabetGSM7, i)
		case c == gsm7Escape && i+1 < len(octets):
			i++
			r, ok := gsm7Extended(octets[i])
			if !ok {
				return "", notIn(AlphabetGSM7, i)
			}
			b = utf8.AppendRune(b, r)
		default:
			b = utf8.AppendRune(b, gsm7[c])
		}
	}
	return string(b), nil
}

// gsm7Extended returns the character behind an escape: where the extension table
// has none, the default alphabet's (3GPP TS 23.038, 6.2.1.1, note 1).
func gsm7Extended(c byte) (rune, bool) {
	switch {
	case c >= 0x80:
		return 0, false
	case gsm7Extension[c] != 0:
		return gsm7Extension[c], true
	}
	return gsm7[c], true
}

func encodeGSM7(text string) (string, error) {
	i := gsm7Prefix(text)
	if i == len(text) {
		return text, nil
	}
	var b strings.Builder
	b.Grow(len(text) + 8)
	b.WriteString(text[:i])
	for offset, r := range text[i:] {
		octets, ok := gsm7Reverse[r]
		if !ok {
			return "", notIn(AlphabetGSM7, i+offset)
		}
		b.WriteString(octets)
	}
	return b.String(), nil
}
