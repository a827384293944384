package configs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// FuzzParseNode: no document brings the program down, and what is accepted is valid.
func FuzzParseNode(f *testing.F) {
	seed(f, "smppbridged.yaml", "testdata/bad/node-*.yaml")
	f.Fuzz(func(t *testing.T, b []byte) {
		n, err := ParseNode("n", b)
		if err == nil {
			if err := n.Validate(); err != nil {
				t.Errorf("accepted, but %v", err)
			}
			return
		}
		checkFaults(t, err)
	})
}

// FuzzParsePolicy: likewise.
func FuzzParsePolicy(f *testing.F) {
	seed(f, "policy.yaml", "testdata/bad/policy-*.yaml")
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePolicy("p", b)
		if err == nil {
			if err := p.Validate(); err != nil {
				t.Errorf("accepted, but %v", err)
			}
			return
		}
		checkFaults(t, err)
	})
}

func checkFaults(t *testing.T, err error) {
	t.Helper()
	var faults Faults
	if !errors.As(err, &faults) || len(faults) == 0 || faults.Error() == "" {
		t.Errorf("got %v, want faults", err)
	}
}

func seed(f *testing.F, patterns ...string) {
	f.Helper()
	for _, pattern := range patterns {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: no files (%v)", pattern, err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
}
