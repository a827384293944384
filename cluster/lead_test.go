package cluster

import (
	"context"
	"errors"
	"testing"
)

// TestLeadCommitsLeadBeforeWork: attempts that an earlier leader left open are uncertain before the
// new one does anything.
func TestLeadCommitsLeadBeforeWork(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	before, _ := s.store.Applied()
	ctx, cancel := context.WithCancel(context.Background())
	worked := make(chan uint64, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- s.node.Lead(ctx, func(ctx context.Context) error {
			index, _ := s.store.Applied()
			worked <- index
			<-ctx.Done()
			return ctx.Err()
		})
	}()
	if index := <-worked; index <= before {
		t.Errorf("applied %d when work began, want above %d: no Lead was committed", index, before)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Lead: %v", err)
	}
}

func TestLeadReturnsWorksError(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	broken := errors.New("broken")
	err := s.node.Lead(context.Background(), func(context.Context) error { return broken })
	if !errors.Is(err, broken) {
		t.Errorf("Lead: %v, want %v", err, broken)
	}
}

func TestLeadEndsWithTheNode(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	began := make(chan struct{})
	ended := make(chan error, 1)
	go func() {
		ended <- s.node.Lead(context.Background(), func(ctx context.Context) error {
			close(began)
			<-ctx.Done()
			return nil
		})
	}()
	<-began
	s.stop()
	if err := <-ended; err != nil {
		t.Errorf("Lead: %v", err)
	}
}

// TestReignsAreSeenOneByOne: leadership lost and won again while nobody looked is another reign.
func TestReignsAreSeenOneByOne(t *testing.T) {
	l := newLeadership()
	if l.current() != nil {
		t.Fatal("a reign before any")
	}
	first := l.set(true)
	close(first.ready)
	if got := l.wait(context.Background(), nil); got != first {
		t.Error("wait did not return the reign")
	}
	l.set(false)
	second := l.set(true)
	select {
	case <-first.ended:
	default:
		t.Error("the first reign has not ended")
	}
	if second == first || l.current() != second || l.count() != 2 {
		t.Error("the second reign is not another one")
	}
	third := l.set(true) // without a notice of the loss
	select {
	case <-second.ended:
	default:
		t.Error("the second reign has not ended")
	}
	stop := make(chan struct{})
	close(stop)
	if got := l.wait(context.Background(), stop); got != nil {
		t.Errorf("wait returned %v, but no reign is ready (now %v)", got, third)
	}
}
