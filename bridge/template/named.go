package template

import "unicode/utf8"

// Named takes a text for one template that the client named, whatever others the text may fit. The
// text is one of:
//
//   - what the template reads when it is sent: its values are found as in Match;
//   - the value of the template's only variable;
//   - nothing, for a template without variables.
//
// The signature is found as in Match. Options.Allowed holds for it, but not for the template: whoever
// lets a client name one says which. The error is a *NoMatch; it holds nothing of the text.
func (s *Set) Named(code, text string, opts Options) (Match, error) {
	if !opts.Allowed.of(s) {
		return Match{}, ErrForeignSubset
	}
	i, ok := s.byCode[code]
	if !ok {
		return Match{}, &NoMatch{Reason: UnknownTemplate}
	}
	t := &s.templates[i]
	sign, body, miss := s.sign(text, opts)
	if miss != nil {
		return Match{}, miss
	}
	match := Match{SignName: sign, Code: t.Code, Index: int(i)}
	if body == "" && len(t.names) == 0 {
		match.Params = t.params("", nil)
		return match, nil
	}
	var ends splits
	reason, variable := s.split(t.pattern, body, &ends)
	switch {
	case variable == fitsAll:
		match.Params = t.params(body, &ends)
		return match, nil
	case len(t.names) == 1: // if it is not the whole text, it is the value
		params, err := s.Params(code, map[string]string{t.names[0]: body})
		if err != nil {
			return Match{}, err
		}
		match.Params = params
		return match, nil
	case variable == fitsNothing:
		return Match{}, &NoMatch{Reason: NoTemplate, Code: t.Code}
	}
	return Match{}, &NoMatch{Reason: reason, Code: t.Code, Variable: t.names[variable]}
}

// What split says instead of a variable.
const (
	fitsAll     = -1
	fitsNothing = -2 // the literals are not the text's
)

// split finds the values of one pattern in a text, or the first variable that refuses its value.
func (s *Set) split(p *pattern, text string, ends *splits) (reason Reason, variable int) {
	if !p.fits(text, ends) {
		return NoTemplate, fitsNothing
	}
	if bad := p.check(text, ends); bad >= 0 && (len(p.rules) == 1 || !s.backtrack(p, text, ends)) {
		if p.rules[bad].badCharacter(p.value(text, ends, bad)) {
			return BadCharacter, bad
		}
		return VariableRefused, bad
	}
	// A URL or a traditional character never moves a split: it is looked for in the values that kinds and
	// lengths have chosen.
	if bad := s.forbidden(p, text, ends); bad >= 0 {
		return BadCharacter, bad
	}
	return NoTemplate, fitsAll
}

// forbidden returns the first variable whose value holds what the API takes in none, or -1.
func (s *Set) forbidden(p *pattern, text string, ends *splits) int {
	if !s.anyCharacter {
		if bad := p.url(text, ends); bad >= 0 {
			return bad
		}
	}
	if !s.simplifiedOnly {
		return -1
	}
	for i, rule := range p.rules {
		if rule.hasTraditional(p.value(text, ends, i)) {
			return i
		}
	}
	return -1
}

func (s *Set) backtrack(p *pattern, text string, ends *splits) bool {
	work := s.scratch.Get().(*scratch)
	defer s.scratch.Put(work)
	return p.backtrack(text, ends, work)
}

// LongestText is a bound, in octets of UTF-8, on the texts that Match, Named and Fill can take: the
// longest template with the longest values and signature, and some white space around them. A longer
// text need not be looked at.
func (s *Set) LongestText() int {
	const aroundIt = 256 // white space that is trimmed
	sign, body := 0, 0
	for _, name := range s.signNames {
		sign = max(sign, len(openBracket)+len(name)+len(closeBracket))
	}
	for i := range s.templates {
		p := s.templates[i].pattern
		n := 0
		for _, literal := range p.literals {
			n += len(literal)
		}
		for _, rule := range p.rules {
			n += rule.Max * utf8.UTFMax
		}
		body = max(body, n)
	}
	return sign + body + aroundIt
}
