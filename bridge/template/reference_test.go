package template

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// reference is a matcher that is obviously right: every template in the order of
// the rules, every split by trying all ends. It shares with the real one only
// parse, the rules' own check of one value and the search for bad characters.
type reference struct {
	templates []Template // the most specific first
}

func newReference(templates []Template) *reference {
	r := &reference{slices.Clone(templates)}
	slices.SortFunc(r.templates, func(a, b Template) int {
		switch la, lb := literalChars(a), literalChars(b); {
		case la != lb:
			return lb - la
		case variables(a) != variables(b):
			return variables(a) - variables(b)
		}
		return strings.Compare(a.Code, b.Code)
	})
	return r
}

func literalChars(t Template) int {
	literals, _, _ := parse(t.Text)
	return len([]rune(strings.Join(literals, "")))
}

func variables(t Template) int { return strings.Count(t.Text, "${") }

// match returns the code and values that text must match by one of the allowed
// codes (nil: any), or the reason of the miss.
func (r *reference) match(text string, allowed []string) (code string, values []string, reason Reason) {
	reason = NoTemplate
	for _, t := range r.templates {
		if allowed != nil && !slices.Contains(allowed, t.Code) {
			continue
		}
		literals, names, _ := parse(t.Text)
		rules := make([]VarRule, len(names))
		for i, name := range names {
			rules[i], _ = t.Vars[name].normal()
		}
		values := splitSlowly(text, literals, rules, nil)
		why := BadCharacter
		if values == nil {
			why = reasonFor(rules, loosely(text, literals))
		} else if !anyURL(rules, values) {
			return t.Code, values, 0
		}
		if reason == NoTemplate {
			reason = why
		}
	}
	return "", nil, reason
}

func anyURL(rules []VarRule, values []string) bool {
	for i, v := range values {
		if rules[i].hasURL(v) {
			return true
		}
	}
	return false
}

// reasonFor is the reason for which rules refuse the leftmost values.
func reasonFor(rules []VarRule, values []string) Reason {
	for i, v := range values {
		if !rules[i].accepts(v) {
			if rules[i].badCharacter(v) {
				return BadCharacter
			}
			return VariableRefused
		}
	}
	return NoTemplate
}

// loosely returns what stands between the literals in the leftmost split, or nil.
func loosely(text string, literals []string) []string {
	rest, ok := strings.CutPrefix(text, literals[0])
	last := len(literals) - 1
	if !ok || last == 0 {
		return nil
	}
	rest, ok = strings.CutSuffix(rest, literals[last])
	if !ok {
		return nil
	}
	var values []string
	for _, literal := range literals[1:last] {
		value, after, ok := strings.Cut(rest, literal)
		if !ok {
			return nil
		}
		values, rest = append(values, value), after
	}
	return append(values, rest)
}

// splitSlowly returns the values of the split with the shortest values first, or
// nil. It is exponential.
func splitSlowly(text string, literals []string, rules []VarRule, values []string) []string {
	text, ok := strings.CutPrefix(text, literals[0])
	switch {
	case !ok:
		return nil
	case len(rules) == 0 && text == "":
		return append([]string{}, values...)
	case len(rules) == 0:
		return nil
	}
	for end := 0; end <= len(text); end++ {
		if !rules[0].accepts(text[:end]) {
			continue
		}
		if found := splitSlowly(text[end:], literals[1:], rules[1:], append(values[:len(values):len(values)], text[:end])); found != nil {
			return found
		}
	}
	return nil
}

// choices turns a fuzzer's octets into decisions, so that a small change of the
// input is a small change of the case.
type choices []byte

func (c *choices) pick(n int) int {
	if len(*c) == 0 {
		return 0
	}
	b := (*c)[0]
	*c = (*c)[1:]
	return int(b) % n
}

// from returns up to n parts, joined.
func (c *choices) from(n int, parts ...string) string {
	var b strings.Builder
	for range c.pick(n + 1) {
		b.WriteString(parts[c.pick(len(parts))])
	}
	return b.String()
}

// template makes a template of few different parts, so that templates share
// prefixes, suffixes and middles and texts are ambiguous. In an alike set they all
// share prefix and suffix.
func (c *choices) template(code string, alike bool) Template {
	t := Template{Code: code, Vars: map[string]VarRule{}}
	t.Text = c.from(3, "a", "b", "验", "，", "1", "aa")
	if alike {
		t.Text = "a"
	}
	for i := range c.pick(5) {
		name := string(rune('p' + i))
		rule := VarRule{Kind: Kind(c.pick(int(kinds))), Min: c.pick(3), Max: 3 + c.pick(4)}
		t.Vars[name] = rule
		t.Text += "${" + name + "}" + c.from(3, "a", "b", "验", "，", "1", "ab")
	}
	if alike {
		t.Text += "${z}b"
	}
	return t
}

