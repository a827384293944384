package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
)

// A driver makes random commands that mean something in the state as it is: they name messages,
// revisions and attempts that are there, mostly.
type driver struct {
	h    *harness
	rnd  *rand.Rand
	seq  uint64 // of tokens
	inc  uint64
	last *Accept // to be repeated
}

func (d *driver) pick(n int) int          { return d.rnd.IntN(n) }
func (d *driver) chance(percent int) bool { return d.rnd.IntN(100) < percent }

// number picks a message, a late one more often.
func (d *driver) number() Number {
	next := int(d.h.Figures().NextNumber)
	return Number(max(1, next-1-d.pick(1+d.pick(next))))
}

func (d *driver) account() string { return []string{"shop", "bank"}[d.pick(2)] }
func (d *driver) phone() string {
	return []string{"13800000000", "13900000000", "13700000000", "13600000000"}[d.pick(4)]
}

// revision is mostly the message's present one.
func (d *driver) revision(n Number) uint32 {
	_, st, err := d.h.Lookup(n)
	if err != nil || d.chance(5) {
		return uint32(d.pick(4))
	}
	return st.Revision
}

func (d *driver) attempt() AttemptID {
	return AttemptID(1 + d.pick(1+int(d.h.machine.meta.nextAttempt)))
}
func (d *driver) ending() Ending {
	return []Ending{EndDelivered, EndExpired, EndUndeliverable, EndUnknown, EndRejected, EndDeleted}[d.pick(6)]
}
func (d *driver) code() string {
	return []string{"", "DELIVERED", "MK:0001", "isv.SMS_TEMPLATE_ILLEGAL"}[d.pick(4)]
}
func (d *driver) soon() int64 { return d.h.now + d.rnd.Int64N(20_000) }

func (d *driver) next() Command {
	if d.chance(60) {
		d.h.now += d.rnd.Int64N(3000)
	}
	if d.chance(1) {
		d.h.now += []int64{6, 24, 24 * 30}[d.pick(3)] * 3600_000
	}
	if d.h.ClusterVersion() >= 3 && d.chance(10) {
		if d.chance(50) {
			return d.put()
		}
		return d.incoming()
	}
	switch k := d.pick(100); {
	case k < 25:
		return d.accept()
	case k < 45:
		return d.begin()
	case k < 60:
		c := &Finish{}
		for range 1 + d.pick(2) {
			o := Outcome{Attempt: d.attempt(), Kind: OutcomeKind(1 + d.pick(4)), DueAt: d.soon(), Ending: d.ending(), Err: "e", Code: d.code(), Alone: d.chance(10)}
			if d.chance(80) {
				o.BizID = fmt.Sprintf("biz%d", o.Attempt)
			}
			c.Outcomes = append(c.Outcomes, o)
		}
		return c
	case k < 72:
		return d.report()
	case k < 75:
		return d.replace()
	case k < 80:
		n := d.number()
		return &Found{Items: []FoundItem{{Number: n, Revision: d.revision(n), Sent: d.chance(30), Retry: d.chance(50), DueAt: d.soon()}}}
	case k < 86:
		n := d.number()
		return &Close{Items: []CloseItem{{Number: n, Revision: d.revision(n), Ending: d.ending(), Err: "c"}}}
	case k < 91:
		return &Delivered{Account: d.account(), Seqs: []uint64{1 + uint64(d.pick(1+int(d.h.machine.meta.nextReceipt)))}}
	case k < 93:
		return &Lead{Node: "n1", DueAt: d.soon()}
	case k < 95:
		return &Purge{Before: d.h.now - d.rnd.Int64N(60_000), Limit: 1000}
	}
	return d.node()
}

// node makes a command about nodes, binds and the policy.
func (d *driver) node() Command {
	session := uint64(d.pick(4))
	switch d.pick(12) {
	case 0:
		d.inc++
		d.seq = 0
		return &NodeUp{Node: "n1", Incarnation: d.inc}
	case 6:
		return &NodeUp{Node: "n1", Incarnation: max(1, d.inc-uint64(d.pick(2)))} // again, or late
	case 7, 8, 9, 10, 11:
		return d.cluster()
	case 1:
		return &BindClose{Node: "n1", Incarnation: d.inc, Session: session}
	case 2:
		return &PutPolicy{Base: d.h.Policy().Version - uint64(d.pick(8)/7), Doc: []byte{byte(d.pick(256))}, Author: "a"}
	}
	b := Bind{Node: "n1", Incarnation: d.inc + uint64(d.pick(8)/7), Session: session, Account: d.account(), Since: d.h.now}
	return &BindOpen{Bind: b, Limit: 2}
}

