package store

import "encoding/binary"

// The kinds of entries of an outbox, which begin the records. Numbers are stored: append, never reuse.
const (
	outboxReceipt  = 1
	outboxIncoming = 2
)

// appendReceipt appends r as an outbox holds it; account and seq are in the key.
func appendReceipt(b []byte, r *Receipt) []byte {
	if r.Incoming {
		return appendIncomingEntry(b, r)
	}
	b = append(b, outboxReceipt)
	b = binary.AppendUvarint(b, uint64(r.Number))
	b = append(b, byte(r.Shape))
	b = appendOrigin(b, &r.Origin)
	b = appendAddress(b, &r.Source)
	b = appendAddress(b, &r.Dest)
	b = appendString(b, r.ServiceType, maxString)
	b = append(b, r.DataCoding, r.ESMClass, byte(r.Ending))
	b = appendString(b, r.Err, maxErr)
	b = appendString(b, r.Code, maxCode)
	b = appendTime(b, r.AcceptedAt)
	b = appendTime(b, r.DoneAt)
	b = appendTime(b, r.QueuedAt)
	return appendString(b, r.Echo, maxString)
}

func appendIncomingEntry(b []byte, r *Receipt) []byte {
	b = append(b, outboxIncoming)
	b = appendAddress(b, &r.Source)
	b = appendAddress(b, &r.Dest)
	b = appendString(b, r.ServiceType, maxString)
	b = appendTime(b, r.AcceptedAt)
	b = appendTime(b, r.QueuedAt)
	return appendString(b, r.Text, maxSubmitted)
}

// incomingEntry reports whether an entry of an outbox is an incoming message.
func incomingEntry(b []byte) bool { return len(b) > 0 && b[0] == outboxIncoming }

// decodeReceipt reads an entry of an outbox.
func decodeReceipt(account string, seq uint64, b []byte) (Receipt, error) {
	d := decode(b)
	r := Receipt{Seq: seq, Account: account}
	switch d.octet() {
	case outboxReceipt:
		d.receipt(&r)
	case outboxIncoming:
		r.Incoming = true
		r.Source, r.Dest, r.ServiceType = d.address(), d.address(), d.string(maxString)
		r.AcceptedAt, r.QueuedAt, r.Text = d.time(), d.time(), d.string(maxSubmitted)
	default:
		d.fail("kind of outbox entry")
	}
	return r, d.end()
}

func (d *decoder) receipt(r *Receipt) {
	r.Number, r.Shape, r.Origin = d.number(), Shape(d.octet()), d.origin()
	r.Source, r.Dest, r.ServiceType = d.address(), d.address(), d.string(maxString)
	if r.Shape > ShapeDec10 {
		d.fail("shape")
	}
	r.DataCoding, r.ESMClass, r.Ending = d.octet(), d.octet(), Ending(d.octet())
	r.Err, r.Code = d.string(maxErr), d.string(maxCode)
	r.AcceptedAt, r.DoneAt, r.QueuedAt = d.time(), d.time(), d.time()
	r.Echo = d.string(maxString)
}
