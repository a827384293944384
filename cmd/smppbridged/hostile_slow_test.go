package main

import (
	"fmt"
	"net"
	"testing"
	"time"

	"smppbridge/smpp"
)

// slowCases are ESMEs that take their time.
func slowCases() []hostileCase {
	bind := withBody(smpp.BindTransceiverID, 1, string(repeat(900, []byte("x")))) // ten octets a second do not end it
	return []hostileCase{
		{"binds that do not end", trickle("plain", bind)},
		{"hellos that do not end", trickle("TLS", []byte("\x16\x03\x01\x02\x00\x01\x00\x01\xFC\x03\x03"+string(repeat(500, []byte("x")))))},
		{"60 KiB of a PDU that does not end", unfinished},
		{"receipts that are not read", unreadReceipts},
		{"answers read octet by octet", readSlowly},
		{"no answer to enquire_link", silent},
		{"drops to a stop inside a window", stalled},
	}
}

// hoardCases come last: the garbage they make stays in the node's heap for a while.
func hoardCases() []hostileCase {
	return []hostileCase{{"more of unfinished PDUs than all may hold", hoard}}
}

// trickle sends a little now and then on fifty connections. Each is cut when the time for a bind is over: who had more with
// each octet would outlive drain's patience.
func trickle(to string, b []byte) func(*testing.T, *hostile) {
	return func(t *testing.T, h *hostile) {
		addr := map[string]string{"plain": h.addr, "TLS": h.tls}[to]
		began := time.Now()
		err := atOnce(50, func(int) error {
			a, err := dialFrom(h.source(), addr)
			if err != nil {
				return err
			}
			defer a.Close()
			ticker := time.NewTicker(100 * time.Millisecond)
			defer ticker.Stop()
			ended := make(chan error, 1)
			go func() { ended <- a.drain() }()
			for i := 0; ; i = min(i+1, len(b)-2) {
				select {
				case err := <-ended:
					return err
				case <-ticker.C:
					_, _ = a.Write(b[i : i+1]) // drain sees the end
				}
			}
		})
		if took := time.Since(began); err != nil || took < time.Second {
			t.Errorf("cut after %v: %v", took, err)
		}
	}
}

// unfinished: fifty sessions stop inside a long PDU, and are answered when they go on.
func unfinished(t *testing.T, h *hostile) {
	b := withBody(smpp.EnquireLinkID, 5, string(repeat(60<<10, []byte("x"))))
	var sessions []*attacker
	for range 50 {
		a := h.attackAs(t, "mark", smpp.Transceiver)
		if err := a.raw(b[:len(b)-1]); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, a)
	}
	h.pulse.await(t, 30)
	for _, a := range sessions {
		if err := a.raw(b[len(b)-1:]); err != nil {
			t.Fatal(err)
		}
		if err := a.expect(answer{smpp.EnquireLinkRespID, 0, 5}); err != nil {
			t.Fatal(err)
		}
	}
}

// hoard: 800 sessions hold 72 KiB of a PDU each, in buffers of 128 KiB, and together more than max_buffered. Some are
// cut, those that are left hold no more than that. They are looked at four times a second: what comes between
// two looks comes on top.
func hoard(t *testing.T, h *hostile) {
	const sessions = 800
	b := withBody(smpp.EnquireLinkID, 5, string(repeat(smpp.MaxPDU-16, []byte("x"))))
	before := h.ends(t, "buffer_limit")
	list := h.crowd(t, sessions, h.addr, func(a *attacker) error {
		if err := a.bind("mob", smpp.Transceiver); err != nil {
			return err
		}
		if err := a.raw(b[:len(b)-1]); err != nil && !isClosed(err) {
			return err
		}
		return nil
	})
	h.eventually(t, "what is left holds no more than it may", func() bool {
		v, err := h.figure("smppbridge_smpp_buffered_bytes")
		return err == nil && v[0] <= 64<<20 && h.ends(t, "buffer_limit") > before
	})
	h.pulse.await(t, leastSamples)
	cut := h.ends(t, "buffer_limit") - before
	if cut < 200 || cut > 500 { // of 800, 512 fit
		t.Errorf("%v of %d were cut", cut, sessions)
	}
	left := 0
	for _, a := range list {
		if a.raw(b[len(b)-1:]) == nil && a.expect(answer{smpp.EnquireLinkRespID, 0, 5}) == nil {
			left++
		}
	}
	if left+int(cut) != sessions {
		t.Errorf("%v were cut and %d answered, of %d", cut, left, sessions)
	}
}

// unreadReceipts: who does not read his receipts keeps them from nobody else, and gets them later.
func unreadReceipts(t *testing.T, h *hostile) {
	const n = 300
	a := h.attackAs(t, "lazy", smpp.Transceiver)
	if err := a.Conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
		t.Fatal(err)
	}
	if err := a.submitForReceipts(n); err != nil {
		t.Fatal(err)
	}
	h.pulse.await(t, 50)
	a.reset()
	b := h.attackAs(t, "lazy", smpp.Receiver)
	if err := b.receipts(n, 0, func(seq uint32, _ int) error {
		return b.raw(smpp.Append(nil, 0, seq, &smpp.DeliverSMResp{}))
	}); err != nil {
		t.Error(err)
	}
}

// readSlowly asks for a lot and reads the answers an octet at a time: it is slow, and not dead.
func readSlowly(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transceiver)
	if err := a.raw(repeat(200, octetsOf(1, &smpp.EnquireLink{}))); err != nil {
		t.Fatal(err)
	}
	if err := a.extend(); err != nil {
		t.Fatal(err)
	}
	one := make([]byte, 1)
	for i := range 200 * 16 {
		if _, err := a.Read(one); err != nil {
			t.Fatalf("after %d octets: %v", i, err)
		}
	}
	if err := a.stays(); err != nil {
		t.Error(err)
	}
}

// silent: twenty sessions that answer nothing are cut once they have been asked twice, within drain's patience.
func silent(t *testing.T, h *hostile) {
	began := time.Now()
	err := atOnce(20, func(int) error {
		a, err := dialFrom(h.source(), h.addr)
		if err != nil {
			return err
		}
		defer a.Close()
		if err := a.bind("deaf", smpp.Transmitter); err != nil {
			return err
		}
		return a.drain()
	})
	if took := time.Since(began); err != nil || took < time.Second {
		t.Errorf("cut after %v: %v", took, err)
	}
}

// stalled submits as much as its window holds, and stops inside the next PDU; the answers come nevertheless.
func stalled(t *testing.T, h *hostile) {
	a := h.attackAs(t, "mark", smpp.Transmitter)
	if err := a.raw(join(repeat(1000, octetsOf(1, good())), octetsOf(2, good())[:17])); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		if err := a.expect(submitted(1, 0)); err != nil {
			t.Fatal(fmt.Errorf("answer %d: %w", i, err))
		}
	}
}
