package aliyunsim

import (
	"hash/maphash"
	"sync"
	"time"
)

const (
	nonceGenerations = 4
	nonceSpan        = 5 * time.Minute // of one generation: the oldest is 15 to 20 minutes old when it goes
)

// nonces remembers the nonces of the last 15 minutes as 64-bit hashes, so that thousands of
// calls a second do not fill the memory. Two nonces of ten million share a hash once in half a million runs.
type nonces struct {
	seed  maphash.Seed
	limit int // of one generation

	mu    sync.Mutex
	sets  [nonceGenerations]map[uint64]struct{} // guarded by mu; youngest first
	since time.Time                             // guarded by mu; when the youngest began
}

func newNonces(limit int) *nonces {
	return &nonces{seed: maphash.MakeSeed(), limit: limit}
}

// use reports whether nonce is new, and remembers it.
func (n *nonces) use(nonce string, now time.Time) bool {
	h := maphash.String(n.seed, nonce)
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.sets[0] == nil || now.Sub(n.since) >= nonceSpan || len(n.sets[0]) >= n.limit {
		n.turn(now)
	}
	for _, set := range n.sets {
		if _, ok := set[h]; ok {
			return false
		}
	}
	n.sets[0][h] = struct{}{}
	return true
}

// turn starts a new generation and forgets the oldest, or all after a long pause.
func (n *nonces) turn(now time.Time) {
	if now.Sub(n.since) >= nonceGenerations*nonceSpan {
		clear(n.sets[:])
	}
	copy(n.sets[1:], n.sets[:])
	n.sets[0] = map[uint64]struct{}{}
	n.since = now
}
