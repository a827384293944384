package main

import (
	"net"
	"testing"
	"time"

	"smppbridge/smpp"
)

func TestSessionsGoRoundTheNodes(t *testing.T) {
	one, two := &centre{password: "secret"}, &centre{password: "secret"}
	o := optionsFor(one.serve(t) + "," + two.serve(t))
	o.message.registered = false // the centres give the same message_ids
	s := mustLoad(t, t.Context(), o)
	if s.OK != 2000 || s.SessionsLost != 0 {
		t.Errorf("%d accepted, %d sessions lost; want 2000, 0", s.OK, s.SessionsLost)
	}
	for i, c := range []*centre{one, two} {
		c.mu.Lock()
		if c.binds != 2 || c.accepted != 1000 {
			t.Errorf("node %d: %d binds, %d submit_sm; want 2, 1000", i+1, c.binds, c.accepted)
		}
		c.mu.Unlock()
	}
}

// TestReconnectFindsAnotherNode has a node that takes one bind and dies.
func TestReconnectFindsAnotherNode(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	died := make(chan error, 1)
	go func() { died <- bindAndDie(l) }()
	c := &centre{password: "secret"}
	o := optionsFor(l.Addr().String() + "," + c.serve(t))
	o.binds, o.reconnect, o.resubmit = 2, true, true
	s := mustLoad(t, t.Context(), o)
	if err := <-died; err != nil {
		t.Errorf("the first node: %v", err)
	}
	if s.OK != 2000 || s.Remade != 1 || s.SessionsLost != 0 {
		t.Errorf("%d accepted, %d made again, %d lost; want 2000, 1, 0", s.OK, s.Remade, s.SessionsLost)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.binds != 2 {
		t.Errorf("the second node has %d binds, want 2", c.binds)
	}
}

// bindAndDie takes one bind, and ends with a connection that has it.
func bindAndDie(l net.Listener) error {
	conn, err := l.Accept()
	if err != nil {
		return err
	}
	defer conn.Close()
	defer l.Close()
	h, _, err := smpp.NewReader(conn, smpp.MaxPDU).Next()
	if err != nil {
		return err
	}
	_, err = conn.Write(smpp.Append(nil, smpp.StatusOK, h.Sequence, &smpp.BindResp{Type: smpp.Transceiver}))
	return err
}

func TestAddressesMustHavePorts(t *testing.T) {
	o := optionsFor("127.0.0.1:2775,127.0.0.1")
	if _, err := newFleet(o); err == nil {
		t.Error("an address without a port is taken")
	}
}

func TestLongestGapIsBetweenTwoOK(t *testing.T) {
	l := newLedger(nil, nil)
	for i, at := range []time.Duration{2000, 2500, 4000, 4100, 9000} { // ms
		b := batch{now: at * time.Millisecond, answers: []answer{{id: messageID{numeric: true, number: uint64(i)}, piece: newPiece(int64(i), 0)}}}
		if i == 4 {
			b.answers[0].status = smpp.StatusSysErr
		}
		l.enter(&b)
	}
	if l.gap != 1500*time.Millisecond {
		t.Errorf("the longest gap is %v, want 1.5s: neither before the first ESME_ROK nor up to a refusal", l.gap)
	}
}
