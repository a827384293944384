package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/bridge"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/store"
)

const (
	testPassword = "s3cret-pw"
	testText     = "code 4711"
	testPhone    = "13912345678"
)

// centre is a message centre that does what the test says: without on it accepts everything.
type centre struct {
	t    *testing.T
	on   func(c *wire, h smpp.Header, p smpp.PDU) bool // guarded by mu; true: it has answered
	wrap func(net.Conn) net.Conn                       // guarded by mu; the client's end of new connections

	mu      sync.Mutex
	refuse  error                  // guarded by mu; of dialling
	wires   []*wire                // guarded by mu; connections, oldest first
	submits []*smpp.SubmitSM       // guarded by mu
	answers []smpp.Header          // guarded by mu; deliver_sm_resp
	binds   []*smpp.Bind           // guarded by mu
	seen    map[smpp.CommandID]int // guarded by mu; requests by command
	dials   []time.Time            // guarded by mu
}

// wire is the centre's end of a connection.
type wire struct {
	net.Conn
	out chan []byte
}

// send queues a PDU: a centre does not wait until a client reads.
func (w *wire) send(st smpp.Status, seq uint32, p smpp.PDU) {
	w.out <- smpp.Append(nil, st, seq, p)
}

func (c *centre) dial(_ context.Context, _, addr string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dials = append(c.dials, time.Now())
	if addr != "smsc.example.net:2775" {
		c.t.Errorf("dialled %s, want the endpoint with the usual port", addr)
	}
	if c.refuse != nil {
		return nil, c.refuse
	}
	ours, theirs := net.Pipe()
	w := &wire{Conn: theirs, out: make(chan []byte, 1000)}
	c.wires = append(c.wires, w)
	go c.write(w) // ends when out is closed
	go c.read(w)  // ends with the connection
	if c.wrap != nil {
		return c.wrap(ours), nil
	}
	return ours, nil
}

func (c *centre) write(w *wire) {
	for b := range w.out {
		if _, err := w.Write(b); err != nil {
			w.Close()
		}
	}
}

func (c *centre) read(w *wire) {
	defer close(w.out)
	defer w.Close()
	frames := smpp.NewReader(w, smpp.MaxPDU)
	for {
		h, body, err := frames.Next()
		if err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrClosedPipe) && !errors.Is(err, io.ErrUnexpectedEOF) {
				c.t.Errorf("centre: %v", err)
			}
			return
		}
		p, err := smpp.Decode(h, body)
		if err != nil {
			c.t.Errorf("centre got what it cannot read: %s: %v", h.ID, err)
			return
		}
		if !c.handle(w, h, p) {
			return
		}
	}
}

// handle answers a PDU, and is false when the connection is to be closed.
func (c *centre) handle(w *wire, h smpp.Header, p smpp.PDU) bool {
	c.mu.Lock()
	on := c.on
	c.seen[h.ID]++
	switch p := p.(type) {
	case *smpp.SubmitSM:
		c.submits = append(c.submits, p)
	case *smpp.Bind:
		c.binds = append(c.binds, p)
	case *smpp.DeliverSMResp:
		c.answers = append(c.answers, h)
	}
	n := len(c.submits)
	c.mu.Unlock()
	if on != nil && on(w, h, p) {
		return true
	}
	switch p.(type) {
	case *smpp.Bind:
		w.send(smpp.StatusOK, h.Sequence, &smpp.BindResp{Type: smpp.Transceiver, SystemID: "centre"})
	case *smpp.SubmitSM:
		w.send(smpp.StatusOK, h.Sequence, &smpp.SubmitSMResp{MessageID: fmt.Sprintf("m%d", n)})
	case *smpp.EnquireLink:
		w.send(smpp.StatusOK, h.Sequence, new(smpp.EnquireLinkResp))
	case *smpp.Unbind:
		w.send(smpp.StatusOK, h.Sequence, new(smpp.UnbindResp))
	}
	return true
}

// set changes what is guarded by mu.
func (c *centre) set(change func(c *centre)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change(c)
}

// connections is how many there have been, or were tried.
func (c *centre) connections() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.dials)
}

// does replaces what the centre does.
func (c *centre) does(on func(w *wire, h smpp.Header, p smpp.PDU) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = on
}

// answersSubmits has the centre answer each submit_sm as f says; n counts them from 1. Without a response there is none.
func (c *centre) answersSubmits(f func(n int) (smpp.Status, string, bool)) {
	n := 0
	c.does(func(w *wire, h smpp.Header, p smpp.PDU) bool {
		if _, ok := p.(*smpp.SubmitSM); !ok {
			return false
		}
		n++
		if st, id, answered := f(n); answered {
			w.send(st, h.Sequence, &smpp.SubmitSMResp{MessageID: id})
		}
		return true
	})
}

