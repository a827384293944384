package cluster

import "sync"

// A fault remembers the first error after which the node must do no more. Raft alone would only
// step down from a failed write and try again at the same place; but a log or a file whose last
// write failed has no known content.
type fault struct {
	fatal func(error)
	ch    chan struct{} // closed by the first error

	mu  sync.Mutex
	err error // guarded by mu
}

func newFault(fatal func(error)) *fault { return &fault{fatal: fatal, ch: make(chan struct{})} }

// fail keeps the first error, hands it to Config.Fatal, and returns it.
func (f *fault) fail(err error) error {
	f.mu.Lock()
	if f.err != nil {
		defer f.mu.Unlock()
		return f.err
	}
	f.err = err
	close(f.ch)
	f.mu.Unlock()
	if f.fatal != nil {
		f.fatal(err)
	}
	return err
}

func (f *fault) get() error {
	select {
	case <-f.ch:
		f.mu.Lock()
		defer f.mu.Unlock()
		return f.err
	default:
		return nil
	}
}
