package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// usage is what the node says of itself.
type usage struct {
	heap, stacks, resident  float64 // MiB
	goroutines, connections float64
}

func (u usage) memory() float64 { return u.heap + u.stacks }

// with is the higher of both in each respect.
func (u usage) with(o usage) usage {
	return usage{max(u.heap, o.heap), max(u.stacks, o.stacks), max(u.resident, o.resident),
		max(u.goroutines, o.goroutines), max(u.connections, o.connections)}
}

func (u usage) String() string {
	return fmt.Sprintf("heap %.1f MiB, stacks %.1f MiB, resident %.0f MiB, %.0f goroutines, %.0f connections",
		u.heap, u.stacks, u.resident, u.goroutines, u.connections)
}

// figure reads one metric; several of a name, with different labels, are summed up.
func (h *hostile) figure(names ...string) ([]float64, error) {
	body, err := h.get("/metrics")
	if err != nil {
		return nil, err
	}
	values := make([]float64, len(names))
	for line := range bytes.Lines(body) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		for i, want := range names {
			if name == want {
				v, err := strconv.ParseFloat(value, 64)
				if err != nil {
					return nil, err
				}
				values[i] += v
			}
		}
	}
	return values, nil
}

// get is what the node's admin port answers.
func (h *hostile) get(path string) ([]byte, error) {
	resp, err := http.Get("http://" + h.http + path)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

// stacks are those of the node's goroutines that are in a function, for the log of a test that has failed.
func (h *hostile) stacks(function string) string {
	body, err := h.get("/debug/pprof/goroutine?debug=1")
	if err != nil {
		return err.Error()
	}
	groups := strings.Split(string(body), "\n\n")
	return strings.Join(slices.DeleteFunc(groups, func(g string) bool { return !strings.Contains(g, function) }), "\n")
}

func (h *hostile) usage() (usage, error) {
	v, err := h.figure("go_memstats_heap_inuse_bytes", "go_memstats_stack_inuse_bytes", "process_resident_memory_bytes",
		"go_goroutines", "smppbridge_smpp_connections")
	if err != nil {
		return usage{}, err
	}
	const mib = 1 << 20
	return usage{v[0] / mib, v[1] / mib, v[2] / mib, v[3], v[4]}, nil
}

// watcher looks at the node's memory now and then.
type watcher struct {
	h     *hostile
	halt  chan struct{}
	ended chan struct{}

	mu     sync.Mutex
	peak   usage // guarded by mu; since the last take
	failed error // guarded by mu
}

func (h *hostile) watch() *watcher {
	w := &watcher{h: h, halt: make(chan struct{}), ended: make(chan struct{})}
	go w.run()
	return w
}

func (w *watcher) run() {
	defer close(w.ended)
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			w.look()
		case <-w.halt:
			return
		}
	}
}

func (w *watcher) look() {
	u, err := w.h.usage()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.peak, w.failed = w.peak.with(u), errors.Join(w.failed, err)
}

// take looks once more and returns the peaks since it was last called.
func (w *watcher) take() usage {
	w.look()
	w.mu.Lock()
	defer w.mu.Unlock()
	peak := w.peak
	w.peak = usage{}
	return peak
}

func (w *watcher) end(t *testing.T) {
	t.Helper()
	close(w.halt)
	<-w.ended
	if w.failed != nil {
		t.Errorf("metrics: %v", w.failed)
	}
}

// settle waits until only the healthy session is left, at most, has the node collect its garbage, and returns
// what it then uses.
func (h *hostile) settle(t *testing.T) usage {
	t.Helper()
	var u usage
	h.eventually(t, "the attackers' connections are gone", func() bool {
		var err error
		if u, err = h.usage(); err != nil {
			t.Fatal(err)
		}
		return u.connections <= 1
	})
	h.collect(t)
	u, err := h.usage()
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// collect has the node collect its garbage.
func (h *hostile) collect(t *testing.T) {
	t.Helper()
	for range 2 { // what the first has finalized the second frees
		resp, err := http.Get("http://" + h.http + "/debug/pprof/heap?gc=1")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	http.DefaultClient.CloseIdleConnections()
}
