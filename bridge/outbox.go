package bridge

import (
	"cmp"
	"context"
	"time"

	"smppbridge/store"
)

// The bounds of reading an outbox.
const (
	readMost  = 16 * mailboxRead      // entries of a round: answers are looked at in between
	readAgain = 20 * time.Microsecond // for each entry that was read, until all is read again
	leaveMost = 64                    // removals looked after in a round
)

// reading is how far a mailbox has read its account's outbox. Entries that other nodes own are passed over, and not
// looked at again before a node has gone.
type reading struct {
	cursor    uint64    // entries up to here were read
	top       uint64    // the last one ever read
	began     time.Time // when it was read from the beginning
	passed    int       // entries read since then
	unordered bool      // held is not in order
	waits     int       // parcels that wait for another node
}

// bySeq is the order of the outbox.
func bySeq(a, b *parcel) int { return cmp.Compare(a.Seq, b.Seq) }

// read takes new entries of this node's share from the outbox, as many as there is room for. more says that
// it has stopped for others' sake.
func (m *mailbox) read(ctx context.Context) (more bool) {
	if m.share.standing != inside {
		return false
	}
	m.restart()
	for budget := readMost; m.inFlight+len(m.held) < mailboxHeld; budget -= mailboxRead {
		if budget == 0 {
			return true
		}
		list, err := m.b.store.Outbox(m.account, m.reading.cursor, mailboxRead)
		if err != nil {
			m.b.log.ErrorContext(ctx, "read outbox", "system_id", m.account, "err", err)
			return false
		}
		for i := range list {
			m.entry(&list[i])
		}
		m.reading.passed += len(list)
		if len(list) < mailboxRead {
			m.moved = m.moved && m.again
			return false
		}
	}
	return false
}

// restart begins to read from the beginning, if that is due: for an account of which much waits not at once
// each time when a node comes and goes.
func (m *mailbox) restart() {
	r := &m.reading
	if now := time.Now(); m.again && now.Sub(r.began) >= time.Duration(r.passed)*readAgain {
		m.again = false
		r.cursor, r.passed, r.began = 0, 0, now
	}
}

// entry holds an entry of the outbox that this node owns.
func (m *mailbox) entry(e *store.Receipt) {
	r := &m.reading
	r.cursor = e.Seq
	old := e.Seq <= r.top || e.QueuedAt <= m.share.since // read, or queued, when it may have been another node's
	r.top = max(r.top, e.Seq)
	if !m.share.owns(ownKey(e)) || m.known[e.Seq] != nil {
		return
	}
	if old && m.moved {
		m.b.courier.metrics.moved.Inc()
	}
	p := &parcel{Receipt: *e, epoch: m.share.epoch, written: e.Incoming}
	m.known[e.Seq] = p
	m.hold(p)
}

// waits reports whether an entry is in the outbox.
func (m *mailbox) waits(seq uint64) bool {
	list, err := m.b.store.Outbox(m.account, seq-1, 1)
	return err == nil && len(list) == 1 && list[0].Seq == seq
}

// removing is how a mailbox removes answered entries from the outbox, one proposal at a time: while it is under
// way more gather. What was removed is known until it is gone here too: this node may lag behind the one that leads,
// and would read it again.
type removing struct {
	done    []uint64  // entries to be removed
	taken   uint64    // answers looked at: done has theirs
	under   []uint64  // entries of the proposal under way
	covers  uint64    // answers that it settles
	marker  uint64    // an entry of it that was in the outbox here; 0 = there was none
	ended   chan bool // whether it was committed
	leaving []leaving // committed, perhaps not applied here yet
}

// leaving are entries that one command removes: when the marker is gone all are.
type leaving struct {
	seqs   []uint64
	marker uint64
}

// startRemoval removes answered entries from the outbox.
func (m *mailbox) startRemoval(ctx context.Context) {
	r := &m.removing
	switch {
	case r.under != nil:
		return
	case len(r.done) == 0:
		m.progressTo(r.taken)
		return
	}
	r.under, r.done, r.covers, r.marker = r.done, nil, r.taken, 0
	for _, seq := range r.under {
		if m.waits(seq) {
			r.marker = seq
			break
		}
	}
	seqs := r.under
	go func() { r.ended <- m.clear(ctx, seqs) }() // run takes the answer
}

// clear removes entries from the outbox.
func (m *mailbox) clear(ctx context.Context, seqs []uint64) bool {
	_, err := m.b.settle(ctx, &store.Delivered{Account: m.account, Seqs: seqs})
	return err == nil
}

// endRemoval takes the end of a proposal that removes entries.
func (m *mailbox) endRemoval(ok bool) {
	r := &m.removing
	if ok {
		r.leaving = append(r.leaving, leaving{r.under, r.marker})
		m.progressTo(r.covers)
	} else {
		r.done = append(r.under, r.done...)
	}
	r.under = nil
}

// forget forgets what has left the outbox here too.
func (m *mailbox) forget() {
	r := &m.removing
	n := 0
	for ; n < len(r.leaving) && n < leaveMost; n++ {
		if l := &r.leaving[n]; l.marker != 0 && m.waits(l.marker) {
			break
		}
		for _, seq := range r.leaving[n].seqs {
			delete(m.known, seq)
		}
	}
	r.leaving = append(r.leaving[:0], r.leaving[n:]...)
}

// progressTo tells who waits that so many answers are settled.
func (m *mailbox) progressTo(answers uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if answers > m.settled {
		m.settled = answers
		close(m.progress)
		m.progress = make(chan struct{})
	}
}

// awaitSettled waits until what was answered before is out of the outbox, or ctx ends.
func (m *mailbox) awaitSettled(ctx context.Context) error {
	m.mu.Lock()
	until := m.handed
	m.mu.Unlock()
	for {
		m.mu.Lock()
		done, progress := m.settled >= until, m.progress
		m.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-progress:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// flush removes what was answered, within a moment: what is left is delivered twice.
func (m *mailbox) flush(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, lastMoment)
	defer cancel()
	if m.removing.under != nil {
		m.endRemoval(<-m.removing.ended)
	}
	m.settle()
	if len(m.removing.done) == 0 || m.clear(ctx, m.removing.done) {
		m.progressTo(m.removing.taken)
	}
	return nil
}
