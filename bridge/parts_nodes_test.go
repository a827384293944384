package bridge

import (
	"testing"
	"time"

	"smppbridge/smpp"
	"smppbridge/store"
)

// TestPartsOverNodes: the parts of a long message that come over binds of different nodes are one SMS; each is answered
// by its node, and each has its receipt, on whatever node the receiver is.
func TestPartsOverNodes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		receiver := f.at(3).bind("any", smpp.Receiver)
		var parts []store.Number
		for i, text := range []string{"one ", "two ", "three"} {
			parts = append(parts, f.at(i+1).bind("any", smpp.Transmitter).accepted("", raw(0, text), udh8(7, 3, uint8(i+1))))
		}
		pass(time.Second)
		f.sentOnce(t, `{"content":"one two three"}`)
		f.at(2).report(f.at(2).status(parts[0]).Whole)
		got := map[string]bool{}
		for range parts {
			got[receiver.take(smpp.StatusOK).MessageID] = true
		}
		for _, n := range parts {
			if !got[n.String()] {
				t.Errorf("no receipt of part %s", n)
			}
		}
		pass(time.Second)
		if got := f.book.Figures().Outbox; got != 0 {
			t.Errorf("%d receipts are left", got)
		}
	})
}

// sentOnce checks what was sent in all.
func (f *fleet) sentOnce(t *testing.T, params ...string) {
	t.Helper()
	calls := f.api.called()
	if len(calls) != len(params) {
		t.Errorf("%d SMS, want %d", len(calls), len(params))
	}
	for i := range min(len(calls), len(params)) {
		if got := calls[i].Recipients[0].Params; got != params[i] {
			t.Errorf("SMS %d is %s, want %s", i+1, got, params[i])
		}
	}
}

// TestOneReceiptForPartsOverNodes: with receipt.parts last it is the last part's, which another node accepted.
func TestOneReceiptForPartsOverNodes(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		receiver := f.at(1).bind("last", smpp.Receiver)
		first := f.at(2).bind("last", smpp.Transmitter).accepted("", raw(0, "one "), udh8(7, 2, 1))
		last := f.at(3).bind("last", smpp.Transmitter).accepted("", raw(0, "two"), udh8(7, 2, 2))
		pass(time.Second)
		f.at(3).report(f.at(3).status(first).Whole)
		if got := receiver.take(smpp.StatusOK).MessageID; got != last.String() {
			t.Errorf("receipt of %s, want the last part's, %s", got, last)
		}
		pass(time.Second)
		if got := f.book.Figures().Outbox; got != 0 {
			t.Errorf("%d receipts are left, want none", got)
		}
	})
}

// TestPartRepeatedOnAnotherNode: an ESME whose node died before it answered the first part sends all parts again over
// another one. The repeated part begins a new set, which is what is sent; what was accepted of the old one ends with a
// receipt that says so.
func TestPartRepeatedOnAnotherNode(t *testing.T) {
	inFleet(t, 3, func(t *testing.T, f *fleet) {
		e := f.at(2).bind("any", smpp.Transmitter)
		f.decide(func(_ *member, c store.Command) fate {
			if _, ok := c.(*store.Accept); ok {
				return hidden // it is accepted, and nobody is told
			}
			return applied
		})
		e.submit("", raw(0, "one "), udh8(7, 2, 1))
		pass(10 * time.Millisecond)
		f.at(2).crash()
		f.decide(nil)
		again := f.at(3).bind("any", smpp.Transmitter)
		one := again.accepted("", raw(0, "one "), udh8(7, 2, 1))
		two := again.accepted("", raw(0, "two"), udh8(7, 2, 2))
		pass(time.Second)
		f.sentOnce(t, `{"content":"one two"}`)
		if whole := f.at(3).status(one).Whole; whole == 0 || whole != f.at(3).status(two).Whole {
			t.Errorf("parts %s and %s are not of one message", one, two)
		}
		if _, st, err := f.book.Lookup(1); err != nil || st.State != store.StatePart {
			t.Errorf("the part that came first is %v, %v, want it to wait", st.State, err)
		}
	})
}
