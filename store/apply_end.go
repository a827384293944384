package store

import (
	"fmt"
	"slices"
)

// An end is how a message becomes final.
type end struct {
	ending Ending
	err    string
	code   string // what the API said
	doneAt int64  // by the report's own time; 0 = now

	attempt *attemptRecord // of the report that ends it, of which the message was booked; nil: the message's last one, if any

	// answers: it was surely not sent. A submit_sm_resp that still waits for an outcome says so.
	answers bool

	// Parts of a set that end together. Of those with OneReceipt the one has the receipt; 0 = none has.
	parts bool
	one   Number
}

// fits reports whether a message with flags wants a receipt of an ending.
func fits(flags uint32, e Ending) bool {
	if e == EndDelivered {
		return flags&flagSuccess != 0
	}
	return flags&flagFailure != 0
}

// wanted reports whether message n has a receipt.
func (e *end) wanted(n Number, v *messageView) bool {
	if e.parts && v.flags&flagOneReceipt != 0 {
		return n == e.one
	}
	return fits(v.flags, e.ending)
}

// final ends message n, whose status is was: nothing is due any more, its account's level goes
// down, its texts are erased, its receipt enters the outbox if it is wanted. A joined message
// ends its parts with it and has no receipt of its own; nor has one whose submit_sm_resp says how it
// ended.
func (t *txn) final(n Number, was *Status, e end) {
	if t.err != nil {
		return
	}
	raw, v := t.message(n)
	if t.err != nil {
		return
	}
	next := *was
	next.State, next.Action, next.Ending, next.Err = StateFinal, 0, e.ending, e.err
	next.DoneAt, next.Counted = t.at, false
	if e.doneAt > 0 { // clocks differ: a receipt says neither that it is from the future nor older than the message
		next.DoneAt = max(min(e.doneAt, t.at), was.AcceptedAt)
	}
	next.Refused = e.answers && e.ending != EndDelivered && t.at < v.answerBy
	if !next.Refused && e.wanted(n, &v) {
		next.Receipt = t.queueReceipt(n, raw, &next, e.code)
	}
	if v.digest != nil && (next.Refused || e.ending != EndDelivered && e.ending != EndUnknown) {
		t.forget(n, &v, was.AcceptedAt) // it was not delivered: the same message may come again
	}
	if erase := v.flags&hasTexts != 0 && v.flags&flagKeepText == 0; erase || e.code != "" {
		kept, err := finished(t.arena.empty(len(raw)+2+len(e.code)), raw, &v, erase, e.code)
		t.fail(err)
		t.put(bktMessages, key8(uint64(n)), kept)
	}
	if was.Counted {
		t.meter(OpenKey(string(v.account))).release(t)
	}
	t.move(n, was, next)
	if was.Attempt != 0 {
		t.attemptDone(was, &e)
	}
	if v.flags&hasParts != 0 {
		t.endParts(n, raw, e)
	}
}

// queueReceipt puts the receipt of message n into its account's outbox. It goes by the message_id
// that the ESME was given, which is the head's in a group.
func (t *txn) queueReceipt(n Number, raw []byte, s *Status, code string) (seq uint64) {
	m, err := decodeMessage(raw)
	if err != nil {
		t.fail(err)
		return 0
	}
	t.meta.nextReceipt++
	r := Receipt{
		Seq: t.meta.nextReceipt, Account: m.Account, Number: n, Shape: m.Shape, Echo: m.Echo, Origin: m.Origin,
		Source: m.Source, Dest: m.Dest, ServiceType: m.ServiceType, DataCoding: m.DataCoding, ESMClass: m.ESMClass,
		Ending: s.Ending, Err: s.Err, Code: code, AcceptedAt: s.AcceptedAt, DoneAt: s.DoneAt, QueuedAt: t.at,
	}
	if m.Grouped {
		r.Number = t.head(n)
	}
	t.put(bktOutbox, outboxKey(r.Account, r.Seq), appendReceipt(t.arena.empty(192), &r))
	t.view.queued(r.Account, 1, 0)
	return r.Seq
}

// attemptDone tells the index by BizID that a message of its last attempt is final, and counts its end.
func (t *txn) attemptDone(was *Status, e *end) {
	last := e.attempt
	if last == nil || last.id != was.Attempt {
		a := t.attemptHead(was.Attempt)
		last = &a
	}
	if last.bizID != "" {
		t.view.bizDone(last.bizID, was.Attempt)
	}
	if e.attempt != nil {
		last = e.attempt // a report is of the attempt that sent it
	}
	t.bookEnd(last, was, e)
}

// bizDone tells the index by BizID that a message is of the attempt no more.
func (t *txn) bizDone(id AttemptID) {
	if a := t.attemptHead(id); a.bizID != "" {
		t.view.bizDone(a.bizID, id)
	}
}

// attemptHead reads the record of an attempt without its members.
func (t *txn) attemptHead(id AttemptID) attemptRecord {
	d := decoder{b: t.get(bktAttempts, key8(uint64(id)))}
	a := d.attemptHead()
	if d.err != nil {
		t.fail(fmt.Errorf("attempt %d: %w", id, d.err))
	}
	return a
}

