package cluster

import (
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// pipelines is Raft's transport with pipelines that cannot hang, and with what absent.go and heartbeat.go say.
//
// When a follower does not take what it was sent, or a connection ends, Raft's decoder of that pipeline reads no more
// answers, and closes nothing. If its sender is just then in AppendEntries it waits for room that nobody makes (raft
// 1.7.3, issue 612 there): the follower gets heartbeats and never again an entry, and the node cannot shut down.
type pipelines struct {
	*raft.NetworkTransport
	absences *absences
	synced   func() uint64                      // up to which index this node's log is on its disk
	standing func() (term uint64, follows bool) // Raft's
}

// AppendEntriesPipeline implements raft.Transport.
func (t pipelines) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	inner, err := t.NetworkTransport.AppendEntriesPipeline(id, target)
	if err != nil {
		return nil, err
	}
	p := &pipeline{AppendPipeline: inner, safeCommit: t.safeCommit, answers: make(chan raft.AppendFuture), closed: make(chan struct{})}
	go p.pass() // ends with an answer after which no more are read, or with Close
	return p, nil
}

// A pipeline closes itself after the answer that is the last one for Raft's decoder: then a sender that waits gets an
// error.
type pipeline struct {
	raft.AppendPipeline
	safeCommit func(*raft.AppendEntriesRequest) *raft.AppendEntriesRequest
	answers    chan raft.AppendFuture
	once       sync.Once
	closed     chan struct{} // by Close

	// What the follower was told last. Only AppendEntries uses it.
	last, commit uint64
	told         time.Time
}

// tellAgain is after how long a follower of a leader that has nothing to send is told once more what it knows: a
// connection that has broken meanwhile is found before the next entry needs it.
const tellAgain = 100 * time.Millisecond

// AppendEntries implements raft.AppendPipeline. Raft, which takes only the error, has it send what is committed
// after each commitNotice, whether or not that is news: what is not, is not sent.
func (p *pipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	args = p.safeCommit(args)
	last, now := args.PrevLogEntry+uint64(len(args.Entries)), time.Now()
	known := len(args.Entries) == 0 && last == p.last && args.LeaderCommitIndex == p.commit
	if known && now.Sub(p.told) < tellAgain {
		return nil, nil
	}
	p.last, p.commit, p.told = last, args.LeaderCommitIndex, now
	return p.AppendPipeline.AppendEntries(args, resp)
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
