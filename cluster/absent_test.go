package cluster

import (
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// TestEntriesWaitForAPeerThatIsAway: after an attempt that failed the next one is made the moment the peer answers a
// heartbeat, however many of those have failed before, so that Raft's pauses do not grow; and it ends with its purpose.
func TestEntriesWaitForAPeerThatIsAway(t *testing.T) {
	from, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, patience, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0") // an address that nobody answers at, for now
	if err != nil {
		t.Fatal(err)
	}
	addr := raft.ServerAddress(l.Addr().String())
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	tr := pipelines{from, newAbsences(func(id raft.ServerID, term uint64) bool { return id != "n2" || term != 3 || over.Load() })}
	send := func(req raft.AppendEntriesRequest) error {
		req.Term = 3
		return tr.AppendEntries("n2", addr, &req, &raft.AppendEntriesResponse{})
	}
	heartbeat, entries := raft.AppendEntriesRequest{}, raft.AppendEntriesRequest{PrevLogEntry: 7, LeaderCommitIndex: 7}
	if send(entries) == nil {
		t.Fatal("entries were sent to nobody")
	}
	waited := make(chan error, 1)
	wait := func() { go func() { waited <- send(entries) }() }

	wait()
	over.Store(true)
	if err := <-waited; !errors.Is(err, errDeserted) {
		t.Errorf("an attempt without purpose ended with %v", err)
	}
	over.Store(false)
	wait()
	for range 5 {
		if send(heartbeat) == nil {
			t.Fatal("a heartbeat was answered by nobody")
		}
	}
	select {
	case err := <-waited:
		t.Fatalf("entries were tried again at a peer that is away: %v", err)
	case <-time.After(3 * absenceTick):
	}
	answering(t, addr)
	eventually(t, "a heartbeat to be answered", func() bool { return send(heartbeat) == nil })
	if err := <-waited; err != nil {
		t.Errorf("entries for a peer that is back: %v", err)
	}
	if err := send(entries); err != nil {
		t.Error(err)
	}
}

// answering answers all that Raft sends to addr, until the test ends.
func answering(t *testing.T, addr raft.ServerAddress) {
	t.Helper()
	to, err := raft.NewTCPTransport(string(addr), nil, 1, patience, nil)
	if err != nil {
		t.Fatal(err)
	}
	over := make(chan struct{})
	t.Cleanup(func() { close(over); _ = to.Close() })
	go func() { // ends with the test
		for {
			select {
			case r := <-to.Consumer():
				r.Respond(&raft.AppendEntriesResponse{Term: 3, Success: true}, nil)
			case <-over:
				return
			}
		}
	}()
}
