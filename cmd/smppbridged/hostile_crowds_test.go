package main

import (
	"fmt"
	"net"
	"sync"
	"testing"

	"smppbridge/smpp"
)

// crowdCases are many connections that do little.
func crowdCases() []hostileCase {
	return []hostileCase{
		{"2,000 that do not bind", idleUnbound},
		{"more than may be unbound", tooManyUnbound},
		{"150 of one address", oneAddress},
		{"300 stalled handshakes", stalledHandshakes},
		{"2,000 bound that do nothing", idleBound},
	}
}

// crowd opens n connections, 50 of an address, does with each what is to be done, and returns them.
func (h *hostile) crowd(t *testing.T, n int, addr string, do func(*attacker) error) []*attacker {
	t.Helper()
	var mu sync.Mutex
	var list []*attacker
	err := atOnce(n/50, func(int) error {
		from := h.source()
		for range 50 {
			a, err := dialFrom(from, addr)
			if err != nil {
				return err
			}
			mu.Lock()
			list = append(list, a)
			mu.Unlock()
			if do == nil {
				continue
			}
			if err := do(a); err != nil {
				return err
			}
		}
		return nil
	})
	t.Cleanup(func() {
		for _, a := range list {
			a.Close()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// idleUnbound: beside 2,000 connections that do not bind others do; they are cut when the time for a bind is over.
func idleUnbound(t *testing.T, h *hostile) {
	list := h.crowd(t, 2000, h.addr, nil)
	if err := h.attackAs(t, "mark", smpp.Transceiver).stays(); err != nil {
		t.Error(err)
	}
	for _, a := range list {
		if err := a.ends(); err != nil {
			t.Fatal(err)
		}
	}
}

// tooManyUnbound: who comes when there are as many as may be is closed at once; when their time is over others can
// come again.
func tooManyUnbound(t *testing.T, h *hostile) {
	before := h.refusals(t, "max_unbound")
	h.crowd(t, 2900, h.addr, nil)
	h.eventually(t, "some are closed", func() bool { return h.refusals(t, "max_unbound") > before })
	h.eventually(t, "others can bind again", func() bool {
		a, err := dialFrom(h.source(), h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		return a.bind("mark", smpp.Transceiver) == nil
	})
}

func (h *hostile) refusals(t *testing.T, reason string) float64 {
	t.Helper()
	v, err := h.figure(fmt.Sprintf("smppbridge_smpp_refused_connections_total{reason=%q}", reason))
	if err != nil {
		t.Fatal(err)
	}
	return v[0]
}

// oneAddress: an address has a hundred connections that are not bound, and others are none the worse for it.
func oneAddress(t *testing.T, h *hostile) {
	from := h.source()
	closed := 0
	for range 150 {
		a, err := dialFrom(from, h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer a.Close()
		if err := a.send(1, &smpp.EnquireLink{}); err != nil {
			closed++
			continue
		}
		if err := a.expect(answer{smpp.EnquireLinkRespID, 0, 1}); isClosed(err) {
			closed++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if closed != 50 {
		t.Errorf("%d of 150 were closed, want 50", closed)
	}
	if err := h.attackAs(t, "mark", smpp.Transceiver).stays(); err != nil {
		t.Error(err)
	}
}

// stalledHandshakes: connections to the TLS port that say nothing, or a little.
func stalledHandshakes(t *testing.T, h *hostile) {
	for i, a := range h.crowd(t, 300, h.tls, nil) {
		// On a busy machine the first ones may be cut before the last are there.
		if err := a.raw([]byte("\x16\x03\x01\x00\x80\x01")[:i%7]); err != nil && !isClosed(err) {
			t.Fatal(err)
		}
		defer func() {
			if err := a.drain(); err != nil {
				t.Error(err)
			}
		}()
	}
	a := h.overTLS(t)
	err := a.bind("mark", smpp.Transceiver)
	if err == nil {
		err = a.stays()
	}
	if err != nil {
		t.Error(err)
	}
}

// What a bound session that does nothing may cost, in KiB of heap and stacks.
const idleSession = 64

// idleBound: 2,000 bound sessions cost little; all are answered; they break off all at once, and the node
// has their places again.
func idleBound(t *testing.T, h *hostile) {
	before := h.settle(t)
	list := h.crowd(t, 2000, h.addr, func(a *attacker) error { return a.bind("mob", smpp.Transceiver) })
	h.collect(t)
	during, err := h.usage()
	if err != nil {
		t.Fatal(err)
	}
	each := (during.memory() - before.memory()) * 1024 / 2000
	t.Logf("%.1f KiB each, %.1f goroutines", each, (during.goroutines-before.goroutines)/2000)
	if each > idleSession || during.connections < 2000 {
		t.Errorf("%.0f connections cost %.1f KiB each, want at most %d", during.connections, each, idleSession)
	}
	if err := atOnce(40, func(i int) error {
		for _, a := range list[i*50 : i*50+50] {
			if err := a.stays(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	for _, a := range list {
		if tcp, ok := a.Conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		a.Close()
	}
	h.eventually(t, "what they held is given back", func() bool {
		u, err := h.usage()
		return err == nil && u.connections <= 1 && u.goroutines <= before.goroutines+20
	})
}
