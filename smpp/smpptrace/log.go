package smpptrace

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"smppbridge/smpp"
)

// logPDU logs what a PDU is, never what it says: nothing of its body but a message_id.
func logPDU(log *slog.Logger, r *record, h smpp.Header, body []byte) {
	ctx := context.Background()
	if !log.Enabled(ctx, slog.LevelInfo) {
		return
	}
	direction := "received"
	if r.sent {
		direction = "sent"
	}
	line := slog.NewRecord(r.time(), slog.LevelInfo, "pdu traced", 0) // at the PDU's time, not this one
	line.AddAttrs(
		slog.Uint64("session", r.session), slog.String("direction", direction),
		slog.String("command", h.ID.String()), slog.String("status", h.Status.String()),
		slog.Uint64("seq", uint64(h.Sequence)), slog.Uint64("length", uint64(h.Length)))
	if id := idOf(h.ID, r.sent, body); id != "" {
		line.AddAttrs(slog.String("message_id", id))
	}
	_ = log.Handler().Handle(ctx, line) // as slog does: nobody could be told
}

// idOf returns the message_id in a body, or the one that a receipt is about. What an ESME sends in that place
// and was surely not given is not returned.
func idOf(command smpp.CommandID, sent bool, body []byte) (id string) {
	var receipt, receipted bool
	walk(layoutOf(command), body, func(k kind, b []byte) {
		switch k {
		case messageID:
			if sent || couldBeOurs(b) {
				id = string(b)
			}
		case esmClass:
			receipt = sent && command == smpp.DeliverSMID && b[0]&smpp.ESMClassReceipt != 0
		case message:
			if receipt {
				r, _ := smpp.ParseReceipt(string(b), time.UTC)
				id = r.MessageID
			}
		case parameterHead:
			receipted = receipt && parameterTag(b) == smpp.TagReceiptedMessageID
		case parameters:
			if receipted {
				id = string(bytes.TrimRight(b, "\x00"))
			}
		}
	})
	return id
}
