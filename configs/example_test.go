package configs

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestExampleNodeIsTheDefault(t *testing.T) {
	b := read(t, "smppbridged.yaml")
	n, err := ParseNode("smppbridged.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	if want := DefaultNode(); !reflect.DeepEqual(*n, want) {
		t.Errorf("got %+v\nwant %+v", *n, want)
	}
}

// TestExampleNodeShowsEveryKey holds even for keys whose default is the zero value.
func TestExampleNodeShowsEveryKey(t *testing.T) {
	checkKeys(t, "smppbridged.yaml", reflect.TypeFor[Node]())
}

func TestExamplePolicyShowsEveryKey(t *testing.T) {
	checkKeys(t, "policy.yaml", reflect.TypeFor[Policy]())
}

func TestExamplePolicyIsValid(t *testing.T) {
	p, err := LoadPolicy("policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if want := BuiltinClasses(); !reflect.DeepEqual(normal(t, p.Classes), normal(t, want)) {
		t.Errorf("classes: got %+v\nwant the built-in %+v", p.Classes, want)
	}
	n := DefaultNode()
	if err := n.CheckPolicy(p); err != nil {
		t.Errorf("the two examples do not fit together: %v", err)
	}
}

// TestExamplesCarryTheFieldsComments: the struct's comment is the operator's documentation.
func TestExamplesCarryTheFieldsComments(t *testing.T) {
	for file, example := range map[string]string{"node.go": "smppbridged.yaml", "policy.go": "policy.yaml"} {
		text := words(strings.ReplaceAll(string(read(t, example)), "#", " "))
		for key, comment := range fieldComments(t, file) {
			if !strings.Contains(text, comment) {
				t.Errorf("%s does not have the comment of %s in %s: %s", example, key, file, comment)
			}
		}
	}
}

var defaultInComment = regexp.MustCompile(`default (\S+)$|(\S+) \(default\)`)

// TestCommentsNameTheDefaults: a comment that ends in "default 10s" is true.
func TestCommentsNameTheDefaults(t *testing.T) {
	n := DefaultNode()
	p, err := ParsePolicy("minimal", []byte(minimalPolicy))
	if err != nil {
		t.Fatal(err)
	}
	queue := Queue{}
	queue.setDefaults()
	have := map[string]string{}
	for _, v := range []any{n, n.SMPP, n.SMPP.TLS, n.SMPP.Proxy, n.HTTP, n.Callback, n.Cluster, n.Policy, n.Log,
		p.Accounts[0], p.Accounts[0].Bind, p.Accounts[0].Session, p.Accounts[0].Receipt, p.Templates[0], p.Templates[0].Vars["v"], p.Classes["own"], p.Routes[0], p.Routes[0].SMPP, p.Sync, queue} {
		rv := reflect.ValueOf(v)
		for i := range rv.NumField() {
			have[rv.Type().Name()+"."+rv.Type().Field(i).Name] = fmt.Sprint(reflect.Indirect(rv.Field(i)).Interface())
		}
	}
	checked := 0
	for _, file := range []string{"node.go", "policy.go"} {
		for field, comment := range fieldComments(t, file) {
			m := defaultInComment.FindStringSubmatch(comment)
			if m == nil {
				continue
			}
			want := strings.Trim(strings.TrimPrefix(m[1]+m[2], "="), `"`)
			if got, ok := have[field]; !ok || got != want {
				t.Errorf("%s: its comment says %s, its default is %q", field, want, got)
			}
			checked++
		}
	}
	if checked < 25 {
		t.Errorf("found %d comments that name a default, want at least 25", checked)
	}
}

// checkKeys reports the yaml keys of t, and of the structs in it, that the example does not have as a key of its own.
func checkKeys(t *testing.T, example string, typ reflect.Type) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(read(t, example), &doc); err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	collect(doc.Content[0], typ, have)
	for _, want := range structKeys(typ, nil) {
		if !have[want] {
			t.Errorf("%s does not show the key %s", example, want)
		}
	}
}

// collect records Type.key for each key of n, which is decoded into typ.
func collect(n *yaml.Node, typ reflect.Type, have map[string]bool) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch typ.Kind() {
	case reflect.Slice:
		for _, item := range n.Content {
			collect(item, typ.Elem(), have)
		}
	case reflect.Map:
		for i := 1; i < len(n.Content); i += 2 {
			collect(n.Content[i], typ.Elem(), have)
		}
	case reflect.Struct:
		known := fieldsByKey(typ)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			have[typ.Name()+"."+key] = true
			if f, ok := known[key]; ok {
				collect(n.Content[i+1], typ.Field(f).Type, have)
			}
		}
	}
}

func structKeys(typ reflect.Type, keys []string) []string {
	switch typ.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return structKeys(typ.Elem(), keys)
	case reflect.Struct:
		for i := range typ.NumField() {
			keys = append(keys, typ.Name()+"."+typ.Field(i).Tag.Get("yaml"))
			keys = structKeys(typ.Field(i).Type, keys)
		}
	}
	return keys
}

// fieldComments returns the comments of the struct fields in a file of this package, by Type.Field.
func fieldComments(t *testing.T, file string) map[string]string {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	comments := map[string]string{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		spec, ok := n.(*ast.TypeSpec)
		if !ok {
			return true
		}
		st, ok := spec.Type.(*ast.StructType)
		if !ok {
			return false
		}
		for _, f := range st.Fields.List {
			if c := words(f.Doc.Text() + f.Comment.Text()); c != "" {
				comments[spec.Name.Name+"."+f.Names[0].Name] = c
			}
		}
		return false
	})
	return comments
}

func words(s string) string { return strings.Join(strings.Fields(s), " ") }

func read(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// normal forgets the difference between no list and an empty one.
func normal(t *testing.T, v any) string {
	t.Helper()
	b, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