// last is the newest connection.
func (c *centre) last() *wire {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.wires) == 0 {
		c.t.Fatal("nobody has connected")
	}
	return c.wires[len(c.wires)-1]
}

func (c *centre) got() []*smpp.SubmitSM {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*smpp.SubmitSM(nil), c.submits...)
}

func (c *centre) answered() []smpp.Header {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]smpp.Header(nil), c.answers...)
}

func (c *centre) count(id smpp.CommandID) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[id]
}

// sink notes what it is given.
type sink struct {
	mu       sync.Mutex
	err      error         // guarded by mu
	gate     chan struct{} // guarded by mu; nil: commits do not wait
	reports  []bridge.IncomingReport
	incoming []bridge.IncomingMessage
	settled  map[string]bridge.Answer
}

// holds has commits wait until the gate is closed, and then fail with err if that is not nil.
func (s *sink) holds(err error) (gate chan struct{}) {
	gate = make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gate, s.err = gate, err
	return gate
}

func (s *sink) wait() error {
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	if gate != nil {
		<-gate
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// Report implements bridge.Reporter.
func (s *sink) Report(_ context.Context, reports []bridge.IncomingReport) error {
	err := s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.reports = append(s.reports, reports...)
	}
	return err
}

// Incoming implements bridge.Inbox.
func (s *sink) Incoming(_ context.Context, messages []bridge.IncomingMessage) error {
	err := s.wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err == nil {
		s.incoming = append(s.incoming, messages...)
	}
	return err
}

// Settle implements bridge.Settler.
func (s *sink) Settle(_ context.Context, outID string, a bridge.Answer) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settled[outID] = a
	return nil
}

// rig is a Client with a route "up" to a centre, in fake time.
type rig struct {
	*Client
	t      *testing.T
	centre *centre
	sink   *sink
	logs   *bytes.Buffer
	reg    *prometheus.Registry
	route  Route
	stop   func() // ends Run and waits for it
}

func inRig(t *testing.T, f func(*testing.T, *rig), change ...func(*Route)) {
	t.Helper()
	inRigAfter(t, func(*centre) {}, f, change...)
}

// inRigAfter is inRig at a centre that is prepared before the first bind.
func inRigAfter(t *testing.T, prepare func(*centre), f func(*testing.T, *rig), change ...func(*Route)) {
	t.Helper()
	login := writeLogin(t, "system_id: esme\npassword: "+testPassword+"\n")
	synctest.Test(t, func(t *testing.T) {
		r := &rig{t: t, logs: new(bytes.Buffer), reg: prometheus.NewRegistry(), sink: &sink{settled: make(map[string]bridge.Answer)},
			centre: &centre{t: t, seen: make(map[smpp.CommandID]int)}}
		r.route = testRoute(login)
		prepare(r.centre)
		for _, c := range change {
			c(&r.route)
		}
		var err error
		if r.Client, err = New(Config{Log: slog.New(slog.NewTextHandler(r.logs, nil)), Dial: r.centre.dial, Registerer: r.reg}); err != nil {
			t.Fatal(err)
		}
		r.Deliver(r.sink)
		if err := r.SetRoutes([]Route{r.route}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- r.Run(ctx) }()
		r.stop = sync.OnceFunc(func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run ended with %v", err)
			}
		})
		defer r.stop() // also after a t.Fatal
		f(t, r)
		r.stop()
		for _, secret := range []string{testPassword, testText, testPhone} {
			if strings.Contains(r.logs.String(), secret) {
				t.Errorf("the log has %q:\n%s", secret, r.logs)
			}
		}
	})
}

func testRoute(login *Credentials) Route {
	return Route{Name: "up", Account: "acct", Endpoint: "smsc.example.net", Credentials: login, QPS: 100, Timeout: 3 * time.Second,
		SMPP: configs.RouteSMPP{EnquireLink: configs.Duration(30 * time.Second), Alphabet: "gsm", Long: configs.LongParts,
			Signature: configs.SignatureAsIs, ReceiptIDs: configs.ReceiptSame}}
}

func writeLogin(t *testing.T, text string) *Credentials {
	t.Helper()
	file := filepath.Join(t.TempDir(), "login")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := FromFile(file, "")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// call is a call with a text.
func call(outID, text string) bridge.Call {
	return bridge.Call{OutID: outID, Route: "up", Template: "T1", Before: time.Now().Add(time.Second),
		Recipients: []bridge.Recipient{{Phone: testPhone, SignName: "速通", Params: `{"a":"b"}`, Original: &bridge.Original{
			Text: text, International: "86" + testPhone, Source: store.Address{TON: 3, NPI: 1, Addr: "10690001"}}}}}
}

func (r *rig) submit(outID, text string) bridge.Answer {
	r.t.Helper()
	return r.Send(context.Background(), call(outID, text))
}

// pass lets time pass until nothing happens any more.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
