package smpp

import "unicode/utf8"

// decodeASCII returns s itself: ASCII is UTF-8.
func decodeASCII(s string) (string, error) {
	if i := sevenBits(s); i < len(s) {
		return "", notIn(AlphabetASCII, i)
	}
	return s, nil
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
