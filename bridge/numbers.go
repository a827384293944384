package bridge

import (
	"errors"
	"strings"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// Why a destination is refused that is a number. They never carry it.
var (
	errOtherNumbers = errors.New("destination is not among the numbers that the template is sent to")
	errAmbiguous    = errors.New("destination abroad that the API would take for a number of the mainland")
)

// numbers says what a template is sent to.
type numbers uint8

const (
	numbersMainland numbers = iota
	numbersInternational
	numbersAny
)

// numbersOf are those of a template: its own, or its class's.
func numbersOf(t *configs.Template, class *configs.Class) numbers {
	word := t.Numbers
	if word == "" {
		word = class.Numbers
	}
	switch word {
	case configs.NumbersInternational:
		return numbersInternational
	case configs.NumbersAny:
		return numbersAny
	}
	return numbersMainland
}

// check refuses a destination that a template is not sent to: the API would, too, for a template of the other kind
// (aliyun-facts, 1), but after the ESME was told that its message is accepted.
//
// The API takes 11 digits that begin with 13 to 19 for a mobile number of the mainland, whatever was meant, so that a number
// of North America can be somebody else's. A template of the international type never goes to the mainland; by any other the
// text would reach a stranger.
func (n numbers) check(phone string, mainland bool) error {
	switch {
	case n == numbersMainland && !mainland, n == numbersInternational && mainland:
		return &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errOtherNumbers}
	case n == numbersAny && !mainland && isMainlandMobile(phone):
		return &smpp.StatusError{Status: smpp.StatusInvDstAdr, Err: errAmbiguous}
	}
	return nil
}

// checkNumber is check of a message whose template is known only now. A number that would not be read as one any more
// stays as it was accepted.
func (a *account) checkNumber(t *approved, m *store.Message) error {
	_, mainland, err := readPhone(m.Dest.Addr, m.Dest.TON, a.CountryCode)
	if err != nil {
		return nil
	}
	return t.numbers.check(m.Phone, mainland)
}

// errCodeOf is the err of the receipt of a message that cannot be planned.
func errCodeOf(err error) string {
	if errors.Is(err, errOtherNumbers) || errors.Is(err, errAmbiguous) {
		return errCodeNumbers
	}
	return errCodeNoTemplate
}

// errCodeNumbers is the err that isv.DOMESTIC_NUMBER_NOT_SUPPORTED has, too.
const errCodeNumbers = "090"

// A numberPlan is how long the mobile numbers of a country are, without its code and without a leading 0. Where that is
// fixed, a number with the country code is told from one without it.
type numberPlan struct {
	code   string
	length int
	strict bool // a number of another length is none
}

// numberPlans are those of the countries that are certain: Hong Kong, Macau, Taiwan, Singapore.
func numberPlans() [4]numberPlan {
	return [...]numberPlan{{"852", 8, true}, {"853", 8, true}, {"886", 9, true}, {"65", 8, false}}
}

// withCountry puts the account's country code before a number that has none.
func withCountry(digits, code string) string {
	local := strings.TrimPrefix(digits, "0")
	for _, p := range numberPlans() {
		if p.code == code && len(local) != p.length {
			return digits // it has one already
		}
	}
	return code + local
}

// abroad returns a number with its country code as the API takes it, without the 0 that some write between the two. ok is
// false when it cannot be one.
func abroad(digits string) (number string, ok bool) {
	for _, p := range numberPlans() {
		local, found := strings.CutPrefix(digits, p.code)
		if !found || !p.strict {
			continue
		}
		local = strings.TrimPrefix(local, "0")
		return p.code + local, len(local) == p.length
	}
	// E.164 allows 15 digits.
	return digits, len(digits) >= 8 && len(digits) <= 15 && digits[0] != '0' && !strings.HasPrefix(digits, "86")
}