// endParts makes every part of a joined message final.
func (t *txn) endParts(whole Number, raw []byte, e end) {
	m, err := decodeMessage(raw)
	if err != nil {
		t.fail(err)
		return
	}
	parts := slices.DeleteFunc(m.Parts, func(n Number) bool {
		was, ok := t.status(n)
		return !ok || was.State != StateJoined || was.Whole != whole
	})
	t.endTogether(parts, e)
}

// endTogether makes parts of one set final, in order of Seq. Those with OneReceipt have one receipt
// if any of them wants it: the last one's.
func (t *txn) endTogether(parts []Number, e end) {
	e.parts, e.one, e.answers, e.attempt = true, 0, false, nil
	var last Number
	wanted := false
	for _, n := range parts {
		if _, v := t.message(n); v.flags&flagOneReceipt != 0 {
			last = n
			wanted = wanted || fits(v.flags, e.ending)
		}
	}
	if wanted {
		e.one = last
	}
	for _, n := range parts {
		if was, ok := t.status(n); ok {
			t.final(n, &was, e)
		}
	}
}

// report applies a Report.
func (t *txn) report(c *Report) *ReportResult {
	r := &ReportResult{Codes: make([]ReportCode, len(c.Reports))}
	var a attemptRecord // the reports of one call come together, and a Report changes no attempt
	for i := range c.Reports {
		d := &c.Reports[i]
		if a.id != d.Attempt {
			a, _ = t.attempt(d.Attempt)
		}
		code := t.deliveryReport(d, &a)
		if d.Orphan != 0 && (code == ReportApplied || code == ReportDuplicate) {
			t.dropOrphan(d.Orphan)
		}
		r.Codes[i] = code
	}
	return r
}

// deliveryReport ends the message that a report is about. The attempt need not be the message's
// last: a report of one that was thought unsent says that it was sent. a is the attempt, if there is one.
func (t *txn) deliveryReport(d *DeliveryReport, a *attemptRecord) ReportCode {
	if d.Number == 0 {
		if d.Orphan == 0 {
			t.keepOrphan(d)
		}
		return ReportOrphaned
	}
	was, ok := t.status(d.Number)
	switch {
	case !ok:
		return ReportMismatch
	case was.State == StateFinal:
		return ReportDuplicate
	case was.State == StatePart || was.State == StateJoined:
		return ReportMismatch
	}
	m := a.member(d.Number)
	if m == nil {
		return ReportMismatch
	}
	if d.Attempt == was.Attempt {
		t.book(a, m, &was)
	} else {
		t.book(a, m, &Status{})
	}
	t.final(d.Number, &was, end{attempt: a, ending: d.Ending, err: d.Err, code: d.Code, doneAt: d.DoneAt})
	t.view.touch(WatchOutcome)
	return ReportApplied
}

// keptOrphans is how long a report that matched nothing is kept, in ms.
const keptOrphans = 72 * 3600 * 1000

func (t *txn) keepOrphan(d *DeliveryReport) {
	t.meta.nextOrphan++
	id := t.meta.nextOrphan
	t.put(bktOrphans, key8(id), appendOrphan(nil, d, t.at))
	t.view.orphaned(d.BizID, id)
}

func (t *txn) dropOrphan(id uint64) {
	v := t.get(bktOrphans, key8(id))
	if v == nil {
		return
	}
	d, _, err := decodeOrphan(v)
	t.fail(err)
	t.del(bktOrphans, key8(id))
	t.view.orphanGone(d.BizID, id)
}

// close applies a Close.
func (t *txn) close(c *Close) *CloseResult {
	r := &CloseResult{}
	for i := range c.Items {
		it := &c.Items[i]
		was, ok := t.status(it.Number)
		if !ok || was.Revision != it.Revision || !closes(it.Ending, &was) {
			continue
		}
		if it.Ending == EndExpired && t.early(it.Number, &was) {
			continue // by a clock that has leapt; what waits goes on waiting
		}
		e := end{ending: it.Ending, err: it.Err, answers: was.Action.Sends()} // else it may have been sent
		if was.State == StatePart {
			t.endSet(it.Number, e)
		} else {
			t.final(it.Number, &was, e)
		}
		t.view.touch(WatchOutcome)
		r.Applied++
	}
	return r
}

// closes reports whether a Close with an ending may end a message: one that may have been sent
// cannot be rejected or expire any more, it can only be given up.
func closes(e Ending, s *Status) bool {
	switch {
	case s.Action.Sends() || s.Action == ActionParts:
		return true
	case s.Action == ActionReport || s.Action == ActionResolve:
		return e == EndUnknown || e == EndUndeliverable
	}
	return false
}

// early reports whether a message cannot have expired yet. A joined one may have, by its class.
func (t *txn) early(n Number, s *Status) bool {
	if s.Action == ActionParts {
		return s.DueAt > t.at
	}
	_, v := t.message(n)
	return v.flags&hasParts == 0 && v.expires > t.at
}

// delivered applies a Delivered.
func (t *txn) delivered(c *Delivered) *DeliveredResult {
	r := &DeliveredResult{}
	incoming := 0
	for _, seq := range c.Seqs {
		k := outboxKey(c.Account, seq)
		entry := t.get(bktOutbox, k)
		if entry == nil {
			continue
		}
		if incomingEntry(entry) {
			incoming++
		}
		t.del(bktOutbox, k)
		r.Applied++
	}
	if r.Applied > 0 {
		t.view.queued(c.Account, -r.Applied, -incoming)
	}
	return r
}
