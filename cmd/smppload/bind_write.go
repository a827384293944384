package main

import (
	"time"

	"smppbridge/smpp"
)

// write is the session's writer goroutine: it sends what is due and what the
// reader has answered, everything that has gathered in one call.
func (b *bind) write() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	var out []byte
	for {
		var wait time.Duration
		out, wait = b.gather(out[:0])
		if len(out) > 0 {
			if _, err := b.conn.Write(out); err != nil {
				b.mu.Lock()
				b.endLocked(err)
				b.mu.Unlock()
				return
			}
			continue
		}
		if wait < 0 {
			return
		}
		timer.Reset(wait)
		select {
		case <-b.wake:
		case <-timer.C:
		}
	}
}

// gather appends what is to be written now. If there is nothing, it returns how
// long to wait for more, unless woken: negative when the session is over.
func (b *bind) gather(out []byte) ([]byte, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writerWaits = false
	out = append(out, b.replies...)
	b.replies = b.replies[:0]
	wait := forever
	switch b.phase {
	case submitting:
		out, wait = b.submitLocked(out)
	case over:
		return nil, -1
	}
	if len(out) == 0 {
		b.writerWaits = true
	}
	return out, wait
}

// submitLocked appends the messages that are due, as far as the window has room.
func (b *bind) submitLocked(out []byte) ([]byte, time.Duration) {
	now := b.run.clock()
	for len(out) < maxWrite {
		n := b.next
		at, ok := b.run.schedule.at(n, now)
		switch {
		case !ok:
			b.phase = finishing
			b.settleLocked()
			return out, forever
		case at > now:
			return out, at - now
		case !b.roomLocked(len(out) > 0):
			return out, forever
		}
		seq := b.nextSeqLocked()
		*b.slotLocked(seq) = request{seq: seq, late: uint32((now - at) / time.Microsecond), at: at}
		b.unanswered++
		b.submitted++
		b.next = b.run.schedule.next(n)
		out = b.run.message.appendTo(out, seq, b.run.first+n)
	}
	return out, 0
}

// roomLocked reports whether one more may be unanswered. Without a rate a full
// window first empties by an eighth, so that submits leave in groups; what has a
// time to leave at does not wait for others.
func (b *bind) roomLocked(begun bool) bool {
	room := b.run.window - b.unanswered
	if begun || b.run.schedule.rate > 0 {
		return room > 0
	}
	return room >= max(1, b.run.window/8)
}

// replyLocked queues a response of ours. The reader calls it with the lock held, and
// the writer is woken at the end of its batch.
func (b *bind) replyLocked(id smpp.CommandID, st smpp.Status, seq uint32) {
	if id == smpp.DeliverSMRespID {
		b.replies = smpp.Append(b.replies, st, seq, &emptyDeliverResp)
		return
	}
	b.replies = smpp.AppendHeader(b.replies, id, st, seq)
}

// emptyDeliverResp is the body of all our deliver_sm_resp: message_id is unused
// (SMPP 3.4, 4.6.2).
var emptyDeliverResp smpp.DeliverSMResp
