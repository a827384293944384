package cluster

import (
	"context"
	"errors"
	"testing"

	"github.com/hashicorp/raft"
)

// A dated log says of all its entries that they are of one term.
type dated struct {
	raft.LogStore
	term uint64
}

func (d dated) GetLog(index uint64, l *raft.Log) error {
	err := d.LogStore.GetLog(index, l)
	l.Term = d.term
	return err
}

// TestReadsWaitForAnEntryOfTheTerm: a leader that has committed nothing in its term does not know yet how far its
// predecessors have come. That can be in a reign that is ready too: Raft has lost leadership and won it again, and the
// end of the reign is not noticed yet.
func TestReadsWaitForAnEntryOfTheTerm(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.start()
	s.accept(1, "one")
	r, term := s.node.lead.current(), s.node.raft.CurrentTerm()
	for of, want := range map[uint64]error{term: nil, term - 1: ErrNotLeader} {
		cache, err := raft.NewLogCache(1, dated{s.node.wal, of})
		if err != nil {
			t.Fatal(err)
		}
		own := s.node.cache
		s.node.cache = cache
		_, err = s.node.readIndex(t.Context(), r)
		s.node.cache = own
		if !errors.Is(err, want) || (err == nil) != (want == nil) {
			t.Errorf("the last entry is of term %d in term %d: %v, want %v", of, term, err, want)
		}
	}
	if _, err := s.node.readIndex(t.Context(), nil); !errors.Is(err, ErrNotLeader) {
		t.Errorf("in no reign: %v, want ErrNotLeader", err)
	}
	notReady := &reign{ready: make(chan struct{}), ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.node.readIndex(ctx, notReady); !errors.Is(err, context.Canceled) {
		t.Errorf("before the reign is ready: %v, want that it waits", err)
	}
}
