package store

import (
	"encoding/binary"

	bolt "go.etcd.io/bbolt"
)

// A bucketID names a bucket of the file.
type bucketID int

// The buckets. doc.go says what is in each.
const (
	bktMeta bucketID = iota
	bktTokens
	bktNodes
	bktMessages
	bktStates
	bktAttempts
	bktSends
	bktDue
	bktParts
	bktOutbox
	bktOrphans
	bktMeters
	bktBinds
	bktPolicy
	bktGroups
	bktRecent
	bktRegistry
	bktHeard
	bktDays
	bucketCount
)

// name is the bucket's key in the file.
func (id bucketID) name() []byte {
	return []byte([bucketCount]string{
		"meta", "tokens", "nodes", "messages", "states", "attempts", "sends", "due", "parts", "outbox", "orphans",
		"meters", "binds", "policy", "groups", "recent", "registry", "heard", "days",
	}[id])
}

// ascending reports whether the bucket's keys mostly ascend, so that its pages can be filled.
func (id bucketID) ascending() bool {
	switch id {
	case bktMessages, bktStates, bktAttempts, bktSends, bktDue, bktOutbox, bktOrphans, bktGroups, bktRecent, bktHeard:
		return true
	}
	return false
}

// find returns the bucket in tx.
func (id bucketID) find(tx *bolt.Tx) *bolt.Bucket {
	b := tx.Bucket(id.name())
	if b != nil && id.ascending() {
		b.FillPercent = 0.9
	}
	return b
}

// key8 is the key of what is numbered: messages, states, attempts, orphans, policy.
func key8(n uint64) []byte {
	return binary.BigEndian.AppendUint64(make([]byte, 0, 8), n)
}

// sendKey orders the bucket sends by time.
func sendKey(at int64, seq uint64) []byte {
	k := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(at))
	return binary.BigEndian.AppendUint64(k, seq)
}

// duePlace is the size of what ends a key of the bucket due: time and number.
const duePlace = 16

// duePrefix begins the keys of the bucket due for an action: of an account if it sends, so that accounts can take
// turns without reading past each other; else of all accounts, which have the name "" there.
func duePrefix(a Action, account string) []byte {
	if !a.Sends() {
		account = ""
	}
	k := append(make([]byte, 0, len(account)+3+duePlace), byte(a))
	return appendString(k, account, maxString)
}

// dueKey orders the bucket due by action, account, then time.
func dueKey(a Action, account string, at int64, n Number) []byte {
	return appendPlace(duePrefix(a, account), at, n)
}

func appendPlace(k []byte, at int64, n Number) []byte {
	k = binary.BigEndian.AppendUint64(k, uint64(at))
	return binary.BigEndian.AppendUint64(k, uint64(n))
}

// parsePlace reads the end of a key of the bucket due.
func parsePlace(k []byte) (at int64, n Number) {
	k = k[len(k)-duePlace:]
	return int64(binary.BigEndian.Uint64(k)), Number(binary.BigEndian.Uint64(k[8:]))
}

// memberKey is where a message that is one of a group finds its head; headKey is where the head's
// group is.
func memberKey(n Number) []byte { return groupKey(0, n) }
func headKey(n Number) []byte   { return groupKey(1, n) }

func groupKey(part byte, n Number) []byte {
	return binary.BigEndian.AppendUint64(append(make([]byte, 0, 9), part), uint64(n))
}

// recentKey orders the bucket recent by when an entry counts no more.
func recentKey(until int64, n Number) []byte {
	k := binary.BigEndian.AppendUint64(make([]byte, 0, 16), uint64(until))
	return binary.BigEndian.AppendUint64(k, uint64(n))
}

// named begins a key with a string. Its length goes first, so that no name is a prefix of another.
func named(name string, room int) []byte {
	k := make([]byte, 0, len(name)+3+room)
	return appendString(k, name, maxString)
}

// outboxKey orders an account's outbox by seq.
func outboxKey(account string, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(named(account, 8), seq)
}

// tokenKey is the key of the result of a proposal. Seq 0 holds the lowest seq that is remembered.
func tokenKey(node string, incarnation, seq uint64) []byte {
	k := binary.BigEndian.AppendUint64(named(node, 16), incarnation)
	return binary.BigEndian.AppendUint64(k, seq)
}

// bindKey is the key of a bind.
func bindKey(k sessionKey) []byte {
	b := binary.BigEndian.AppendUint64(named(k.node, 16), k.incarnation)
	return binary.BigEndian.AppendUint64(b, k.session)
}

// partsKey is the key of a set of parts; set is the number of the part that came first.
func partsKey(m *Message, set Number) []byte {
	k := named(m.Account, 32+len(m.Source.Addr)+len(m.Dest.Addr))
	k = appendAddress(k, &m.Source)
	k = appendAddress(k, &m.Dest)
	k = binary.BigEndian.AppendUint16(k, m.Segment.Ref)
	k = append(k, m.Segment.Total)
	return binary.BigEndian.AppendUint64(k, uint64(set))
}
