package template

import (
	"errors"
	"fmt"
)

// A Subset is what of a set an account may use. It is compiled once by
// [Set.Subset] and safe for concurrent use. A nil *Subset is the whole set.
type Subset struct {
	set   *Set
	ranks bits // of the templates; nil: every one
	signs bits // numbers of the signatures; nil: every one
}

// Subset compiles what an account may use. A nil slice means every template, or
// every signature; an empty one means none. All names that are not in the set are
// reported at once.
func (s *Set) Subset(codes, signs []string) (*Subset, error) {
	sub := &Subset{set: s}
	var faults []error
	if codes != nil {
		wanted := newBits(len(s.templates))
		for _, code := range codes {
			i, ok := s.byCode[code]
			if !ok {
				faults = append(faults, fmt.Errorf("unknown template %q", code))
				continue
			}
			wanted.set(i)
		}
		sub.ranks = newBits(len(s.byRank))
		for rank, i := range s.byRank {
			if wanted.has(i) {
				sub.ranks.set(int32(rank))
			}
		}
	}
	if signs != nil {
		sub.signs = newBits(len(s.signNames))
		for _, name := range signs {
			n, ok := s.signs[name]
			if !ok {
				faults = append(faults, fmt.Errorf("unknown signature %q", name))
				continue
			}
			sub.signs.set(n)
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return sub, nil
}

// HasTemplate reports whether the account may use the template with that code,
// for messages whose client names its template.
func (sub *Subset) HasTemplate(code string) bool {
	i, ok := sub.set.byCode[code]
	if !ok || sub.ranks == nil {
		return ok
	}
	for _, rank := range sub.set.templates[i].pattern.ranks {
		if sub.set.byRank[rank] == i {
			return sub.ranks.has(rank)
		}
	}
	return false
}

// HasSignature reports whether the account may use the signature of that name.
func (sub *Subset) HasSignature(name string) bool {
	n, ok := sub.set.signs[name]
	return ok && sub.hasSign(n)
}

// of reports whether the subset belongs to s. The whole set belongs to any.
func (sub *Subset) of(s *Set) bool { return sub == nil || sub.set == s }

func (sub *Subset) hasSign(n int32) bool {
	return sub == nil || sub.signs == nil || sub.signs.has(n)
}

// first returns the first of the ascending ranks that is below limit and in the
// subset, or -1.
func (sub *Subset) first(ranks []int32, limit int32) int32 {
	if sub == nil || sub.ranks == nil {
		if ranks[0] < limit {
			return ranks[0]
		}
		return -1
	}
	for _, rank := range ranks {
		if rank >= limit {
			break
		}
		if sub.ranks.has(rank) {
			return rank
		}
	}
	return -1
}

// bits is a set of small numbers.
type bits []uint64

func newBits(n int) bits { return make(bits, (n+63)/64) }

func (b bits) set(i int32)      { b[i/64] |= 1 << (i % 64) }
func (b bits) has(i int32) bool { return b[i/64]&(1<<(i%64)) != 0 }
