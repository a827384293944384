package cluster

import (
	"io"
	"testing"
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
				for {
					if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 3}, &raft.AppendEntriesResponse{}); err != nil {
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
	p, err := pipelines{NetworkTransport: from}.AppendEntriesPipeline("n2", to.LocalAddr())
	if err != nil {
		t.Fatal(err)
	}
	return p
}
