package cluster

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// stamps returns the times of the commands in the log, in its order, and the last command.
func (s *site) stamps() (list []int64, cmd store.Command) {
	s.t.Helper()
	first, err := s.node.wal.FirstIndex()
	if err != nil {
		s.t.Fatal(err)
	}
	last, err := s.node.wal.LastIndex()
	if err != nil {
		s.t.Fatal(err)
	}
	for i := first; i <= last; i++ {
		var l raft.Log
		if err := s.node.wal.GetLog(i, &l); err != nil {
			s.t.Fatal(err)
		}
		if l.Type != raft.LogCommand {
			continue
		}
		var at int64
		if at, cmd, err = store.Decode(l.Data); err != nil {
			s.t.Fatal(err)
		}
		list = append(list, at)
	}
	return list, cmd
}

// TestLeaderBeginsBehindItsPredecessors: a new leader has much in its log that its store does not have yet, stamped by a
// clock that was ahead of its own. It stamps nothing, and its work does not begin, before all of that is applied: else
// stamps would go back, and its dispatcher would read a state that is not there any more.
func TestLeaderBeginsBehindItsPredecessors(t *testing.T) {
	t.Parallel()
	var ahead time.Duration
	s := newSite(t, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(ahead) } })
	s.start()
	s.accept(1, text(1))
	s.stop()
	old, err := os.ReadFile(s.file())
	if err != nil {
		t.Fatal(err)
	}
	ahead = time.Minute
	s.start()
	const lanes, each = 50, 40
	var wg sync.WaitGroup
	for lane := range lanes {
		wg.Go(func() {
			for i := range each {
				if _, err := s.node.Propose(t.Context(), &store.NodeUp{Node: fmt.Sprint("lane", lane), Incarnation: uint64(i + 1)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	s.stop()
	if err := os.WriteFile(s.file(), old, 0o600); err != nil { // as a crash leaves it that loses all that is not synced
		t.Fatal(err)
	}
	ahead = 0
	if err := s.try(); err != nil {
		t.Fatal(err)
	}
	node, applied := s.node, make(chan int, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- node.Lead(ctx, func(ctx context.Context) error {
			n := 0
			for lane := range lanes {
				if s.store.Incarnation(fmt.Sprint("lane", lane)) == each {
					n++
				}
			}
			applied <- n
			<-ctx.Done()
			return nil
		})
	}()
	if got := <-applied; got != lanes {
		t.Errorf("the leader's work began when %d of %d lanes were applied", got, lanes)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	stamps, last := s.stamps()
	lead, ok := last.(*store.Lead)
	if at := stamps[len(stamps)-1]; !ok || lead.Node != "n1" || (at+s.node.cfg.ResolveDelay.Milliseconds()-lead.DueAt) > 1000 {
		t.Errorf("the last command before the work is %T %+v at %d, want a Lead that has open attempts looked into after %v", last, last, at, s.node.cfg.ResolveDelay)
	}
	was := int64(0)
	for i, at := range stamps {
		if at < was {
			t.Fatalf("entry %d is stamped %d ms before the one in front of it", i, was-at)
		}
		was = at
	}
}
