package upstream

import (
	"context"
	"time"

	"smppbridge/bridge"
	"smppbridge/smpp"
)

const (
	deliveriesMost = 1024            // deliver_sm of one link that wait to be committed
	commitMost     = 128             // of them, committed together
	commitWithin   = 5 * time.Second // a centre waits for about ten
)

// Kinds of deliveries, in metrics.
const (
	kindReceipt    = "receipt"
	kindIncoming   = "incoming"
	kindUnreadable = "unreadable"

	kindLate = "late" // not a deliver_sm: the answer to a submit_sm, after its time
)

// delivery is a deliver_sm that is answered when it is committed, or the late answer to a call.
type delivery struct {
	header   smpp.Header
	kind     string
	report   bridge.IncomingReport
	incoming bridge.IncomingMessage
	outID    string
	answer   bridge.Answer
}

// delivered takes a deliver_sm. One that nobody will ever read better is answered as if it were taken, so that the centre
// does not repeat it for ever; one for which there is no room comes again.
func (l *link) delivered(h smpp.Header, m *smpp.DeliverSM) error {
	d := delivery{header: h}
	var ok bool
	if isReceipt(m) {
		d.kind = kindReceipt
		d.report, ok = l.r.readReceipt(m)
	} else {
		d.kind = kindIncoming
		d.incoming, ok = l.r.readIncoming(m)
	}
	if !ok {
		l.r.c.metrics.delivery(l.r.Name, kindUnreadable, true)
		l.r.c.log.Warn("deliver_sm not understood", "route", l.r.Name, "kind", d.kind, "octets", h.Length)
		return l.respond(h, smpp.StatusOK, new(smpp.DeliverSMResp))
	}
	select {
	case l.deliveries <- d:
		return nil
	default:
		l.r.c.metrics.delivery(l.r.Name, d.kind, false)
		return l.respond(h, smpp.StatusMsgQFul, new(smpp.DeliverSMResp))
	}
}

// readIncoming reads a text that a phone has sent. A part of a longer text is a text of its own: a centre may not send the
// next part before this one is answered, and it is answered when it is committed. It is dated by us, so that somebody may
// write the same twice.
func (r *route) readIncoming(m *smpp.DeliverSM) (bridge.IncomingMessage, bool) {
	_, payload, _, err := (*smpp.SubmitSM)(m).Segment()
	if err != nil {
		return bridge.IncomingMessage{}, false
	}
	text, err := smpp.DecodeText(m.DataCoding, r.alphabet, payload)
	if err != nil {
		return bridge.IncomingMessage{}, false
	}
	return bridge.IncomingMessage{Phone: m.SourceAddr, DestCode: m.DestinationAddr, Text: text, SentAt: r.c.cfg.Now()}, true
}

// deliver commits what was delivered, many together, and answers it, until deliveries is closed.
func (l *link) deliver(ctx context.Context) {
	for first := range l.deliveries {
		batch := []delivery{first}
		for more := true; more && len(batch) < commitMost; {
			select {
			case d, open := <-l.deliveries:
				if more = open; open {
					batch = append(batch, d)
				}
			default:
				more = false
			}
		}
		l.commit(ctx, batch)
	}
}

// commit commits a batch and answers it. What could not be committed is refused for the moment: the centre sends it again.
func (l *link) commit(ctx context.Context, batch []delivery) {
	ctx, cancel := context.WithTimeout(ctx, commitWithin)
	defer cancel()
	var reports []bridge.IncomingReport
	var incoming []bridge.IncomingMessage
	for i := range batch {
		switch batch[i].kind {
		case kindReceipt:
			reports = append(reports, batch[i].report)
		case kindIncoming:
			incoming = append(incoming, batch[i].incoming)
		}
	}
	sink := *l.r.c.sink.Load()
	l.settle(ctx, sink, batch)
	failed := make(map[string]error, 2)
	if len(reports) > 0 {
		failed[kindReceipt] = sink.Report(ctx, reports)
	}
	if len(incoming) > 0 {
		failed[kindIncoming] = sink.Incoming(ctx, incoming)
	}
	for kind, err := range failed {
		if err != nil {
			l.r.c.log.Warn("deliveries not committed; they come again", "route", l.r.Name, "kind", kind, "err", err)
		}
	}
	for i := range batch {
		d, st := &batch[i], smpp.StatusOK
		if d.kind == kindLate {
			continue
		}
		if failed[d.kind] != nil {
			st = smpp.StatusXTAppn
		}
		l.r.c.metrics.delivery(l.r.Name, d.kind, st == smpp.StatusOK)
		// An error ends the link, and the centre sends again what was not answered.
		_ = l.respond(d.header, st, new(smpp.DeliverSMResp))
	}
}

// lateness takes the answer to a call that was given up, as judge reads it. It is called by the reader. Where there is no
// room the call stays uncertain.
func (l *link) lateness(outID string, judge func(response) bridge.Answer) func(response) {
	return func(resp response) {
		l.r.c.metrics.late.WithLabelValues(l.r.Name).Inc()
		select {
		case l.deliveries <- delivery{kind: kindLate, outID: outID, answer: judge(resp)}:
		default:
		}
	}
}

// settle commits the late answers of a batch.
func (l *link) settle(ctx context.Context, sink Sink, batch []delivery) {
	for i := range batch {
		d := &batch[i]
		if d.kind != kindLate {
			continue
		}
		if err := sink.Settle(ctx, d.outID, d.answer); err != nil {
			l.r.c.log.Warn("late answer not committed", "route", l.r.Name, "code", d.answer.Code, "err", err)
		}
	}
}
