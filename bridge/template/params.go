package template

import "strings"

// Params builds TemplateParam for a template that is named rather than found: by
// the client, or as the account's fallback. Every variable needs a value and every
// value a variable. Values are checked as in a match; the error is a *NoMatch.
func (s *Set) Params(code string, values map[string]string) (string, error) {
	i, ok := s.byCode[code]
	if !ok {
		return "", &NoMatch{Reason: UnknownTemplate}
	}
	t := &s.templates[i]
	var b strings.Builder
	for i, name := range t.names {
		v, ok := values[name]
		rule := t.pattern.rules[i]
		switch {
		case !ok:
			return "", &NoMatch{Reason: MissingVariable, Code: t.Code, Variable: name}
		case !rule.accepts(v) && !rule.badCharacter(v):
			return "", &NoMatch{Reason: VariableRefused, Code: t.Code, Variable: name}
		case !rule.accepts(v) || s.hasForbidden(rule, v):
			return "", &NoMatch{Reason: BadCharacter, Code: t.Code, Variable: name}
		}
		b.WriteString(t.keys[i])
		writeEscaped(&b, v)
	}
	if len(values) != len(t.names) {
		return "", &NoMatch{Reason: UnknownVariable, Code: t.Code}
	}
	return closeParams(&b), nil
}

// params builds TemplateParam from the values of a split.
func (t *compiled) params(text string, ends *splits) string {
	size := len(`"}`)
	for i, key := range t.keys {
		size += len(key) + len(t.pattern.value(text, ends, i))
	}
	var b strings.Builder
	b.Grow(size)
	for i, key := range t.keys {
		b.WriteString(key)
		writeEscaped(&b, t.pattern.value(text, ends, i))
	}
	return closeParams(&b)
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

// closeParams ends what the keys and values began.
func closeParams(b *strings.Builder) string {
	if b.Len() == 0 {
		return "{}"
	}
	b.WriteString(`"}`)
	return b.String()
}

// writeEscaped writes v as the inside of a JSON string (RFC 8259, 7). v is UTF-8,
// since no kind holds anything else, so only quotes, backslashes and control
// characters need escaping; HTML's characters do not.
func writeEscaped(b *strings.Builder, v string) {
	const hex = "0123456789abcdef"
	from := 0
	for i := range len(v) {
		c := v[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b.WriteString(v[from:i])
		from = i + 1
		switch c {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			b.WriteString(`\u00`)
			b.WriteByte(hex[c>>4])
			b.WriteByte(hex[c&15])
		}
	}
	b.WriteString(v[from:])
}
