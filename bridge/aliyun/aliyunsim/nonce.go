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
	if spans := now.Sub(n.since) / nonceSpan; spans >= nonceGenerations || n.sets[0] == nil {
		n.sets, n.since = [nonceGenerations]map[uint64]struct{}{{}}, now
	} else if spans > 0 {
		n.since = n.since.Add(spans * nonceSpan)
		n.turn(int(spans))
	} else if len(n.sets[0]) >= n.limit {
		n.since = now
		n.turn(1)
	}
	for _, set := range n.sets {
		if _, ok := set[h]; ok {
			return false
		}
	}
	n.sets[0][h] = struct{}{}
	return true
}

// turn starts new generations and forgets as many of the oldest. The caller holds mu.
func (n *nonces) turn(generations int) {
	for range generations {
		copy(n.sets[1:], n.sets[:])
		n.sets[0] = map[uint64]struct{}{}
	}
}
