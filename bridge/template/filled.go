package template

import (
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// Characters is how many characters a template has with its parameters filled in, without signature: what the API counts.
// params is a TemplateParam as Match makes it. It is false when the code is not in the set.
func (s *Set) Characters(code, params string) (n int, ok bool) {
	i, ok := s.byCode[code]
	if !ok {
		return 0, false
	}
	t := &s.templates[i]
	return t.pattern.chars + valueCharacters(params), true
}

// valueCharacters counts the characters of the values of a JSON object of strings. It is on the way of each message that is
// sent, so it does not decode them: half of all strings are values, and an escape is one character but for those beyond
// Unicode's first plane, which are two.
func valueCharacters(params string) (n int) {
	inside, value := false, false
	for i := 0; i < len(params); {
		c := params[i]
		switch {
		case c == '"':
			if inside {
				value = !value
			}
			inside = !inside
			i++
			continue
		case !inside:
			i++
			continue
		}
		size := 1
		switch {
		case c == '\\' && i+1 < len(params) && params[i+1] == 'u':
			size = 6
		case c == '\\':
			size = 2
		case c >= utf8.RuneSelf:
			_, size = utf8.DecodeRuneInString(params[i:])
		}
		if value {
			n++
		}
		i += size
	}
	return n
}

// Text is a template with its parameters filled in, without signature. It is false when the code is not in the set, or when
// params is not a TemplateParam.
func (s *Set) Text(code, params string) (text string, ok bool) {
	i, ok := s.byCode[code]
	if !ok {
		return "", false
	}
	var values map[string]string
	if json.Unmarshal([]byte(params), &values) != nil {
		return "", false
	}
	t := &s.templates[i]
	var b strings.Builder
	for i, literal := range t.pattern.literals {
		b.WriteString(literal)
		if i < len(t.names) {
			b.WriteString(values[t.names[i]])
		}
	}
	return b.String(), true
}
