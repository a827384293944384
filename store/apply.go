package store

import (
	"errors"
	"fmt"

	bolt "go.etcd.io/bbolt"
)

// An Entry is an entry of Raft's log.
type Entry struct {
	Index, Term   uint64
	Command       []byte // what Encode made; nil: no command
	Configuration []byte // Raft's, opaque to the store; nil: none
}

// Apply applies entries, in ascending order of Index, in one transaction, which is on disk when
// it returns. It returns one result for each entry. Entries at or below Applied were applied
// before and do nothing: their result is None.
//
// An error (of the disk, an entry that cannot be decoded, a kind this program does not know)
// means that the file is as it was before, and that the node must stop: no later Apply succeeds.
//
// Apply and Restore are called by one goroutine, Raft's; reads may go on meanwhile.
func (s *Store) Apply(entries []Entry) ([]Result, error) {
	results := make([]Result, len(entries))
	if s.failed != nil {
		return nil, s.failed
	}
	skip := 0
	for skip < len(entries) && entries[skip].Index <= s.machine.meta.index {
		results[skip] = None{}
		skip++
	}
	if skip == len(entries) {
		return results, nil
	}
	view, err := s.applyAll(entries[skip:], results[skip:])
	if err != nil {
		s.failed = fmt.Errorf("apply entries %d to %d: %w", entries[skip].Index, entries[len(entries)-1].Index, err)
		return nil, s.failed
	}
	s.publish(view)
	return results, nil
}

// applyAll applies entries in a transaction and commits it. A crash before the commit's last
// write leaves the file as it was, and Raft hands in the same entries again; after it, they are
// skipped.
func (s *Store) applyAll(entries []Entry, results []Result) (*changes, error) {
	tx, err := s.file.db.Begin(true)
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	s.arena.reset()
	t := &txn{machine: s.machine, tx: tx, arena: &s.arena}
	for i := range entries {
		results[i], err = t.applyEntry(&entries[i])
		if err != nil {
			return nil, rollback(tx, err)
		}
	}
	t.flush()
	if t.err != nil {
		return nil, rollback(tx, t.err)
	}
	if err := tx.Commit(); err != nil {
		return nil, fmt.Errorf("commit: %w", err)
	}
	t.view.meta = t.meta
	return &t.view, nil
}

func rollback(tx *bolt.Tx, err error) error { return errors.Join(err, tx.Rollback()) }

func (t *txn) applyEntry(e *Entry) (Result, error) {
	if e.Index <= t.meta.index {
		return nil, fmt.Errorf("entry %d follows entry %d", e.Index, t.meta.index)
	}
	var result Result = None{}
	if e.Command != nil {
		kind, at, body, err := envelope(e.Command)
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Index, err)
		}
		if need := since(kind); need > t.meta.clusterVersion {
			return nil, fmt.Errorf("entry %d: a command of kind %d needs %w %d, in force is %d",
				e.Index, kind, ErrVersion, need, t.meta.clusterVersion)
		}
		t.at = max(at, t.meta.clock)
		t.meta.clock = t.at
		t.hashEntry(e.Index, kind)
		result, err = t.applyCommand(e.Index, kind, body)
		if err == nil {
			err = t.err
		}
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Index, err)
		}
		t.hashResult(result)
	}
	if e.Configuration != nil {
		t.meta.confIndex = e.Index
		t.set(bktMeta, []byte(metaConfiguration), e.Configuration)
		t.view.configuration = cloneOctets(e.Configuration)
	}
	t.meta.index, t.meta.term = e.Index, e.Term
	return result, nil
}

func (t *txn) applyCommand(index uint64, kind Kind, body []byte) (Result, error) {
	if kind == KindAccept {
		return t.accept(body)
	}
	c, err := decodeCommand(kind, body)
	if err != nil {
		return nil, err
	}
	switch c := c.(type) {
	case *Begin:
		return t.begin(c), nil
	case *Finish:
		return t.finish(c), nil
	case *Report:
		return t.report(c), nil
	case *Close:
		return t.close(c), nil
	case *Found:
		return t.found(c), nil
	case *Delivered:
		return t.delivered(c), nil
	case *PutPolicy:
		return t.putPolicy(c), nil
	case *Purge:
		return t.purge(c), nil
	case *Replace:
		return t.replace(c), nil
	}
	return t.applyNodeCommand(index, c)
}

// applyNodeCommand applies the commands about nodes and the cluster.
func (t *txn) applyNodeCommand(index uint64, c Command) (Result, error) {
	switch c := c.(type) {
	case *NodeUp:
		return t.nodeUp(c), nil
	case *BindOpen:
		return t.bindOpen(c), nil
	case *BindClose:
		return t.bindClose(c), nil
	case *Lead:
		return t.lead(c), nil
	case *Genesis:
		return t.genesis(c), nil
	case *NodeDown:
		return t.nodeDown(c), nil
	case *Raise:
		return t.raise(c)
	case *Mark:
		return t.mark(index), nil
	case *Verify:
		return t.verify(c)
	case *Recover:
		return t.recover(c), nil
	}
	return nil, fmt.Errorf("command of kind %d is not applied: %w", c.kind(), errCodec)
}
