package smpptest

import (
	"fmt"
	"maps"
	"regexp"
	"strings"

	"smppbridge/smpp"
)

// variable is where a value names a variable.
var variable = regexp.MustCompile(`\$[a-z][a-z0-9_]*`)

// variables are what a dialogue knows by name: what it was given, and what it has learnt.
type variables map[string]string

func newVariables(given map[string]string) variables {
	if given == nil {
		return make(variables)
	}
	return maps.Clone(given)
}

// expand puts in the values of the variables that s names.
func (v variables) expand(s string) (string, error) {
	var missing string
	s = variable.ReplaceAllStringFunc(s, func(name string) string {
		value, ok := v[name[1:]]
		if !ok {
			missing = name
		}
		return value
	})
	if missing != "" {
		return "", fmt.Errorf("%s has no value yet", missing)
	}
	return s, nil
}

// expandAll expands each word.
func (v variables) expandAll(words []string) ([]string, error) {
	out := make([]string, len(words))
	for i, w := range words {
		var err error
		if out[i], err = v.expand(w); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// learn gives the variables that expected fields name alone, and that have no value yet, the values
// of a PDU's fields.
func (v variables) learn(h smpp.Header, pdu smpp.PDU, words []string) error {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if variable.FindString(value) != value || value == "" {
			continue
		}
		if _, known := v[value[1:]]; known {
			continue
		}
		got, err := fieldOf(h, pdu, name)
		if err != nil {
			return err
		}
		v[value[1:]] = got
	}
	return nil
}
