package template

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A Kind is the set of characters a variable's value may consist of.
//
// The sets follow the variable attributes of Dysmsapi's templates and are a
// little wider where its documentation and its practice differ: a value refused
// here is never sent, one refused there comes back with a clear error.
type Kind uint8

// The kinds. The comment names the template attributes that map to each.
const (
	Any    Kind = iota // any character the API takes in a variable (others, address, user_nick, …)
	Digits             // 0 to 9 (numberCaptcha, verifyTime)
	Alnum              // ASCII letters and digits (characterWithNumber2, other_number2, …)
	Number             // an amount: digits . , + - (money)
	Time               // a date or a time, in digits or Chinese (time)
	Phone              // digits + - (phone_number2)
	Name               // letters of any script, spaces, · . - ' (name)
	Free               // any text at all; what the API refuses is not looked for

	kinds // how many there are
)

// Lengths of a value, in characters.
const (
	defaultMin  = 1
	defaultMax  = 35   // the general limit of the API
	longestRule = 1000 // what a Free variable may hold, and no rule may exceed
)

// A VarRule says what a variable's value may be. Lengths are in characters, not
// bytes. A Min of 0 means 1; a Max of 0 means 35, and 1000 for Free.
type VarRule struct {
	Kind Kind
	Min  int
	Max  int
}

// DefaultRule returns the rule of a variable that has none of its own: 1 to 35
// characters of any kind.
func DefaultRule() VarRule { return VarRule{Kind: Any, Min: defaultMin, Max: defaultMax} }

// kindNames are the names a policy file uses, by kind.
var kindNames = [kinds]string{"any", "digits", "alnum", "number", "time", "phone", "name", "free"}

// attributes are the variable attributes Dysmsapi gives templates, with the
// lengths it documents.
var attributes = map[string]VarRule{
	"numberCaptcha":        {Digits, 4, 6},
	"characterWithNumber2": {Alnum, 4, 6},
	"verifyTime":           {Digits, 1, 2},
	"other_number2":        {Alnum, 1, 35},
	"tracking_number":      {Alnum, 1, 35},
	"link_param":           {Alnum, 1, 35},
	"phone_number2":        {Phone, 1, 15},
	"money":                {Number, 1, 35},
	"time":                 {Time, 1, 35},
	"name":                 {Name, 1, 35},
	"user_nick":            {Any, 1, 35},
	"unit_name":            {Any, 1, 35},
	"address":              {Any, 1, 35},
	"license_plate_number": {Any, 1, 35},
	"pick_up_code":         {Any, 1, 35},
	"email_address":        {Any, 1, 35},
	"others":               {Any, 1, 35},
}

