package smpptest

import (
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"smppbridge/smpp"
)

// DefaultTimeout is how long an ESME waits for what it expects.
const DefaultTimeout = 30 * time.Second

// An ESME is one connection's client side. Its methods fail the test when the
// connection does not do as expected. It is not for use by several goroutines.
type ESME struct {
	t       testing.TB
	conn    net.Conn
	frames  *smpp.Reader
	seq     uint32
	Timeout time.Duration // for each call; DefaultTimeout
}

// New returns an ESME on conn, which it closes when the test ends.
func New(t testing.TB, conn net.Conn) *ESME {
	t.Cleanup(func() { conn.Close() })
	return &ESME{t: t, conn: conn, frames: smpp.NewReader(conn, smpp.MaxPDU), Timeout: DefaultTimeout}
}

// Dial returns an ESME connected to a TCP address.
func Dial(t testing.TB, addr string) *ESME {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial %s: %v", addr, err)
	}
	return New(t, conn)
}

// Conn is the connection, for what no method does.
func (e *ESME) Conn() net.Conn { return e.conn }

// Send sends p with status 0 and the next sequence_number, which it returns.
func (e *ESME) Send(p smpp.PDU) uint32 {
	e.t.Helper()
	e.seq++
	e.SendRaw(smpp.Append(nil, smpp.StatusOK, e.seq, p))
	return e.seq
}

// Respond sends p with status st as the answer to the request numbered seq.
func (e *ESME) Respond(seq uint32, st smpp.Status, p smpp.PDU) {
	e.t.Helper()
	e.SendRaw(smpp.Append(nil, st, seq, p))
}

// SendRaw sends octets as they are.
func (e *ESME) SendRaw(b []byte) {
	e.t.Helper()
	if err := e.write(b); err != nil {
		e.t.Fatalf("send %d octets: %v", len(b), err)
	}
}

func (e *ESME) write(b []byte) error {
	if err := e.conn.SetWriteDeadline(time.Now().Add(e.Timeout)); err != nil {
		return err
	}
	_, err := e.conn.Write(b)
	return err
}

// Next returns the next PDU. Its body is nil if package smpp has no type for it.
func (e *ESME) Next() (smpp.Header, smpp.PDU) {
	e.t.Helper()
	h, p, err := e.next(e.Timeout)
	if err != nil {
		e.t.Fatalf("next PDU: %v", err)
	}
	return h, p
}

func (e *ESME) next(timeout time.Duration) (smpp.Header, smpp.PDU, error) {
	// A connection that is closed takes no deadline; what was read before is still to be had.
	_ = e.conn.SetReadDeadline(time.Now().Add(timeout))
	h, body, err := e.frames.Next()
	if err != nil {
		return h, nil, err
	}
	p, err := smpp.Decode(h, body)
	if smpp.StatusOf(err, smpp.StatusOK) == smpp.StatusInvCmdID {
		return h, nil, nil
	}
	return h, p, err
}

// Expect returns the next PDU, which must have command_id id.
func (e *ESME) Expect(id smpp.CommandID) (smpp.Header, smpp.PDU) {
	e.t.Helper()
	h, p := e.Next()
	if h.ID != id {
		e.t.Fatalf("got %s (%s), want %s", h.ID, h.Status, id)
	}
	return h, p
}

// Bind sends a bind request and returns the response's status.
func (e *ESME) Bind(typ smpp.BindType, systemID, password string) smpp.Status {
	e.t.Helper()
	req := &smpp.Bind{Type: typ, SystemID: systemID, Password: password, InterfaceVersion: 0x34}
	e.Send(req)
	resp, _ := req.CommandID().Response()
	h, _ := e.Expect(resp)
	return h.Status
}

// MustBind is Bind for a bind that has to succeed.
func (e *ESME) MustBind(typ smpp.BindType, systemID, password string) {
	e.t.Helper()
	if st := e.Bind(typ, systemID, password); st != smpp.StatusOK {
		e.t.Fatalf("bind_%s: got %s, want ESME_ROK", typ, st)
	}
}

// ExpectClosed waits until the server has closed the connection, dropping what it
// still sends.
func (e *ESME) ExpectClosed() {
	e.t.Helper()
	for {
		switch _, _, err := e.next(e.Timeout); {
		case isClosed(err):
			return
		case errors.Is(err, os.ErrDeadlineExceeded):
			e.t.Fatal("the connection is still open")
		}
	}
}

// isClosed reports whether err says that the other side closed. A reset says so too.
func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.ErrClosedPipe) ||
		errors.Is(err, syscall.ECONNRESET) || errors.Is(err, net.ErrClosed)
}

// Close closes the connection without a word.
func (e *ESME) Close() { e.conn.Close() }
