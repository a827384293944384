package smpp

import (
	"unicode/utf16"
	"unicode/utf8"
)

// decodeUCS2 takes UTF-16 for UCS-2: clients send characters beyond the 65,536 of
// UCS-2 (emoji) as surrogate pairs. Without a byte order mark it is big-endian.
func decodeUCS2(octets string) (string, error) {
	if len(octets)%2 != 0 {
		return "", statusErrorf(StatusInvMsgLen, "UCS-2 text of %d octets", len(octets))
	}
	hi, i := 0, 0 // hi is where in each pair the high octet lies
	if len(octets) >= 2 {
		switch octets[:2] {
		case "\xFE\xFF":
			i = 2
		case "\xFF\xFE":
			hi, i = 1, 2
		}
	}
	unit := func(i int) rune { return rune(octets[i+hi])<<8 | rune(octets[i+1-hi]) }
	var stack [2 * MaxShortMessage]byte
	b := stack[:0]
	for ; i < len(octets); i += 2 {
		r := unit(i)
		if utf16.IsSurrogate(r) {
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

func encodeUCS2(text string) (string, error) {
	if _, err := checkUTF8(text); err != nil {
		return "", err
	}
	b := make([]byte, 0, 2*len(text))
	for _, r := range text {
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			b = append(b, byte(hi>>8), byte(hi), byte(lo>>8), byte(lo))
			continue
		}
		b = append(b, byte(r>>8), byte(r))
	}
	return string(b), nil
}
