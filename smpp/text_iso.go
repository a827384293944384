package smpp

import (
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
)

// isoTable returns the table of a part of ISO 8859.
func isoTable(a Alphabet) *charmap.Charmap {
	if a == AlphabetHebrew {
		return charmap.ISO8859_8
	}
	return charmap.ISO8859_5
}

func decodeISO(a Alphabet, octets string) (string, error) {
	i := sevenBits(octets)
	if i == len(octets) {
		return octets, nil
	}
	table := isoTable(a)
	var stack [2 * MaxShortMessage]byte
	b := append(stack[:0], octets[:i]...)
	for ; i < len(octets); i++ {
		r := table.DecodeByte(octets[i])
		if r == utf8.RuneError {
			return "", notIn(a, i)
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b), nil
}

func encodeISO(a Alphabet, text string) (string, error) {
	i := sevenBits(text)
	if i == len(text) {
		return text, nil
	}
	table := isoTable(a)
	var stack [MaxShortMessage]byte
	b := append(stack[:0], text[:i]...)
	for offset, r := range text[i:] {
		c, ok := table.EncodeRune(r)
		if !ok || r == utf8.RuneError {
			return "", notIn(a, i+offset)
		}
		b = append(b, c)
	}
	return string(b), nil
}
