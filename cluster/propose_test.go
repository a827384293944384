package cluster

import (
	"context"
	"errors"
	"io"
	"reflect"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// A fakeFuture is an answer of Raft.
type fakeFuture struct {
	err      error
	index    uint64
	response any
}

func (f fakeFuture) Error() error  { return f.err }
func (f fakeFuture) Index() uint64 { return f.index }
func (f fakeFuture) Response() any { return f.response }

// TestOutcomesAreSureOrUnknown is the table of what may be answered with an error: only what never
// entered the log. Each answer of Raft has its rows *failed* and *failed but may have happened*.
func TestOutcomesAreSureOrUnknown(t *testing.T) {
	tests := []struct {
		name string
		in   fakeFuture
		sure bool
		is   error
	}{
		{"turned away: not the leader", fakeFuture{err: raft.ErrNotLeader}, true, ErrNotLeader},
		{"turned away: handing over", fakeFuture{err: raft.ErrLeadershipTransferInProgress}, true, ErrNotLeader},
		{"turned away: not taken in time", fakeFuture{err: raft.ErrEnqueueTimeout}, true, ErrBacklog},
		{"turned away: shut down", fakeFuture{err: raft.ErrRaftShutdown}, true, ErrShutdown},
		{"appended, then shut down", fakeFuture{err: raft.ErrRaftShutdown, index: 7}, false, raft.ErrRaftShutdown},
		{"appended, then leadership lost", fakeFuture{err: raft.ErrLeadershipLost, index: 7}, false, raft.ErrLeadershipLost},
		{"leadership lost without an index", fakeFuture{err: raft.ErrLeadershipLost}, false, raft.ErrLeadershipLost},
		{"append failed", fakeFuture{err: io.ErrShortWrite, index: 7}, false, io.ErrShortWrite},
		{"unknown error without an index", fakeFuture{err: io.ErrShortWrite}, false, io.ErrShortWrite},
		{"replaced by a restored snapshot", fakeFuture{err: raft.ErrAbortedByRestore, index: 7}, false, raft.ErrAbortedByRestore},
		{"the store refused it", fakeFuture{index: 7, response: io.ErrUnexpectedEOF}, false, io.ErrUnexpectedEOF},
		{"an answer that is no result", fakeFuture{index: 7, response: 1}, false, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			res, err := outcome(test.in)
			if err == nil || res != nil {
				t.Fatalf("outcome %v, %v, want an error", res, err)
			}
			if got := errors.Is(err, store.ErrNotProposed); got != test.sure {
				t.Errorf("%v: surely not proposed %v, want %v", err, got, test.sure)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v does not wrap %v", err, test.is)
			}
		})
	}
	want := &store.AcceptResult{}
	if res, err := outcome(fakeFuture{index: 7, response: want}); err != nil || res != store.Result(want) {
		t.Errorf("outcome of an applied command: %v, %v", res, err)
	}
}

func TestBacklogRefusesAcceptsFirst(t *testing.T) {
	s := newSite(t, func(c *Config) { c.MaxWaiting, c.MaxWaitingBytes = 4, 1000 })
	s.start()
	eventually(t, "nothing of the new leader's own to wait", func() bool {
		return s.store.ClusterVersion() == store.Version && s.node.queue.waiting.Load() == 0
	})
	finish := &store.Finish{}
	tests := []struct {
		name           string
		waiting, bytes int64
		accept, finish error
	}{
		{"below", 3, 999, nil, nil},
		{"entries at the bound", 4, 0, ErrBacklog, nil},
		{"octets at the bound", 0, 1000, ErrBacklog, nil},
		{"entries at twice the bound", 8, 0, ErrBacklog, ErrBacklog},
		{"octets at twice the bound", 0, 2000, ErrBacklog, ErrBacklog},
	}
	for i, test := range tests {
		s.node.queue.waiting.Add(test.waiting)
		s.node.queue.waitingBytes.Add(test.bytes)
		_, aerr := s.node.Propose(context.Background(), acceptCommand(uint64(i+1), "one"))
		_, ferr := s.node.Propose(context.Background(), finish)
		ready := s.node.Ready()
		s.node.queue.waiting.Add(-test.waiting)
		s.node.queue.waitingBytes.Add(-test.bytes)
		if !errors.Is(aerr, test.accept) || (aerr != nil) != errors.Is(aerr, store.ErrNotProposed) {
			t.Errorf("%s: accept %v, want %v", test.name, aerr, test.accept)
		}
		if !errors.Is(ferr, test.finish) || (ferr != nil) != errors.Is(ferr, store.ErrNotProposed) {
			t.Errorf("%s: finish %v, want %v", test.name, ferr, test.finish)
		}
		if (ready == nil) != (test.accept == nil) {
			t.Errorf("%s: ready %v", test.name, ready)
		}
	}
}

