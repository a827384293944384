package store

import (
	"encoding/binary"
	"fmt"
)

// The envelope of a log entry: format, kind, time (8 octets), and the command's body.
const (
	commandFormat = 1
	envelopeSize  = 10
)

// Encode makes the octets of a log entry. at is the leader's time in Unix ms.
//
// Strings beyond any sensible length are cut and times are brought into range, because an entry
// that cannot be decoded would stop every node. What only a mistake in the program can produce,
// a charge set that is not there, a kind without a number, or a charge the meters do not know,
// panics here, on the proposing node, before anything is in the log.
func Encode(at int64, c Command) []byte {
	b := make([]byte, 0, envelopeSize+sizeHint(c))
	b = append(b, commandFormat, byte(c.kind()))
	b = binary.BigEndian.AppendUint64(b, uint64(min(max(at, 0), maxTime)))
	switch c := c.(type) {
	case *Accept:
		return appendAccept(b, c)
	case *Begin:
		return appendBegin(b, c)
	case *Finish:
		return appendFinish(b, c)
	case *Report:
		return appendReport(b, c)
	case *Close:
		return appendClose(b, c)
	case *Found:
		return appendFound(b, c)
	case *Delivered:
		return appendDelivered(b, c)
	case *Replace:
		return appendReplace(b, c)
	case *Incoming:
		return appendIncoming(b, c)
	default:
		return appendNodeCommand(b, c)
	}
}

// sizeHint spares Encode most of the growing of its octets.
func sizeHint(c Command) int {
	switch c := c.(type) {
	case *Accept:
		n := 512
		for i := range c.Messages {
			m := &c.Messages[i].Message
			n += 160 + len(m.Text) + len(m.Params)
		}
		return n
	case *Replace:
		return 256 + len(c.Message.Text) + len(c.Message.Params)
	case *Begin:
		return 128 + 96*len(c.Attempts)
	case *Finish:
		return 16 + 64*len(c.Outcomes)
	case *Report:
		return 16 + 128*len(c.Reports)
	case *Put:
		n := 16
		for i := range c.Items {
			n += 16 + len(c.Items[i].Key) + len(c.Items[i].Value)
		}
		return n
	}
	return 128
}

// appendNodeCommand appends the bodies of the rare commands.
func appendNodeCommand(b []byte, c Command) []byte {
	switch c := c.(type) {
	case *NodeUp:
		b = appendString(b, c.Node, maxString)
		return binary.AppendUvarint(b, c.Incarnation)
	case *NodeDown:
		b = appendString(b, c.Node, maxString)
		return binary.AppendUvarint(b, c.Incarnation)
	case *BindOpen:
		b = appendBind(b, &c.Bind)
		return binary.AppendUvarint(b, uint64(c.Limit))
	case *BindClose:
		b = appendString(b, c.Node, maxString)
		b = binary.AppendUvarint(b, c.Incarnation)
		return binary.AppendUvarint(b, c.Session)
	case *Lead:
		b = appendString(b, c.Node, maxString)
		return appendTime(b, c.DueAt)
	case *PutPolicy:
		b = binary.AppendUvarint(b, c.Base)
		b = appendOctets(b, c.Doc, maxDocument)
		return appendString(b, c.Author, maxString)
	case *Purge:
		b = appendTime(b, c.Before)
		return binary.AppendUvarint(b, uint64(c.Limit))
	case *Put:
		return appendPut(b, c)
	}
	return appendClusterCommand(b, c)
}

func appendClusterCommand(b []byte, c Command) []byte {
	switch c := c.(type) {
	case *Genesis:
		b = appendString(b, c.ClusterID, maxString)
		return append(b, c.Lineage[:]...)
	case *Raise:
		return binary.AppendUvarint(b, c.Version)
	case *Mark:
		return b
	case *Verify:
		b = binary.AppendUvarint(b, c.Mark)
		return binary.AppendUvarint(b, c.Hash)
	case *Recover:
		b = binary.AppendUvarint(b, min(c.Leap, maxLeap))
		b = appendTime(b, c.DueAt)
		return append(b, c.Lineage[:]...)
	}
	panic(fmt.Sprintf("store: Encode: command %T", c))
}

func appendAccept(b []byte, c *Accept) []byte {
	b = appendString(b, c.Token.Node, maxString)
	b = binary.AppendUvarint(b, c.Token.Incarnation)
	b = binary.AppendUvarint(b, c.Token.Seq)
	b = binary.AppendUvarint(b, c.Token.Lowest)
	b = appendChargeSets(b, c.Charges)
	b = binary.AppendUvarint(b, uint64(len(c.Messages)))
	for i := range c.Messages {
		m := &c.Messages[i]
		b = appendSetIndex(b, m.Charges, len(c.Charges))
		b = appendSized(b, &m.Message)
	}
	return b
}

// appendSized appends a message, as it is accepted, after its length in 4 octets, which are filled in when it is
// known.
func appendSized(b []byte, m *Message) []byte {
	if m.Code != "" {
		accepted := *m
		accepted.Code = ""
		m = &accepted
	}
	at := len(b)
	b = append(b, 0, 0, 0, 0)
	b = appendMessage(b, m)
	binary.BigEndian.PutUint32(b[at:], uint32(len(b)-at-4))
	return b
}

// appendSetIndex appends an index into the charge sets; -1, none, becomes 0.
func appendSetIndex(b []byte, index, sets int) []byte {
	if index < -1 || index >= sets {
		panic(fmt.Sprintf("store: Encode: charge set %d of %d", index, sets))
	}
	return binary.AppendUvarint(b, uint64(index+1))
}

