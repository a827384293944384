package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/bridge"
	"smppbridge/cluster"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestStopIsBounded: all steps of stopping a node, but for the drain that the configuration bounds, take no longer than
// the unit's TimeoutStopSec leaves for them, even if each of them hangs.
func TestStopIsBounded(t *testing.T) {
	s := startSystem(t)
	var sum time.Duration
	var names []string
	for _, step := range s.undo.steps {
		names = append(names, step.name)
		if sum += step.after; step.name != "SMPP drain" {
			sum += step.most
		}
	}
	if sum > stopBudget {
		t.Errorf("the steps %q may take %v, want at most %v", names, sum, stopBudget)
	}
}

// TestTeardownGoesOn: a step that hangs or fails does not keep the next ones from their turn, and a second signal has all
// that is left end at once.
func TestTeardownGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var logs logBuffer
		u := teardown{log: slog.New(slog.NewTextHandler(&logs, nil))}
		hang := make(chan struct{})
		defer close(hang)
		var ended []string
		note := func(name string, err error) func(context.Context) error {
			return func(context.Context) error { ended = append(ended, name); return err }
		}
		u.add("first", time.Second, note("first", nil))
		u.add("patient", time.Hour, func(ctx context.Context) error { <-ctx.Done(); ended = append(ended, "patient"); return nil })
		u.add("fails", time.Second, note("fails", io.ErrUnexpectedEOF))
		u.add("hangs", 10*time.Second, func(context.Context) error { <-hang; return nil })
		began := time.Now()
		hurry, cancel := context.WithTimeout(t.Context(), time.Minute) // the second signal
		defer cancel()
		u.run(hurry)
		if got := fmt.Sprint(ended); got != "[fails patient first]" {
			t.Errorf("ended: %s", got)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v, want the minute until the second signal", took)
		}
		for _, want := range []string{`step=hangs err="it does not end"`, `step=fails err="unexpected EOF"`} {
			if !strings.Contains(logs.String(), want) {
				t.Errorf("the log does not say %s:\n%s", want, logs.String())
			}
		}
	})
}

// verySlow has the node wait for ten minutes for each of its sessions.
func verySlow(o *options) {
	o.DrainTime, o.SMPP.ResponseTimeout = configs.Duration(10*time.Minute), configs.Duration(10*time.Minute)
}

// TestSecondSignalHastens: a node that waits for its sessions is cut short by a second SIGTERM.
func TestSecondSignalHastens(t *testing.T) {
	s := startSystem(t, verySlow)
	c := s.bind("test", smpp.Transceiver)
	var stopped atomic.Bool
	done := make(chan struct{})
	go func() { defer close(done); s.stop(); stopped.Store(true) }()
	c.Expect(smpp.UnbindID) // it drains, and this ESME does not answer
	if stopped.Load() {
		t.Fatal("the node has not waited for the session")
	}
	if err := syscall.Kill(syscall.Getpid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("the second signal does not hasten the node's end")
	}
}

// TestFaultEndsSoon: a node that cannot go on does not wait for its sessions as one that is stopped in order does.
func TestFaultEndsSoon(t *testing.T) {
	s := startSystem(t, verySlow)
	c := s.bind("test", smpp.Transceiver)
	s.fail("cluster", store.ErrDiverged)
	c.Expect(smpp.UnbindID) // and this ESME does not answer
	soon(t, s.done, "end of a node with a fault")
	want(t, "its exit code", exitCode(s.err), exitData)
	s.end = func() {} // what it ended with is as it should be
}

// TestExitCodes: what a restart cannot mend is told apart from what it may.
func TestExitCodes(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want int
	}{
		{errors.New("disk full"), 1},
		{store.ErrLocked, 1},
		{usageError{errors.New("unknown key")}, 78},
		{bridge.ErrSucceeded, 65},
		{store.ErrDiverged, 65},
		{store.ErrVersion, 65},
		{cluster.ErrLogLost, 65},
		{cluster.ErrRemoved, 65},
	} {
		if got := exitCode(fmt.Errorf("cluster: %w", tt.err)); got != tt.want {
			t.Errorf("%v: exit code %d, want %d", tt.err, got, tt.want)
		}
	}
}
