package smpp

import "unicode/utf8"

// decodeASCII returns s itself: ASCII is UTF-8. But a client library in wide use calls text ASCII that it
// has written in GSM's alphabet. Where that shows, in octets that are control characters in ASCII and no
// part of any text, it is read as what it is: "@" would otherwise be a NUL, and "€" an escape sequence.
func decodeASCII(s string) (string, error) {
	i := sevenBits(s)
	if i < len(s) {
		return "", notIn(AlphabetASCII, i)
	}
	if controlOctet(s) < len(s) {
		return decodeGSM7(s)
	}
	return s, nil
}

func encodeASCII(text string) (string, error) {
	if i := min(sevenBits(text), controlOctet(text)); i < len(text) {
		return "", notIn(AlphabetASCII, i)
	}
	return text, nil
}

// controlOctet returns where in s the first control character is that is none of white space.
func controlOctet(s string) int {
	for i := range len(s) {
		if s[i] < ' ' && (s[i] < '\t' || s[i] > '\r') {
			return i
		}
	}
	return len(s)
}

// sevenBits returns how many octets at the front of s have no eighth bit: they are
// ASCII, if they are not GSM's.
func sevenBits(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return i
		}
	}
	return len(s)
}

// checkUTF8 returns s if it is valid.
func checkUTF8(s string) (string, error) {
	for i, r := range s {
		if r != utf8.RuneError {
			continue
		}
		if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
			return "", notIn(AlphabetUTF8, i)
		}
	}
	return s, nil
}
