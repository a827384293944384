package store

// An arena lends octets for the values of one transaction. bbolt reads them until the commit;
// then the next transaction has them.
type arena struct {
	chunks [][]byte
	used   int // chunks begun
	free   []byte
}

const arenaChunk = 64 << 10

// empty returns a slice of length 0 to which up to n octets can be appended in place.
func (a *arena) empty(n int) []byte {
	if n > arenaChunk/4 {
		return make([]byte, 0, n)
	}
	if n > len(a.free) {
		if a.used == len(a.chunks) {
			a.chunks = append(a.chunks, make([]byte, arenaChunk))
		}
		a.free = a.chunks[a.used]
		a.used++
	}
	b := a.free[:0:n]
	a.free = a.free[n:]
	return b
}

// reset takes everything back, and gives up what an unusually large transaction had needed.
func (a *arena) reset() {
	const kept = 64
	if len(a.chunks) > kept {
		clear(a.chunks[kept:])
		a.chunks = a.chunks[:kept]
	}
	a.used, a.free = 0, nil
}
