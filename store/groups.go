package store

import (
	"encoding/binary"
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// A groupList is the record of a group: the numbers of its members that are there, in 8 octets
// each, in order.
type groupList []byte

func (g groupList) at(i int) Number { return Number(binary.BigEndian.Uint64(g[8*i:])) }

func (g groupList) len() int { return len(g) / 8 }

func (g groupList) numbers() []Number {
	var numbers []Number
	for i := range g.len() {
		numbers = append(numbers, g.at(i))
	}
	return numbers
}

// A run gathers the accepted ones of the messages of an Accept that are one submit_multi.
type run struct{ members []Number }

// add takes the result of a message. Who is accepted first is the head. A message that was refused,
// or is a duplicate, is not of the group: its receipt, if it has one, goes by another message_id.
func (g *run) add(it *AcceptItem) {
	switch {
	case it.Code == AcceptOK:
		g.members = append(g.members, it.Number)
	case it.Code == AcceptDuplicate && slices.Contains(g.members, it.Number): // of one beside it
		it.Number = g.members[0]
	}
}

// end writes the group, if it is one, and begins another.
func (g *run) end(t *txn) {
	if len(g.members) > 1 {
		head := binary.BigEndian.AppendUint64(t.arena.empty(8), uint64(g.members[0]))
		list := t.arena.empty(8 * len(g.members))
		for _, n := range g.members {
			list = binary.BigEndian.AppendUint64(list, uint64(n))
			t.put(bktGroups, memberKey(n), head)
		}
		t.put(bktGroups, headKey(g.members[0]), list)
	}
	g.members = g.members[:0]
}

// head returns the message by whose message_id message n goes: its group's first, or itself.
func (t *txn) head(n Number) Number {
	v := t.get(bktGroups, memberKey(n))
	switch len(v) {
	case 0:
		return n
	case 8:
		return groupList(v).at(0)
	}
	t.fail(fmt.Errorf("group of message %s: %w", n, errCodec))
	return n
}

// leave takes a message that is deleted out of its group. Those left keep the head's message_id,
// also when the head itself is gone.
func (t *txn) leave(n Number) {
	head := t.get(bktGroups, memberKey(n))
	if len(head) != 8 {
		return
	}
	key := headKey(groupList(head).at(0))
	list := groupList(t.get(bktGroups, key))
	left := t.arena.empty(len(list))
	for _, other := range list.numbers() {
		if other != n {
			left = binary.BigEndian.AppendUint64(left, uint64(other))
		}
	}
	t.del(bktGroups, memberKey(n))
	if len(left) == 0 {
		t.del(bktGroups, key)
		return
	}
	t.put(bktGroups, key, left)
}

// Group returns the messages of the submit_multi whose message_id is head's, in the order of its
// destinations, head included: those that were accepted and are not deleted yet. It returns nil
// when head is not the head of a group; a submit_multi of which one message was accepted is none.
func (s *Store) Group(head Number) (members []Number, err error) {
	err = s.read(func(tx *bolt.Tx) error {
		list := bktGroups.find(tx).Get(headKey(head))
		if len(list)%8 != 0 {
			return fmt.Errorf("group of message %s: %w", head, errCodec)
		}
		members = groupList(list).numbers()
		return nil
	})
	return members, err
}
