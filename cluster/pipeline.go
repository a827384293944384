package cluster

import (
	"sync"

	"github.com/hashicorp/raft"
)

// pipelines is Raft's transport with pipelines that cannot hang.
//
// When a follower does not take what it was sent, or a connection ends, Raft's decoder of that pipeline reads no more
// answers, and closes nothing. If its sender is just then in AppendEntries it waits for room that nobody makes (raft
// 1.7.3, issue 612 there): the follower gets heartbeats and never again an entry, and the node cannot shut down.
type pipelines struct {
	*raft.NetworkTransport
	absences *absences
}

// AppendEntriesPipeline implements raft.Transport.
func (t pipelines) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	p := &pipeline{AppendPipeline: inner, answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
	go p.pass() // ends with an answer after which no more are read, or with Close
	return p, nil
}

// A pipeline closes itself after the answer that is the last one for Raft's decoder: then a sender that waits gets an
// error.
type pipeline struct {
	raft.AppendPipeline
	answers chan raft.AppendFuture
	once    sync.Once
	closed  chan struct{} // by Close
}

// AppendEntries implements raft.AppendPipeline.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	return p.AppendPipeline.AppendEntries(provenCommit(args), resp)
}

// pass hands the answers on.
func (p *pipeline) pass() {
	for {
		select {
		case a := <-p.AppendPipeline.Consumer():
			select {
			case p.answers <- a:
			case <-p.closed:
				return
			}
			if resp := a.Response(); !resp.Success || resp.Term > a.Request().Term {
				_ = p.AppendPipeline.Close() // the connection is of no use any more
				return
			}
		case <-p.closed:
			return
		}
	}
}

// Consumer implements raft.AppendPipeline.
func (p *pipeline) Consumer() <-chan raft.AppendFuture { return p.answers }

// Close implements raft.AppendPipeline.
func (p *pipeline) Close() error {
	p.once.Do(func() { close(p.closed) })
	return p.AppendPipeline.Close()
}
