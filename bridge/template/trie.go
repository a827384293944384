package template

import (
	"slices"
	"strings"
)

// A trie finds which of its keys a text begins or ends with. Edges carry whole
// strings and a node's children lie side by side, so that a descent touches few
// cache lines.
type trie struct {
	nodes []node
}

type node struct {
	label string // the edge from the parent, as it reads in the text
	next  string // the first octets of the children's edges in the direction of travel
	first int32  // the child for next[0]; the others follow it
	value int32  // index of the key that ends here, or -1
	up    int32  // the nearest node above at which a key ends, or -1
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
	t := &trie{nodes: []node{{up: -1}}}
	t.grow(0, entries, 0)
	if backward {
		for i := range t.nodes {
			t.nodes[i].label = reverse(t.nodes[i].label)
		}
	}
	return t
}

// An entry is a key in the direction of travel and its index.
type entry struct {
	key   string
	value int32
}

// grow makes what lies below node n. The entries are sorted and have their first
// depth octets in common, which are the way to n.
func (t *trie) grow(n int32, entries []entry, depth int) {
	up := t.nodes[n].up
	t.nodes[n].value = -1
	if len(entries) > 0 && len(entries[0].key) == depth {
		t.nodes[n].value = entries[0].value
		entries, up = entries[1:], n
	}
	var groups [][]entry
	var next []byte
	for len(entries) > 0 {
		c := entries[0].key[depth]
		size := 1
		for size < len(entries) && entries[size].key[depth] == c {
			size++
		}
		groups = append(groups, entries[:size])
		next = append(next, c)
		entries = entries[size:]
	}
	first := int32(len(t.nodes))
	t.nodes[n].first, t.nodes[n].next = first, string(next)
	for _, group := range groups {
		label := common(group[0].key, group[len(group)-1].key)[depth:]
		t.nodes = append(t.nodes, node{label: label, up: up})
	}
	for i, group := range groups {
		child := first + int32(i)
		t.grow(child, group, depth+len(t.nodes[child].label))
	}
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
		i := strings.IndexByte(n.next, text[0])
		if i < 0 {
			return n.ends(at)
		}
		child := n.first + int32(i)
		label := t.nodes[child].label
		if !strings.HasPrefix(text, label) {
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
		i := strings.IndexByte(n.next, text[len(text)-1])
		if i < 0 {
			return n.ends(at)
		}
		child := n.first + int32(i)
		label := t.nodes[child].label
		if !strings.HasSuffix(text, label) {
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
