package template

// Fill puts a whole text into the one variable of the template named code: what an account's
// fallback template is for. The signature is found as in Match. The error is a *NoMatch.
func (s *Set) Fill(code, text string, opts Options) (Match, error) {
	sign, rest, miss := s.sign(text, opts)
	if miss != nil {
		return Match{}, miss
	}
	i, ok := s.byCode[code]
	if !ok || len(s.templates[i].names) != 1 {
		return Match{}, &NoMatch{Reason: UnknownTemplate, Code: code}
	}
	params, err := s.Params(code, map[string]string{s.templates[i].names[0]: rest})
	if err != nil {
		return Match{}, err
	}
	return Match{SignName: sign, Code: code, Params: params, Index: int(i)}, nil
}
