package main

import (
	"fmt"
	"math/bits"
	"strings"
	"time"

	"smppbridge/smpp"
)

// checks is what makes a receipt a right one, besides that there is exactly one: it
// is about what was submitted and is not read before the submit_sm_resp.
type checks struct {
	texts  *texts
	expect states

	early          uint64 // before their submit_sm_resp on the same connection
	overtook       uint64 // before it, on another: over two connections they may
	wrongAddresses uint64
	wrongState     uint64
	interim        uint64 // notifications that nobody asked for

	held   map[messageID]receipt    // whose submit_sm_resp has not come, or never will
	lost   map[uint64]int           // submit_sm that were never answered, by phone
	broken map[uint32]time.Duration // when which connection broke
	again  []repeat
}

// A repeat is a receipt that was not the first of its message.
type repeat struct {
	before uint32 // the connection that brought the last one
	conn   uint32 // that brought it
	at     time.Duration
}

func newChecks(t *texts, expect states) *checks {
	return &checks{
		texts: t, expect: expect,
		held: make(map[messageID]receipt), lost: make(map[uint64]int), broken: make(map[uint32]time.Duration),
	}
}

// state checks that r says what it should, twice if it says it twice.
func (c *checks) state(r *receipt) {
	if !c.expect.has(r.state) || r.otherWord {
		c.wrongState++
	}
}

// addresses checks that r is about p.
func (c *checks) addresses(r *receipt, p piece) {
	if !r.ours || r.phone != c.texts.phoneOf(p) {
		c.wrongAddresses++
	}
}

// answered takes the receipt that came before the submit_sm_resp of p on conn.
func (c *checks) answered(id messageID, p piece, conn uint32) {
	r, ok := c.held[id]
	if !ok {
		return
	}
	delete(c.held, id)
	if r.conn == conn {
		c.early++
	} else {
		c.overtook++
	}
	c.addresses(&r, p)
}

// unanswered notes a submit_sm of which nobody knows whether it was accepted.
func (c *checks) unanswered(p piece) { c.lost[c.texts.phoneOf(p)]++ }

// ofUnanswered is how many of the receipts with unknown ids are explained by
// submit_sm whose answers were lost: one for each of them at most. It is asked once,
// at the end.
func (c *checks) ofUnanswered() uint64 {
	var n uint64
	for _, r := range c.held {
		if r.ours && c.lost[r.phone] > 0 {
			c.lost[r.phone]--
			n++
		}
	}
	return n
}

// noticed is how much later than the server we may see that a connection broke.
const noticed = time.Second

// redelivered is how many of the repeated receipts are explained by a connection that
// broke: their deliver_sm_resp may not have arrived. Which of two connections is read
// first is chance, so that the one that broke may be the one that is read later.
func (c *checks) redelivered() uint64 {
	var n uint64
	for _, r := range c.again {
		if c.brokeBy(r.before, r.at+noticed) || c.brokeBy(r.conn, r.at+noticed) {
			n++
		}
	}
	return n
}

func (c *checks) brokeBy(conn uint32, when time.Duration) bool {
	at, ok := c.broken[conn]
	return ok && at <= when
}

// states is a set of final message states. The zero value has DELIVRD alone.
type states uint16

const deliveredOnly = states(1) << smpp.StateDelivered

func (s states) has(st smpp.MessageState) bool {
	if s == 0 {
		s = deliveredOnly
	}
	return st < 16 && s>>st&1 != 0
}

// String is what Set takes.
func (s *states) String() string {
	set := *s
	if set == 0 {
		set = deliveredOnly
	}
	var words []string
	for ; set != 0; set &= set - 1 {
		words = append(words, smpp.MessageState(bits.TrailingZeros16(uint16(set))).String())
	}
	return strings.Join(words, ",")
}

// Set takes the words of a receipt's text, with commas between them, or any.
func (s *states) Set(text string) error {
	var set states
	for _, word := range strings.Split(text, ",") {
		found := false
		for st := smpp.StateEnroute; st <= smpp.StateRejected; st++ {
			if st.Final() && (word == "any" || strings.EqualFold(word, st.String())) {
				set |= 1 << st
				found = true
			}
		}
		if !found {
			return fmt.Errorf("%q is no final state", word)
		}
	}
	*s = set
	return nil
}

// Type names the value in a usage text.
func (*states) Type() string { return "STATES" }
