package template

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// A Template is one approved template.
type Template struct {
	Code string             // TemplateCode, e.g. "SMS_154950909"
	Text string             // content with ${name} variables, e.g. "您的验证码是${code}，5分钟内有效。"
	Vars map[string]VarRule // rules by variable name; one without has DefaultRule
}

// A Set is a compiled set of templates and signatures. It does not change and is
// safe for concurrent use.
type Set struct {
	templates []compiled       // in the order New was given
	byCode    map[string]int32 // index in templates
	byRank    []int32          // index in templates, the most specific first
	signs     map[string]int32 // number of a signature in signNames
	signNames []string
	index     bucket
	scratch   sync.Pool // of *scratch

	anyCharacter, simplifiedOnly bool
}

// A compiled is a template ready to match.
type compiled struct {
	Template
	pattern *pattern
	names   []string // of the variables, in the text's order
	keys    []string // what precedes each value in TemplateParam: {"a":" and then ","b":"
}

// A SetOption changes how a whole set matches.
type SetOption func(*Set)

// AnyCharacter switches off the search for what the API refuses in variables
// (signature brackets, emoji, URLs, IP addresses), for accounts on which it does not.
func AnyCharacter() SetOption { return func(s *Set) { s.anyCharacter = true } }

// New compiles a set. All faults are reported at once, each naming the template's
// code: a code missing or repeated, a text that is empty or malformed, a variable
// that appears twice, a rule that cannot be met or has no variable, variables side
// by side that no rule keeps apart. The slices are not kept.
func New(templates []Template, signatures []string, options ...SetOption) (*Set, error) {
	s := &Set{
		byCode: make(map[string]int32, len(templates)),
		signs:  make(map[string]int32, len(signatures)),
	}
	s.scratch.New = func() any { return new(scratch) }
	for _, option := range options {
		option(s)
	}
	var faults []error
	for _, name := range signatures {
		if err := s.addSignature(name); err != nil {
			faults = append(faults, err)
		}
	}
	for i, t := range templates {
		if err := s.addTemplate(t); err != nil {
			code := t.Code
			if code == "" {
				code = fmt.Sprintf("number %d", i+1)
			}
			faults = append(faults, fmt.Errorf("template %s: %w", code, err))
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	s.rank()
	s.index = newIndex(s.patterns())
	return s, nil
}

// addSignature adds one signature. Naming one twice is harmless.
func (s *Set) addSignature(name string) error {
	if name == "" || strings.TrimSpace(name) != name || strings.Contains(name, openBracket) || strings.Contains(name, closeBracket) {
		return fmt.Errorf("signature %q: want the bare name, without brackets or spaces around it", name)
	}
	if _, ok := s.signs[name]; !ok {
		s.signs[name] = int32(len(s.signNames))
		s.signNames = append(s.signNames, strings.Clone(name))
	}
	return nil
}

// addTemplate compiles one template. Its error joins all its faults.
func (s *Set) addTemplate(t Template) error {
	var faults []error
	if t.Code == "" {
		faults = append(faults, errors.New("code is empty"))
	} else if _, ok := s.byCode[t.Code]; ok {
		faults = append(faults, errors.New("code is used twice"))
	}
	literals, names, err := parse(t.Text)
	if err != nil {
		return errors.Join(append(faults, err)...)
	}
	rules, bad := checkVariables(t, literals, names)
	if faults = append(faults, bad...); len(faults) > 0 {
		return errors.Join(faults...)
	}
	if s.anyCharacter {
		for i := range rules {
			if rules[i].Kind == Any {
				rules[i].Kind = Free
			}
		}
	}
	t.Vars = maps.Clone(t.Vars)
	s.byCode[t.Code] = int32(len(s.templates))
	s.templates = append(s.templates, compiled{
		Template: t,
		pattern:  newPattern(literals, rules),
		names:    names,
		keys:     paramKeys(names),
	})
	return nil
}

// rank orders the templates from the most specific to the least.
func (s *Set) rank() {
	s.byRank = make([]int32, len(s.templates))
	for i := range s.byRank {
		s.byRank[i] = int32(i)
	}
	slices.SortFunc(s.byRank, func(i, j int32) int {
		a, b := &s.templates[i], &s.templates[j]
		return cmp.Or(
			cmp.Compare(b.pattern.chars, a.pattern.chars),
			cmp.Compare(len(a.names), len(b.names)),
			strings.Compare(a.Code, b.Code),
		)
	})
}

// patterns returns the distinct patterns with their templates' ranks. Templates
// that differ in code and variable names only share one, so that a text which
// does not fit is compared with it once.
func (s *Set) patterns() []*pattern {
	var distinct []*pattern
	byKey := make(map[string]*pattern, len(s.templates))
	for rank, i := range s.byRank {
		t := &s.templates[i]
		key := t.pattern.key()
		if p, ok := byKey[key]; ok {
			t.pattern = p
		} else {
			byKey[key] = t.pattern
			distinct = append(distinct, t.pattern)
		}
		t.pattern.ranks = append(t.pattern.ranks, int32(rank))
		t.pattern.best = t.pattern.ranks[0]
	}
	return distinct
}

// Len returns the number of templates.
func (s *Set) Len() int { return len(s.templates) }

// Lookup returns the template with a code.
func (s *Set) Lookup(code string) (Template, bool) {
	i, ok := s.byCode[code]
	if !ok {
		return Template{}, false
	}
	t := s.templates[i].Template
	t.Vars = maps.Clone(t.Vars)
	return t, true
}

// Variables returns the names of a template's variables in the order of its text.
// It is false when the code is not in the set.
func (s *Set) Variables(code string) ([]string, bool) {
	i, ok := s.byCode[code]
	if !ok {
		return nil, false
	}
	return slices.Clone(s.templates[i].names), true
}

// HasSignature reports whether the set has a signature of that name.
func (s *Set) HasSignature(name string) bool {
	_, ok := s.signs[name]
	return ok
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
