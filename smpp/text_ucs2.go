package smpp

import (
	"unicode/utf16"
	"unicode/utf8"
)

// A byte order mark, as it reads in the right order of octets and in the wrong one.
const (
	byteOrderMark = 0xFEFF
	wrongOrder    = 0xFFFE // not a character
)

// decodeUCS2 takes UTF-16 for UCS-2: clients send characters beyond the 65,536 of
// UCS-2 (emoji) as surrogate pairs. Without a byte order mark it is big-endian. A
// mark counts wherever it stands, and is not part of the text: of the parts of a
// long message the first has one, or each.
func decodeUCS2(octets string) (string, error) {
	if err := wholeUnits(octets); err != nil {
		return "", err
	}
	hi := 0 // where in each unit the high octet lies
	unit := func(i int) rune { return rune(octets[i+hi])<<8 | rune(octets[i+1-hi]) }
	var stack [2 * MaxShortMessage]byte
	b := stack[:0]
	for i := 0; i < len(octets); i += 2 {
		r := unit(i)
		switch {
		case r == wrongOrder:
			hi = 1 - hi
			continue
		case r == byteOrderMark:
			continue
		case utf16.IsSurrogate(r):
			if i+2 >= len(octets) {
				return "", notIn(AlphabetUCS2, i)
			}
			if r = utf16.DecodeRune(r, unit(i+2)); r == utf8.RuneError {
				return "", notIn(AlphabetUCS2, i)
			}
			i += 2
		}
		b = utf8.AppendRune(b, r)
	}
	return string(b), nil
}

// wholeUnits refuses octets that end inside a UTF-16 unit.
func wholeUnits(octets string) error {
	if len(octets)%2 != 0 {
		return statusErrorf(StatusInvMsgLen, "UCS-2 text of %d octets", len(octets))
	}
	return nil
}

func encodeUCS2(text string) (string, error) {
	if _, err := checkUTF8(text); err != nil {
		return "", err
	}
	b := make([]byte, 0, 2*len(text))
	for i, r := range text {
		if r == wrongOrder {
			return "", notIn(AlphabetUCS2, i)
		}
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			b = append(b, byte(hi>>8), byte(hi), byte(lo>>8), byte(lo))
			continue
		}
		b = append(b, byte(r>>8), byte(r))
	}
	return string(b), nil
}
