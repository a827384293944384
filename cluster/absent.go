package cluster

import (
	"errors"
	"sync"
	"time"

	"github.com/hashicorp/raft"
)

// absences are the peers that entries could not be sent to lately.
//
// Raft waits twice as long after each attempt in a row that failed, for up to 10 s, and neither heartbeats nor the peer's own
// return end that wait: a node that is back would get nothing for so long, and if another one goes meanwhile, nothing
// is committed. So a failed attempt is followed by one that lasts until the peer answers a heartbeat.
type absences struct {
	over func(id raft.ServerID, term uint64) bool // nobody waits for the attempt any more

	mu    sync.Mutex
	peers map[raft.ServerID]chan struct{} // guarded by mu; closed when the peer has answered
}

// absenceTick is how often is looked whether anybody waits for the attempt.
const absenceTick = 100 * time.Millisecond

var errDeserted = errors.New("the peer has not come back while this node led")

func newAbsences(over func(id raft.ServerID, term uint64) bool) *absences {
	return &absences{over: over, peers: make(map[raft.ServerID]chan struct{})}
}

// AppendEntries implements raft.Transport.
func (t pipelines) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	beats := isHeartbeat(args)
	args = t.safeCommit(args)
	if !beats {
		if err := t.absences.wait(id, args.Term); err != nil {
			return err
		}
	}
	err := t.NetworkTransport.AppendEntries(id, target, args, resp)
	if err == nil || !beats {
		t.absences.note(id, err != nil)
	}
	return err
}

// safeCommit returns args with a commit index that is not beyond the entries that args proves the follower to have, nor
// beyond those that this node has on its disk (tail).
//
// Raft (1.7.3) reads the commit index when it sends, but the last index to send some time, and a pause after a failed attempt,
// before. What a new leader sends first can then have a commit index beyond its entries, and a follower commits whatever it
// has up to there: a leader that was cut off and is back would apply what nobody else has.
func (t pipelines) safeCommit(args *raft.AppendEntriesRequest) *raft.AppendEntriesRequest {
	most := min(args.PrevLogEntry+uint64(len(args.Entries)), t.synced())
	if args.LeaderCommitIndex <= most {
		return args
	}
	safe := *args
	safe.LeaderCommitIndex = most
	return &safe
}

// isHeartbeat reports whether Raft sends args to show that it leads, beside its entries. It has nothing else in it.
func isHeartbeat(args *raft.AppendEntriesRequest) bool {
	return len(args.Entries) == 0 && args.PrevLogEntry == 0 && args.LeaderCommitIndex == 0
}

// wait returns when the peer is there, as far as is known, or with an error when the attempt is over.
func (a *absences) wait(id raft.ServerID, term uint64) error {
	a.mu.Lock()
	back := a.peers[id]
	a.mu.Unlock()
	if back == nil {
		return nil
	}
	tick := time.NewTicker(absenceTick)
	defer tick.Stop()
	for {
		select {
		case <-back:
			return nil
		case <-tick.C:
		}
		if a.over(id, term) {
			return errDeserted
		}
	}
}

func (a *absences) note(id raft.ServerID, absent bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	back := a.peers[id]
	switch {
	case absent && back == nil:
		a.peers[id] = make(chan struct{})
	case !absent && back != nil:
		close(back)
		delete(a.peers, id)
	}
}

// deserted reports whether an attempt of this node's to send entries in a term has no purpose any more: it does not lead
// in that term, it stops, or the peer is no member.
func (n *Node) deserted(id raft.ServerID, term uint64) bool {
	select {
	case <-n.stop:
		return true
	default:
	}
	r := n.book.raft.Load()
	if n.ending.Load() || r == nil || r.State() != raft.Leader || r.CurrentTerm() != term {
		return true
	}
	for _, s := range r.GetConfiguration().Configuration().Servers {
		if s.ID == id {
			return false
		}
	}
	return true
}
