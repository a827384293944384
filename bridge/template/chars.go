package template

import "strings"

// hasURL reports whether v holds a URL or an IP address, which the API takes in no
// variable (isv.PARAM_NOT_SUPPORT_URL). A Free variable is not looked into, and
// the kinds without a dot and a colon need not be.
func (r VarRule) hasURL(v string) bool {
	switch r.Kind {
	case Free, Digits, Alnum, Phone:
		return false
	}
	for i := range len(v) {
		if (v[i] == '.' || v[i] == ':') && urlAt(v, i) {
			return true
		}
	}
	return false
}

// badCharacter reports whether v is refused, or would be, for a character that the
// API takes in no variable, rather than for its kind or length.
func (r VarRule) badCharacter(v string) bool {
	return r.Kind == Any && strings.ContainsFunc(v, refusedRune)
}

// refusedRune reports whether the API takes c in no variable (isv.UNSUPPORTED_CONTENT):
// the brackets and marks that its documentation names, and emoji. For traditional
// Chinese see [RefuseTraditional].
func refusedRune(c rune) bool {
	if 0x3400 <= c && c <= 0x9FFF || c < 0x200D { // nearly all of a text
		return false
	}
	switch c {
	case '【', '】', '〖', '〗', '『', '』', '※',
		0x200D, 0x20E3, 0xFE0F, // what joins and dresses emoji
		0x2328, 0x23CF, 0x2B1B, 0x2B1C, 0x2B50, 0x2B55, 0x3030, 0x303D:
		return true
	}
	switch {
	case 0x2600 <= c && c <= 0x27BF, // symbols and dingbats, ★ among them
		0x231A <= c && c <= 0x231B,
		0x23E9 <= c && c <= 0x23FA,
		0x2B05 <= c && c <= 0x2B07,
		0x1F000 <= c && c <= 0x1FBFF,
		0xE0000 <= c && c <= 0xE007F: // tags, which make flags
		return true
	}
	return false
}

// urlAt reports whether the dot or colon at v[i] belongs to a URL, a host name or
// an IP address: "://", "www.", four numbers joined by dots, a name under one of the
// common domains, or any name with a path behind it, as short links have. What the
// API itself takes for a URL is not documented; this is what people send.
func urlAt(v string, i int) bool {
	if v[i] == ':' {
		return i+2 < len(v) && v[i+1] == '/' && v[i+2] == '/'
	}
	if i == 0 || !Alnum.hasASCII(v[i-1]) {
		return false
	}
	if i >= 3 && lower(v[i-3]) == 'w' && lower(v[i-2]) == 'w' && lower(v[i-1]) == 'w' {
		return true
	}
	rest := v[i+1:]
	label := 0
	for label < len(rest) && label < 24 && isLetter(rest[label]) {
		label++
	}
	if label >= 2 {
		return label < len(rest) && rest[label] == '/' || commonDomain(rest[:label])
	}
	return Digits.hasASCII(v[i-1]) && threeNumbers(rest)
}

// commonDomain reports whether s is a domain that legacy senders' links end in.
func commonDomain(s string) bool {
	var buf [4]byte
	if len(s) > len(buf) {
		return false
	}
	for i := range len(s) {
		buf[i] = lower(s[i])
	}
	switch string(buf[:len(s)]) {
	case "com", "cn", "net", "org", "top", "vip", "xyz", "info":
		return true
	}
	return false
}

// threeNumbers reports whether s begins with three numbers of 1 to 3 digits joined by dots.
func threeNumbers(s string) bool {
	for n := range 3 {
		digits := 0
		for digits < len(s) && digits < 3 && Digits.hasASCII(s[digits]) {
			digits++
		}
		if digits == 0 {
			return false
		}
		if n < 2 {
			if digits == len(s) || s[digits] != '.' {
				return false
			}
			digits++
		}
		s = s[digits:]
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

func isLetter(c byte) bool { return 'a' <= lower(c) && lower(c) <= 'z' }
