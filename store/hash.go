package store

import (
	"encoding/binary"
	"math/bits"
)

// The rolling hash is over what each command does: its index and time, each key that it puts with its
// value, each key that it deletes, and its result. What is written once for all entries of a
// transaction, the meters, the days and the counters, is added at a Mark: so it does not depend on how Raft grouped
// the entries. It finds faults of disks, memory and programs, not forgers.

// Odd numbers without a pattern: the fractions of the square roots of 2, 3 and 5.
const (
	hashA = 0x6a09e667f3bcc909
	hashB = 0xbb67ae8584caa73b
	hashC = 0x3c6ef372fe94f82b
)

// mix makes one number of two, each of whose bits changes half of those of the result.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}

// fold adds octets to a hash, 16 at a time.
func fold(h uint64, b []byte) uint64 {
	h = mix(h^hashA, uint64(len(b))^hashB)
	for len(b) >= 16 {
		h = mix(binary.LittleEndian.Uint64(b)^hashC, binary.LittleEndian.Uint64(b[8:])^h)
		b = b[16:]
	}
	if len(b) >= 8 {
		h = mix(binary.LittleEndian.Uint64(b)^hashC, h^hashB)
		b = b[8:]
	}
	var rest uint64
	for _, o := range b {
		rest = rest<<8 | uint64(o)
	}
	return mix(rest^hashC, h^hashA)
}

// The ways in which a key is changed, as they enter the hash beside the bucket.
const (
	hashPut = 0
	hashDel = 1 << 8
)

// hashChange adds a changed key, and its new value, to the hash.
func (t *txn) hashChange(how int, id bucketID, key, value []byte) {
	h := mix(t.meta.hash^uint64(how|int(id)), hashA)
	h = fold(h, key)
	if how == hashPut {
		h = fold(h, value)
	}
	t.meta.hash = h
}

// hashEntry begins an entry, hashResult ends it.
func (t *txn) hashEntry(index uint64, k Kind) {
	t.meta.hash = mix(t.meta.hash^index, uint64(t.at)<<8^uint64(k)^hashB)
}

func (t *txn) hashResult(r Result) {
	t.encoded = appendResult(t.encoded[:0], r)
	t.meta.hash = fold(t.meta.hash, t.encoded)
}

// hashRest adds what is not hashed change by change: the meters, the days and the counters.
func (t *txn) hashRest() {
	t.flushMeters()
	t.flushDays()
	h := t.meta.hash
	for _, id := range [...]bucketID{bktMeters, bktDays} {
		c := t.bucket(id).Cursor()
		for k, v := c.First(); k != nil; k, v = c.Next() {
			h = fold(fold(h, k), v)
		}
	}
	m := t.meta
	m.index, m.term, m.confIndex = 0, 0, 0 // Raft's own: a file that came as a snapshot has them of another entry
	t.meta.hash = fold(h, m.encode(nil))
}
