package store

import (
	"encoding/binary"
	"fmt"
)

// Decode reads a log entry. It is strict: what Encode would not have written is an error.
func Decode(b []byte) (at int64, c Command, err error) {
	kind, at, body, err := envelope(b)
	if err != nil {
		return 0, nil, err
	}
	if kind == KindAccept {
		c, err = decodeAccept(body)
	} else {
		c, err = decodeCommand(kind, body)
	}
	if err != nil {
		return 0, nil, err
	}
	return at, c, nil
}

// envelope takes a log entry apart.
func envelope(b []byte) (kind Kind, at int64, body []byte, err error) {
	if len(b) < envelopeSize {
		return 0, 0, nil, fmt.Errorf("command of %d octets: %w", len(b), errCodec)
	}
	if b[0] != commandFormat {
		return 0, 0, nil, fmt.Errorf("command of format %d: %w", b[0], errCodec)
	}
	t := binary.BigEndian.Uint64(b[2:])
	if t > maxTime {
		return 0, 0, nil, fmt.Errorf("command with time out of range: %w", errCodec)
	}
	return Kind(b[1]), int64(t), b[envelopeSize:], nil
}

// decodeCommand reads the body of every command but Accept, whose messages Apply takes as they
// are.
func decodeCommand(kind Kind, body []byte) (Command, error) {
	d := decode(body)
	var c Command
	switch kind {
	case KindBegin:
		c = d.begin()
	case KindFinish:
		c = d.finish()
	case KindReport:
		c = d.report()
	case KindClose:
		c = d.close()
	case KindFound:
		c = d.found()
	case KindDelivered:
		c = d.delivered()
	case KindPutPolicy:
		c = &PutPolicy{Base: d.uvarint(), Doc: cloneOctets(d.octets(maxDocument)), Author: d.string(maxString)}
	case KindPurge:
		c = &Purge{Before: d.time(), Limit: d.uint32()}
	case KindReplace:
		c = d.replace()
	case KindPut:
		c = d.put()
	case KindIncoming:
		c = d.incoming()
	default:
		c = d.nodeCommand(kind)
	}
	if c == nil {
		return nil, fmt.Errorf("command of unknown kind %d: %w", kind, errCodec)
	}
	if err := d.end(); err != nil {
		return nil, fmt.Errorf("command of kind %d: %w", kind, err)
	}
	return c, nil
}

// nodeCommand reads the body of a command about nodes or the cluster; nil when the kind is none.
func (d *decoder) nodeCommand(kind Kind) Command {
	switch kind {
	case KindNodeUp:
		return &NodeUp{Node: d.string(maxString), Incarnation: d.uvarint()}
	case KindBindOpen:
		return &BindOpen{Bind: d.bind(), Limit: d.uint32()}
	case KindBindClose:
		return &BindClose{Node: d.string(maxString), Incarnation: d.uvarint(), Session: d.uvarint()}
	case KindLead:
		return &Lead{Node: d.string(maxString), DueAt: d.time()}
	case KindGenesis:
		return &Genesis{ClusterID: d.string(maxString), Lineage: d.lineage()}
	case KindNodeDown:
		return &NodeDown{Node: d.string(maxString), Incarnation: d.uvarint()}
	case KindRaise:
		return &Raise{Version: d.uvarint()}
	case KindMark:
		return &Mark{}
	case KindVerify:
		return &Verify{Mark: d.uvarint(), Hash: d.uvarint()}
	case KindRecover:
		return &Recover{Leap: d.upTo(maxLeap), DueAt: d.time(), Lineage: d.lineage()}
	}
	return nil
}

// An acceptReader reads an Accept message by message, as octets.
type acceptReader struct {
	d       decoder
	token   Token
	charges [][]Charge
	n       int // messages
}

func readAccept(body []byte) *acceptReader {
	r := &acceptReader{d: decoder{b: body}}
	d := &r.d
	r.token = Token{Node: d.string(maxString), Incarnation: d.uvarint(), Seq: d.uvarint(), Lowest: d.uvarint()}
	r.charges = d.chargeSets()
	r.n = d.count(5)
	return r
}

// next reads a message and the index of its set of charges.
func (r *acceptReader) next() (message []byte, set int) {
	set = r.d.setIndex(len(r.charges))
	return r.d.sized(), set
}

// sized reads the octets of a message behind their length.
func (d *decoder) sized() []byte {
	if b := d.take(4); b != nil {
		return d.take(int(binary.BigEndian.Uint32(b)))
	}
	return nil
}

func decodeAccept(body []byte) (*Accept, error) {
	r := readAccept(body)
	c := &Accept{Token: r.token, Charges: r.charges}
	if r.n > 0 {
		c.Messages = make([]Submission, r.n)
	}
	for i := range c.Messages {
		raw, set := r.next()
		if r.d.err != nil {
			break
		}
		m, err := decodeAccepted(raw)
		if err != nil {
			return nil, fmt.Errorf("message %d of an accept: %w", i, err)
		}
		c.Messages[i] = Submission{Message: m, Charges: set}
	}
	if err := r.d.end(); err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	return c, nil
}

