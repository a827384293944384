package bridge

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smppbridge/store"
)

var errCut = errors.New("no way between the nodes")

// seat is what one incarnation of a fleet's member has for its cluster.
type seat struct {
	m           *member
	incarnation uint64
}

// aliveLocked reports whether this is the process that runs. fleet.mu is held.
func (s *seat) aliveLocked() bool { return !s.m.down && s.m.incarnation == s.incarnation }

// Propose implements Cluster. Without a leader it waits for one, two seconds at most.
func (s *seat) Propose(ctx context.Context, cmd store.Command) (store.Result, error) {
	f := s.m.f
	waiting, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	what := applied
	var decide func(*member, store.Command) fate
	err := f.await(waiting, func() bool {
		switch {
		case !s.aliveLocked():
			what = lost
		case s.m.cutOff:
			what = s.m.cutFate
		case f.leader == nil:
			return false
		default:
			decide = f.fate
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrNotProposed, err)
	}
	f.mu.Lock()
	f.log = append(f.log, proposal{s.m, cmd})
	f.mu.Unlock()
	if decide != nil {
		what = decide(s.m, cmd)
	}
	switch what {
	case refused:
		return nil, store.ErrNotProposed
	case noRoom:
		return nil, fmt.Errorf("%w: %w", store.ErrNotProposed, store.ErrFull)
	case lost:
		return nil, errOutcomeUnknown
	}
	res, err := f.commit(cmd)
	if err == nil && what == hidden {
		return nil, errOutcomeUnknown
	}
	return res, err
}

// Lead implements Cluster.
func (s *seat) Lead(ctx context.Context, work func(context.Context) error) error {
	f := s.m.f
	leads := func() bool { return f.leader == s.m && s.aliveLocked() }
	for {
		if err := f.await(ctx, leads); err != nil {
			return err
		}
		if _, err := f.commit(&store.Lead{Node: s.m.id, DueAt: s.m.node.now().UnixMilli()}); err != nil {
			return err
		}
		reign, cancel := context.WithCancel(ctx)
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			defer cancel()
			_ = f.await(reign, func() bool { return !leads() })
		}()
		err := work(reign)
		deposed := reign.Err() != nil && ctx.Err() == nil
		cancel()
		<-ended
		if !deposed {
			return err
		}
	}
}

// Sync implements Cluster.
func (s *seat) Sync(ctx context.Context) error {
	f, want := s.m.f, 0
	if err := ctx.Err(); err != nil {
		return err
	}
	err := f.await(ctx, func() bool {
		if f.leader == nil || s.m.cutOff || !s.aliveLocked() {
			return false
		}
		want = len(f.entries)
		return true
	})
	if err != nil {
		return err
	}
	return f.await(ctx, func() bool { return s.m.applied >= want })
}

// InTouch implements Cluster.
func (s *seat) InTouch() bool {
	f := s.m.f
	f.mu.Lock()
	defer f.mu.Unlock()
	f.touchLocked()
	return s.aliveLocked() && time.Since(s.m.touched) < reapAfter/3
}

// Ask implements Cluster.
func (s *seat) Ask(ctx context.Context, node, subject string, request []byte) ([]byte, error) {
	f := s.m.f
	to, link := s.m, (func(from, to *member, subject string) (time.Duration, error))(nil)
	f.mu.Lock()
	for _, m := range f.members {
		if m.id == node {
			to = m
		}
	}
	if to != s.m {
		link = f.link
	}
	f.mu.Unlock()
	if to.id != node {
		return nil, errors.New("no such node")
	}
	if link != nil {
		delay, err := link(s.m, to, subject)
		if delay > 0 && !sleep(ctx, delay) {
			return nil, ctx.Err()
		}
		if err != nil {
			return nil, err
		}
	}
	f.mu.Lock()
	reached := s.aliveLocked() && !to.down && (to == s.m || !s.m.cutOff && !to.cutOff)
	answer := to.handlers[subject]
	f.mu.Unlock()
	if !reached {
		sleep(ctx, askWithin)
		return nil, errCut
	}
	if answer == nil {
		return nil, errors.New("nobody answers this")
	}
	return answer(ctx, s.m.id, request)
}

// Answer implements Cluster.
func (s *seat) Answer(subject string, h func(context.Context, string, []byte) ([]byte, error)) {
	s.m.f.mu.Lock()
	defer s.m.f.mu.Unlock()
	s.m.handlers[subject] = h
}
