package cluster

import (
	"slices"
	"sync"
	"testing"
	"time"

	"smppbridge/store"
)

// TestBusyLeaderWithFollowersSpacesRounds: what several nodes propose at their own times shares rounds.
func TestBusyLeaderWithFollowersSpacesRounds(t *testing.T) {
	s := newSite(t, nil)
	s.start()
	s.ready()
	for _, members := range []int{1, 3} {
		q := newQueue(s.node.cfg, s.store) // beside the node's own, which has nothing to do
		q.raft, q.lead, q.members = s.node.raft, s.node.lead, func() int { return members }
		go q.settle()
		go q.pump()
		var mu sync.Mutex
		var handed []time.Time
		var wg sync.WaitGroup
		for lane := range uint64(4) {
			wg.Go(func() {
				for i := range uint64(50) {
					octets := store.Encode(0, &store.NodeUp{Node: "n9", Incarnation: 1 + lane*50 + i})
					p, err := q.propose(t.Context(), s.node.lead.current(), octets, false)
					if err != nil {
						t.Error(err)
						return
					}
					<-p.done
					mu.Lock()
					handed = append(handed, p.at)
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if err := q.stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(handed, time.Time.Compare)
		rounds := slices.Compact(handed)
		t.Logf("%d members: %d proposals in %d rounds", members, 200, len(rounds))
		for i := 1; i < len(rounds) && members > 1; i++ {
			if since := rounds[i].Sub(rounds[i-1]); since < roundGap {
				t.Fatalf("a round of %d members comes %v after another", members, since)
			}
		}
	}
}
