package cluster

import (
	"errors"
	"slices"
	"testing"

	"smppbridge/store"
)

func TestPulseCodec(t *testing.T) {
	want := pulse{
		node: "n1", cluster: "abc", epoch: 3, lineage: store.Lineage{1, 15: 2}, version: 2, applied: 1 << 40, clock: 1_900_000_000_000_000_000,
		mark: 77, hash: 1<<64 - 1, founded: true, leads: true, stranger: true, alone: true,
	}
	b := want.encode()
	if got, err := decodePulse(b); err != nil || got != want {
		t.Errorf("decoded %+v, %v, want %+v", got, err, want)
	}
	if got, err := decodePulse((&pulse{}).encode()); err != nil || got != (pulse{}) {
		t.Errorf("decoded %+v, %v, want the zero pulse", got, err)
	}
	for n := range b {
		if _, err := decodePulse(b[:n]); !errors.Is(err, errFields) {
			t.Errorf("the first %d octets of %d: %v, want errFields", n, len(b), err)
		}
	}
	for name, damage := range map[string]func([]byte) []byte{
		"another format": func(b []byte) []byte { b[0]++; return b },
		"unknown flag":   func(b []byte) []byte { b[1] |= 0x80; return b },
		"a further one":  func(b []byte) []byte { return append(b, 0) },
		"a huge text":    func(b []byte) []byte { return append([]byte{pulseFormat, 0, 0xff, 0xff, 0x7f}, b...) },
	} {
		if _, err := decodePulse(damage(slices.Clone(b))); !errors.Is(err, errFields) {
			t.Errorf("%s: %v, want errFields", name, err)
		}
	}
}

func TestChangeCodec(t *testing.T) {
	want := change{op: opJoin, node: "n2", addr: "127.0.0.1:7775"}
	b := want.encode()
	if got, err := decodeChange(b); err != nil || got != want {
		t.Errorf("decoded %+v, %v, want %+v", got, err, want)
	}
	for n := range b {
		if _, err := decodeChange(b[:n]); !errors.Is(err, errFields) {
			t.Errorf("the first %d octets of %d: %v, want errFields", n, len(b), err)
		}
	}
	b[0] = 9
	if _, err := decodeChange(b); !errors.Is(err, errFields) {
		t.Errorf("unknown order: %v, want errFields", err)
	}
}

// FuzzPulse: whatever another node sends, it is refused or understood, and what is understood is what
// encode makes of it but for numbers that are written longer than they need be.
func FuzzPulse(f *testing.F) {
	f.Add((&pulse{node: "n1", cluster: "abc", version: 2, founded: true}).encode())
	f.Add([]byte{pulseFormat, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePulse(b)
		if err != nil {
			return
		}
		if again, err := decodePulse(p.encode()); err != nil || again != p {
			t.Errorf("%+v became %+v, %v", p, again, err)
		}
	})
}
