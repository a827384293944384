package store

import (
	"fmt"
	"slices"

	bolt "go.etcd.io/bbolt"
)

// An Uncertain is a message of which nobody knows whether it was sent.
type Uncertain struct {
	DueItem        // DueAt is when it is asked about next
	OutID   string // of the call that may have sent it
	Route   string // of that call; "" after a Recover, when the call is not known
	Since   int64  // Unix ms at which that call was begun
	Members int    // messages of that call
}

// Unresolved returns the messages in StateUncertain whose number is above after, in order of number, limit at
// most. How many there are is in Figures.Messages. Each call passes over all of them once, in memory that
// grows with limit only.
func (s *Store) Unresolved(after Number, limit int) ([]Uncertain, error) {
	var list []Uncertain
	err := s.read(func(tx *bolt.Tx) error {
		cluster := string(bktMeta.find(tx).Get([]byte(metaCluster)))
		messages, attempts := readMessages(tx), bktAttempts.find(tx)
		for _, n := range unresolved(tx, after, limit) {
			m, st, err := messages.read(n)
			if err != nil {
				return err
			}
			a, err := decodeAttempt(attempts.Get(key8(uint64(st.Attempt))))
			if err != nil {
				return fmt.Errorf("attempt %d: %w", st.Attempt, err)
			}
			list = append(list, Uncertain{
				DueItem: DueItem{Number: n, DueAt: st.DueAt, Message: m, Status: st},
				OutID:   outID(cluster, a.epoch, st.Attempt), Route: a.route, Since: a.begun, Members: len(a.members),
			})
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("uncertain messages: %w", err)
	}
	return list, nil
}

// unresolved returns the lowest numbers above after of messages that wait to be resolved. They are kept in order of
// time, so all are looked at: those that are kept are cut back to limit whenever they are twice as many.
func unresolved(tx *bolt.Tx, after Number, limit int) (numbers []Number) {
	limit = min(max(limit, 0), maxUnresolved)
	cut := func() {
		slices.Sort(numbers)
		numbers = numbers[:min(limit, len(numbers))]
	}
	prefix := duePrefix(ActionResolve, "")
	c := bktDue.find(tx).Cursor()
	for k, _ := c.Seek(prefix); dueUnder(k, prefix); k, _ = c.Next() {
		if _, n := parsePlace(k); n > after {
			if numbers = append(numbers, n); len(numbers) >= 2*limit+1 {
				cut()
			}
		}
	}
	cut()
	return numbers
}

// maxUnresolved is how many uncertain messages are returned at most at once: reading them is one transaction.
const maxUnresolved = 10_000