// value makes a value that a rule accepts.
func (c *choices) value(r VarRule) string {
	r, _ = r.normal()
	parts := map[Kind][]string{
		Digits: {"1", "2"}, Alnum: {"1", "a", "b"}, Number: {"1", ".", "-"}, Time: {"1", "月", ":"},
		Phone: {"1", "+"}, Name: {"a", "b", "验"}, Any: {"a", "1", "，", "验", "b"}, Free: {"a", "b", "★", "，"},
	}[r.Kind]
	var b strings.Builder
	for range r.Min + c.pick(r.Max-r.Min+1) {
		b.WriteString(parts[c.pick(len(parts))])
	}
	return b.String()
}

// substitute puts values into a template.
func substitute(text string, values map[string]string) string {
	literals, names, _ := parse(text)
	var b strings.Builder
	for i, literal := range literals {
		if i > 0 {
			b.WriteString(values[names[i-1]])
		}
		b.WriteString(literal)
	}
	return b.String()
}

// FuzzMatch runs checkSet on whatever the fuzzer makes.
func FuzzMatch(f *testing.F) {
	f.Add([]byte("\x05abcdefghijklmnopqrstuvwxyz0123456789"), "")
	f.Add([]byte{}, "aab，1a")
	f.Fuzz(checkSet)
}

// TestMatchAsReference runs checkSet on random sets.
func TestMatchAsReference(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 400 {
		data := make([]byte, r.IntN(2000))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		c := choices(data)
		checkSet(t, data, c.from(12, "a", "b", "验", "，", "1", "ab"))
	}
}

// checkSet compares Match with the reference on a set made from data, for texts
// that are made from its templates and for another, and puts what it matched
// together again.
func checkSet(t *testing.T, data []byte, text string) {
	if len(text) > 40 || strings.Contains(text, openBracket) || strings.Contains(text, closeBracket) {
		return
	}
	c := choices(data)
	var templates []Template
	allowed := []string{}
	alike := c.pick(2) == 1
	for i := range 1 + c.pick(40) {
		one := c.template("T"+string(rune('A'+i)), alike)
		if _, err := New([]Template{one}, nil); err == nil {
			templates = append(templates, one)
			if c.pick(3) > 0 {
				allowed = append(allowed, one.Code)
			}
		}
	}
	set, err := New(templates, []string{"s"})
	if err != nil {
		t.Fatalf("New of templates that compile alone: %v", err)
	}
	ref := newReference(templates)
	compare(t, set, ref, strings.TrimSpace(text), allowed)
	for _, one := range templates {
		values := map[string]string{}
		names, _ := set.Variables(one.Code)
		for _, name := range names {
			values[name] = c.value(one.Vars[name])
		}
		text := substitute(one.Text, values)
		compare(t, set, ref, text, nil)
		compare(t, set, ref, text, allowed)
		if m, err := set.Match(text, Options{Sign: "s"}); err != nil {
			t.Errorf("Match(%q), made from %q: %v", text, one.Text, err)
		} else if slices.Index(set.byRank, int32(m.Index)) > slices.Index(set.byRank, set.byCode[one.Code]) {
			t.Errorf("Match(%q) = %s, less specific than %s, which it was made from", text, m.Code, one.Code)
		}
	}
}

// compare checks one text against the reference and against itself.
func compare(t *testing.T, set *Set, ref *reference, text string, allowed []string) {
	t.Helper()
	sub, err := set.Subset(allowed, nil)
	if err != nil {
		t.Fatal(err)
	}
	code, values, reason := ref.match(text, allowed)
	m, err := set.Match(text, Options{Sign: "s", Allowed: sub})
	if miss := (*NoMatch)(nil); errors.As(err, &miss) {
		if code != "" || miss.Reason != reason {
			t.Fatalf("Match(%q) = %v, want template %q (reason %v) of %+v", text, err, code, reason, ref.templates)
		}
		return
	}
	if err != nil || m.Code != code {
		t.Fatalf("Match(%q) = %q, %v; want %q (reason %v) of %+v", text, m.Code, err, code, reason, ref.templates)
	}
	got := map[string]string{}
	if err := json.Unmarshal([]byte(m.Params), &got); err != nil {
		t.Fatalf("Match(%q): params %s: %v", text, m.Params, err)
	}
	names, _ := set.Variables(code)
	for i, name := range names {
		if got[name] != values[i] {
			t.Errorf("Match(%q) by %s: %s = %q, want %q", text, code, name, got[name], values[i])
		}
	}
	found, _ := set.Lookup(code)
	if back := substitute(found.Text, got); back != text {
		t.Errorf("Match(%q) = %s %s, which makes %q", text, m.Code, m.Params, back)
	}
	again, err := set.Params(code, got)
	if err != nil || again != m.Params {
		t.Errorf("Params(%s, %q) = %s, %v; want %s", code, got, again, err, m.Params)
	}
}
