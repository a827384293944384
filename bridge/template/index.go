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
	heads    bits     // byMiddle: the first characters of the trie's keys, modulo headBits
}

// headBits is the size of bucket.heads: enough that few of a text's characters
// make a search descend into the trie for nothing.
const headBits = 1024

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
	if len(branches) <= few {
		return leaf(branches)
	}
	groups := by.group(branches)
	if len(groups[""]) == len(branches) { // nothing to tell them apart by
		if by == byMiddle {
			return leaf(branches)
		}
		return newBucket(branches, by+1)
	}
	b := bucket{best: branches[0].best, by: by}
	keys := sortedKeys(groups)
	b.trie = newTrie(keys, by == bySuffix)
	for _, key := range keys {
		b.buckets = append(b.buckets, newBucket(groups[key], min(by+1, byMiddle)))
	}
	if by == byMiddle {
		b.heads = newBits(headBits)
		for _, key := range keys {
			head, _ := utf8.DecodeRuneInString(key)
			b.heads.set(head % headBits)
		}
	}
	return b
}

// leaf makes a bucket whose patterns are tried one by one.
func leaf(branches []branch) bucket {
	var b bucket
	for _, br := range branches {
		b.patterns = append(b.patterns, br.pattern)
	}
	if len(branches) > 0 { // none in a set without templates
		b.best = branches[0].best
	}
	return b
}

// group divides branches by the literal that the stage goes by.
func (by stage) group(branches []branch) map[string][]branch {
	if by == byMiddle {
		return byRarest(branches)
	}
	groups := make(map[string][]branch)
	for _, br := range branches {
		key := br.prefix()
		if by == bySuffix {
			key = br.suffix()
		}
		groups[key] = append(groups[key], br)
	}
	return groups
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
			if p.best >= m.best {
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
	for i, c := range m.text {
		if !b.heads.has(c % headBits) {
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