// withFullDisk calls what on a node whose disk is nearly full. The node looks at the real one once a second: where that came
// between, what is called again.
func (s *site) withFullDisk(what func() error) (err error) {
	s.t.Helper()
	eventually(s.t, "what a node with a full disk does", func() bool {
		s.node.diskFree.Store(s.node.cfg.MinFreeBytes - 1)
		err = what()
		return s.node.diskLow()
	})
	return err
}

func TestFullDiskRefusesAccepts(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	err := s.withFullDisk(func() error { _, err := propose(context.Background(), s.node, 1, "one"); return err })
	if !errors.Is(err, ErrDiskFull) || !errors.Is(err, store.ErrNotProposed) {
		t.Errorf("accept: %v, want ErrDiskFull and ErrNotProposed", err)
	}
	if err := s.withFullDisk(s.node.Ready); !errors.Is(err, ErrDiskFull) {
		t.Errorf("ready: %v, want ErrDiskFull", err)
	}
	s.node.diskFree.Store(s.node.cfg.MinFreeBytes - 1)
	if _, err := s.node.Propose(context.Background(), &store.Finish{}); err != nil {
		t.Errorf("finish: %v, want none: it makes room", err)
	}
	s.node.lookAtDisk()
	s.accept(1, "one")
}

func TestTooLargeIsNotProposed(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	_, err := s.node.Propose(context.Background(), &store.PutPolicy{Doc: make([]byte, maxCommandBytes)})
	if !errors.Is(err, ErrTooLarge) || !errors.Is(err, store.ErrNotProposed) {
		t.Errorf("propose: %v, want ErrTooLarge and ErrNotProposed", err)
	}
}

func TestEndedContextIsNotProposed(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := propose(ctx, s.node, 1, "one")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, store.ErrNotProposed) {
		t.Errorf("propose: %v, want context.Canceled and ErrNotProposed", err)
	}
	if got := count(t, s.store)["one"]; got != 0 {
		t.Errorf("the message is in the store %d times", got)
	}
}

// TestAbandonedProposalIsUnknown: the proposer gives up while the entry is under way. The token
// settles it.
func TestAbandonedProposalIsUnknown(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	eventually(t, "the leader to have done what it begins with", func() bool { // that is a round, too
		return s.store.ClusterVersion() == store.Version && s.node.Figures().Waiting == 0
	})
	hold := make(chan struct{})
	blocked := func() raft.Future { return slowFuture{hold} }
	r := s.node.lead.current()
	for range roundsInFlight { // outcomes are told late
		p := &proposal{call: blocked, reign: r, done: make(chan struct{})}
		if err := s.node.queue.add(p, false); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the round to be handed over", func() bool {
			s.node.queue.mu.Lock()
			defer s.node.queue.mu.Unlock()
			return p.handed
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	_, err := propose(ctx, s.node, 1, "one")
	if !errors.Is(err, store.ErrNotProposed) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("given up before Raft had it: %v, want ErrNotProposed", err)
	}
	<-s.node.queue.rounds        // another round than those two may go,
	s.node.queue.handedMu.Lock() // but not come far
	ctx, cancel = context.WithCancel(context.Background())
	defer cancel()
	gaveUp := make(chan error, 1)
	go func() { // ends with ctx
		_, err := propose(ctx, s.node, 2, "two")
		gaveUp <- err
	}()
	eventually(t, "the proposal to be under way", func() bool {
		s.node.queue.mu.Lock()
		defer s.node.queue.mu.Unlock()
		return s.node.queue.waiting.Load() == roundsInFlight+1 && len(s.node.queue.pending) == 0
	})
	cancel()
	if err = <-gaveUp; err == nil || errors.Is(err, store.ErrNotProposed) || !errors.Is(err, context.Canceled) {
		t.Errorf("given up while under way: %v, want an unknown outcome", err)
	}
	s.node.queue.handedMu.Unlock()
	close(hold)
	s.node.queue.rounds <- struct{}{}
	s.accept(2, "two")
	if found := count(t, s.store); found["one"] != 0 || found["two"] != 1 {
		t.Errorf("in the store: %v, want only the second, once", found)
	}
}

type slowFuture struct{ ch chan struct{} }

func (f slowFuture) Error() error { <-f.ch; return nil }

