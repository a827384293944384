package template

// Fill puts a whole text into the one variable of the template named code: what an account's
// fallback template is for. The signature is found as in Match. The error is a *NoMatch, or says
// that the template is not of that shape.
func (s *Set) Fill(code, text string, opts Options) (Match, error) {
	sign, rest, miss := s.sign(text, opts)
	if miss != nil {
		return Match{}, miss
	}
	name, err := s.onlyVariable(code)
	if err != nil {
		return Match{}, err
	}
	params, err := s.Params(code, map[string]string{name: rest})
	if err != nil {
		return Match{}, err
	}
	return Match{SignName: sign, Code: code, Params: params, Index: s.codes[code]}, nil
}
