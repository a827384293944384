package smpptrace

// maxDigits is more than any number has: addresses hold 64 octets at most (SMPP 3.4, 4.7.1), numbers 15
// digits (E.164) and a prefix.
const maxDigits = 24

// A number is the digits of an address in the one spelling that is compared. Its zero value is no number.
type number struct {
	digits [maxDigits]byte
	n      int
}

// numberOf reads the digits of an address: what people write between them, a "+", zeros in front, and
// mainland China's country code are left out. An address with other characters is no number.
func numberOf(addr []byte) (d number) {
	for _, c := range addr {
		switch {
		case c == '0' && d.n == 0: // a trunk prefix, or half an international one
		case c >= '0' && c <= '9':
			if d.n == maxDigits {
				return number{}
			}
			d.digits[d.n] = c
			d.n++
		case c == '+' || c == ' ' || c == '-' || c == '.' || c == '(' || c == ')':
		default:
			return number{}
		}
	}
	if d.n == 13 && d.digits[0] == '8' && d.digits[1] == '6' && isMainlandMobile(d.digits[2:13]) {
		copy(d.digits[:], d.digits[2:13])
		d.n = 11
	}
	return d
}

// isMainlandMobile reports whether digits are 1, 3 to 9, and nine more.
func isMainlandMobile(digits []byte) bool {
	return len(digits) == 11 && digits[0] == '1' && digits[1] >= '3'
}

// Bounds of what two spellings of one number may differ in.
const (
	leastTail   = 7 // digits that the shorter one has
	mostCountry = 3 // digits of a country code, which the longer one has in front
)

// same reports whether d and o are one number: the same digits, or a national number and the same one
// behind a country code. A mainland mobile number is whole without its own.
func (d *number) same(o *number) bool {
	long, short := d, o
	if long.n < short.n {
		long, short = short, long
	}
	more := long.n - short.n
	if string(long.digits[more:long.n]) != string(short.digits[:short.n]) {
		return false
	}
	if more == 0 {
		return short.n > 0
	}
	return short.n >= leastTail && more <= mostCountry &&
		!isMainlandMobile(long.digits[:long.n]) && !isMainlandMobile(short.digits[:short.n])
}

// maskAddress overwrites all but the first three and the last four octets of an address, and all of one
// that is too short for that to hide something.
func maskAddress(addr []byte) {
	if len(addr) >= 10 {
		addr = addr[3 : len(addr)-4]
	}
	fill(addr, '*')
}

// masked returns an address as logs and answers show it.
func masked(addr string) string {
	if addr == "" {
		return ""
	}
	b := []byte(addr)
	maskAddress(b)
	return string(b)
}

func fill(b []byte, c byte) {
	for i := range b {
		b[i] = c
	}
}