// cluster makes a command about the cluster, once the version allows it.
func (d *driver) cluster() Command {
	k := d.pick(7)
	if d.h.ClusterVersion() < 2 {
		k = d.pick(2)
	}
	switch k {
	case 0:
		return &Raise{Version: []uint64{0, 1, 2, 3, 3, 3}[d.pick(6)]}
	case 1:
		return &Genesis{ClusterID: []string{"test", "Test", ""}[d.pick(3)], Lineage: d.lineage()}
	case 2:
		return &Mark{}
	case 3:
		index, hash := d.h.Marked()
		if d.chance(30) {
			index, hash = index+1, hash+1 // of another Mark: it says nothing
		}
		return &Verify{Mark: index, Hash: hash}
	case 4:
		d.seq = 0
		return &Recover{Leap: uint64(d.pick(3)), DueAt: d.soon(), Lineage: d.lineage()}
	}
	return &NodeDown{Node: "n1", Incarnation: d.inc - uint64(d.pick(4)/3)}
}

func (d *driver) put() Command {
	c := &Put{}
	for range 1 + d.pick(3) {
		it := PutItem{Space: []string{"brake", "optout"}[d.pick(2)], Key: fmt.Sprint("key", d.pick(6)), Absent: d.chance(20)}
		if d.chance(70) {
			it.Value = []byte{byte('a' + d.pick(2))}
		}
		if d.chance(5) {
			it = []PutItem{{Space: it.Space, Value: it.Value}, {Key: it.Key, Value: it.Value}, {Space: it.Space, Key: strings.Repeat("k", 256), Value: it.Value}}[d.pick(3)]
		}
		c.Items = append(c.Items, it)
	}
	return c
}

func (d *driver) incoming() Command {
	c := &Incoming{}
	for range 1 + d.pick(3) {
		c.Items = append(c.Items, IncomingItem{
			Account: d.account(), Digest: [16]byte{5: byte(d.pick(5))}, KeepFor: int64(d.pick(3)) * 10_000, Source: Address{1, 1, d.phone()},
			Dest: Address{0, 1, "10690000"}, ServiceType: "CMT", Text: fmt.Sprint("回复", d.pick(100)), At: d.h.now - int64(d.pick(5000)),
		})
	}
	return c
}

// lineage returns one that is not drawn again.
func (d *driver) lineage() (l Lineage) {
	binary.BigEndian.PutUint64(l[:], d.h.index+1)
	return l
}

func (d *driver) accept() Command {
	if d.last != nil && d.chance(10) {
		return d.last
	}
	d.seq++
	account := d.account()
	c := &Accept{
		Token: Token{Node: "n1", Incarnation: d.inc, Seq: d.seq, Lowest: max(d.seq, 2) - 1},
		Charges: [][]Charge{{
			{Key: "rate/" + account, Amount: 1, Rules: []Rule{{Kind: RuleBucket, Limit: 2, Burst: 4, Period: 3000}}},
			{Key: OpenKey(account), Amount: 1, Rules: []Rule{{Kind: RuleLevel, Limit: 40}}},
		}},
	}
	for i := range 1 + d.pick(4) {
		m := message(account)
		m.Wants, m.KeepText, m.Phone = Wants(d.pick(4)), d.chance(20), d.phone()
		m.Text, m.Urgent = fmt.Sprintf("<%d.%d>", d.seq, i), d.chance(50)
		if d.chance(20) {
			m.SendAt = d.soon()
		}
		if d.chance(30) {
			m.Expires = d.soon() + 5000
		}
		if d.chance(40) {
			total := uint8(2 + d.pick(2))
			m.Segment = Segment{Ref: uint16(d.pick(2)), Total: total, Seq: uint8(1 + d.pick(int(total)))}
		}
		if d.chance(10) {
			m.PolicyVersion = uint64(1 + d.pick(3))
		}
		d.more(&m, i)
		set := 0
		if d.chance(10) {
			set = -1
		}
		c.Messages = append(c.Messages, Submission{Message: m, Charges: set})
	}
	d.last = c
	return c
}

