//go:build linux

package main

import (
	"context"
	"net"
	"os"
	"testing"
	"time"
)

// packet is an IPv4 header with those addresses, and a mark.
func packet(from, to net.IP, mark byte) []byte {
	p := make([]byte, 21)
	p[0] = 0x45
	copy(p[12:], from.To4())
	copy(p[16:], to.To4())
	p[20] = mark
	return p
}

// A wire is a fabric with one receiver.
func newWire(t *testing.T) (f *fabric, received *os.File) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	f = newFabric(ctx)
	f.ports[toAddr(nodeIP(1))] = w
	t.Cleanup(func() { cancel(); f.wait.Wait(); _ = r.Close(); _ = w.Close() })
	return f, r
}

// next returns the mark of the next packet that arrives within a time, or 0.
func next(t *testing.T, r *os.File, within time.Duration) byte {
	t.Helper()
	if err := r.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 21)
	if n, err := r.Read(b); err != nil || n < len(b) {
		return 0
	}
	return b[20]
}

func TestFabricCutsOneDirection(t *testing.T) {
	f, r := newWire(t)
	f.set(nodeIP(0), nodeIP(1), condition{down: true})
	f.carry(packet(nodeIP(0), nodeIP(1), 1))
	f.carry(packet(nodeIP(2), nodeIP(1), 2)) // another sender's way is open
	if got := next(t, r, 10*time.Second); got != 2 {
		t.Errorf("packet %d arrived, want 2 only", got)
	}
	f.clear()
	f.carry(packet(nodeIP(0), nodeIP(1), 3))
	if got := next(t, r, 10*time.Second); got != 3 {
		t.Errorf("packet %d arrived after the cut was healed, want 3", got)
	}
}

func TestFabricLoses(t *testing.T) {
	f, _ := newWire(t)
	f.set(nodeIP(0), nodeIP(1), condition{loss: 0.3})
	const sent = 1000
	for range sent {
		f.carry(packet(nodeIP(0), nodeIP(1), 1))
	}
	// Ten standard deviations: one run in 10^20 fails.
	if lost := f.link(direction{toAddr(nodeIP(0)), toAddr(nodeIP(1))}).dropped.Load(); lost < 155 || lost > 445 {
		t.Errorf("%d of %d packets lost, want about 300", lost, sent)
	}
}

func TestFabricDelaysInOrder(t *testing.T) {
	f, r := newWire(t)
	f.set(nodeIP(0), nodeIP(1), condition{delay: 60 * time.Millisecond, jitter: 50 * time.Millisecond})
	began := time.Now()
	for i := range byte(20) {
		f.carry(packet(nodeIP(0), nodeIP(1), i+1))
	}
	f.clear() // what is under way stays ahead of what comes
	f.carry(packet(nodeIP(0), nodeIP(1), 21))
	for i := range byte(21) {
		if got := next(t, r, 10*time.Second); got != i+1 {
			t.Fatalf("packet %d arrived, want %d", got, i+1)
		}
	}
	if d := time.Since(began); d < 10*time.Millisecond {
		t.Errorf("all arrived within %v, want at least the shortest delay", d)
	}
}
