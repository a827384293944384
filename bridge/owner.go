package bridge

import (
	"slices"
	"time"

	"smppbridge/store"
)

// Which node delivers a receipt
//
// Among the nodes that have a receiver of the account, by the replicated binds, one owns the receipt: the one
// with the highest weight for the number of its message (weigh). Only the owner begins a deliver_sm. As all nodes
// apply the same log, they differ about the owner only while one of them lags.
//
// A receipt changes its owner in two ways:
//
//   - A node that had it goes: its last receiver of the account is gone from the state. That happens behind the
//     removal of all that those receivers had answered (courier.settled), so who owns the receipt now delivers it at
//     once. If the node was reaped or died, nobody knows what its ESMEs had answered: that receipt may come twice.
//   - A node comes: with its first receiver of the account it owns a part of what waits. That never moves a receipt in
//     flight. The node asks each other node that has receivers of the account then (handover.go): what is it
//     still delivering that is not its own any more? The other one answers when it has applied what the new one has,
//     so that it begins nothing of the new one's from then on; what it names is left to it until it is answered or
//     has failed. What was removed from the outbox meanwhile is gone from the new one's state too when it reads the
//     answer (Cluster.Sync). Receipts queued behind the bind need no answer: whoever knows them knows the bind.
//
// So, with nobody dying, two nodes never deliver one receipt. Let N begin to deliver it while O has it in flight, or
// has had it answered without N's state knowing. O began it when it was the owner by O's state. If that state was
// older than N's coming, N has O's answer, which named it, or O was gone by N's state, and then the receipt was out of
// the outbox or not in flight. If it was younger, O owned it although N had receivers, and N owns it since O
// left; or O came after N, has asked N, and N has answered in a state in which O owns it, and begins it no more.
//
// What this needs of a node is that it knows when it was taken for dead. A node whose cluster is not in touch
// delivers nothing. One that has not been in touch for a moment (touchGap), or has had no receiver of the account
// for a moment, has left, whatever its state says by now: it comes anew, and before it counts its own state
// as anything it catches up with the others (Cluster.Sync).
//
// An entry that was read under other binds is looked for again before it is delivered: another node may have owned
// it for a while.

// touchGap is how long a node may have been out of touch without its binds having been given to others: a leader waits
// several times as long (see Cluster.InTouch).
const touchGap = time.Second

// A candidate is a node that may own an account's receipts.
type candidate struct {
	node string
	hash uint64 // of node
}

// candidates are the nodes that have a receiver among an account's binds, each once, in order of their ids, as the
// binds are.
func candidates(binds []store.Bind) []candidate {
	var list []candidate
	for i := range binds {
		v := &binds[i]
		if v.Receives && (len(list) == 0 || list[len(list)-1].node != v.Node) {
			list = append(list, candidate{v.Node, hashNode(v.Node)})
		}
	}
	return list
}

// owner is the node that delivers the receipt of message n; empty if there is no candidate.
func owner(list []candidate, n store.Number) string {
	var best string
	var most uint64
	for i := range list {
		if w := weigh(list[i].hash, n); best == "" || w > most {
			best, most = list[i].node, w
		}
	}
	return best
}

// hashNode is FNV-1a of a node's id, with 64 bits. It is written out, as weigh is, because nodes of all versions
// must agree on it.
func hashNode(node string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(node) {
		h = (h ^ uint64(node[i])) * 0x100000001b3
	}
	return h
}

// weigh is how much a node is for delivering the receipt of message n: the node's hash and the number, mixed as
// in splitmix64.
func weigh(node uint64, n store.Number) uint64 {
	x := node + uint64(n)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// sameBinds reports whether two answers of store.Binds are one: then no bind of the account has come or gone between.
func sameBinds(a, b []store.Bind) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// A standing says how far a mailbox is in owning receipts.
type standing uint8

const (
	absent standing = iota // this node has no receiver of the account
	coming                 // it catches up with what the others have done
	inside                 // it delivers what it owns
)

// A share is this node's part in delivering an account's receipts. It belongs to the mailbox's goroutine.
type share struct {
	self     string
	binds    []store.Bind // as last looked at
	nodes    []candidate  // of binds
	standing standing
	coming   uint64    // how often this node has come: answers to what was asked before count no more
	since    int64     // the state's clock when it was inside: what is queued later has been its own from the start
	touched  time.Time // when it was last seen to be in touch, while not absent
	hurdles  []*hurdle // other nodes that have not handed over yet
	epoch    uint64    // grows with whatever may have had another node own a receipt that this one owns now
}

// owns reports whether this node is the owner of the receipt of message n.
func (s *share) owns(n store.Number) bool {
	return s.standing == inside && (len(s.nodes) == 1 || owner(s.nodes, n) == s.self)
}

// leave takes this node for one that has no receiver.
func (s *share) leave() {
	s.standing, s.hurdles = absent, nil
	s.coming++
	s.epoch++
}

// barred reports whether r may be in flight at another node although this one owns it.
func (s *share) barred(r *store.Receipt) bool {
	for _, h := range s.hurdles {
		if h.bars(r, s.since) {
			return true
		}
	}
	return false
}

// look takes an account's binds into account, as the state has them now. gone says that a node has gone since the last
// time, so that what it owned may be this one's.
func (s *share) look(binds []store.Bind) (gone bool) {
	if sameBinds(s.binds, binds) {
		return false
	}
	was := s.nodes
	s.binds, s.nodes = binds, candidates(binds)
	s.epoch++
	for i := range was {
		gone = gone || !has(s.nodes, was[i].node)
	}
	s.hurdles = slices.DeleteFunc(s.hurdles, func(h *hurdle) bool { return !has(s.nodes, h.node) })
	return gone
}

func has(list []candidate, node string) bool {
	return slices.ContainsFunc(list, func(c candidate) bool { return c.node == node })
}
