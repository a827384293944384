package aliyunsim

import (
	"strconv"
	"strings"
)

// A phone is a number as reports and QuerySendDetails spell it: bare 11 digits in mainland China,
// country code and number elsewhere.
type phone uint64

func (p phone) String() string { return strconv.FormatUint(uint64(p), 10) }

// mainland reports whether p is a mobile number of mainland China.
func (p phone) mainland() bool { return p >= 13000000000 && p <= 19999999999 }

// parsePhone accepts what SendSms does: mainland numbers with +86, 0086, 86, + or nothing before
// their 11 digits, others as country code and number without a plus.
func parsePhone(s string) (phone, bool) {
	if p, ok := parseMainland(s); ok {
		return p, true
	}
	if strings.HasPrefix(s, "86") {
		return 0, false
	}
	return parseInternational(s)
}

func parseMainland(s string) (phone, bool) {
	switch {
	case len(s) == 11:
	case len(s) == 12 && s[0] == '+':
		s = s[1:]
	case len(s) == 13 && s[:2] == "86":
		s = s[2:]
	case len(s) == 14 && s[:3] == "+86":
		s = s[3:]
	case len(s) == 15 && s[:4] == "0086":
		s = s[4:]
	default:
		return 0, false
	}
	p, ok := digits(s)
	return p, ok && p.mainland()
}

// parseInternational accepts 7 to 15 digits that do not begin with zero (E.164 without its plus).
func parseInternational(s string) (phone, bool) {
	if len(s) < 7 || len(s) > 15 || s[0] == '0' {
		return 0, false
	}
	return digits(s)
}

// digits decodes s, which must be at most 15 decimal digits.
func digits(s string) (phone, bool) {
	var p phone
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		p = p*10 + phone(s[i]-'0')
	}
	return p, true
}
