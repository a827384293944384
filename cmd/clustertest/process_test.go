//go:build linux

package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// newProcess watches a shell that runs a script.
func newProcess(t *testing.T, script string) *process {
	t.Helper()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	p := &process{name: "shell", log: log, launch: (*exec.Cmd).Start, args: []string{"sh", "-c", script}}
	t.Cleanup(p.close)
	return p
}

// TestEndingsAreNoticed: a program that ends by itself is started again, and that it ended is known.
func TestEndingsAreNoticed(t *testing.T) {
	mark := filepath.Join(t.TempDir(), "mark")
	p := newProcess(t, "echo >>"+mark+"; exit 3")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := until(ctx, func() error {
		b, err := os.ReadFile(mark)
		if len(b) < 2 {
			return errRunning
		}
		return err
	}); err != nil {
		t.Fatalf("it was not started again: %v", err)
	}
	if list := p.takeEndings(); len(list) == 0 || list[0].err == nil {
		t.Errorf("endings: %v, want one with its exit code", list)
	}
}

// TestEndingsOnPurpose: a program that was killed stays down, and counts as none.
func TestEndingsOnPurpose(t *testing.T) {
	p := newProcess(t, "exec sleep 600")
	if err := p.start(); err != nil {
		t.Fatal(err)
	}
	p.freeze()
	p.kill()
	p.watch.Wait() // nobody starts it again
	if list := p.takeEndings(); len(list) > 0 || p.cmd != nil {
		t.Errorf("endings: %v, running: %t, want none and not", list, p.cmd != nil)
	}
}

func TestTerminate(t *testing.T) {
	for _, tt := range []struct {
		name, script string
		ok           bool
	}{
		{"in order", "trap 'exit 0' TERM; echo >$0.up; while :; do sleep 0.01; done", true},
		{"with an error", "trap 'exit 1' TERM; echo >$0.up; while :; do sleep 0.01; done", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := newProcess(t, tt.script)
			name := filepath.Join(t.TempDir(), "shell")
			p.args = append(p.args, name) // $0
			if err := p.start(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := until(ctx, func() error { _, err := os.Stat(name + ".up"); return err }); err != nil {
				t.Fatal(err)
			}
			if err := p.terminate(ctx, patience); (err == nil) != tt.ok {
				t.Errorf("terminate: %v, want success %t", err, tt.ok)
			}
		})
	}
}
