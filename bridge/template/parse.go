package template

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// maxVariables bounds the variables of one template. The API's templates hold 500
// characters and a handful of variables; the bound lets a match keep its splits on the stack.
const maxVariables = 32

// parse cuts a template's text at its variables: literals[0] names[0] literals[1] …
// There is always one literal more than there are variables; literals may be empty.
func parse(text string) (literals, names []string, err error) {
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, nil, errors.New("text is empty")
	case !utf8.ValidString(text):
		return nil, nil, errors.New("text is not UTF-8")
	case strings.HasPrefix(text, openBracket) || strings.HasSuffix(text, closeBracket):
		return nil, nil, errors.New("text carries a signature 【…】: a signature is sent apart, so this would never match")
	}
	for {
		literal, rest, found := strings.Cut(text, "${")
		literals = append(literals, literal)
		if !found {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return nil, nil, fmt.Errorf("${ of variable %d is not closed", len(names)+1)
		}
		if !validName(name) {
			return nil, nil, fmt.Errorf("variable name %q: only letters, digits and _ are allowed", name)
		}
		names = append(names, name)
		text = after
	}
	if len(names) > maxVariables {
		return nil, nil, fmt.Errorf("%d variables: at most %d are allowed", len(names), maxVariables)
	}
	return literals, names, nil
}

// validName reports whether the API takes s as a variable's name.
func validName(s string) bool {
	for _, c := range []byte(s) {
		if !Alnum.has(rune(c), 1) && c != '_' {
			return false
		}
	}
	return s != ""
}

// checkVariables reports repeated names, rules that cannot be met, rules for
// variables that do not exist, and neighbours that no literal and no rule keeps
// apart. It returns the rules in the variables' order.
func checkVariables(t Template, literals, names []string) ([]VarRule, []error) {
	var faults []error
	rules := make([]VarRule, len(names))
	seen := make(map[string]bool, len(names))
	for i, name := range names {
		if seen[name] { // the API takes a variable once per template
			faults = append(faults, fmt.Errorf("variable %s appears twice", name))
		}
		seen[name] = true
		rule, err := t.Vars[name].normal()
		if err != nil {
			faults = append(faults, fmt.Errorf("variable %s: %w", name, err))
		}
		rules[i] = rule
	}
	for _, name := range sortedKeys(t.Vars) {
		if !seen[name] {
			faults = append(faults, fmt.Errorf("rule for %q: the text has no such variable", name))
		}
	}
	if len(faults) > 0 {
		return nil, faults
	}
	for i := 1; i < len(names); i++ {
		if literals[i] == "" && !apart(rules[i-1], rules[i]) {
			faults = append(faults, fmt.Errorf("nothing tells where ${%s} ends and ${%s} begins", names[i-1], names[i]))
		}
	}
	return rules, faults
}

// apart reports whether the rules alone decide where one value ends and the next
// begins: no character is of both kinds, or one of the two has a fixed length.
func apart(a, b VarRule) bool {
	return a.Kind.disjoint(b.Kind) || a.Min == a.Max || b.Min == b.Max
}
