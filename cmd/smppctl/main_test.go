package main

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"smppctl": main})
}

// TestScripts runs testdata/*.txtar against the program itself, exit codes included.
func TestScripts(t *testing.T) {
	examples, err := os.ReadFile("../../configs/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	node, err := os.ReadFile("../../configs/smppbridged.yaml")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			if err := os.WriteFile(env.WorkDir+"/policy.yaml", examples, 0o600); err != nil {
				return err
			}
			return os.WriteFile(env.WorkDir+"/smppbridged.yaml", node, 0o600)
		},
	})
}

// runCommand runs smppctl in this process and returns what it printed.
func runCommand(t *testing.T, stdin string, args ...string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(strings.NewReader(stdin))
	root.SetOut(&out)
	root.SetErr(&out)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}
