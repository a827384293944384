package main

import (
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

// transportCases are what is not SMPP, TLS where there is none, none where it is, and headers of load balancers.
func transportCases() []hostileCase {
	rows := []row{
		{name: "HTTP", send: []byte("GET /private HTTP/1.1\r\nHost: x\r\n\r\n"), ends: true},
		{name: "SSH", send: []byte("SSH-2.0-OpenSSH_9.9\r\n"), ends: true},
		{name: "a PROXY header of nobody's, v1", send: append([]byte("PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n"), octetsOf(1, bindOf("mark", smpp.Transceiver))...), ends: true},
		{name: "a PROXY header of nobody's, v2", send: []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0C\x0A\x00\x00\x01\x0A\x00\x00\x02\x00\x01\x00\x02"), ends: true},
		{name: "64 KiB of 0xFF", send: repeat(64<<10, []byte{0xFF}), ends: true},
		{name: "64 KiB of zeros", send: repeat(64<<10, []byte{0}), want: []answer{nacked(0, smpp.StatusInvCmdLen)}, ends: true},
		{name: "line feeds", send: repeat(4096, []byte("\r\n")), ends: true},
	}
	cases := casesOf(rows)
	raw := func(name, addr, octets string, from func(h *hostile) net.IP) hostileCase {
		return hostileCase{name, func(t *testing.T, h *hostile) {
			to := h.addr
			if addr == "TLS" {
				to = h.tls
			}
			a, err := dialFrom(from(h), to)
			if err != nil {
				t.Fatal(err)
			}
			defer a.Close()
			if err := a.raw([]byte(octets)); err != nil && !isClosed(err) {
				t.Fatal(err)
			}
			if err := a.drain(); err != nil {
				t.Error(err)
			}
		}}
	}
	anybody, balancer := (*hostile).source, func(h *hostile) net.IP { return net.IPv4(127, 9, 0, 1) }
	const hello = "\x16\x03\x01\x40\x00\x01"
	return append(cases,
		hostileCase{"garbage, 200 times", garbage},
		hostileCase{"a TLS client on the plain port", helloOnPlain},
		raw("a bind on the TLS port", "TLS", string(octetsOf(1, bindOf("mark", smpp.Transceiver))), anybody),
		raw("HTTP on the TLS port", "TLS", "GET / HTTP/1.1\r\n\r\n", anybody),
		raw("garbage on the TLS port", "TLS", strings.Repeat("\x00\xFFprivate", 2000), anybody),
		raw("half a hello", "TLS", hello, anybody),
		raw("a hello of 16 KiB of rubbish", "TLS", hello+strings.Repeat("\xFE", 16<<10), anybody),
		raw("a handshake that does not begin", "TLS", "", anybody),
		raw("alerts in the place of a hello", "TLS", strings.Repeat("\x15\x03\x03\x00\x02\x01\x00", 100), anybody),
		hostileCase{"TLS 1.1", oldTLS},
		hostileCase{"a bind over TLS, octet by octet", dripOverTLS},
		hostileCase{"the end of TLS inside a PDU", endOfTLS},
		hostileCase{"TLS without a bind", idleTLS},
		hostileCase{"100 handshakes at once, broken off", breakHandshakes},
		raw("a load balancer's header that does not end", "plain", "PROXY TCP4 "+strings.Repeat("1", 3000), balancer),
		raw("a load balancer's header of rubbish", "plain", "PROXY private\r\n", balancer),
		raw("half a load balancer's header", "plain", "PROXY TCP4 10.0", balancer),
		raw("a load balancer's header v2 of 64 KiB", "plain", "\r\n\r\n\x00\r\nQUIT\n\x21\x11\xFF\xFF"+strings.Repeat("\x00", 66000), balancer),
		raw("a load balancer's header, then HTTP", "plain", "PROXY TCP4 10.1.2.3 10.0.0.2 1 2\r\nGET / HTTP/1.1\r\n\r\n", balancer),
		raw("a load balancer's header before rubbish on TLS", "TLS", "PROXY TCP4 10.1.2.3 10.0.0.2 1 2\r\nprivate private", balancer),
		hostileCase{"port scan", portScan},
	)
}

// garbage are random octets, on each port.
func garbage(t *testing.T, h *hostile) {
	err := atOnce(200, func(i int) error {
		random := rand.New(rand.NewPCG(uint64(i), 3))
		b := make([]byte, 1+random.IntN(3000))
		for k := range b {
			b[k] = byte(random.Uint32())
		}
		a, err := dialFrom(h.source(), []string{h.addr, h.tls}[i%2])
		if err != nil {
			return err
		}
		defer a.Close()
		if err := a.raw(b); err != nil && !isClosed(err) {
			return err
		}
		return a.drain()
	})
	if err != nil {
		t.Error(err)
	}
}

var insecure = &tls.Config{InsecureSkipVerify: true}

// overTLS returns a connection whose handshake is over.
func (h *hostile) overTLS(t *testing.T) *attacker {
	t.Helper()
	a, err := dialFrom(h.source(), h.tls)
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(a.Conn, insecure)
	t.Cleanup(func() { a.Conn.Close() })
	if err := conn.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return attackOn(conn)
}

// helloOnPlain: the handshake fails at once, and not after a time-out.
func helloOnPlain(t *testing.T, h *hostile) {
	a := h.attack(t)
	if err := a.SetDeadline(time.Now().Add(attackPatience)); err != nil {
		t.Fatal(err)
	}
	if err := tls.Client(a.Conn, insecure).HandshakeContext(t.Context()); err == nil || isTimeout(err) {
		t.Errorf("the handshake: %v", err)
	}
}

// oldTLS is refused in the handshake.
func oldTLS(t *testing.T, h *hostile) {
	a, err := dialFrom(h.source(), h.tls)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	old := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}
	if err := tls.Client(a.Conn, old).HandshakeContext(t.Context()); err == nil {
		t.Error("the node speaks TLS 1.1")
	}
}

// dripOverTLS sends each octet as a record of its own.
func dripOverTLS(t *testing.T, h *hostile) {
	a := h.overTLS(t)
	for _, b := range join(octetsOf(1, bindOf("mark", smpp.Transceiver)), octetsOf(2, good())) {
		if err := a.raw([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	err := a.expect(answer{smpp.BindTransceiverRespID, 0, 1}, submitted(2, 0))
	if err == nil {
		err = a.stays()
	}
	if err != nil {
		t.Error(err)
	}
}

// endOfTLS closes TLS in order, in the middle of a submit.
func endOfTLS(t *testing.T, h *hostile) {
	a := h.overTLS(t)
	if err := a.bind("mark", smpp.Transceiver); err != nil {
		t.Fatal(err)
	}
	if err := a.raw(octetsOf(2, good())[:20]); err != nil {
		t.Fatal(err)
	}
	if err := a.Conn.(*tls.Conn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if err := a.ends(); err != nil {
		t.Error(err)
	}
}

// idleTLS: the handshake does not count as a bind.
func idleTLS(t *testing.T, h *hostile) {
	began := time.Now()
	if err := h.overTLS(t).drain(); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("cut after %v", took)
	}
}

// breakHandshakes has the node sign a hundred times for nothing.
func breakHandshakes(t *testing.T, h *hostile) {
	err := atOnce(100, func(i int) error {
		a, err := dialFrom(h.source(), h.tls)
		if err != nil {
			return err
		}
		// The client's own check fails, after the node has answered.
		err = tls.Client(a.Conn, &tls.Config{ServerName: "private"}).HandshakeContext(t.Context())
		a.reset()
		if err == nil {
			return fmt.Errorf("handshake %d was not broken off", i)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// portScan opens connections and closes them at once, with and without a RST.
func portScan(t *testing.T, h *hostile) {
	for i := range 500 {
		a, err := dialFrom(h.source(), []string{h.addr, h.tls}[i%2])
		if err != nil {
			t.Fatal(err)
		}
		if i%4 < 2 {
			a.reset()
		}
		a.Close()
	}
}
