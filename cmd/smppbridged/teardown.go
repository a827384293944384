package main

import (
	"context"
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
	name string
	most time.Duration
	stop func(context.Context) error
}

// add notes a step that may take at most so long.
func (t *teardown) add(name string, most time.Duration, stop func(context.Context) error) {
	t.steps = append(t.steps, step{name, most, stop})
}

// run undoes everything. A step that fails or takes too long is logged, and the next one runs.
func (t *teardown) run() {
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		ctx, cancel := context.WithTimeout(context.Background(), s.most)
		began := time.Now()
		if err := s.stop(ctx); err != nil {
			t.log.Error("stop", "step", s.name, "err", err)
		} else {
			t.log.Debug("stopped", "step", s.name, "took", time.Since(began))
		}
		cancel()
	}
	t.steps = nil
}
