package main

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestQuantileAgainstExact(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	draws := map[string]func() time.Duration{
		"uniform":     func() time.Duration { return time.Duration(rnd.Int64N(int64(time.Second))) },
		"exponential": func() time.Duration { return time.Duration(rnd.ExpFloat64() * 3e6) },
		"two humps": func() time.Duration {
			return time.Duration(1e6 + rnd.Int64N(1e5) + int64(rnd.IntN(50)/49)*4e8)
		},
		"tiny":  func() time.Duration { return time.Duration(rnd.IntN(300)) },
		"equal": func() time.Duration { return 12345 * time.Microsecond },
	}
	for name, draw := range draws {
		t.Run(name, func(t *testing.T) {
			var h histogram
			exact := make([]time.Duration, 20_000)
			for i := range exact {
				exact[i] = draw()
				h.add(exact[i])
			}
			slices.Sort(exact)
			for _, q := range []float64{0, 0.001, 0.5, 0.9, 0.99, 0.999, 0.9999, 1} {
				want := exact[max(int(math.Ceil(q*float64(len(exact))))-1, 0)]
				got := h.quantile(q)
				if got < want || float64(got) > float64(want)*(1+1.0/subBuckets)+1 {
					t.Errorf("quantile(%v) = %d, want %d or up to 1/128 more", q, got, want)
				}
			}
			if h.max != exact[len(exact)-1] || h.quantile(1) != h.max {
				t.Errorf("max = %d, quantile(1) = %d, want %d", h.max, h.quantile(1), exact[len(exact)-1])
			}
		})
	}
}

func TestHistogramEdges(t *testing.T) {
	var h histogram
	if got := h.quantile(0.99); got != 0 {
		t.Errorf("quantile of nothing = %v, want 0", got)
	}
	h.add(-time.Second)
	h.add(math.MaxInt64)
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("a negative value counts as %v, want 0", got)
	}
	if got := h.quantile(1); got != math.MaxInt64 {
		t.Errorf("largest value = %v, want %v", got, time.Duration(math.MaxInt64))
	}
}

func TestBucketsAreContiguous(t *testing.T) {
	for i := range bucketOf(math.MaxInt64) {
		end := bucketEnd(i)
		if got := bucketOf(uint64(end)); got != i {
			t.Fatalf("bucket of %d = %d, want %d", end, got, i)
		}
		if got := bucketOf(uint64(end) + 1); got != i+1 {
			t.Fatalf("bucket of %d = %d, want %d", end+1, got, i+1)
		}
	}
	if bucketOf(math.MaxUint64) >= histogramBuckets {
		t.Fatal("the largest value has no bucket")
	}
}
