package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"smppbridge/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A centre is a message centre for tests: it answers each submit_sm at once, and
// sends its receipts on the session that submitted, the next when one is answered.
type centre struct {
	password string
	// What becomes of message n, from 1. The zero verdict is accepted and delivered.
	judge func(n int) verdict

	forced bool // receipts nobody asked for
	server *smpp.Server

	mu       sync.Mutex
	accepted int                                 // guarded by mu
	queues   map[*smpp.Session][]*smpp.DeliverSM // guarded by mu
	phones   map[string]int                      // guarded by mu; how often each was submitted to
}

// A verdict is what a centre does with one message.
type verdict struct {
	status   smpp.Status
	receipts int // how many fewer (-1) or more than one
	unknown  bool
	textOnly bool
	odd      bool
	hangUp   bool
	silent   bool
}

// serve runs c until the test ends, and returns its address.
func (c *centre) serve(t *testing.T) string {
	t.Helper()
	c.queues = make(map[*smpp.Session][]*smpp.DeliverSM)
	c.phones = make(map[string]int)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.server = smpp.NewServer(smpp.Config{SystemID: "centre"}, c)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.server.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return l.Addr().String()
}

func (c *centre) Bind(_ context.Context, _ *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	if req.Password != c.password {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusInvPaswd, Err: errors.New("wrong password")}
	}
	return smpp.Options{}, nil
}

func (*centre) Handle(s *smpp.Session, r smpp.Request, _ smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}

func (c *centre) SubmitSM(s *smpp.Session, r smpp.Request, m *smpp.SubmitSM) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted++
	c.phones[m.DestinationAddr]++
	var v verdict
	if c.judge != nil {
		v = c.judge(c.accepted)
	}
	id := fmt.Sprintf("%010x", c.accepted)
	switch {
	case v.hangUp:
		s.Close(errors.New("test"))
		return
	case v.silent:
		return
	case v.status != smpp.StatusOK:
		s.Respond(r, v.status, "", 0)
		return
	}
	s.Respond(r, smpp.StatusOK, id, 0)
	if m.RegisteredDelivery == 0 && !c.forced {
		return
	}
	if v.unknown {
		id = fmt.Sprintf("f%09x", c.accepted)
	}
	for range 1 + v.receipts {
		c.queues[s] = append(c.queues[s], receiptFor(m, id, v))
	}
	c.pumpLocked(s)
}

func receiptFor(m *smpp.SubmitSM, id string, v verdict) *smpp.DeliverSM {
	r := smpp.Receipt{MessageID: id, Sub: 1, Dlvrd: 1, State: smpp.StateDelivered, Err: "000"}
	d := &smpp.DeliverSM{SourceAddr: m.DestinationAddr, DestinationAddr: m.SourceAddr, ESMClass: smpp.ESMClassReceipt}
	if !v.textOnly {
		d.TLVs = r.TLVs()
	}
	if v.odd {
		r.MessageID = "0000000000"
	}
	d.ShortMessage = r.ShortMessage()
	return d
}

// pumpLocked sends what the window takes; an answer makes room for the next.
func (c *centre) pumpLocked(s *smpp.Session) {
	for q := c.queues[s]; len(q) > 0; q = c.queues[s] {
		err := s.DeliverSM(q[0], func(smpp.Status, error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.pumpLocked(s)
		})
		if err != nil {
			return
		}
		c.queues[s] = q[1:]
	}
}

func (c *centre) Closed(s *smpp.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.queues, s)
}

// optionsFor is a small run with receipts against addr.
func optionsFor(addr string) fleetOptions {
	return fleetOptions{
		addr: addr, systemID: "test", password: "secret", binds: 4, window: 20,
		schedule: schedule{messages: 2000},
		message:  messageOptions{text: "{n}", registered: true, destPrefix: "138"},
		receipts: 20 * time.Second, patience: 20 * time.Second,
	}
}
