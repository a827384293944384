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
			if _, err := b.out.Write(out); err != nil {
				b.mu.Lock()
				b.breakLocked(b.out, err)
				b.mu.Unlock()
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

// gather appends what is to be written to b.out now. If there is nothing, it returns
// how long to wait for more, unless woken: negative when the session is over.
func (b *bind) gather(out []byte) ([]byte, time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.out, b.writerWaits = b.conn, false
	wait := forever
	switch {
	case b.phase == over:
		return nil, -1
	case b.down:
		b.writerWaits = true
		return out, wait
	}
	out = append(out, b.replies...)
	b.replies = b.replies[:0]
	if b.submitsLocked() {
		out, wait = b.submitLocked(out)
	}
	if len(out) == 0 {
		b.writerWaits = true
	}
	return out, wait
}

// submitsLocked reports whether there may be something to submit.
func (b *bind) submitsLocked() bool {
	return (b.phase == submitting || b.phase == finishing && len(b.again) > 0) && !b.told && !b.down
}

// submitLocked appends the messages that are due, as far as the window has room.
func (b *bind) submitLocked(out []byte) ([]byte, time.Duration) {
	now := b.run.clock()
	for len(out) < maxWrite {
		if len(b.again) > 0 {
			if !b.roomLocked(len(out) > 0) {
				return out, forever
			}
			out = b.submitAgainLocked(out, now)
			continue
		}
		if b.phase > submitting {
			return out, forever
		}
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
		out = b.putLocked(out, now, request{at: at, piece: newPiece(n, b.part)})
		if b.part++; b.part == len(b.run.texts.of(n).parts) {
			b.part, b.next = 0, b.run.schedule.next(n)
			b.messages++
		}
	}
	return out, 0
}

// submitAgainLocked appends the first of what was left unanswered.
func (b *bind) submitAgainLocked(out []byte, now time.Duration) []byte {
	r := b.again[0]
	b.again = b.again[1:]
	b.resubmitted++
	r.piece = r.piece.sentAgain()
	return b.putLocked(out, now, r)
}

// putLocked appends the PDU of r, which gets a sequence_number.
func (b *bind) putLocked(out []byte, now time.Duration, r request) []byte {
	r.seq, r.late = b.nextSeqLocked(), uint32((now-r.at)/time.Microsecond)
	*b.slotLocked(r.seq) = r
	b.unanswered++
	b.submitted++
	return b.run.texts.appendTo(out, r.seq, r.piece)
}

// roomLocked reports whether one more may be unanswered. Without a rate a full
// window first empties by an eighth, so that submits leave in groups; what has a
// time to leave at does not wait for others.
func (b *bind) roomLocked(begun bool) bool {
	room := b.run.window - b.unanswered
	if begun || b.run.schedule.timed() {
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
