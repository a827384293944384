package cluster

import (
	"context"
	"testing"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// stamped is an entry of Raft's log.
func stamped(index uint64, cmd store.Command) *raft.Log {
	return &raft.Log{Index: index, Term: 1, Type: raft.LogCommand, Data: store.Encode(int64(index), cmd)}
}

// TestAcceptIsAnsweredBeforeTheCommit: its result is told when readers do not see it yet; that of any other
// command that is awaited when they do, with all before it.
func TestAcceptIsAnsweredBeforeTheCommit(t *testing.T) {
	s := newSite(t, nil)
	s.openStore()
	f := newFSM(s.store, newFault(nil), func(string) {})
	f.synced = func(uint64) error { return nil }
	var told []uint64
	awaited := false
	f.decided = func(l *raft.Log, r store.Result) bool {
		told = append(told, l.Index)
		if index, _ := s.store.Applied(); index >= l.Index {
			t.Errorf("entry %d is told when it is committed already", l.Index)
		}
		return awaited
	}
	for i := range uint64(3) {
		answers := f.ApplyBatch([]*raft.Log{stamped(i+1, acceptCommand(i+1, text(i+1)))})
		if r, ok := answers[0].(*store.AcceptResult); !ok || r.Items[0].Code != store.AcceptOK {
			t.Fatalf("answer %+v", answers[0])
		}
	}
	if index, _ := s.store.Applied(); index != 0 || len(told) != 3 || len(f.staged) != 1 {
		t.Errorf("applied %d before the commit, told of %v", index, told)
	}
	awaited = true
	f.ApplyBatch([]*raft.Log{stamped(4, &store.NodeUp{Node: "n9", Incarnation: 1})})
	if index, _ := s.store.Applied(); index != 4 {
		t.Errorf("applied %d when a command was answered that somebody awaits", index)
	}
	awaited = false
	f.ApplyBatch([]*raft.Log{stamped(5, &store.NodeUp{Node: "n9", Incarnation: 2})})
	if index, _ := s.store.Applied(); index != 4 {
		t.Errorf("applied %d: nobody awaits that on this node", index)
	}
	big := stamped(6, acceptCommand(6, string(make([]byte, 300))))
	for i := uint64(6); i < 6+maxStagedBytes/300; i++ {
		big.Index = i
		f.ApplyBatch([]*raft.Log{big})
	}
	if index, _ := s.store.Applied(); index <= 5 {
		t.Errorf("applied %d: what is staged has no bound", index)
	}
}

// TestProposalsAreSeenWhenAnswered: whoever proposed anything but an Accept reads it in the store of the node that
// leads, without a Sync.
func TestProposalsAreSeenWhenAnswered(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	stop := make(chan struct{})
	ended := make(chan struct{})
	go func() { // Accepts beside, which share the transactions
		defer close(ended)
		for seq := uint64(1); ; seq++ {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := propose(ctx, s.node, seq, text(seq)); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for i := uint64(1); i <= 200; i++ {
		if _, err := s.node.Propose(ctx, &store.NodeUp{Node: "n9", Incarnation: i}); err != nil {
			t.Fatal(err)
		}
		if got := s.store.Nodes()["n9"]; got != i {
			t.Fatalf("incarnation %d in the store after %d was answered", got, i)
		}
	}
	close(stop)
	<-ended
}

// TestAcceptIsSeenSoon: nothing else moves the store, and nobody waits for it.
func TestAcceptIsSeenSoon(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for seq := uint64(1); seq <= 20; seq++ {
		n, err := propose(ctx, s.node, seq, text(seq))
		if err != nil {
			t.Fatal(err)
		}
		eventually(t, "an accepted message in the store", func() bool { return s.store.LastNumber() >= n })
	}
}

// TestShutdownCommits: what was answered is in the file when the node has stopped.
func TestShutdownCommits(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for seq := uint64(1); seq <= 20; seq++ {
		if _, err := propose(ctx, s.node, seq, text(seq)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.node.Shutdown(ctx); err != nil {
		t.Fatal(err)
	}
	s.check(1, 20)
	if err := s.store.Close(); err != nil {
		t.Fatal(err)
	}
	s.node, s.store = nil, nil
}

// TestDecidedIsTold: the proposer of an Accept has its result when it is decided, whatever Raft says later; that
// of another command waits; an entry of the same octets that came from elsewhere is nobody's.
func TestDecidedIsTold(t *testing.T) {
	q := newQueue(Config{}, nil)
	hand := func() *proposal {
		p := &proposal{octets: []byte{1, 2, 3}, done: make(chan struct{})}
		q.handed[&p.octets[0]] = p
		return p
	}
	told := func(p *proposal) bool {
		select {
		case <-p.done:
			return true
		default:
			return false
		}
	}
	p := hand()
	if q.decided(&raft.Log{Data: []byte{1, 2, 3}}, &store.AcceptResult{}) || told(p) {
		t.Error("told by another node's entry")
	}
	if q.decided(&raft.Log{Data: p.octets}, &store.AcceptResult{}) || !told(p) {
		t.Error("an Accept waits for its commit")
	}
	p.tell(nil, raft.ErrLeadershipLost)
	if _, ok := p.result.(*store.AcceptResult); !ok || p.err != nil {
		t.Errorf("result %v, error %v after Raft has lost sight of it", p.result, p.err)
	}
	if p = hand(); !q.decided(&raft.Log{Data: p.octets}, store.None{}) || told(p) {
		t.Error("another command does not wait for its commit")
	}
	if q.decided(&raft.Log{Type: raft.LogConfiguration}, store.None{}) || len(q.handed) != 0 {
		t.Errorf("%d proposals left", len(q.handed))
	}
}
