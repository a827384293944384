package template

import (
	"strings"
	"unicode"
)

// Shape says what a text looks like without what it says: texts that one template could take look alike, and no name, number
// or code can be read from it. Digits are 9, letters a, Chinese characters 字, each run of them one, white space a
// space, and what is no letter, digit or punctuation *. It has 120 characters at most.
func Shape(text string) string {
	const most = 120
	var b strings.Builder
	last, n := rune(-1), 0
	for _, c := range strings.TrimSpace(text) {
		c, runs := shapeOf(c)
		if runs && c == last {
			continue
		}
		if n++; n > most {
			b.WriteRune('…')
			break
		}
		b.WriteRune(c)
		last = c
	}
	return b.String()
}

// shapeOf returns what stands for c, and whether a run of it is one.
func shapeOf(c rune) (shape rune, runs bool) {
	switch {
	case unicode.IsDigit(c):
		return '9', true
	case unicode.Is(unicode.Han, c):
		return '字', true
	case unicode.IsLetter(c) || unicode.IsMark(c):
		return 'a', true
	case unicode.IsSpace(c):
		return ' ', true
	case unicode.IsPunct(c):
		return c, false
	}
	return '*', true
}
