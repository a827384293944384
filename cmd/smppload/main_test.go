package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
)

// execute runs the program's command line and returns what it printed.
func execute(t *testing.T, args ...string) (string, error) {
	t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetArgs(args)
	err := root.ExecuteContext(t.Context())
	return out.String(), err
}

func TestJSONHasOneLineToAField(t *testing.T) {
	c := &centre{password: "secret"}
	t.Setenv(passwordEnv, "secret")
	out, err := execute(t, "--addr", c.serve(t), "--messages", "100", "--binds", "2", "--registered", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var s summary
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		t.Fatal(err)
	}
	if s.OK != 100 || s.Binds != 2 || s.Receipts == nil || s.Receipts.Received != 100 {
		t.Errorf("summary %+v, want 100 accepted and received on 2 binds", s)
	}
	for _, field := range []string{"ok_per_second", "p50_ms", "p99_ms", "completed_per_second", "cpu_us_per_message", "missing"} {
		if n := strings.Count(out, "\n  \""+field+"\": ") + strings.Count(out, "\n    \""+field+"\": "); n != 1 {
			t.Errorf("%s is on %d lines, want 1:\n%s", field, n, out)
		}
	}
}

func TestTextNamesWhatMatters(t *testing.T) {
	c := &centre{password: "secret", judge: func(n int) verdict {
		if n == 1 {
			return verdict{receipts: -1}
		}
		return verdict{}
	}}
	t.Setenv(passwordEnv, "secret")
	out, err := execute(t, "--addr", c.serve(t), "--messages", "100", "--registered", "--wait-receipts", "5s")
	if err == nil || errors.As(err, new(usageError)) {
		t.Errorf("error %v, want the missing receipt", err)
	}
	for _, want := range []string{"100 of 100", "ESME_ROK 100", "99 received, 1 missing", "DELIVRD 99", "p99.9", "0 lost"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in:\n%s", want, out)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, args := range [][]string{
		{"--binds", "0"},
		{"--window", "-1"},
		{"--rate", "-1"},
		{"--rate", "x"},
		{"--duration", "-1s"},
		{"--nonsense"},
		{"--text", "码", "--data-coding", "0"},
		{"--data-coding", "x"},
		{"--data-coding", "4"},
		{"--ucs2", "--data-coding", "8"},
		{"--version", "0x35"},
		{"--version", "0x33", "--text", strings.Repeat("x", 255)},
		{"--bind-mode", "both"},
		{"--long", "udh"},
		{"--schedule", "100/s"},
		{"--schedule", "100/s:1s", "--rate", "5"},
		{"--schedule", "100/s:1s", "--duration", "5s"},
		{"--texts", "no/such/file"},
		{"--texts", os.DevNull},
		{"--texts", os.DevNull, "--text", "x"},
		{"--seed", "1"},
		{"--resubmit"},
		{"--strict"},
		{"--expect-states", "ENROUTE"},
		{"--idle", "5", "--binds", "5"},
		{"--idle", "-1"},
		{"--tls-ca", "no/such/file"},
		{"--tls-ca", os.DevNull},
		{"--receipts-within", "-1s"},
		{"--system-id", strings.Repeat("x", 300)},
		{"--dest-prefix", "+86"},
		{"surplus"},
		{"echo", "surplus"},
		{"echo", "--nonsense"},
	} {
		if _, err := execute(t, args...); !errors.As(err, new(usageError)) {
			t.Errorf("%q: %v, want a usage error", args, err)
		}
	}
}
