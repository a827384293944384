package cluster

import (
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// TestPipelineEndsWithItsReader: after an answer behind which Raft reads no more, the sender is told, instead of waiting
// for ever for room in the pipeline.
func TestPipelineEndsWithItsReader(t *testing.T) {
	tests := []struct {
		name   string
		answer raft.AppendEntriesResponse
	}{
		{"refused", raft.AppendEntriesResponse{Term: 3}},
		{"a later term", raft.AppendEntriesResponse{Term: 4, Success: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := pipelineTo(t, tt.answer)
			sent := make(chan error, 1)
			go func() { // ends with the pipeline
				for i := uint64(0); ; i++ {
					if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 3, PrevLogEntry: i}, &raft.AppendEntriesResponse{}); err != nil {
						sent <- err
						return
					}
				}
			}()
			if got := (<-p.Consumer()).Response(); got.Success != tt.answer.Success || got.Term != tt.answer.Term {
				t.Errorf("answer %+v, want %+v", got, tt.answer)
			}
			select {
			case <-sent:
			case <-time.After(patience):
				t.Error("the sender waits for ever")
			}
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPipelinePassesAnswersOn: in order, and all, until it is closed with some on the way.
func TestPipelinePassesAnswersOn(t *testing.T) {
	p := pipelineTo(t, raft.AppendEntriesResponse{Term: 3, Success: true})
	const n = 100
	go func() { // ends with the pipeline
		for i := uint64(1); ; i++ {
			if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 3, PrevLogEntry: i}, &raft.AppendEntriesResponse{}); err != nil {
				return
			}
		}
	}()
	for i := uint64(1); i <= n; i++ {
		if a := <-p.Consumer(); a.Request().PrevLogEntry != i || !a.Response().Success {
			t.Fatalf("answer %d is of request %d: %+v", i, a.Request().PrevLogEntry, a.Response())
		}
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestPipelineTellsNewsOnly: a follower is told at once what is new to it, and now and then what is not.
func TestPipelineTellsNewsOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sent := new(sentPipeline)
		p := &pipeline{AppendPipeline: sent, safeCommit: pipelines{synced: allSynced}.safeCommit}
		for i, step := range []struct {
			after        time.Duration
			prev, commit uint64
			entries      int
			news         bool
		}{
			{0, 7, 7, 0, true},
			{0, 7, 7, 0, false},
			{tellAgain / 2, 7, 7, 0, false},
			{0, 7, 7, 2, true},              // entries 8 and 9
			{0, 9, 7, 0, false},             // which it has
			{0, 9, 8, 0, true},              // one is committed
			{0, 9, 12, 0, true},             // and the other; more it has not been shown to have
			{0, 9, 13, 0, false},            //
			{tellAgain - 1, 9, 9, 0, false}, //
			{1, 9, 9, 0, true},
			{0, 8, 9, 1, true}, // an entry again, behind another one
		} {
			time.Sleep(step.after)
			req := &raft.AppendEntriesRequest{PrevLogEntry: step.prev, LeaderCommitIndex: step.commit, Entries: make([]*raft.Log, step.entries)}
			before := len(sent.reqs)
			if _, err := p.AppendEntries(req, &raft.AppendEntriesResponse{}); err != nil {
				t.Fatal(err)
			}
			if got := len(sent.reqs) > before; got != step.news {
				t.Errorf("step %d: sent %v, want %v", i, got, step.news)
			}
		}
	})
}

// sentPipeline notes what Raft would send.
type sentPipeline struct {
	raft.AppendPipeline
	reqs []*raft.AppendEntriesRequest
}

// AppendEntries implements raft.AppendPipeline.
func (p *sentPipeline) AppendEntries(args *raft.AppendEntriesRequest, _ *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	p.reqs = append(p.reqs, args)
	return nil, nil
}

// pipelineTo opens a pipeline to a node that gives everything this answer.
func pipelineTo(t *testing.T, answer raft.AppendEntriesResponse) raft.AppendPipeline {
	t.Helper()
	transport := func() *raft.NetworkTransport {
		tr, err := raft.NewTCPTransport("127.0.0.1:0", nil, 3, patience, io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = tr.Close() })
		return tr
	}
	from, to := transport(), transport()
	over := make(chan struct{})
	t.Cleanup(func() { close(over) })
	go func() { // ends with the test
		for {
			select {
			case r := <-to.Consumer():
				r.Respond(&answer, nil)
			case <-over:
				return
			}
		}
	}()
	p, err := pipelines{NetworkTransport: from, synced: allSynced}.AppendEntriesPipeline("n2", to.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	return p
}
