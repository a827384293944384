package bridge

import (
	"sync"

	"smppbridge/smpp"
)

// marks tell of one session which of its answers have been written, so that no receipt precedes its
// submit_sm_resp.
//
// A submission gets its mark before it is proposed, and the mark is stored with the message
// (store.Origin). Where every answer is queued in the order of the marks, the session's own watermark
// (smpp.Session.Written) says it all. An answer that waits for the API's (ack: submitted) comes later
// than those behind it: with the first such submission the session begins to keep its marks one by
// one, and its answers are counted on the wire in the order in which they are queued.
type marks struct {
	last     uint64 // given to a submission; touched by the batcher's loop only
	tracking bool   // as late below, for the batcher's loop

	mu    sync.Mutex        // held while an answer is queued: numbers on the wire ascend
	late  bool              // guarded by mu; marks above from are in open until they are written
	from  uint64            // guarded by mu
	wire  uint64            // guarded by mu; last given to an answer
	open  map[uint64]uint64 // guarded by mu; mark -> its answer's number on the wire, 0 = not queued yet
	queue []uint64          // guarded by mu; marks of answers that are queued, in that order
}

// next gives a mark to a submission that is about to be proposed. late says that its answer may be
// queued after those of later ones.
func (m *marks) next(late bool) uint64 {
	if late && !m.tracking {
		m.tracking = true
		m.mu.Lock()
		m.late, m.from, m.wire = true, m.last, m.last
		m.open = make(map[uint64]uint64)
		m.mu.Unlock()
	}
	m.last++
	if m.tracking {
		m.mu.Lock()
		m.open[m.last] = 0
		m.mu.Unlock()
	}
	return m.last
}

// drop forgets a submission that was not accepted: it will have no receipt.
func (m *marks) drop(mark uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, mark)
}

// answer queues the answer to the accepted submission with this mark. queue gets the number that the
// answer has on the wire.
func (s *session) answer(queue func(wire uint64), mark uint64) {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.late || mark <= m.from {
		// The batcher answers in the order of the marks: those that were in flight when the first late one
		// came are queued before any that is above from.
		queue(mark)
		return
	}
	m.sweep(s.Written())
	m.wire++
	m.open[mark] = m.wire
	m.queue = append(m.queue, mark)
	queue(m.wire)
}

// answered queues the submit_sm_resp of an accepted submission.
func (s *session) answered(sub *submission, messageID string) {
	s.answer(func(wire uint64) {
		s.Respond(sub.request, smpp.StatusOK, messageID, wire)
	}, sub.message.Origin.Mark)
}

// wrote reports whether the answer to the submission with this mark has been written.
func (s *session) wrote(mark uint64) bool {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.late || mark <= m.from {
		return s.Written() >= mark
	}
	m.sweep(s.Written())
	_, open := m.open[mark]
	return !open
}

// sweep forgets the marks of answers that have been written. m.mu is held.
func (m *marks) sweep(written uint64) {
	n := 0
	for n < len(m.queue) && m.open[m.queue[n]] <= written {
		delete(m.open, m.queue[n])
		n++
	}
	m.queue = m.queue[n:]
}

// wroteUpTo returns a mark up to which all answers have been written. Where marks are kept one by one there may
// be later ones.
func (s *session) wroteUpTo() uint64 {
	m := &s.marks
	m.mu.Lock()
	defer m.mu.Unlock()
	if written := s.Written(); !m.late || written < m.from {
		return written
	}
	return m.from
}
