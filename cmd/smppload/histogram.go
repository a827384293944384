package main

import (
	"math/bits"
	"time"
)

// A histogram counts durations in buckets whose width is 1/128 of their value, so
// that a quantile is read with an error below 0.8% at any size, without keeping
// the values. The zero value is empty.
type histogram struct {
	buckets [histogramBuckets]uint64
	count   uint64
	max     time.Duration
}

const (
	subBits          = 7 // 2^7 buckets for each power of two
	subBuckets       = 1 << subBits
	histogramBuckets = (64 - subBits + 1) * subBuckets
)

// add counts d. A negative one, which two clocks' readings can make, counts as 0.
func (h *histogram) add(d time.Duration) {
	d = max(d, 0)
	h.buckets[bucketOf(uint64(d))]++
	h.count++
	h.max = max(h.max, d)
}

// quantile returns the smallest bucket end that at least the fraction q of the
// values does not exceed, and 0 if there are none. q is from 0 to 1.
func (h *histogram) quantile(q float64) time.Duration {
	rank := uint64(q * float64(h.count))
	if float64(rank) < q*float64(h.count) || rank == 0 {
		rank++
	}
	var seen uint64
	for i, n := range h.buckets {
		if seen += n; seen >= rank {
			return min(bucketEnd(i), h.max)
		}
	}
	return h.max
}

// bucketOf counts in ones up to twice subBuckets, then in twos, fours, ...
func bucketOf(v uint64) int {
	shift := max(bits.Len64(v)-subBits-1, 0)
	return shift*subBuckets + int(v>>shift)
}

// bucketEnd is the largest value in bucket i.
func bucketEnd(i int) time.Duration {
	shift := max(i/subBuckets-1, 0)
	top := uint64(i-shift*subBuckets) + 1
	return time.Duration(top<<shift - 1)
}
