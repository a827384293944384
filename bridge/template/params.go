package template

import "unicode/utf8"

// Params builds TemplateParam for a template that is named rather than found: by
// the client, or as the account's fallback. Every variable needs a value and every
// value a variable. Values are checked as in a match; the error is a *NoMatch.
func (s *Set) Params(code string, values map[string]string) (string, error) {
	i, ok := s.byCode[code]
	if !ok {
		return "", &NoMatch{Reason: UnknownTemplate}
	}
	t := &s.templates[i]
	b := make([]byte, 0, 256)
	for i, name := range t.names {
		v, ok := values[name]
		rule := t.pattern.rules[i]
		switch {
		case !ok:
			return "", &NoMatch{Reason: MissingVariable, Code: t.Code, Variable: name}
		case !rule.accepts(v):
			return "", &NoMatch{Reason: VariableRefused, Code: t.Code, Variable: name}
		case !s.anyCharacter && rule.refuses(v):
			return "", &NoMatch{Reason: BadCharacter, Code: t.Code, Variable: name}
		}
		b = appendEscaped(append(b, t.keys[i]...), v)
	}
	if len(values) != len(t.names) {
		return "", &NoMatch{Reason: UnknownVariable, Code: t.Code}
	}
	return string(closeParams(b)), nil
}

// params builds TemplateParam from the values of a split.
func (t *compiled) params(text string, ends *splits) string {
	var stack [512]byte
	b := stack[:0]
	for i, key := range t.keys {
		b = appendEscaped(append(b, key...), t.pattern.value(text, ends, i))
	}
	return string(closeParams(b))
}

// paramKeys returns what stands before each value in TemplateParam. Names are ASCII
// letters, digits and _ and need no escaping.
func paramKeys(names []string) []string {
	keys := make([]string, len(names))
	for i, name := range names {
		keys[i] = `","` + name + `":"`
		if i == 0 {
			keys[i] = `{"` + name + `":"`
		}
	}
	return keys
}

func closeParams(b []byte) []byte {
	if len(b) == 0 {
		return append(b, "{}"...)
	}
	return append(b, `"}`...)
}

// appendEscaped appends v as the inside of a JSON string (RFC 8259, 7). v is UTF-8,
// since no kind holds anything else, so only quotes, backslashes and control
// characters need escaping; HTML's characters do not.
func appendEscaped(b []byte, v string) []byte {
	const hex = "0123456789abcdef"
	from := 0
	for i := range len(v) {
		c := v[i]
		if c >= utf8.RuneSelf || c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, v[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, `\n`...)
		case '\r':
			b = append(b, `\r`...)
		case '\t':
			b = append(b, `\t`...)
		default:
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(b, v[from:]...)
}
