package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"time"

	"smppbridge/smpp"
)

// Why a session ends that the connection does not end.
var (
	errUnbound    = errors.New("the server sent unbind")
	errUnbindResp = errors.New("the server answered unbind")
)

// input is the connection as the session's frame reader sees it: what the read
// before brought is dealt with, and the lock is free while it waits.
type input struct{ b *bind }

func (in input) Read(p []byte) (int, error) {
	b := in.b
	b.endBatchLocked()
	conn := b.conn
	b.mu.Unlock()
	n, err := conn.Read(p)
	b.batch.now = b.run.clock()
	b.mu.Lock()
	return n, err
}

// endBatchLocked hands the batch to the ledger, and wakes the writer unless it
// would find nothing to do.
func (b *bind) endBatchLocked() {
	b.run.ledger.enter(&b.batch)
	b.batch.reset()
	b.settleLocked()
	if b.writerWaits && (len(b.replies) > 0 || b.submitsLocked() && b.roomLocked(false)) {
		b.writerWaits = false
		b.wakeLocked()
	}
}

// read is the session's reader goroutine. It holds the lock from newBind on, but
// for the time inside input and while it makes a connection again.
func (b *bind) read(ctx context.Context) {
	defer b.mu.Unlock()
	for {
		err := b.serveLocked()
		b.endBatchLocked()
		b.breakLocked(b.conn, err)
		if b.phase == over || !b.reviveLocked(ctx) {
			return
		}
	}
}

// serveLocked handles PDUs until the connection ends.
func (b *bind) serveLocked() error {
	for {
		h, body, err := b.frames.Next()
		if err == nil {
			err = b.handleLocked(&h, body)
		}
		if err != nil {
			return err
		}
	}
}

// handleLocked is one PDU.
func (b *bind) handleLocked(h *smpp.Header, body []byte) error {
	switch h.ID {
	case smpp.SubmitSMRespID, smpp.GenericNackID:
		b.answeredLocked(h, body)
	case smpp.DeliverSMID:
		b.deliveredLocked(h, body)
	case smpp.EnquireLinkID:
		b.replyLocked(smpp.EnquireLinkRespID, smpp.StatusOK, h.Sequence)
	case smpp.UnbindRespID:
		return errUnbindResp
	case smpp.UnbindID:
		b.unboundLocked(h)
	default:
		b.batch.stray++
		if id, ok := h.ID.Response(); ok {
			b.replyLocked(id, smpp.StatusInvCmdID, h.Sequence)
		}
	}
	return nil
}

// unboundLocked obeys the server: no more submits. It closes the connection once it
// has our response; what was on its way to it is answered before.
func (b *bind) unboundLocked(h *smpp.Header) {
	b.replyLocked(smpp.UnbindRespID, smpp.StatusOK, h.Sequence)
	if b.phase >= unbinding {
		return
	}
	if b.err == nil {
		b.err = errUnbound
	}
	if b.told = true; !b.run.reconnect {
		b.phase = finishing
	}
}

// answeredLocked frees the window's slot. A generic_nack counts as the answer of
// the request whose number it bears.
func (b *bind) answeredLocked(h *smpp.Header, body []byte) {
	if len(b.ring) == 0 {
		b.batch.stray++
		return
	}
	slot := b.slotLocked(h.Sequence)
	if h.Sequence == 0 || slot.seq != h.Sequence {
		b.batch.stray++
		return
	}
	a := answer{status: h.Status, piece: slot.piece, at: slot.at, late: time.Duration(slot.late) * time.Microsecond}
	switch {
	case h.ID == smpp.GenericNackID:
		if a.status == smpp.StatusOK {
			a.status = smpp.StatusUnknownErr
		}
	case a.status == smpp.StatusOK:
		if i := bytes.IndexByte(body, 0); i >= 0 {
			body = body[:i]
		}
		a.id = parseMessageID(body)
	}
	b.batch.answers = append(b.batch.answers, a)
	slot.seq = 0
	b.unanswered--
}

// deliveredLocked takes a receipt or an incoming message and says so.
func (b *bind) deliveredLocked(h *smpp.Header, body []byte) {
	if b.kind == smpp.Transmitter {
		b.batch.stray++
		b.replyLocked(smpp.DeliverSMRespID, smpp.StatusInvBndSts, h.Sequence)
		return
	}
	if err := b.deliv.Decode(body); err != nil {
		b.batch.stray++
		b.replyLocked(smpp.DeliverSMRespID, smpp.StatusOf(err, smpp.StatusSysErr), h.Sequence)
		return
	}
	b.replyLocked(smpp.DeliverSMRespID, smpp.StatusOK, h.Sequence)
	if b.deliv.ESMClass&smpp.ESMClassReceipt == 0 {
		b.batch.incoming++
		return
	}
	r, ok := readReceipt(&b.deliv)
	if !ok {
		b.batch.stray++
		return
	}
	r.conn, r.after = b.batch.conn, len(b.batch.answers)
	r.phone, r.ours = b.run.texts.phoneIn(&b.deliv)
	b.batch.receipts = append(b.batch.receipts, r)
}

// readReceipt takes the optional parameters, which cost nothing to find, and checks
// that the text says the same; a receipt without them is read from its text.
func readReceipt(m *smpp.DeliverSM) (receipt, bool) {
	id, hasID := m.TLVs.Get(smpp.TagReceiptedMessageID)
	state, hasState := m.TLVs.Get(smpp.TagMessageState)
	if !hasID || len(state) != 1 || !hasState {
		r, err := smpp.ParseReceipt(m.ShortMessage, time.UTC)
		return receipt{id: parseMessageID(r.MessageID), state: r.State}, err == nil
	}
	id = strings.TrimSuffix(id, "\x00")
	r := receipt{id: parseMessageID(id), state: smpp.MessageState(state[0])}
	text, hasText := strings.CutPrefix(m.ShortMessage, "id:")
	if !hasText {
		return r, true
	}
	r.odd = !(strings.HasPrefix(text, id) && strings.HasPrefix(text[len(id):], " "))
	_, word, _ := strings.Cut(text, " stat:")
	r.otherWord = !strings.HasPrefix(word, r.state.String())
	return r, true
}
