package configs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// maxDocument bounds a document. A policy travels in one entry of the replicated log; 10,000 templates
// are about 2 MiB.
const maxDocument = 8 << 20

// A defaulter is a struct whose zero value is not its default. setDefaults replaces only zeros, so that it
// serves both before a document is decoded over the struct and for a struct that was built in Go.
type defaulter interface{ setDefaults() }

// A hinter knows keys that it does not have but that people write, and says what to write instead.
type hinter interface{ hint(key string) string }

// decode reads the document b over into, a pointer to a struct, and records faults and the line of every
// key in c. It reads on after a fault.
func (c *checker) decode(b []byte, into any) {
	c.lines[""] = 1
	root := c.document(b)
	if root == nil {
		return
	}
	c.value("", root, reflect.ValueOf(into).Elem())
}

// document returns the root of the one YAML document in b, or nil after a fault.
func (c *checker) document(b []byte) *yaml.Node {
	if msg, line := encodingFault(b); msg != "" {
		c.lines[""] = line
		c.addf("", "%s", msg)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(b))
	var doc, next yaml.Node
	err := dec.Decode(&doc)
	if err != nil && !errors.Is(err, io.EOF) {
		c.syntax(b, err)
		return nil
	}
	if err != nil || len(doc.Content) == 0 || isNull(doc.Content[0]) {
		c.addf("", "the document is empty")
		return nil
	}
	switch err := dec.Decode(&next); {
	case err == nil:
		c.lines[""] = next.Line
		c.addf("", "a second YAML document begins here; allowed: one document in a file")
	case !errors.Is(err, io.EOF):
		c.syntax(b, err)
	}
	return doc.Content[0]
}

// encodingFault says why b is not text that YAML could be read from, and in which line.
func encodingFault(b []byte) (string, int) {
	if len(b) > maxDocument {
		return fmt.Sprintf("the document has %d bytes; allowed: %d", len(b), maxDocument), 0
	}
	for _, bom := range []string{"\xef\xbb\xbf", "\xff\xfe", "\xfe\xff"} {
		if bytes.HasPrefix(b, []byte(bom)) {
			return "the document begins with a byte order mark; allowed: UTF-8 without one", 1
		}
	}
	for line, rest := 1, b; len(rest) > 0; line++ {
		text, after, _ := bytes.Cut(rest, []byte("\n"))
		if !utf8.Valid(text) {
			return "the line is not UTF-8", line
		}
		rest = after
	}
	return "", 0
}

