package cluster

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

// subjectTerm is about whether a node is still in a term of Raft.
const subjectTerm = "term"

// verifyLeader returns nil if this node led in a term that no later one has followed when it was called: a
// majority of the voters is in that term still, and no other node can have won without one of them. Raft's
// own VerifyLeader counts nodes without a vote, and does not return when Raft is stopped meanwhile.
func (n *Node) verifyLeader(ctx context.Context) (term uint64, err error) {
	if term = n.leadingTerm(); term == 0 {
		return 0, ErrNotLeader
	}
	var others []string
	voters, have := 0, 0
	for _, s := range n.book.servers() {
		switch {
		case s.Suffrage != raft.Voter:
			continue
		case string(s.ID) == n.cfg.NodeID:
			have++
		default:
			others = append(others, string(s.ID))
		}
		voters++
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, len(others))
	asked := term // the result may be set while the last one is being asked
	for _, id := range others {
		if !n.mesh.spawn(func() { answers <- n.askTerm(ctx, id, asked) }) {
			return 0, ErrShutdown
		}
	}
	for range others {
		if have > voters/2 {
			break
		}
		select {
		case aerr := <-answers:
			if err = errors.Join(err, aerr); aerr == nil {
				have++
			}
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
	if have <= voters/2 {
		return 0, fmt.Errorf("%w: %d of %d voters answer: %w", ErrNotLeader, have, voters, err)
	}
	return term, nil
}

// leadingTerm returns the term in which this node leads, 0 if it does not. Terms only grow, and a node leads
// to the end of its term or not at all again in it: so the term read twice is that of the state between.
func (n *Node) leadingTerm() uint64 {
	for {
		term := n.raft.CurrentTerm()
		leads := n.raft.State() == raft.Leader
		if term != n.raft.CurrentTerm() {
			continue
		}
		if !leads {
			return 0
		}
		return term
	}
}

func (n *Node) askTerm(ctx context.Context, id string, term uint64) error {
	answer, err := n.mesh.ask(ctx, id, subjectTerm, nil)
	if err != nil {
		return err
	}
	if len(answer) != 8 {
		return fmt.Errorf("ask %s: an answer of %d octets", id, len(answer))
	}
	if got := binary.BigEndian.Uint64(answer); got != term {
		return fmt.Errorf("node %s is in term %d, not %d", id, got, term)
	}
	return nil
}

func (n *Node) answerTerm(context.Context, string, []byte) ([]byte, error) {
	return binary.BigEndian.AppendUint64(nil, n.raft.CurrentTerm()), nil
}
