package main

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"smppbridge/smpp"
)

// attackPatience is how long attackers wait for what the node must do.
const attackPatience = 30 * time.Second

// attacker is one connection of an attacker, who sends what he likes. Its methods that take no t return errors, for
// goroutines.
type attacker struct {
	net.Conn
	r *smpp.Reader
}

// source is an address of this machine that no attacker has come from before: what one has done to the node's
// opinion of his address does not change what the next one sees.
func (h *hostile) source() net.IP {
	n := h.sources.Add(1)
	return net.IPv4(127, byte(16+n>>16), byte(n>>8), byte(n))
}

func dialFrom(from net.IP, addr string) (*attacker, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: from}, Timeout: attackPatience}
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("the node takes no connections: %w", err)
	}
	return attackOn(conn), nil
}

func attackOn(conn net.Conn) *attacker {
	return &attacker{conn, smpp.NewReader(conn, smpp.MaxPDU)}
}

// attack returns a connection that ends with the test.
func (h *hostile) attack(t *testing.T) *attacker {
	t.Helper()
	a, err := dialFrom(h.source(), h.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

// attackAs returns one that is bound.
func (h *hostile) attackAs(t *testing.T, account string, typ smpp.BindType) *attacker {
	t.Helper()
	a := h.attack(t)
	if err := a.bind(account, typ); err != nil {
		t.Fatal(err)
	}
	return a
}

func bindOf(account string, typ smpp.BindType) *smpp.Bind {
	return &smpp.Bind{Type: typ, SystemID: account, Password: password, InterfaceVersion: 0x34}
}

func (a *attacker) bind(account string, typ smpp.BindType) error {
	if err := a.send(0x7000, bindOf(account, typ)); err != nil {
		return err
	}
	h, _, err := a.next()
	if err == nil && h.Status != smpp.StatusOK {
		err = fmt.Errorf("bind as %s: %v", account, h.Status)
	}
	return err
}

func (a *attacker) send(seq uint32, p smpp.PDU) error { return a.raw(smpp.Append(nil, 0, seq, p)) }

func (a *attacker) raw(b []byte) error {
	if err := a.SetWriteDeadline(time.Now().Add(attackPatience)); err != nil {
		return err
	}
	_, err := a.Write(b)
	return err
}

// next returns the next PDU that is not a request of the node's. It answers those.
func (a *attacker) next() (smpp.Header, []byte, error) {
	for {
		if err := a.SetReadDeadline(time.Now().Add(attackPatience)); err != nil {
			return smpp.Header{}, nil, err
		}
		h, body, err := a.r.Next()
		if err != nil {
			return h, nil, err
		}
		switch h.ID {
		case smpp.DeliverSMID:
			err = a.send(h.Sequence, &smpp.DeliverSMResp{})
		case smpp.EnquireLinkID:
			err = a.send(h.Sequence, &smpp.EnquireLinkResp{})
		default:
			return h, body, nil
		}
		if err != nil {
			return h, nil, err
		}
	}
}

// An answer is a response that is expected.
type answer struct {
	id  smpp.CommandID
	st  smpp.Status
	seq uint32
}

func (a answer) String() string { return fmt.Sprintf("%v %v %d", a.id, a.st, a.seq) }

// expect reads as many answers as it is told, which must come, in whatever order.
func (a *attacker) expect(want ...answer) error {
	var got []answer
	for range want {
		h, _, err := a.next()
		if err != nil {
			return fmt.Errorf("got %v, then %w; want %v", got, err, want)
		}
		got = append(got, answer{h.ID, h.Status, h.Sequence})
	}
	want = slices.Clone(want)
	order := func(a, b answer) int {
		return cmp.Or(cmp.Compare(a.seq, b.seq), cmp.Compare(a.id, b.id), cmp.Compare(a.st, b.st))
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// stays checks that the session goes on, and that nothing was answered that has not been read.
func (a *attacker) stays() error {
	const seq = 0x0FFFFFFF
	if err := a.send(seq, &smpp.EnquireLink{}); err != nil {
		return err
	}
	return a.expect(answer{smpp.EnquireLinkRespID, 0, seq})
}

// ends checks that the node closes the connection, and sends nothing before.
func (a *attacker) ends() error {
	h, _, err := a.next()
	switch {
	case err == nil:
		return fmt.Errorf("got %v %v, want the end of the connection", h.ID, h.Status)
	case isClosed(err):
		return nil
	}
	return fmt.Errorf("got %w, want the end of the connection", err)
}

// drain reads until the node closes the connection.
func (a *attacker) drain() error {
	if err := a.SetReadDeadline(time.Now().Add(attackPatience)); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, a.Conn); err != nil && !isClosed(err) {
		return fmt.Errorf("got %w, want the end of the connection", err)
	}
	return nil
}

func isClosed(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) ||
		errors.Is(err, syscall.EPIPE)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// reset closes the connection with a RST.
func (a *attacker) reset() {
	if tcp, ok := a.Conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	a.Close()
}

// A row is a case of one connection: octets, and what the node says to them.
type row struct {
	name   string
	as     smpp.BindType // 0: before a bind
	send   []byte
	drip   bool // octet by octet
	want   []answer
	ends   bool // the node closes the connection after that
	hangUp bool // the attacker closes his direction then
}

func (r row) play(t *testing.T, h *hostile) {
	a := h.attack(t)
	if r.as != 0 {
		if err := a.bind("mark", r.as); err != nil {
			t.Fatal(err)
		}
	}
	size := len(r.send)
	if r.drip {
		size = 1
	}
	for b := r.send; len(b) > 0; b = b[min(size, len(b)):] {
		if err := a.raw(b[:min(size, len(b))]); err != nil && !isClosed(err) {
			t.Fatalf("send: %v", err)
		}
	}
	err := a.expect(r.want...)
	if r.hangUp && err == nil {
		err = a.Conn.(*net.TCPConn).CloseWrite()
	}
	switch {
	case err != nil:
	case r.ends || r.hangUp:
		err = a.ends()
	default:
		err = a.stays()
	}
	if err != nil {
		t.Error(err)
	}
}

func casesOf(rows []row) []hostileCase {
	list := make([]hostileCase, len(rows))
	for i, r := range rows {
		list[i] = hostileCase{r.name, r.play}
	}
	return list
}

// variants sends n variants of a PDU in one session, numbered from 0, as fast as the node takes them, and has
// check look at each answer. The session must outlive them all.
func variants(n uint32, build func(i uint32) []byte, check func(i uint32, h smpp.Header) bool) func(*testing.T, *hostile) {
	return func(t *testing.T, h *hostile) {
		a := h.attackAs(t, "mark", smpp.Transceiver)
		sent := make(chan error, 1)
		go func() {
			for i := range n {
				if err := a.raw(build(i)); err != nil {
					sent <- err
					return
				}
			}
			sent <- nil
		}()
		seen := make([]bool, n)
		for range n {
			hd, _, err := a.next()
			if err != nil {
				t.Fatal(err)
			}
			if hd.Sequence >= n || seen[hd.Sequence] {
				t.Fatalf("%v %v answers number %d, once too often", hd.ID, hd.Status, hd.Sequence)
			}
			seen[hd.Sequence] = true
			if !check(hd.Sequence, hd) {
				t.Errorf("variant %d: %v %v", hd.Sequence, hd.ID, hd.Status)
			}
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
		if err := a.stays(); err != nil {
			t.Error(err)
		}
	}
}

// statusesOf accepts those statuses and no other.
func statusesOf(list ...smpp.Status) func(uint32, smpp.Header) bool {
	return func(_ uint32, h smpp.Header) bool { return slices.Contains(list, h.Status) }
}

// octetsOf is a PDU as it should be.
func octetsOf(seq uint32, p smpp.PDU) []byte { return smpp.Append(nil, 0, seq, p) }

// pduOf is a PDU with any header.
func pduOf(length uint32, id smpp.CommandID, seq uint32, body string) []byte {
	b := binary.BigEndian.AppendUint32(nil, length)
	b = binary.BigEndian.AppendUint32(b, uint32(id))
	b = binary.BigEndian.AppendUint32(b, 0)
	b = binary.BigEndian.AppendUint32(b, seq)
	return append(b, body...)
}

// withBody is a PDU whose header fits its body.
func withBody(id smpp.CommandID, seq uint32, body string) []byte {
	return pduOf(uint32(16+len(body)), id, seq, body)
}

// good is a submit_sm with nothing wrong in it, for change to make it so.
func good(change ...func(*smpp.SubmitSM)) *smpp.SubmitSM {
	m := &smpp.SubmitSM{SourceAddr: "1069", DestinationAddr: "13700000000", ShortMessage: "private"}
	for _, f := range change {
		f(m)
	}
	return m
}

func join(list ...[]byte) []byte { return slices.Concat(list...) }

func submitted(seq uint32, st smpp.Status) answer { return answer{smpp.SubmitSMRespID, st, seq} }

func nacked(seq uint32, st smpp.Status) answer { return answer{smpp.GenericNackID, st, seq} }

// atOnce runs n attackers beside each other and returns the first error.
func atOnce(n int, f func(i int) error) error {
	errs := make(chan error, n)
	for i := range n {
		go func() { errs <- f(i) }()
	}
	var first error
	for range n {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

func repeat(n int, b []byte) []byte { return []byte(strings.Repeat(string(b), n)) }

// extend gives the node its time anew.
func (a *attacker) extend() error { return a.SetDeadline(time.Now().Add(attackPatience)) }
