package main

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// machineEvery is how often the machine is looked at.
const machineEvery = 50 * time.Millisecond

// machine measures what the machine itself adds to each delay: how late a process wakes up that has a small file brought to
// the disk now and then, and does nothing else.
type machine struct {
	file *os.File
	halt chan struct{}
	done sync.WaitGroup

	mu     sync.Mutex
	worst  time.Duration // guarded by mu; since take was last called
	all    time.Duration // guarded by mu; the worst of all
	failed error         // guarded by mu
}

func watchMachine(t *testing.T, dir string) *machine {
	t.Helper()
	file, err := os.Create(filepath.Join(dir, "machine"))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{file: file, halt: make(chan struct{})}
	m.done.Go(m.run)
	t.Cleanup(func() {
		close(m.halt)
		m.done.Wait()
		if m.failed != nil {
			t.Errorf("the file that shows how busy the disk is: %v", m.failed)
		}
		m.file.Close()
	})
	return m
}

func (m *machine) run() {
	ticker := time.NewTicker(machineEvery)
	defer ticker.Stop()
	for due := time.Now(); ; {
		due = due.Add(machineEvery)
		select {
		case <-ticker.C:
		case <-m.halt:
			return
		}
		_, err := m.file.WriteAt([]byte("x"), 0)
		if err == nil {
			err = m.file.Sync()
		}
		late := time.Since(due)
		due = time.Now()
		m.mu.Lock()
		m.worst, m.all = max(m.worst, late), max(m.all, late)
		if err != nil {
			m.failed = err
		}
		m.mu.Unlock()
	}
}

// take returns the worst since it was last called.
func (m *machine) take() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	worst := m.worst
	m.worst = 0
	return worst
}

// ever returns the worst of all.
func (m *machine) ever() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all
}

// machineSteps is how many times a message may meet the worst of the machine before it is answered: in the test, in the node,
// and at the disk behind those that came before it.
const machineSteps = 4

// allowed is how long a delay may be on a machine that was as late as that; with -judge, on one that does nothing else.
func allowed(delay, late time.Duration) time.Duration {
	if *judge {
		return delay
	}
	return delay + machineSteps*late
}
