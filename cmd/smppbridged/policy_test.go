package main

import (
	"bytes"
	"fmt"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/smpp"
	"smppbridge/store"
)

// TestRouteMovedToAnotherAccount: a message whose answer was lost is not sent by the account that its route has been given
// meanwhile, which does not know it (promise 3): its ESME is told that nobody knows. The next one is.
func TestRouteMovedToAnotherAccount(t *testing.T) {
	sim, addr := newSimulator(t)
	other, otherAddr := newSimulator(t)
	s := newSystem(t, sim, addr)
	s.start()
	s.endWithTest()
	s.fault(
		aliyunsim.Fault{Kind: aliyunsim.FaultDrop, Executed: true},
		aliyunsim.Fault{Kind: aliyunsim.FaultReportWithhold},
		aliyunsim.Fault{Kind: aliyunsim.FaultError500, Action: "QuerySendDetails"},
	)
	c := s.bind("test", smpp.Transceiver)
	id := c.mustSubmit(phone, "private: once")
	s.eventually("the message to be uncertain", func() bool { return s.state(id) == store.StateUncertain })
	at := func(addr string) []byte { return fmt.Appendf(nil, "endpoint: %q,", addr) }
	moved := bytes.Replace(s.opts.Policy, at(addr), append(at(otherAddr), " account: another,"...), 1)
	if err := s.putPolicy(t.Context(), moved); err != nil {
		t.Fatal(err)
	}
	r := c.receipt(id)
	want(t, "stat", r.State, smpp.StateUnknown)
	want(t, "err", r.Err, "099")
	next := c.mustSubmit(phone, "private: two")
	s.eventually("the next to be sent", func() bool { return s.state(next) == store.StateSent })
	want(t, "sent by the first", s.executed(phone), 1)
	want(t, "sent by the second", len(other.Ledger()), 1)
}
