package template

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// An Explanation says what became of a text and why. It holds parts of the text:
// it is for a person's eyes and never for a log.
type Explanation struct {
	SignName   string // the signature decided on; empty when there is none
	Body       string // what was compared with the templates
	Match      *Match // what Match returned, or nil
	Err        error  // what Match returned otherwise
	Candidates []Candidate
}

// A Candidate is one of the templates nearest to the text.
type Candidate struct {
	Code     string
	Template string // its text
	Why      string // why it does not match; empty when it does
}

// Explain says what Match does with the text and why each of the n nearest
// templates did not match. It compares every template and is not fast.
func (s *Set) Explain(text string, opts Options, n int) Explanation {
	var e Explanation
	if m, err := s.Match(text, opts); err == nil {
		e.Match = &m
	} else {
		e.Err = err
	}
	if errors.Is(e.Err, ErrForeignSubset) {
		return e
	}
	e.SignName, e.Body, _ = s.sign(text, opts)

	type near struct {
		Candidate
		rank     int
		distance float64
	}
	all := make([]near, len(s.byRank))
	for rank, i := range s.byRank {
		t := &s.templates[i]
		all[rank] = near{
			Candidate{t.Code, t.Text, s.why(t, int32(rank), e.Body, opts.Allowed)},
			rank, t.pattern.distance(e.Body),
		}
	}
	slices.SortFunc(all, func(a, b near) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.rank, b.rank))
	})
	for _, c := range all[:min(max(n, 0), len(all))] {
		e.Candidates = append(e.Candidates, c.Candidate)
	}
	return e
}

// String tells it in a few lines.
func (e Explanation) String() string {
	var b strings.Builder
	switch {
	case e.Match != nil:
		fmt.Fprintf(&b, "match: template %s, signature %s, parameters %s\n", e.Match.Code, e.Match.SignName, e.Match.Params)
	default:
		fmt.Fprintf(&b, "no match: %v\n", e.Err)
	}
	sign := e.SignName
	if sign == "" {
		sign = "(none)"
	}
	fmt.Fprintf(&b, "signature: %s\ntext: %q\n", sign, e.Body)
	for _, c := range e.Candidates {
		why := c.Why
		if why == "" {
			why = "matches"
		}
		fmt.Fprintf(&b, "- %s %q: %s\n", c.Code, c.Template, why)
	}
	return b.String()
}

// distance is the part of the pattern's literal characters that the text lacks,
// from 0 to 1. Literals count where they stand in order; of the first and the last, what of
// them is there counts.
func (p *pattern) distance(text string) float64 {
	if p.chars == 0 {
		return 0
	}
	prefix, suffix := common(text, p.prefix()), ""
	if len(p.rules) > 0 {
		suffix = reverse(common(reverse(text[len(prefix):]), reverse(p.suffix())))
	}
	found := utf8.RuneCountInString(prefix) + utf8.RuneCountInString(suffix)
	rest := text[len(prefix) : len(text)-len(suffix)]
	for i := 1; i < len(p.rules); i++ {
		if at := strings.Index(rest, p.literals[i]); at >= 0 {
			found += utf8.RuneCountInString(p.literals[i])
			rest = rest[at+len(p.literals[i]):]
		}
	}
	return 1 - float64(min(found, p.chars))/float64(p.chars)
}

// why says why a template does not match text, or nothing when it does.
func (s *Set) why(t *compiled, rank int32, text string, allowed *Subset) string {
	if allowed.first([]int32{rank}, rank+1) < 0 {
		return "the account may not use it"
	}
	p := t.pattern
	var ends splits
	if !p.fits(text, &ends) {
		return p.whyLiterals(t.names, text)
	}
	if bad := p.check(text, &ends); bad >= 0 && (len(p.rules) == 1 || !p.backtrack(text, &ends, new(scratch))) {
		return fmt.Sprintf("%s = %q: %s", t.names[bad], p.value(text, &ends, bad), p.rules[bad].why(p.value(text, &ends, bad)))
	}
	if bad := s.forbidden(p, text, &ends); bad >= 0 {
		what := "a URL or an IP address"
		if v := p.value(text, &ends, bad); !p.rules[bad].hasURL(v) {
			what = "traditional Chinese characters"
		}
		return fmt.Sprintf("%s = %q: holds %s, which the API takes in no variable", t.names[bad], p.value(text, &ends, bad), what)
	}
	return ""
}

// whyLiterals says which literal is not where it should be.
func (p *pattern) whyLiterals(names []string, text string) string {
	prefix := p.prefix()
	if same := common(text, prefix); same != prefix || len(p.rules) == 0 {
		same = whole(same)
		return fmt.Sprintf("from character %d on it has %s, the text %s", utf8.RuneCountInString(same)+1,
			excerpt(prefix[len(same):], "nothing"), excerpt(text[len(same):], "nothing"))
	}
	if !strings.HasSuffix(text[len(prefix):], p.suffix()) {
		return fmt.Sprintf("the text does not end with %q after ${%s}", p.suffix(), names[len(names)-1])
	}
	rest := text[len(prefix) : len(text)-len(p.suffix())]
	for i := 1; i < len(p.rules); i++ {
		at := strings.Index(rest, p.literals[i])
		if at < 0 {
			return fmt.Sprintf("%q does not follow ${%s}", p.literals[i], names[i-1])
		}
		rest = rest[at+len(p.literals[i]):]
	}
	return ""
}

// why says what is wrong with a value.
func (r VarRule) why(v string) string {
	for i := 0; i < len(v); {
		c, size := utf8.DecodeRuneInString(v[i:])
		if r.Kind == Any && refusedRune(c) {
			return fmt.Sprintf("the API takes %q in no variable", c)
		}
		if !r.Kind.has(c, size) {
			return fmt.Sprintf("%q is not of kind %s", v[i:i+size], r.Kind)
		}
		i += size
	}
	return fmt.Sprintf("%d characters long, not %d to %d", utf8.RuneCountInString(v), r.Min, r.Max)
}

// excerpt quotes the first characters of s.
func excerpt(s, empty string) string {
	if s == "" {
		return empty
	}
	n := 0
	for i := range s {
		if n++; n > 12 {
			return fmt.Sprintf("%q…", s[:i])
		}
	}
	return fmt.Sprintf("%q", s)
}

// whole cuts s back to its last whole character.
func whole(s string) string {
	for i := 1; i <= min(len(s), utf8.UTFMax); i++ {
		if tail := s[len(s)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRuneInString(tail) {
				return s[:len(s)-i]
			}
			break
		}
	}
	return s
}
