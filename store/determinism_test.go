package store

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
)

// allowedRanges are the functions that may range over a map, with the reason.
func allowedRanges() map[string]string {
	return map[string]string{
		"wake":            "after the commit: every watcher of a topic gets a token, in any order",
		"rebuild":         "at Open: each account's slice is copied by itself",
		"OutboxAccounts":  "a read; sorted before it is returned",
		"Nodes":           "a read; a copy",
		"OrphansAnswered": "a read; sorted before it is returned",
		"AllBinds":        "a read; sorted before it is returned",
		"Figures":         "a read; a sum",
	}
}

// allowedImports is all that the package may use. None of it has a clock or chance but time, of
// which only constants and UnixMilli are used.
func allowedImports() []string {
	return []string{
		"bytes", "cmp", "encoding/binary", "errors", "fmt", "io", "log/slog", "math", "math/bits", "os", "path/filepath", "slices",
		"strconv", "strings", "sync", "time", "go.etcd.io/bbolt", "go.etcd.io/bbolt/errors",
	}
}

// TestApplyIsAFunctionOfStateAndCommand reads the package's source: no clock, no chance, no
// floating point, no goroutine, and no ranging over a map, but where a reason is given above.
func TestApplyIsAFunctionOfStateAndCommand(t *testing.T) {
	fset := token.NewFileSet()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
			f, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, f)
		}
	}
	info := &types.Info{Types: map[ast.Expr]types.TypeAndValue{}, Uses: map[*ast.Ident]types.Object{}}
	// Types of other packages are left open, which spares reading them: what is looked for here is
	// the package's own.
	conf := types.Config{Importer: emptyImporter{}, Error: func(error) {}}
	if _, err := conf.Check("store", fset, files, info); err == nil {
		t.Fatal("checked without its imports, and nothing is missing")
	}
	imports := map[string]bool{}
	for _, path := range allowedImports() {
		imports[path] = true
	}
	used := map[string]bool{}
	for _, f := range files {
		for _, spec := range f.Imports {
			if path := strings.Trim(spec.Path.Value, `"`); !imports[path] {
				t.Errorf("%s: imports %s", fset.Position(spec.Pos()), path)
			}
		}
		for _, decl := range f.Decls {
			name := ""
			if fn, ok := decl.(*ast.FuncDecl); ok {
				name = fn.Name.Name
			}
			ast.Inspect(decl, func(n ast.Node) bool {
				if what := forbidden(n, info); what == "range over a map" && allowedRanges()[name] != "" {
					used[name] = true
				} else if what != "" {
					t.Errorf("%s: %s in %s", fset.Position(n.Pos()), what, name)
				}
				return true
			})
		}
	}
	for name := range allowedRanges() {
		if !used[name] {
			t.Errorf("%s is allowed to range over a map and does not", name)
		}
	}
}

// forbidden says what Apply must not do that n does.
func forbidden(n ast.Node, info *types.Info) string {
	switch n := n.(type) {
	case *ast.RangeStmt:
		over := info.Types[n.X].Type
		if over == nil || over == types.Typ[types.Invalid] {
			return "range over another package's type"
		}
		if _, ok := over.Underlying().(*types.Map); ok {
			return "range over a map"
		}
	case *ast.GoStmt:
		return "a goroutine"
	case *ast.SelectorExpr:
		x, ok := n.X.(*ast.Ident)
		if !ok {
			return ""
		}
		pkg, ok := info.Uses[x].(*types.PkgName)
		if !ok || pkg.Imported().Path() != "time" {
			return ""
		}
		switch n.Sel.Name {
		case "Duration", "Parse", "Second", "Time", "UnixMilli":
			return ""
		}
		return "time." + n.Sel.Name
	case ast.Expr:
		if tv, ok := info.Types[n]; ok && tv.Value == nil && tv.IsValue() {
			if b, ok := tv.Type.Underlying().(*types.Basic); ok && b.Info()&(types.IsFloat|types.IsComplex) != 0 {
				return "floating point"
			}
		}
	}
	return ""
}

// An emptyImporter imports packages without looking into them.
type emptyImporter struct{}

func (emptyImporter) Import(path string) (*types.Package, error) {
	name := path[strings.LastIndexByte(path, '/')+1:]
	p := types.NewPackage(path, name)
	p.MarkComplete()
	return p, nil
}

// TestBatchingDecidesNothing applies one random sequence of commands entry by entry, many to an
// Apply, and with restarts in between, and wants the same results and the same file.
func TestBatchingDecidesNothing(t *testing.T) {
	rounds := 30
	if testing.Short() {
		rounds = 5
	}
	for seed := range uint64(rounds) {
		rnd := rand.New(rand.NewPCG(seed, 77))
		single := newHarness(t)
		d := &driver{h: single, rnd: rnd, inc: 1}
		var entries []Entry
		var want []Result
		for range 250 {
			c := d.next()
			single.index++
			e := Entry{Index: single.index, Term: 1, Command: Encode(single.now, c)}
			if rnd.IntN(20) == 0 {
				e.Configuration = fmt.Append(nil, "conf", e.Index)
			}
			results, err := single.Apply([]Entry{e})
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			entries, want = append(entries, e), append(want, results[0])
		}
		for _, restart := range []bool{false, true} {
			other := newHarness(t)
			var got []Result
			for at := 0; at < len(entries); {
				n := min(1+rnd.IntN(40), len(entries)-at)
				again := min(rnd.IntN(3), at) // entries handed in again, as after a crash of Raft's
				results, err := other.Apply(entries[at-again : at+n])
				if err != nil {
					t.Fatalf("seed %d: %v", seed, err)
				}
				got = append(got, results[again:]...)
				at += n
				if restart {
					other.restart()
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("seed %d, restart %t: other results", seed, restart)
			}
			if other.sum() != single.sum() {
				t.Errorf("seed %d, restart %t: another file", seed, restart)
			}
			if got, want := other.Figures(), single.Figures(); !sameFigures(got, want) {
				t.Errorf("seed %d, restart %t: figures\n got %+v\nwant %+v", seed, restart, got, want)
			}
		}
	}
}

// sameFigures compares all but the size of the file, which depends on the transactions.
func sameFigures(a, b Figures) bool {
	a.FileSize, b.FileSize = 0, 0
	return a == b
}
