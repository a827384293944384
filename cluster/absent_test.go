package cluster

import (
	"errors"
	"math"
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
	addr := raft.ServerAddress(freeAddr(t)) // nobody answers there, for now
	var over atomic.Bool
	tr := pipelines{from, newAbsences(func(id raft.ServerID, term uint64) bool { return id != "n2" || term != 3 || over.Load() }), allSynced, nil}
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

// TestCommitIndexIsProven: no follower is told to commit what it has not been shown to have in common with the leader, nor
// what the leader's disk does not have.
func TestCommitIndexIsProven(t *testing.T) {
	entries := []*raft.Log{{Index: 8}, {Index: 9}}
	tests := []struct {
		name                        string
		entries                     []*raft.Log
		prev, commit, synced, wants uint64
	}{
		{"behind the entries", entries, 7, 8, math.MaxUint64, 8},
		{"the last entry", entries, 7, 9, math.MaxUint64, 9},
		{"beyond the entries", entries, 7, 12, math.MaxUint64, 9},
		{"beyond, without entries", nil, 7, 9, math.MaxUint64, 7},
		{"beyond the leader's disk", entries, 7, 9, 8, 8},
		{"beyond it, without entries", nil, 9, 9, 8, 8},
		{"behind it", entries, 7, 8, 8, 8},
		{"a heartbeat", nil, 0, 0, math.MaxUint64, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := make(chan uint64, 2)
			from, to := heeding(t, got)
			req := raft.AppendEntriesRequest{Term: 3, PrevLogEntry: tt.prev, Entries: tt.entries, LeaderCommitIndex: tt.commit}
			tr := pipelines{from, newAbsences(func(raft.ServerID, uint64) bool { return false }),
				func() uint64 { return tt.synced }, nil}
			if err := tr.AppendEntries("n2", to, &req, &raft.AppendEntriesResponse{}); err != nil {
				t.Fatal(err)
			}
			p, err := tr.AppendEntriesPipeline("n2", to)
			if err != nil {
				t.Fatal(err)
			}
			defer p.Close()
			if _, err := p.AppendEntries(&req, &raft.AppendEntriesResponse{}); err != nil {
				t.Fatal(err)
			}
			for _, how := range []string{"one by one", "in a pipeline"} {
				if c := <-got; c != tt.wants {
					t.Errorf("%s: told to commit up to %d, want %d", how, c, tt.wants)
				}
			}
			if req.LeaderCommitIndex != tt.commit {
				t.Error("raft's own request was changed")
			}
		})
	}
}

// heeding returns a transport, and the address of another that tells the commit indexes it is sent.
func heeding(t *testing.T, got chan<- uint64) (from *raft.NetworkTransport, to raft.ServerAddress) {
	t.Helper()
	pair := make([]*raft.NetworkTransport, 2)
	for i := range pair {
		tr, err := raft.NewTCPTransport("127.0.0.1:0", nil, 1, patience, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		pair[i] = tr
	}
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	go func() { // ends with the test
		for {
			select {
			case r := <-pair[1].Consumer():
				got <- r.Command.(*raft.AppendEntriesRequest).LeaderCommitIndex
				r.Respond(&raft.AppendEntriesResponse{Term: 3, Success: true}, nil)
			case <-over:
				return
			}
		}
	}()
	return pair[0], pair[1].LocalAddr()
}

// allSynced is of a log that is on the disk.
func allSynced() uint64 { return math.MaxUint64 }
