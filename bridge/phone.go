package bridge

import (
	"errors"
	"strings"

	"smppbridge/smpp"
)

// errBadNumber refuses a destination. It never carries the number.
var errBadNumber = errors.New("destination is not a mobile number")

// tonInternational is SMPP's type of number for addresses that begin with the country code
// (SMPP 3.4, 5.2.5).
const tonInternational = 1

// normalizePhone turns a destination as submitted into the form Dysmsapi takes and reports:
// 11 digits for mainland China, country code and number without "+" for all others.
// countryCode is that of numbers without one.
func normalizePhone(addr string, ton uint8, countryCode string) (string, error) {
	phone, _, err := readPhone(addr, ton, countryCode)
	return phone, err
}

// readPhone is normalizePhone, and says whether it is a number of the mainland: there are others that read the same.
func readPhone(addr string, ton uint8, countryCode string) (phone string, mainland bool, err error) {
	digits, plus, ok := onlyDigits(addr)
	if !ok {
		return "", false, &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errBadNumber}
	}
	international := plus || ton == tonInternational
	if rest, found := strings.CutPrefix(digits, "00"); found {
		// Who dials 00 means a country code as much as who writes a plus.
		digits, plus, international = rest, true, true
	}
	if !international && countryCode != "86" {
		digits = withCountry(digits, countryCode)
	}
	if rest, found := strings.CutPrefix(digits, "86"); found && isMainlandMobile(rest) {
		return rest, true, nil
	}
	// Old clients set TON international on bare mainland numbers too.
	if isMainlandMobile(digits) && !plus && countryCode == "86" {
		return digits, true, nil
	}
	if phone, ok = abroad(digits); !ok {
		return "", false, &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errBadNumber}
	}
	return phone, false, nil
}

// isMainlandMobile reports whether s is 1, 3 to 9, and nine more digits.
func isMainlandMobile(s string) bool {
	return len(s) == 11 && s[0] == '1' && s[1] >= '3'
}

// onlyDigits drops what people write between digits.
func onlyDigits(addr string) (digits string, plus, ok bool) {
	clean := true
	for i := 0; i < len(addr); i++ {
		if addr[i] < '0' || addr[i] > '9' {
			clean = false
			break
		}
	}
	if clean {
		return addr, false, addr != ""
	}
	var b strings.Builder
	for i, r := range addr {
		switch {
		case r >= '0' && r <= '9':
			b.WriteRune(r)
		case r == '+' && i == 0:
			plus = true
		case strings.ContainsRune(" -.()", r):
		default:
			return "", false, false
		}
	}
	return b.String(), plus, b.Len() > 0
}