// more gives a message what few have.
func (d *driver) more(m *Message, place int) {
	m.Preferred, m.OneReceipt, m.Shape = d.chance(30), d.chance(50), Shape(d.pick(3))
	m.Grouped = place > 0 && d.chance(40) || d.chance(3)
	if d.chance(30) {
		m.Echo = fmt.Sprint("echo", d.pick(100))
	}
	if d.chance(40) {
		m.AnswerBy = d.h.now + 5000
	}
	if d.chance(30) {
		m.Digest, m.DedupeFor = [16]byte{9: byte(1 + d.pick(4))}, int64(d.pick(4))*4000
	}
}

func (d *driver) replace() Command {
	n := d.number()
	if items, _, _, err := d.h.Waiting(d.account(), WaitCursor{}, 20, func(*Message) bool { return true }); err == nil && len(items) > 0 && d.chance(80) {
		n = items[d.pick(len(items))].Number
	}
	m := message("another")
	m.Wants, m.KeepText, m.Phone, m.Urgent = Wants(d.pick(4)), d.chance(20), "13000000000", d.chance(30)
	m.Text = fmt.Sprintf("<replaced %d>", d.pick(20))
	if d.chance(30) {
		m.SendAt = d.soon()
	}
	if d.chance(30) {
		m.Expires = d.soon()
	}
	if d.chance(10) {
		m.PolicyVersion = uint64(1 + d.pick(3))
	}
	d.more(&m, 1)
	return &Replace{Number: n, Revision: d.revision(n), Message: m}
}

func (d *driver) begin() Command {
	c := &Begin{}
	for range 1 + d.pick(2) {
		a := BeginAttempt{Route: []string{"main", "other"}[d.pick(2)], Template: []string{"", "SMS_1", "SMS_22"}[d.pick(3)], CallBy: d.soon(), Charges: -1}
		if d.chance(50) {
			a.Charges = len(c.Charges)
			c.Charges = append(c.Charges, []Charge{{Key: "route/main", Amount: 1, Rules: []Rule{{Kind: RuleBucket, Limit: 1, Burst: 3, Period: 3000}}}})
		}
		due, err := d.h.due(sendingActions[d.pick(3)], d.account(), d.h.now, 4)
		if err != nil {
			d.h.t.Fatal(err)
		}
		for range 1 + d.pick(3) {
			n := d.number()
			if len(due) > 0 && d.chance(85) {
				n = due[d.pick(len(due))].Number
			}
			phone, set := d.phone(), len(c.Charges)
			if d.chance(10) {
				set = -1
			}
			c.Charges = append(c.Charges, []Charge{{Key: PhoneKeyPrefix + phone, Amount: 1, Rules: []Rule{
				{Kind: RuleWindow, Limit: 2, Period: 60_000, Offset: utc8, Guard: 1000},
				{Kind: RuleRolling, Limit: 3, Period: 100_000, Guard: 1000},
			}}})
			a.Members = append(a.Members, BeginMember{Number: n, Revision: d.revision(n), Phone: phone, Segments: uint8(d.pick(4)), Charges: set})
		}
		c.Attempts = append(c.Attempts, a)
	}
	return c
}

func (d *driver) report() Command {
	r := DeliveryReport{Ending: d.ending(), Err: "r", Code: d.code(), DoneAt: d.h.now - d.rnd.Int64N(2000) + 500, BizID: "early", Phone: d.phone()}
	if orphans, _ := d.h.Orphans("early"); len(orphans) > 0 && d.chance(30) {
		r.Orphan = orphans[0].Orphan
	}
	if d.chance(85) {
		r.Attempt = d.attempt()
		r.Number = d.number()
		if a, err := d.h.Attempt(r.Attempt); err == nil && d.chance(90) {
			r.Number = a.Members[d.pick(len(a.Members))].Number
		}
	}
	return &Report{Reports: []DeliveryReport{r}}
}