func (d *decoder) setIndex(sets int) int { return int(d.upTo(uint64(sets))) - 1 }

func (d *decoder) chargeSets() [][]Charge {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	sets := make([][]Charge, n)
	for i := range sets {
		set := make([]Charge, d.count(3))
		for j := range set {
			set[j] = Charge{Key: d.string(maxString), Amount: d.uint32()}
			if k := d.count(6); k > 0 {
				set[j].Rules = make([]Rule, k)
			}
			for k := range set[j].Rules {
				set[j].Rules[k] = d.rule()
			}
		}
		if err := checkCharges(set); err != nil && d.err == nil {
			d.fail(err.Error())
		}
		if len(set) > 0 {
			sets[i] = set
		}
	}
	return sets
}

func (d *decoder) rule() Rule {
	r := Rule{Kind: RuleKind(d.octet()), Limit: d.uint32(), Burst: d.uint32()}
	r.Period = int64(d.upTo(maxPeriod))
	r.Offset = d.varint()
	if r.Offset < -maxPeriod || r.Offset > maxPeriod {
		d.fail("offset")
	}
	r.Guard = int64(d.upTo(maxPeriod))
	return r
}

func (d *decoder) begin() *Begin {
	c := &Begin{Charges: d.chargeSets()}
	if n := d.count(5); n > 0 {
		c.Attempts = make([]BeginAttempt, n)
	}
	for i := range c.Attempts {
		a := &c.Attempts[i]
		a.Route, a.Template = d.string(maxString), d.string(maxString)
		a.CallBy, a.Charges = d.time(), d.setIndex(len(c.Charges))
		if n := d.count(5); n > 0 {
			a.Members = make([]BeginMember, n)
		}
		for j := range a.Members {
			a.Members[j] = BeginMember{
				Number: d.number(), Revision: d.uint32(), Phone: d.string(maxString), Segments: d.octet(), Charges: d.setIndex(len(c.Charges)),
			}
		}
		if !c.apart(a) {
			d.fail("a key of a call and of its member")
		}
	}
	return c
}

func (d *decoder) finish() *Finish {
	c := &Finish{}
	if n := d.count(8); n > 0 {
		c.Outcomes = make([]Outcome, n)
	}
	for i := range c.Outcomes {
		o := &c.Outcomes[i]
		o.Attempt, o.Kind = AttemptID(d.uvarint()), OutcomeKind(d.octet())
		o.BizID, o.DueAt = d.string(maxString), d.time()
		o.Ending, o.Err, o.Code, o.Alone = Ending(d.octet()), d.string(maxErr), d.string(maxCode), d.bool()
		if o.Kind < OutcomeAccepted || o.Kind > OutcomeUncertain {
			d.fail("outcome kind")
		}
	}
	return c
}

func (d *decoder) report() *Report {
	c := &Report{}
	if n := d.count(10); n > 0 {
		c.Reports = make([]DeliveryReport, n)
	}
	for i := range c.Reports {
		c.Reports[i] = d.deliveryReport()
	}
	return c
}

func (d *decoder) deliveryReport() DeliveryReport {
	return DeliveryReport{
		Number: d.number(), Attempt: AttemptID(d.uvarint()),
		OutID: d.string(maxString), BizID: d.string(maxString), Phone: d.string(maxString),
		Ending: Ending(d.octet()), Err: d.string(maxErr), Code: d.string(maxCode), DoneAt: d.time(), Orphan: d.uvarint(),
	}
}

func (d *decoder) close() *Close {
	c := &Close{}
	if n := d.count(4); n > 0 {
		c.Items = make([]CloseItem, n)
	}
	for i := range c.Items {
		c.Items[i] = CloseItem{Number: d.number(), Revision: d.uint32(), Ending: Ending(d.octet()), Err: d.string(maxErr)}
	}
	return c
}

func (d *decoder) found() *Found {
	c := &Found{}
	if n := d.count(5); n > 0 {
		c.Items = make([]FoundItem, n)
	}
	for i := range c.Items {
		c.Items[i] = FoundItem{Number: d.number(), Revision: d.uint32(), Sent: d.bool(), Retry: d.bool(), DueAt: d.time()}
	}
	return c
}

func (d *decoder) replace() *Replace {
	c := &Replace{Number: d.number(), Revision: d.uint32()}
	raw := d.sized()
	if d.err == nil {
		c.Message, d.err = decodeAccepted(raw)
	}
	return c
}

func (d *decoder) delivered() *Delivered {
	c := &Delivered{Account: d.string(maxString)}
	if n := d.count(1); n > 0 {
		c.Seqs = make([]uint64, n)
	}
	for i := range c.Seqs {
		c.Seqs[i] = d.uvarint()
	}
	return c
}

func (d *decoder) bind() Bind {
	return Bind{
		Node: d.string(maxString), Incarnation: d.uvarint(), Session: d.uvarint(),
		Account: d.string(maxString), Receives: d.bool(), Since: d.time(),
	}
}
