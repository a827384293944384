package template

import (
	"strings"
	"unicode/utf8"
)

// The brackets of a signature. No others are: [..] is plain text.
const (
	openBracket  = "【"
	closeBracket = "】"
)

// signature takes the signature off the text and returns its number in the set
// with the rest of the text, trimmed. A text may carry one at either end; the
// first end whose name is known counts, and what stands at the other end then
// stays in the text. known is false when there are signatures and none is known.
// number is -1 when there is none.
func (s *Set) signature(text string) (number int32, rest string, known bool) {
	text = trim(text)
	found := false
	if after, ok := strings.CutPrefix(text, openBracket); ok {
		if name, rest, ok := strings.Cut(after, closeBracket); ok {
			if n, ok := s.signs[name]; ok {
				return n, trim(rest), true
			}
			found = true
		}
	}
	if before, ok := strings.CutSuffix(text, closeBracket); ok {
		if i := strings.LastIndex(before, openBracket); i >= 0 {
			if n, ok := s.signs[before[i+len(openBracket):]]; ok {
				return n, trim(before[:i]), true
			}
			found = true
		}
	}
	return -1, text, !found
}

// sign decides what signature a text is sent under and returns the text without it.
func (s *Set) sign(text string, opts Options) (name, rest string, err *NoMatch) {
	n, rest, known := s.signature(text)
	if n < 0 && known { // the text carries none
		if opts.Sign == "" {
			return "", rest, &NoMatch{Reason: NoSignature}
		}
		n, known = s.signs[opts.Sign]
	}
	switch {
	case !known:
		return "", rest, &NoMatch{Reason: UnknownSignature}
	case !opts.Allowed.hasSign(n):
		return "", rest, &NoMatch{Reason: SignatureNotAllowed}
	}
	// The set's own string, so that a match does not keep the text alive.
	return s.signNames[n], rest, nil
}

// trim is strings.TrimSpace, which is slow at a text that ends with a Chinese
// character, as nearly all do: those are told from spaces by their octets.
func trim(s string) string {
	if len(s) < 3 || maySpace(s[:3], s[0]) || maySpace(s[len(s)-3:], s[len(s)-1]) {
		return strings.TrimSpace(s)
	}
	return s
}

// maySpace reports whether the three octets at an end of a text, of which outer is
// the outermost, may be or hold a space there.
func maySpace(three string, outer byte) bool {
	if outer < utf8.RuneSelf {
		return outer <= ' '
	}
	if lead := three[0]; lead != 0xE3 {
		return lead < 0xE4 // from U+4000 on there are none
	}
	return three == "\u3000"
}
