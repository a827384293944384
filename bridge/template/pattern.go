package template

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// A pattern is what a template matches, without its code and variable names.
type pattern struct {
	literals []string // one more than rules
	rules    []VarRule
	chars    int     // characters in the literals
	best     int32   // ranks[0], where a search that passes by finds it
	ranks    []int32 // of the templates with this pattern, ascending
}

func newPattern(literals []string, rules []VarRule) *pattern {
	p := &pattern{literals: literals, rules: rules}
	for _, literal := range literals {
		p.chars += utf8.RuneCountInString(literal)
	}
	return p
}

// key is equal for patterns that match the same texts in the same way.
func (p *pattern) key() string { return fmt.Sprintf("%q%v", p.literals, p.rules) }

// prefix and suffix are the literals that every match begins and ends with. A
// pattern without variables is all prefix.
func (p *pattern) prefix() string { return p.literals[0] }

func (p *pattern) suffix() string {
	if len(p.rules) == 0 {
		return ""
	}
	return p.literals[len(p.rules)]
}

// fits reports whether text is made of the pattern's literals, in order, whatever
// stands between them. It sets ends to where the values end in the leftmost split.
func (p *pattern) fits(text string, ends *splits) bool {
	prefix, suffix := p.prefix(), p.suffix()
	if len(p.rules) == 0 {
		return text == prefix
	}
	if len(text) < len(prefix)+len(suffix) || !strings.HasPrefix(text, prefix) || !strings.HasSuffix(text, suffix) {
		return false
	}
	at, limit := len(prefix), len(text)-len(suffix)
	for i, literal := range p.literals[1:len(p.rules)] {
		j := strings.Index(text[at:limit], literal)
		if j < 0 {
			return false
		}
		ends[i] = int32(at + j)
		at += j + len(literal)
	}
	ends[len(p.rules)-1] = int32(limit)
	return true
}

// check returns the first variable whose value is not of its kind or length, or -1.
func (p *pattern) check(text string, ends *splits) int {
	for i, rule := range p.rules {
		if !rule.accepts(p.value(text, ends, i)) {
			return i
		}
	}
	return -1
}

// url returns the first variable whose value holds a URL, or -1.
func (p *pattern) url(text string, ends *splits) int {
	if strings.IndexByte(text, '.') < 0 && strings.IndexByte(text, ':') < 0 {
		return -1
	}
	for i, rule := range p.rules {
		if rule.hasURL(p.value(text, ends, i)) {
			return i
		}
	}
	return -1
}

// value returns the value of variable i in a split.
func (p *pattern) value(text string, ends *splits, i int) string {
	start := len(p.literals[0])
	if i > 0 {
		start = int(ends[i-1]) + len(p.literals[i])
	}
	return text[start:ends[i]]
}
