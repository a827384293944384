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

// Apply is Stage and Commit: the entries are on disk and to be seen when it returns.
func (s *Store) Apply(entries []Entry) ([]Result, error) {
	results, err := s.Stage(entries)
	if err == nil {
		err = s.Commit()
	}
	if err != nil {
		return nil, err
	}
	return results, nil
}

// Stage applies entries, in ascending order of Index, and returns one result for each. What they do is
// decided then and does not change any more, but readers do not see it, and a crash forgets it, until
// Commit: Raft's log must hold the entries until then. All that is staged is one transaction. Entries that
// were staged or applied before do nothing: their result is None.
//
// An error (of the disk, an entry that cannot be decoded, a kind this program does not know)
// means that the file is as the last Commit left it, and that the node must stop: no later Stage or
// Commit succeeds.
//
// Stage, Commit and Restore take turns; reads may go on meanwhile.
func (s *Store) Stage(entries []Entry) ([]Result, error) {
	s.turn.Lock()
	defer s.turn.Unlock()
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
	if err := s.stage(entries[skip:], results[skip:]); err != nil {
		s.failed = fmt.Errorf("apply entries %d to %d: %w", entries[skip].Index, entries[len(entries)-1].Index, err)
		s.staged = nil
		return nil, s.failed
	}
	return results, nil
}

func (s *Store) stage(entries []Entry, results []Result) error {
	if s.staged == nil {
		tx, err := s.file.db.Begin(true)
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		s.arena.reset()
		s.staged = &txn{machine: s.machine, tx: tx, arena: &s.arena}
	}
	t := s.staged
	for i := range entries {
		var err error
		if results[i], err = t.applyEntry(&entries[i]); err != nil {
			return rollback(t.tx, err)
		}
	}
	if t.err != nil {
		return rollback(t.tx, t.err)
	}
	return nil
}

// Commit puts what is staged on the disk and shows it to readers. A crash before its last write leaves the
// file as it was, and Raft hands in the same entries again; after it, they are skipped.
func (s *Store) Commit() error {
	s.turn.Lock()
	defer s.turn.Unlock()
	return s.commit()
}

func (s *Store) commit() error {
	if s.failed != nil || s.staged == nil {
		return s.failed
	}
	t := s.staged
	s.staged = nil
	if err := t.commit(); err != nil {
		s.failed = fmt.Errorf("commit up to entry %d: %w", t.meta.index, err)
		return s.failed
	}
	t.view.meta = t.meta
	s.publish(&t.view)
	return nil
}

func (t *txn) commit() error {
	t.flush()
	if t.err != nil {
		return rollback(t.tx, t.err)
	}
	return t.tx.Commit()
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
	case *Put:
		return t.putRecords(c), nil
	case *Incoming:
		return t.incoming(c), nil
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
