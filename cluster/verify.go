package cluster

import (
	"context"
	"fmt"
	"time"

	"github.com/hashicorp/raft"

	"smppbridge/store"
)

// An auditor has the members compare what they hold. Each notes a hash of what it has applied when a
// Mark is applied; the leader learns these by pulse and proposes a Verify with the one that a majority
// of the voters noted. Whoever noted another one stops at the Verify, the leader too; a node that is
// away now meets it when it is back.
type auditor struct {
	node  *Node
	mark  uint64    // index of the Mark that answers are awaited to; 0 = none
	at    time.Time // when it was committed
	quiet uint64    // applied index at which everything but the last Mark and Verify was compared
}

// audit is a duty of the leader.
func (a *auditor) audit(_ context.Context, r *reign) error {
	n := a.node
	others, quorum := n.otherVoters()
	if len(others) == 0 || store.Since(&store.Mark{}) > n.store.ClusterVersion() {
		return nil
	}
	if a.mark != 0 {
		return a.settle(r, others, quorum)
	}
	if applied, _ := n.store.Applied(); applied == a.quiet || time.Since(a.at) < n.cfg.MarkInterval {
		return nil
	}
	a.at = time.Now()
	if _, err := n.commit(r, &store.Mark{}); err != nil {
		return fmt.Errorf("mark: %w", err)
	}
	a.mark, _ = n.store.Marked()
	n.sightings.hurry()
	return nil
}

// settle looks at the answers to the last Mark, until a majority has noted the same hash, or enough have
// answered to know that none will.
func (a *auditor) settle(r *reign, others []raft.Server, quorum int) error {
	n := a.node
	mark, own := n.store.Marked()
	if mark != a.mark { // a Mark of an earlier reign came in between
		a.mark = 0
		return nil
	}
	votes := map[uint64]int{own: 1}
	open := 0
	for _, s := range others {
		if p := n.sightings.get(string(s.ID)); p.pulse.mark == a.mark {
			votes[p.pulse.hash]++
		} else {
			open++
		}
	}
	best, count := uint64(0), 0
	for hash, c := range votes {
		if c > count {
			best, count = hash, c
		}
	}
	switch {
	case count >= quorum && (open == 0 || time.Since(a.at) > 2*n.cfg.PulseInterval):
		return a.verify(r, best, len(others)+1-open-count)
	case count+open < quorum:
		n.undecided.Add(1)
		n.log.Error("the nodes' states differ, and no majority agrees: stop the cluster and compare them", "index", a.mark)
		a.mark = 0
	case time.Since(a.at) > n.cfg.MarkInterval: // too few answer
		a.mark = 0
	}
	return nil
}

func (a *auditor) verify(r *reign, hash uint64, differ int) error {
	n := a.node
	n.diverged.Store(int64(differ))
	if differ > 0 {
		n.log.Error("a node's state differs from the majority's: it stops", "nodes", differ, "index", a.mark)
	}
	mark := a.mark
	a.mark = 0
	if _, err := n.commit(r, &store.Verify{Mark: mark, Hash: hash}); err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if applied, _ := n.store.Applied(); applied == mark+1 {
		a.quiet = applied // otherwise what came in between the two is still to be compared
	}
	return nil
}
