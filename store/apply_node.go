package store

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
)

func (k sessionKey) compare(o sessionKey) int {
	return cmp.Or(
		strings.Compare(k.node, o.node), cmp.Compare(k.incarnation, o.incarnation), cmp.Compare(k.session, o.session),
	)
}

func (v *Bind) key() sessionKey {
	return sessionKey{node: v.Node, incarnation: v.Incarnation, session: v.Session}
}

// nodeUp applies a NodeUp: what earlier incarnations of the node had open is closed.
func (t *txn) nodeUp(c *NodeUp) *NodeUpResult {
	if current, up := t.nodes[c.Node]; up && c.Incarnation <= current {
		return &NodeUpResult{OK: c.Incarnation == current, Incarnation: current}
	}
	node := strings.Clone(c.Node)
	t.nodes[node] = c.Incarnation
	t.put(bktNodes, named(node, 0), key8(c.Incarnation))
	t.view.node(node, c.Incarnation)

	prefix := named(node, 0)
	own := tokenKey(node, c.Incarnation, 0)
	t.delRange(bktTokens, prefix, own)
	t.delRange(bktTokens, after(own[:len(own)-8]), after(prefix))

	t.dropBinds(node, func(incarnation uint64) bool { return incarnation != c.Incarnation })
	return &NodeUpResult{OK: true, Incarnation: c.Incarnation}
}

// dropBinds removes the binds that a node has in some incarnations, account by account at once: they may
// be thousands.
func (t *txn) dropBinds(node string, drop func(incarnation uint64) bool) {
	var gone []sessionKey
	prefix := named(node, 0)
	cur := t.bucket(bktBinds).Cursor()
	for k, raw := cur.Seek(prefix); k != nil && bytes.HasPrefix(k, prefix); k, raw = cur.Next() {
		v, err := decodeBind(raw)
		t.fail(err)
		if drop(v.Incarnation) {
			gone = append(gone, v.key())
		}
	}
	done := map[string]bool{}
	for _, k := range gone {
		account := t.sessions[k]
		delete(t.sessions, k)
		t.del(bktBinds, bindKey(k))
		if !done[account] {
			done[account] = true
			t.setBinds(account, slices.DeleteFunc(t.binds[account], func(b Bind) bool {
				return b.Node == node && drop(b.Incarnation)
			}))
		}
	}
}

// setBinds gives an account its binds.
func (t *txn) setBinds(account string, binds []Bind) {
	if len(binds) == 0 {
		delete(t.binds, account)
	} else {
		t.binds[account] = binds
	}
	t.view.bound(account)
}

// after is the first key behind all that begin with prefix. A prefix begins with a name, so that
// its octets are not all 0xff.
func after(prefix []byte) []byte {
	k := slices.Clone(prefix)
	for k[len(k)-1] == 0xff {
		k = k[:len(k)-1]
	}
	k[len(k)-1]++
	return k
}

// bindOpen applies a BindOpen. A bind that is there already counts once.
func (t *txn) bindOpen(c *BindOpen) *BindResult {
	key := c.Bind.key()
	if account, ok := t.sessions[key]; ok {
		return &BindResult{OK: account == c.Bind.Account, Binds: len(t.binds[c.Bind.Account])}
	}
	binds := t.binds[c.Bind.Account]
	current, up := t.nodes[key.node]
	if up && current != key.incarnation || c.Limit > 0 && uint64(len(binds)) >= uint64(c.Limit) {
		return &BindResult{Binds: len(binds)}
	}
	t.put(bktBinds, bindKey(key), appendBind(nil, &c.Bind))
	t.machine.addBind(c.Bind)
	t.view.bound(c.Bind.Account)
	return &BindResult{OK: true, Binds: len(binds) + 1}
}

// addBind puts a bind in its place in memory. Its strings are copied: they are part of a log
// entry or of a page.
func (m *machine) addBind(v Bind) {
	v.Node, v.Account = strings.Clone(v.Node), strings.Clone(v.Account)
	binds := m.binds[v.Account]
	i, _ := findBind(binds, v.key())
	m.binds[v.Account] = slices.Insert(binds, i, v)
	m.sessions[v.key()] = v.Account
}

// findBind returns a bind's place in an account's binds.
func findBind(binds []Bind, key sessionKey) (place int, there bool) {
	return slices.BinarySearchFunc(binds, key, func(b Bind, k sessionKey) int { return b.key().compare(k) })
}

// bindClose applies a BindClose.
func (t *txn) bindClose(c *BindClose) None {
	key := sessionKey{node: c.Node, incarnation: c.Incarnation, session: c.Session}
	account, ok := t.sessions[key]
	if !ok {
		return None{}
	}
	delete(t.sessions, key)
	t.del(bktBinds, bindKey(key))
	if i, ok := findBind(t.binds[account], key); ok {
		t.setBinds(account, slices.Delete(t.binds[account], i, i+1))
	}
	return None{}
}

// putPolicy applies a PutPolicy.
func (t *txn) putPolicy(c *PutPolicy) *PolicyResult {
	if c.Base != t.meta.policy {
		return &PolicyResult{Version: t.meta.policy}
	}
	t.meta.policy++
	p := Policy{Version: t.meta.policy, Doc: cloneOctets(c.Doc), Author: strings.Clone(c.Author), At: t.at}
	t.put(bktPolicy, key8(p.Version), appendPolicy(nil, &p))
	t.view.newPolicy(&p)
	return &PolicyResult{OK: true, Version: p.Version}
}
