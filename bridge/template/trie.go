package template

import (
	"slices"
	"strings"
)

// A trie finds which of its keys a text begins or ends with. Edges carry whole
// strings. A descent is bound by cache misses, so nodes are small, a node's children
// lie side by side, and so do their edges' octets.
type trie struct {
	nodes []node
	text  string // of all edges
}

type node struct {
	label, size uint32 // the edge from the parent, as it reads: text[label:][:size]
	next        uint32 // text[next:][:children] are the first octets of the children's edges in the direction of travel
	children    uint32
	first       int32 // the child for the first of them; the others follow it
	value       int32 // index of the key that ends here, or -1
	up          int32 // the nearest node above at which a key ends, or -1
}

// An entry is a key in the direction of travel and its index.
type entry struct {
	key   string
	value int32
}

// newTrie makes a trie of distinct keys. A backward trie is walked from the end
// of a text with suffix, another from its beginning with prefix.
func newTrie(keys []string, backward bool) *trie {
	entries := make([]entry, len(keys))
	for i, key := range keys {
		if backward {
			key = reverse(key)
		}
		entries[i] = entry{key, int32(i)}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	g := grower{trie: &trie{nodes: []node{{up: -1}}}, backward: backward}
	g.grow(0, entries, 0)
	g.trie.text = g.text.String()
	return g.trie
}

// A grower is a trie in the making.
type grower struct {
	*trie
	text     strings.Builder
	backward bool
}

// grow makes what lies below node n. The entries are sorted and have their first
// depth octets in common, which are the way to n.
func (g *grower) grow(n int32, entries []entry, depth int) {
	up := g.nodes[n].up
	g.nodes[n].value = -1
	if len(entries) > 0 && len(entries[0].key) == depth {
		g.nodes[n].value = entries[0].value
		entries, up = entries[1:], n
	}
	g.nodes[n].next = uint32(g.text.Len())
	var groups [][]entry
	for len(entries) > 0 {
		c := entries[0].key[depth]
		size := 1
		for size < len(entries) && entries[size].key[depth] == c {
			size++
		}
		g.text.WriteByte(c)
		groups = append(groups, entries[:size])
		entries = entries[size:]
	}
	first := int32(len(g.nodes))
	g.nodes[n].first, g.nodes[n].children = first, uint32(len(groups))
	for _, group := range groups {
		label := common(group[0].key, group[len(group)-1].key)[depth:]
		g.nodes = append(g.nodes, node{label: uint32(g.text.Len()), size: uint32(len(label)), up: up})
		if g.backward {
			label = reverse(label)
		}
		g.text.WriteString(label)
	}
	for i, group := range groups {
		child := first + int32(i)
		g.grow(child, group, depth+int(g.nodes[child].size))
	}
}

// child returns the child of n whose edge begins with c, and the edge.
func (t *trie) child(n *node, c byte) (child int32, label string, ok bool) {
	next := t.text[n.next : n.next+n.children]
	i := 0
	if len(next) > 4 {
		i = strings.IndexByte(next, c)
	} else {
		for i < len(next) && next[i] != c {
			i++
		}
	}
	if uint(i) >= uint(len(next)) {
		return 0, "", false
	}
	child = n.first + int32(i)
	edge := &t.nodes[child]
	return child, t.text[edge.label : edge.label+edge.size], true
}

// prefix returns the node of the longest key that text begins with, or -1. The
// shorter ones follow by node.up.
func (t *trie) prefix(text string) int32 {
	at := int32(0)
	for {
		n := &t.nodes[at]
		if text == "" {
			return n.ends(at)
		}
		child, label, ok := t.child(n, text[0])
		if !ok || !strings.HasPrefix(text, label) {
			return n.ends(at)
		}
		text = text[len(label):]
		at = child
	}
}

// suffix is prefix from the other end, for a backward trie.
func (t *trie) suffix(text string) int32 {
	at := int32(0)
	for {
		n := &t.nodes[at]
		if text == "" {
			return n.ends(at)
		}
		child, label, ok := t.child(n, text[len(text)-1])
		if !ok || !strings.HasSuffix(text, label) {
			return n.ends(at)
		}
		text = text[:len(text)-len(label)]
		at = child
	}
}

// ends returns the node itself, at, when a key ends there, and else the nearest above.
func (n *node) ends(at int32) int32 {
	if n.value >= 0 {
		return at
	}
	return n.up
}

// common returns what a and b begin with.
func common(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return a[:i]
}

func reverse(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}
