package bridge

import (
	"context"
	"sync"
)

// jobs wait for a worker, each account's in a line of its own, and the accounts take turns: whoever asks for
// more than is carried out waits behind himself.
type jobs struct {
	wake chan struct{} // capacity 1: one waits

	mu      sync.Mutex
	waiting map[string][]job         // guarded by mu; by account, none empty
	ring    []string                 // guarded by mu; the accounts in waiting; the first is whose turn it is
	places  map[string]chan struct{} // guarded by mu; a job that waits holds one of its account's
}

type job func(context.Context)

func newJobs() *jobs {
	return &jobs{
		wake:    make(chan struct{}, 1),
		waiting: make(map[string][]job),
		places:  make(map[string]chan struct{}),
	}
}

// add has f done. While the account has operationsQueued waiting it blocks, until ended is closed: then it
// reports false.
func (j *jobs) add(account string, f job, ended <-chan struct{}) bool {
	select {
	case j.placesOf(account) <- struct{}{}:
	case <-ended:
		return false
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.waiting[account]) == 0 {
		j.ring = append(j.ring, account)
	}
	j.waiting[account] = append(j.waiting[account], f)
	signal(j.wake)
	return true
}

func (j *jobs) placesOf(account string) chan struct{} {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := j.places[account]
	if p == nil {
		p = make(chan struct{}, operationsQueued)
		j.places[account] = p
	}
	return p
}

// work does jobs until ctx ends.
func (j *jobs) work(ctx context.Context) error {
	for ctx.Err() == nil {
		if f := j.next(); f != nil {
			f(ctx)
			continue
		}
		select {
		case <-j.wake:
		case <-ctx.Done():
		}
	}
	return ctx.Err()
}

// next takes out the job whose turn it is; nil if none waits.
func (j *jobs) next() job {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.ring) == 0 {
		return nil
	}
	account := j.ring[0]
	list := j.waiting[account]
	f := list[0]
	list[0] = nil
	j.ring = j.ring[1:]
	if len(list) > 1 {
		j.waiting[account] = list[1:]
		j.ring = append(j.ring, account)
	} else {
		delete(j.waiting, account)
	}
	if len(j.ring) > 0 {
		signal(j.wake) // for another worker
	}
	<-j.places[account]
	return f
}
