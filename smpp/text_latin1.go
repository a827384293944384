package smpp

import "unicode/utf8"

// decodeLatin1 cannot fail: ISO 8859-1 and the control characters around it are
// the first 256 of Unicode.
func decodeLatin1(octets string) string {
	i := sevenBits(octets)
	if i == len(octets) {
		return octets
	}
	var stack [2 * MaxShortMessage]byte
	b := append(stack[:0], octets[:i]...)
	for ; i < len(octets); i++ {
		b = utf8.AppendRune(b, rune(octets[i]))
	}
	return string(b)
}

func encodeLatin1(text string) (string, error) {
	i := sevenBits(text)
	if i == len(text) {
		return text, nil
	}
	var stack [MaxShortMessage]byte
	b := append(stack[:0], text[:i]...)
	for offset, r := range text[i:] {
		if r > 0xFF {
			return "", notIn(AlphabetLatin1, i+offset)
		}
		b = append(b, byte(r))
	}
	return string(b), nil
}