// The YAML parser has no type for its errors; their text has the line, or the alias that has no anchor.
var (
	syntaxLine  = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	unknownName = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced$`)
)

// syntax records the parser's error about b. The name of an alias is not repeated: a password that begins with *
// is read as one.
func (c *checker) syntax(b []byte, err error) {
	msg, line := "cannot be read", 0
	if m := unknownName.FindStringSubmatch(err.Error()); m != nil {
		before, _, _ := bytes.Cut(b, []byte("*"+m[1]))
		line, msg = 1+bytes.Count(before, []byte("\n")), aliasRule
	} else if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		line, _ = strconv.Atoi(m[1]) // no line: 0
		msg = m[2]
	}
	c.lines[""] = line
	c.addf("", "not YAML: %s", msg)
}

const aliasRule = "aliases (*name) are not supported; write the value out, or quote it if it begins with *"

// value decodes n into v. The keys in the documents' structs are few, so the kinds of v are too.
func (c *checker) value(key string, n *yaml.Node, v reflect.Value) {
	switch {
	case n.Kind == yaml.AliasNode:
		c.addf(key, aliasRule)
	case n.Style&yaml.TaggedStyle != 0:
		c.addf(key, "tags (!name) are not supported; quote a value that begins with !")
	case v.Kind() == reflect.Pointer:
		if isNull(n) {
			return
		}
		p := reflect.New(v.Type().Elem())
		c.value(key, n, p.Elem())
		v.Set(p)
	case v.Kind() == reflect.Struct:
		c.fields(key, n, v)
	case v.Kind() == reflect.Map:
		c.entries(key, n, v)
	case v.Kind() == reflect.Slice:
		c.items(key, n, v)
	default:
		c.scalar(key, n, v)
	}
}

// fields decodes a mapping whose keys are those of v's type.
func (c *checker) fields(key string, n *yaml.Node, v reflect.Value) {
	known := fieldsByKey(v.Type())
	c.pairs(key, n, func(name string, val *yaml.Node) {
		at := join(key, name)
		if i, ok := known[name]; ok {
			c.value(at, val, v.Field(i))
			return
		}
		if h, ok := v.Addr().Interface().(hinter); ok && h.hint(name) != "" {
			c.addf(at, "%s", h.hint(name))
			return
		}
		c.addf(at, "unknown key; allowed: %s", strings.Join(sortedKeys(known), ", "))
	})
}

// entries decodes a mapping with free keys. An entry that v has already is decoded over: a policy may change
// one field of a built-in class.
func (c *checker) entries(key string, n *yaml.Node, v reflect.Value) {
	if v.IsNil() {
		v.Set(reflect.MakeMap(v.Type()))
	}
	c.pairs(key, n, func(name string, val *yaml.Node) {
		elem := newElem(v.Type().Elem())
		if old := v.MapIndex(reflect.ValueOf(name)); old.IsValid() {
			elem.Set(old)
		}
		if !isNull(val) {
			c.value(join(key, name), val, elem)
		}
		v.SetMapIndex(reflect.ValueOf(name), elem)
	})
}

// items decodes a sequence. It replaces a default list; an empty one is nil, as if it were left out.
func (c *checker) items(key string, n *yaml.Node, v reflect.Value) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.SequenceNode {
		c.addf(key, "%s; want a list", kindOf(n))
		return
	}
	list := reflect.Zero(v.Type())
	for i, item := range n.Content {
		at := fmt.Sprintf("%s[%d]", key, i)
		c.lines[at] = item.Line
		elem := newElem(v.Type().Elem())
		c.value(at, item, elem)
		list = reflect.Append(list, elem)
	}
	v.Set(list)
}

var keyShape = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

// pairs calls f for each pair of a mapping whose key is text and new. A section without value is an empty
// one: all its keys may be commented out.
func (c *checker) pairs(key string, n *yaml.Node, f func(name string, val *yaml.Node)) {
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		c.addf(key, "%s; want keys with values", kindOf(n))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, val := n.Content[i], n.Content[i+1]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			c.addAt(k.Line, key, "a key must be plain text; merge keys (<<) are not supported")
			continue
		}
		if !keyShape.MatchString(k.Value) {
			// An unquoted hash in {…} falls apart at its commas into what looks like keys: it must not be repeated.
			c.addAt(k.Line, key, "a key here, not shown, is not made of letters, digits, \".\", \"_\" and \"-\"; a value with commas needs quotes inside {}")
			continue
		}
		at := join(key, k.Value)
		if first, ok := seen[k.Value]; ok {
			c.addAt(k.Line, at, fmt.Sprintf("repeated; it is already in line %d", first))
			continue
		}
		seen[k.Value], c.lines[at] = k.Line, k.Line
		f(k.Value, val)
	}
}

// scalar decodes a text, number, truth value or duration. What a document writes without quotes must be of the
// very type: the YAML package alone would take 1.5 for 1 and "on" for true.
func (c *checker) scalar(key string, n *yaml.Node, v reflect.Value) {
	want, tags := "text", []string(nil)
	switch {
	case v.Type() == reflect.TypeFor[Duration]():
		want = "a duration such as 30s, 5m or 48h"
	case v.Kind() == reflect.Bool:
		want, tags = "true or false", []string{"!!bool"}
	case v.Kind() == reflect.Int:
		want, tags = "a whole number", []string{"!!int"}
	case v.Kind() == reflect.Float64:
		want, tags = "a number", []string{"!!int", "!!float"}
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		c.addf(key, "%s; want %s", kindOf(n), want)
	case isNull(n):
		c.addf(key, `no value; want %s (write "" for an empty text, or remove the key for its default)`, want)
	case tags != nil && !slices.Contains(tags, n.ShortTag()), n.Decode(v.Addr().Interface()) != nil:
		// A text field takes every scalar, so that this never repeats a secret.
		c.addf(key, "%s is wrong; want %s", quote(n.Value), want)
	}
}

// newElem returns a settable default of t.
func newElem(t reflect.Type) reflect.Value {
	p := reflect.New(t)
	if d, ok := p.Interface().(defaulter); ok {
		d.setDefaults()
	}
	return p.Elem()
}

// fieldsByKey returns the index of each field of struct t by its key.
func fieldsByKey(t reflect.Type) map[string]int {
	m := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		m[t.Field(i).Tag.Get("yaml")] = i
	}
	return m
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.Tag == "!!null" }

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "keys with values"
	case yaml.SequenceNode:
		return "a list"
	default:
		return "a single value"
	}
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
