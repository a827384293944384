package cluster

import (
	"context"
	"encoding/binary"
)

// A Pulse is what a node says of itself, as far as tests change it.
type Pulse struct {
	Applied uint64
	Version uint64
	Clock   int64
	Full    bool
}

// AnswerPulse has n tell others of itself what change makes of the truth.
func (n *Node) AnswerPulse(change func(p *Pulse)) {
	n.Answer(subjectPulse, func(ctx context.Context, from string, request []byte) ([]byte, error) {
		b, err := n.answerPulse(ctx, from, request)
		if err != nil {
			return nil, err
		}
		p, err := decodePulse(b)
		if err != nil {
			return nil, err
		}
		told := Pulse{Applied: p.applied, Version: p.version, Clock: p.clock, Full: p.full}
		change(&told)
		p.applied, p.version, p.clock, p.full = told.Applied, told.Version, told.Clock, told.Full
		return p.encode(), nil
	})
}

// AnswerTerm has n tell others that it is in a term that is so much later than its own.
func (n *Node) AnswerTerm(later uint64) {
	n.Answer(subjectTerm, func(context.Context, string, []byte) ([]byte, error) {
		return binary.BigEndian.AppendUint64(nil, n.raft.CurrentTerm()+later), nil
	})
}