// TestStamp: the time is written where the store reads it.
func TestStamp(t *testing.T) {
	want := acceptCommand(1, "one")
	octets := store.Encode(0, want)
	stamp(octets, 1_900_000_000_123)
	at, got, err := store.Decode(octets)
	if err != nil || at != 1_900_000_000_123 || !reflect.DeepEqual(got, store.Command(want)) {
		t.Errorf("decoded %d %+v, %v", at, got, err)
	}
}

// TestConcurrentProposals: results reach their proposers, and many share a sync.
func TestConcurrentProposals(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	const lanes, each = 16, 20
	var numbers [lanes * each]store.Number
	var wg sync.WaitGroup
	for lane := range uint64(lanes) {
		wg.Go(func() {
			for i := range uint64(each) {
				seq := lane*each + i + 1
				cmd := acceptCommand(seq, text(seq))
				cmd.Token.Lowest = 1
				res, err := s.node.Propose(context.Background(), cmd)
				if err != nil {
					t.Errorf("token %d: %v", seq, err)
					return
				}
				numbers[seq-1] = res.(*store.AcceptResult).Items[0].Number
			}
		})
	}
	wg.Wait()
	if err := s.node.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, number := range numbers {
		seq := uint64(i) + 1
		if m, _, err := s.store.Lookup(number); err != nil || m.Text != text(seq) {
			t.Errorf("token %d was answered with the number of %q, %v", seq, m.Text, err)
		}
	}
	eventually(t, "nothing to wait", func() bool { return s.node.Figures().Waiting == 0 }) // an answer comes before the count
	f := s.node.Figures()
	t.Logf("%d entries in %d appends and %d transactions", f.AppendedEntries, f.Appends, f.Batches)
	if f.Batches > lanes*each/2 || f.Waiting != 0 || f.WaitingBytes != 0 {
		t.Errorf("figures: %+v", f)
	}
}

// startWithBrokenLog starts a node that has accepted a message, and can write nothing more to its log.
func startWithBrokenLog(t *testing.T) *site {
	t.Helper()
	s := newSite(t, nil)
	s.start()
	s.accept(1, "one")
	if err := s.node.wal.WAL.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAppendErrorIsFatal: the log cannot be written. The proposal may be in it, so it is unknown, and
// the node does nothing more.
func TestAppendErrorIsFatal(t *testing.T) {
	s := startWithBrokenLog(t)
	_, err := propose(context.Background(), s.node, 2, "two")
	if err == nil || errors.Is(err, store.ErrNotProposed) {
		t.Errorf("propose: %v, want an unknown outcome", err)
	}
	checkFault(t, s)
}

// TestTermThatCannotBeWritten stops the node as any fault does: the library would panic, and take the process with it
// before its sessions are answered.
func TestTermThatCannotBeWritten(t *testing.T) {
	s := startWithBrokenLog(t)
	stable := runningStable{s.node.wal}
	s.node.standAtOnce() // a candidate begins a term
	checkFault(t, s)
	if err := stable.Set(nil, nil); err == nil {
		t.Error("a vote was given")
	}
}

// TestApplyErrorIsFatal: an entry that the store does not understand stops the node before it
// diverges; nothing after it is applied.
func TestApplyErrorIsFatal(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.accept(1, "one")
	index, _ := s.store.Applied()
	if err := s.node.raft.Apply([]byte("no command"), time.Second).Error(); err != nil {
		t.Fatal(err)
	}
	next := &raft.Log{Index: index + 2, Term: 2, Type: raft.LogCommand, Data: store.Encode(1, acceptCommand(2, "two"))}
	if _, ok := s.node.fsm.Apply(next).(error); !ok {
		t.Error("the entry after it was applied")
	}
	if got, _ := s.store.Applied(); got != index {
		t.Errorf("applied %d after the entry that failed, want %d", got, index)
	}
	checkFault(t, s)
}

func checkFault(t *testing.T, s *site) {
	t.Helper()
	<-s.node.fault.ch
	if err := s.node.stopRaft().Error(); err != nil { // waits for Raft's goroutines
		t.Error(err)
	}
	if got := s.faults(); len(got) != 1 {
		t.Errorf("Fatal was called %d times: %v", len(got), got)
	}
	if err := s.node.Ready(); err == nil {
		t.Error("the node is ready")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if _, err := propose(ctx, s.node, 3, "three"); err == nil {
		t.Error("a further proposal was taken")
	}
	_ = s.node.Shutdown(ctx)
	s.node = nil
}
