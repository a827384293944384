package main

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// teardown is what is to be undone when a node stops, also after a start that failed half-way:
// named steps, in reverse order, each bounded.
type teardown struct {
	log   *slog.Logger
	steps []step
}

type step struct {
	name  string
	most  time.Duration
	after time.Duration // what stop may take when its time is over
	stop  func(context.Context) error
}

// lastMoment is what a step has after its time to notice that it is over.
const lastMoment = 500 * time.Millisecond

var errAbandoned = errors.New("it does not end")

// add notes a step that may take at most so long, and ends with its context.
func (t *teardown) add(name string, most time.Duration, stop func(context.Context) error) {
	t.steps = append(t.steps, step{name, most, lastMoment, stop})
}

// addSlow notes a step that, when its context ends, may still take after: files are to be closed in a hurry, too.
func (t *teardown) addSlow(name string, most, after time.Duration, stop func(context.Context) error) {
	t.steps = append(t.steps, step{name, most, after, stop})
}

// run undoes everything. A step that fails or takes too long is logged, and the next one runs. When
// hurry ends all that is left is cut short.
func (t *teardown) run(hurry context.Context) {
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		began := time.Now()
		if err := s.run(hurry); err != nil {
			t.log.Error("stop", "step", s.name, "err", err)
		} else {
			t.log.Debug("stopped", "step", s.name, "took", time.Since(began))
		}
	}
	t.steps = nil
}

// run returns when the step has ended, or is abandoned: the process ends soon, and what it holds with it.
func (s step) run(hurry context.Context) error {
	ctx, cancel := context.WithTimeout(hurry, s.most)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.stop(ctx) }() // ends with the step, at the latest with the process
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(s.after):
		return errAbandoned
	}
}
