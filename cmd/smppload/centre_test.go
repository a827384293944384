package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"smppbridge/smpp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A centre is a message centre for tests: it answers each submit_sm at once, and
// sends its receipts on the session that submitted, or on any receiver if that one is a
// transmitter, the next when one is answered.
type centre struct {
	password string
	// What becomes of message n, from 1. The zero verdict is accepted and delivered.
	judge func(n int) verdict

	forced    bool // receipts nobody asked for
	redeliver bool // what was not answered goes to another session
	version   byte // the interface_version that binds are to have, if not 0
	tls       *tls.Config
	server    *smpp.Server

	mu       sync.Mutex
	accepted int                                 // guarded by mu
	queues   map[*smpp.Session][]*smpp.DeliverSM // guarded by mu
	phones   map[string]int                      // guarded by mu; how often each was submitted to
	texts    map[string]int                      // guarded by mu; of whole messages, and of parts
	marked   int                                 // guarded by mu; submit_sm with user_message_reference
	bound    []*smpp.Session                     // guarded by mu
	binds    int                                 // guarded by mu; how many there ever were
	parked   []*smpp.DeliverSM                   // guarded by mu; for the next bind
}

// A verdict is what a centre does with one message.
type verdict struct {
	status   smpp.Status
	receipts int // how many fewer (-1) or more than one
	unknown  bool
	textOnly bool
	odd      bool
	hangUp   bool // unanswered
	silent   bool
	early    bool // the receipt before the answer
	from     string
	state    smpp.MessageState // 0: delivered
	word     smpp.MessageState // in the text, if another
	lost     bool              // accepted, and the connection closed instead of the answer
	cut      bool              // the connection is closed behind the receipt
}

// serve runs c until the test ends, and returns its address.
func (c *centre) serve(t *testing.T) string {
	t.Helper()
	c.queues = make(map[*smpp.Session][]*smpp.DeliverSM)
	c.phones, c.texts = make(map[string]int), make(map[string]int)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if c.tls != nil {
		l = tls.NewListener(l, c.tls)
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

func (c *centre) Bind(_ context.Context, s *smpp.Session, req *smpp.Bind) (smpp.Options, error) {
	if req.Password != c.password {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusInvPaswd, Err: errors.New("wrong password")}
	}
	if c.version != 0 && req.InterfaceVersion != c.version {
		return smpp.Options{}, &smpp.StatusError{Status: smpp.StatusBindFail, Err: errors.New("wrong version")}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bound = append(c.bound, s)
	c.binds++
	parked := c.parked
	c.parked = nil
	for _, d := range parked {
		c.queueLocked(nil, d)
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
	c.noteLocked(m)
	var v verdict
	if c.judge != nil {
		v = c.judge(c.accepted)
	}
	id := fmt.Sprintf("%010x", c.accepted)
	answer := func() { s.Respond(r, smpp.StatusOK, id, 0) }
	switch {
	case v.hangUp:
		s.Close(errors.New("test"))
		return
	case v.silent:
		return
	case v.status != smpp.StatusOK:
		s.Respond(r, v.status, "", 0)
		return
	case v.lost:
		s.Close(errors.New("test"))
		answer = func() {}
	}
	if !v.early {
		answer()
	}
	c.receiptsLocked(s, m, id, v)
	if v.early {
		answer()
	}
	if v.cut {
		s.Close(errors.New("test"))
	}
}

// noteLocked keeps what the test asks for afterwards.
func (c *centre) noteLocked(m *smpp.SubmitSM) {
	c.phones[m.DestinationAddr]++
	if _, ok := m.TLVs.Get(tagUserMessageReference); ok {
		c.marked++
	}
	if _, octets, _, err := m.Segment(); err == nil {
		if text, err := smpp.DecodeText(m.DataCoding, smpp.AlphabetGSM7, octets); err == nil {
			c.texts[text]++
		}
	}
}

// receiptsLocked sends the receipts that v wants.
func (c *centre) receiptsLocked(s *smpp.Session, m *smpp.SubmitSM, id string, v verdict) {
	if m.RegisteredDelivery == 0 && !c.forced {
		return
	}
	if v.unknown {
		id = fmt.Sprintf("f%09x", c.accepted)
	}
	for range 1 + v.receipts {
		c.queueLocked(s, receiptFor(m, id, v))
	}
}

// queueLocked sends d on s, if it can be, else on another session.
func (c *centre) queueLocked(s *smpp.Session, d *smpp.DeliverSM) {
	for _, other := range c.bound {
		if s == nil || !s.CanReceive() {
			s = other
		}
	}
	if s == nil {
		c.parked = append(c.parked, d)
		return
	}
	c.queues[s] = append(c.queues[s], d)
	c.pumpLocked(s)
}

func receiptFor(m *smpp.SubmitSM, id string, v verdict) *smpp.DeliverSM {
	r := smpp.Receipt{MessageID: id, Sub: 1, Dlvrd: 1, State: smpp.StateDelivered, Err: "000"}
	if v.state != 0 {
		r.State = v.state
	}
	d := &smpp.DeliverSM{
		SourceAddr: m.DestinationAddr, SourceAddrTON: m.DestAddrTON, SourceAddrNPI: m.DestAddrNPI,
		DestinationAddr: m.SourceAddr, DestAddrTON: m.SourceAddrTON, DestAddrNPI: m.SourceAddrNPI,
		ESMClass: smpp.ESMClassReceipt,
	}
	if v.from != "" {
		d.SourceAddr = v.from
	}
	if !v.textOnly {
		d.TLVs = r.TLVs()
	}
	if v.odd {
		r.MessageID = "0000000000"
	}
	if v.word != 0 {
		r.State = v.word
	}
	d.ShortMessage = r.ShortMessage()
	return d
}

// pumpLocked sends what the window takes; an answer makes room for the next.
func (c *centre) pumpLocked(s *smpp.Session) {
	for q := c.queues[s]; len(q) > 0; q = c.queues[s] {
		d := q[0]
		err := s.DeliverSM(d, func(_ smpp.Status, err error) {
			c.mu.Lock()
			defer c.mu.Unlock()
			if err != nil && c.redeliver {
				c.leftLocked(s)
				c.queueLocked(nil, d)
				return
			}
			c.pumpLocked(s)
		})
		if errors.Is(err, smpp.ErrClosed) && c.redeliver {
			c.leftLocked(s)
			for _, d := range q {
				c.queueLocked(nil, d)
			}
			return
		}
		if err != nil {
			return
		}
		c.queues[s] = q[1:]
	}
}

// leftLocked forgets s.
func (c *centre) leftLocked(s *smpp.Session) {
	delete(c.queues, s)
	c.bound = slices.DeleteFunc(slices.Clone(c.bound), func(other *smpp.Session) bool { return s == other })
}

func (c *centre) Closed(s *smpp.Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leftLocked(s)
}

// optionsFor is a small run with receipts against addr.
func optionsFor(addr string) fleetOptions {
	return fleetOptions{
		addr: addr, systemID: "test", password: "secret", binds: 4, window: 20,
		schedule: schedule{messages: 2000},
		message:  messageOptions{text: "{n}", registered: true, destPrefix: "138"},
		receipts: 20 * time.Second, patience: 20 * time.Second, backoff: time.Millisecond,
	}
}