func appendChargeSets(b []byte, sets [][]Charge) []byte {
	b = binary.AppendUvarint(b, uint64(len(sets)))
	for _, set := range sets {
		if err := checkCharges(set); err != nil {
			panic("store: Encode: " + err.Error())
		}
		b = binary.AppendUvarint(b, uint64(len(set)))
		for i := range set {
			c := &set[i]
			b = appendString(b, c.Key, maxString)
			b = binary.AppendUvarint(b, uint64(c.Amount))
			b = binary.AppendUvarint(b, uint64(len(c.Rules)))
			for j := range c.Rules {
				b = appendRule(b, &c.Rules[j])
			}
		}
	}
	return b
}

func appendRule(b []byte, r *Rule) []byte {
	b = append(b, byte(r.Kind))
	b = binary.AppendUvarint(b, uint64(r.Limit))
	b = binary.AppendUvarint(b, uint64(r.Burst))
	b = appendTime(b, min(r.Period, maxPeriod))
	b = binary.AppendVarint(b, min(max(r.Offset, -maxPeriod), maxPeriod))
	return appendTime(b, min(r.Guard, maxPeriod))
}

func appendBegin(b []byte, c *Begin) []byte {
	b = appendChargeSets(b, c.Charges)
	b = binary.AppendUvarint(b, uint64(len(c.Attempts)))
	for i := range c.Attempts {
		a := &c.Attempts[i]
		b = appendString(b, a.Route, maxString)
		b = appendString(b, a.Template, maxString)
		b = appendTime(b, a.CallBy)
		b = appendSetIndex(b, a.Charges, len(c.Charges))
		if !c.apart(a) {
			panic("store: Encode: a call and its member charge one key")
		}
		b = binary.AppendUvarint(b, uint64(len(a.Members)))
		for j := range a.Members {
			m := &a.Members[j]
			b = binary.AppendUvarint(b, uint64(m.Number))
			b = binary.AppendUvarint(b, uint64(m.Revision))
			b = appendString(b, m.Phone, maxString)
			b = append(b, m.Segments)
			b = appendSetIndex(b, m.Charges, len(c.Charges))
		}
	}
	return b
}

func appendFinish(b []byte, c *Finish) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Outcomes)))
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		if o.Kind < OutcomeAccepted || o.Kind > OutcomeUncertain {
			panic(fmt.Sprintf("store: Encode: outcome kind %d", o.Kind))
		}
		b = binary.AppendUvarint(b, uint64(o.Attempt))
		b = append(b, byte(o.Kind))
		b = appendString(b, o.BizID, maxString)
		b = appendTime(b, o.DueAt)
		b = append(b, byte(o.Ending))
		b = appendString(b, o.Err, maxErr)
		b = appendString(b, o.Code, maxCode)
		b = appendBool(b, o.Alone)
	}
	return b
}

func appendReport(b []byte, c *Report) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Reports)))
	for i := range c.Reports {
		b = appendDeliveryReport(b, &c.Reports[i])
	}
	return b
}

func appendDeliveryReport(b []byte, r *DeliveryReport) []byte {
	b = binary.AppendUvarint(b, uint64(r.Number))
	b = binary.AppendUvarint(b, uint64(r.Attempt))
	b = appendString(b, r.OutID, maxString)
	b = appendString(b, r.BizID, maxString)
	b = appendString(b, r.Phone, maxString)
	b = append(b, byte(r.Ending))
	b = appendString(b, r.Err, maxErr)
	b = appendString(b, r.Code, maxCode)
	b = appendTime(b, r.DoneAt)
	return binary.AppendUvarint(b, r.Orphan)
}

func appendClose(b []byte, c *Close) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Items)))
	for i := range c.Items {
		it := &c.Items[i]
		b = binary.AppendUvarint(b, uint64(it.Number))
		b = binary.AppendUvarint(b, uint64(it.Revision))
		b = append(b, byte(it.Ending))
		b = appendString(b, it.Err, maxErr)
	}
	return b
}

func appendFound(b []byte, c *Found) []byte {
	b = binary.AppendUvarint(b, uint64(len(c.Items)))
	for i := range c.Items {
		it := &c.Items[i]
		b = binary.AppendUvarint(b, uint64(it.Number))
		b = binary.AppendUvarint(b, uint64(it.Revision))
		b = appendBool(b, it.Sent)
		b = appendBool(b, it.Retry)
		b = appendTime(b, it.DueAt)
	}
	return b
}

func appendReplace(b []byte, c *Replace) []byte {
	b = binary.AppendUvarint(b, uint64(c.Number))
	b = binary.AppendUvarint(b, uint64(c.Revision))
	return appendSized(b, &c.Message)
}

func appendDelivered(b []byte, c *Delivered) []byte {
	b = appendString(b, c.Account, maxString)
	b = binary.AppendUvarint(b, uint64(len(c.Seqs)))
	for _, seq := range c.Seqs {
		b = binary.AppendUvarint(b, seq)
	}
	return b
}

func appendBind(b []byte, v *Bind) []byte {
	b = appendString(b, v.Node, maxString)
	b = binary.AppendUvarint(b, v.Incarnation)
	b = binary.AppendUvarint(b, v.Session)
	b = appendString(b, v.Account, maxString)
	b = appendBool(b, v.Receives)
	return appendTime(b, v.Since)
}
