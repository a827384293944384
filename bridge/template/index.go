package template

import (
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A bucket is a part of the index: either a few patterns, tried one by one, or a
// trie over one literal of each of many patterns, which leads to smaller buckets.
type bucket struct {
	best     int32      // the lowest rank in it
	patterns []*pattern // by rank
	by       stage      // which literals the trie is made of
	trie     *trie
	buckets  []bucket // by the trie's values
}

// few is how many patterns are tried one by one rather than told apart by a trie.
const few = 4

// A stage is a literal that tells patterns apart.
type stage uint8

const (
	byPrefix stage = iota // the literal that a text begins with
	bySuffix              // the one it ends with
	byMiddle              // the rarest of those between, again and again until none is left
)

// A branch is a pattern on its way into the index.
type branch struct {
	*pattern
	middles []string // distinct literals between the first and the last that no trie above is made of
}

// newIndex makes the index of patterns, which come by rank.
func newIndex(patterns []*pattern) bucket {
	branches := make([]branch, len(patterns))
	for i, p := range patterns {
		branches[i] = branch{p, p.middles()}
	}
	return newBucket(branches, byPrefix)
}

// middles returns the distinct literals between the first and the last.
func (p *pattern) middles() []string {
	if len(p.rules) < 2 {
		return nil
	}
	middles := slices.Clone(p.literals[1:len(p.rules)])
	slices.Sort(middles)
	middles = slices.Compact(middles)
	if middles[0] == "" { // between variables side by side
		middles = middles[1:]
	}
	return middles
}

// newBucket makes a bucket of branches, which come by rank, beginning at a stage.
func newBucket(branches []branch, by stage) bucket {
	if len(branches) == 0 { // a set without templates
		return bucket{}
	}
	b := bucket{best: branches[0].ranks[0], by: by}
	groups := make(map[string][]branch)
	if len(branches) > few {
		for _, br := range branches {
			groups[by.key(br)] = append(groups[by.key(br)], br)
		}
		if by == byMiddle {
			groups = byRarest(branches)
		}
	}
	if _, undivided := groups[""]; len(groups) == 0 || len(groups) == 1 && undivided {
		if len(branches) > few && by < byMiddle {
			return newBucket(branches, by+1)
		}
		for _, br := range branches {
			b.patterns = append(b.patterns, br.pattern)
		}
		return b
	}
	keys := sortedKeys(groups)
	b.trie = newTrie(keys, by == bySuffix)
	for _, key := range keys {
		b.buckets = append(b.buckets, newBucket(groups[key], min(by+1, byMiddle)))
	}
	return b
}

// key is the literal of a pattern that a stage goes by.
func (by stage) key(br branch) string {
	if by == bySuffix {
		return br.suffix()
	}
	return br.prefix()
}

// byRarest groups branches by that of their middle literals which the fewest of
// them have, the longest of several. Those without one are under "".
func byRarest(branches []branch) map[string][]branch {
	counts := make(map[string]int)
	for _, br := range branches {
		for _, literal := range br.middles {
			counts[literal]++
		}
	}
	groups := make(map[string][]branch)
	for _, br := range branches {
		if len(br.middles) == 0 {
			groups[""] = append(groups[""], br)
			continue
		}
		rarest := slices.MinFunc(br.middles, func(a, b string) int {
			return cmp.Or(cmp.Compare(counts[a], counts[b]), cmp.Compare(len(b), len(a)), strings.Compare(a, b))
		})
		rest := slices.DeleteFunc(slices.Clone(br.middles), func(s string) bool { return s == rarest })
		groups[rarest] = append(groups[rarest], branch{br.pattern, rest})
	}
	return groups
}

// visit tries the patterns of a bucket that can be better than what was found.
func (m *search) visit(b *bucket) {
	if b.best >= m.best {
		return
	}
	if b.trie == nil {
		for _, p := range b.patterns {
			if p.ranks[0] >= m.best {
				return
			}
			m.try(p)
		}
		return
	}
	switch b.by {
	case byPrefix:
		m.climb(b, b.trie.prefix(m.text))
	case bySuffix:
		m.climb(b, b.trie.suffix(m.text))
	case byMiddle:
		m.scan(b)
	}
}

// climb visits the buckets of a node and of those above it: the longest literal,
// which is the most specific, comes first.
func (m *search) climb(b *bucket, at int32) {
	for at >= 0 {
		n := &b.trie.nodes[at]
		m.visit(&b.buckets[n.value])
		at = n.up
	}
}

// scan visits the buckets of all the literals that occur anywhere in the text,
// each once however often it occurs.
func (m *search) scan(b *bucket) {
	if root := &b.trie.nodes[0]; root.value >= 0 {
		m.visit(&b.buckets[root.value])
	}
	s := m.work()
	base := len(s.seen)
	s.seen = append(s.seen, make(bits, (len(b.trie.nodes)+63)/64)...)
	for i := range len(m.text) {
		if !utf8.RuneStart(m.text[i]) {
			continue
		}
		for at := b.trie.prefix(m.text[i:]); at > 0; at = b.trie.nodes[at].up {
			seen := bits(s.seen[base:]) // visit may have moved it
			if seen.has(at) {
				break // and so were those above
			}
			seen.set(at)
			m.visit(&b.buckets[b.trie.nodes[at].value])
		}
	}
	s.seen = s.seen[:base]
}