// String returns the kind's name as [ParseKind] reads it.
func (k Kind) String() string {
	if k < kinds {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// ParseKind returns the kind named s: one of our names ("digits") or a variable
// attribute of Dysmsapi ("numberCaptcha").
func ParseKind(s string) (Kind, error) {
	for k, name := range kindNames {
		if s == name {
			return Kind(k), nil
		}
	}
	if r, ok := attributes[s]; ok {
		return r.Kind, nil
	}
	return Any, fmt.Errorf("unknown kind %q (one of %s, or an attribute such as numberCaptcha)",
		s, strings.Join(kindNames[:], ", "))
}

// AttributeRule returns the kind and the lengths that Dysmsapi gives a variable
// attribute, such as 4 to 6 digits for "numberCaptcha". It is false for an
// attribute it does not know.
func AttributeRule(attribute string) (VarRule, bool) {
	r, ok := attributes[attribute]
	return r, ok
}

// normal fills in the defaults and reports a rule that no value can meet.
func (r VarRule) normal() (VarRule, error) {
	if r.Min == 0 {
		r.Min = defaultMin
	}
	if r.Max == 0 {
		r.Max = defaultMax
		if r.Kind == Free {
			r.Max = longestRule
		}
	}
	switch {
	case r.Kind >= kinds:
		return r, fmt.Errorf("unknown kind %d", r.Kind)
	case r.Min < 0:
		return r, fmt.Errorf("min %d is negative", r.Min)
	case r.Max < r.Min:
		return r, fmt.Errorf("max %d is less than min %d", r.Max, r.Min)
	case r.Max > longestRule:
		return r, fmt.Errorf("max %d is more than %d", r.Max, longestRule)
	}
	return r, nil
}

// accepts reports whether v is of the rule's kind and length.
func (r VarRule) accepts(v string) bool {
	if len(v) < r.Min || len(v) > r.Max*utf8.UTFMax {
		return false
	}
	n := 0
	for i := 0; i < len(v); n++ {
		if c := v[i]; c < utf8.RuneSelf {
			if !r.Kind.hasASCII(c) {
				return false
			}
			i++
			continue
		}
		if k := r.Kind; (k == Any || k == Free || k == Name) && i+2 < len(v) && isHan(v[i], v[i+1], v[i+2]) {
			i += 3
			continue
		}
		c, size := utf8.DecodeRuneInString(v[i:])
		if !r.Kind.hasWide(c, size) {
			return false
		}
		i += size
	}
	return r.Min <= n && n <= r.Max
}

// isHan reports whether three octets are a character from U+5000 to U+8FFF: nearly
// all of a Chinese text, and worth a short cut.
func isHan(a, b, c byte) bool {
	return 0xE5 <= a && a <= 0xE8 && b&0xC0 == 0x80 && c&0xC0 == 0x80
}

// asciiKinds has bit k set at c when kind k holds the ASCII character c.
// Beyond ASCII it is empty, so that any octet may be looked up.
var asciiKinds = func() (table [256]uint8) {
	const (
		digits  = "0123456789"
		letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	)
	for c := range utf8.RuneSelf {
		table[c] = 1<<Any | 1<<Free
	}
	for kind, set := range map[Kind]string{
		Digits: digits,
		Alnum:  digits + letters,
		Number: digits + ".,+-",
		Time:   digits + "-/:.,~() TZ",
		Phone:  digits + "+-",
		Name:   letters + " .-'",
	} {
		for _, c := range []byte(set) {
			table[c] |= 1 << kind
		}
	}
	return table
}()

// wideTime reports whether c is of what a date or time written in Chinese consists
// of, digits aside.
func wideTime(c rune) bool {
	switch c {
	case '年', '月', '日', '号', '时', '点', '分', '秒', '钟', '刻', '半', '整',
		'零', '〇', '一', '二', '两', '三', '四', '五', '六', '七', '八', '九', '十', '初', '廿',
		'今', '明', '后', '昨', '前', '天', '上', '下', '中', '午', '早', '晚', '夜', '间', '凌', '晨', '傍',
		'周', '星', '期', '礼', '拜', '至', '到', '起', '止',
		'：', '～', '—', '－', '，', '、', '（', '）':
		return true
	}
	return false
}

// hasASCII reports whether c is an ASCII character that the kind holds.
func (k Kind) hasASCII(c byte) bool { return asciiKinds[c]&(1<<k) != 0 }

// hasWide reports whether the kind holds c, which is not ASCII and was decoded
// from size bytes. No kind holds an octet that is not UTF-8: it could not be
// written as JSON.
func (k Kind) hasWide(c rune, size int) bool {
	switch {
	case c == utf8.RuneError && size <= 1:
		return false
	case k == Free:
		return true
	case k == Any:
		return !refusedRune(c)
	case k == Name:
		return 0x4E00 <= c && c <= 0x9FFF || c == '·' || c == '•' || unicode.IsLetter(c)
	case k == Time:
		return wideTime(c)
	}
	return false
}

// has reports whether the kind holds c, decoded from size bytes.
func (k Kind) has(c rune, size int) bool {
	if c < utf8.RuneSelf {
		return k.hasASCII(byte(c))
	}
	return k.hasWide(c, size)
}

// disjoint reports whether no character is of both kinds.
func (k Kind) disjoint(other Kind) bool {
	if k.wide() && other.wide() {
		return false
	}
	for _, set := range asciiKinds {
		if set&(1<<k) != 0 && set&(1<<other) != 0 {
			return false
		}
	}
	return true
}

// wide reports whether the kind holds characters beyond ASCII. Any two kinds
// that do share some.
func (k Kind) wide() bool {
	switch k {
	case Any, Free, Name, Time:
		return true
	}
	return false
}
