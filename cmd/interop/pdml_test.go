package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// frame is a TCP segment on the loopback interface, to the daemon's port 2775 from another protocol's: 44818.
func frame(seq uint32, payload []byte) []byte {
	b := make([]byte, 12, 66+len(payload))
	b = append(b, 0x08, 0x00, 0x45, 0x00) // Ethernet's type, IPv4
	b = binary.BigEndian.AppendUint16(b, uint16(40+len(payload)))
	b = append(b, 0, 1, 0x40, 0, 64, 6, 0, 0, 127, 0, 0, 1, 127, 0, 0, 1)
	b = binary.BigEndian.AppendUint16(b, 44818)
	b = binary.BigEndian.AppendUint16(b, 2775)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = append(b, 0, 0, 0, 1, 0x50, 0x18, 0xFF, 0xFF, 0, 0, 0, 0)
	return append(b, payload...)
}

// pcap is a capture file of segments. A segment of the same octets as the one before is that one again.
func pcap(payloads ...[]byte) []byte {
	b := binary.LittleEndian.AppendUint32(nil, 0xA1B2C3D4)
	b = append(b, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0)
	seq := uint32(1)
	for i, p := range payloads {
		if i > 0 && bytes.Equal(p, payloads[i-1]) {
			seq -= uint32(len(p))
		}
		f := frame(seq, p)
		seq += uint32(len(p))
		b = append(b, 1, 0, 0, 0, 0, 0, 0, 0)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = binary.LittleEndian.AppendUint32(b, uint32(len(f)))
		b = append(b, f...)
	}
	return b
}

// submit is a submit_sm as Kannel sends it, with sm_length n and then the 5 octets of a text.
func submit(n byte) []byte {
	body := "\x00\x00\x011069\x00\x01\x0113900010001\x00\x03\x00\x00\x00\x00\x01\x00\x00\x00" + string(rune(n)) + "he\x00lo"
	b := binary.BigEndian.AppendUint32(nil, uint32(16+len(body)))
	b = append(b, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 7)
	return append(b, body...)
}

// TestDissect has tshark look at sound and at broken captures: what is broken must be seen as that.
func TestDissect(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		t.Skip("no tshark here")
	}
	good := submit(5)
	tests := []struct {
		name     string
		segments [][]byte
		pdus     int
		sound    bool
	}{
		{"one PDU", [][]byte{good}, 1, true},
		{"two in a segment", [][]byte{append(submit(5), good...)}, 2, true},
		{"one in two segments", [][]byte{good[:20], good[20:]}, 1, true},
		{"one PDU, repeated by TCP", [][]byte{good, good, good[:20], good[20:]}, 2, true},
		{"short_message past the end", [][]byte{submit(50)}, 1, false},
		{"no SMPP", [][]byte{[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")}, 0, false},
		{"half a PDU at the end", [][]byte{good, good[:20]}, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "x.pcap")
			if err := os.WriteFile(file, pcap(tt.segments...), 0o600); err != nil {
				t.Fatal(err)
			}
			w, err := dissect(t.Context(), tshark, file, "2775")
			if err != nil {
				t.Fatal(err)
			}
			if len(w.pdus) != tt.pdus {
				t.Errorf("%d PDUs, want %d", len(w.pdus), tt.pdus)
			}
			for _, p := range w.pdus {
				if p.command() != submitSM || p.ours || p.text("smpp.destination_addr") != "13900010001" {
					t.Errorf("command %#x, ours %t, to %q", p.command(), p.ours, p.text("smpp.destination_addr"))
				}
			}
			if err := w.checkOctets(); (err == nil && len(w.faults) == 0) != tt.sound {
				t.Errorf("octets: %v; complaints: %q; want it sound: %t", err, w.faults, tt.sound)
			}
		})
	}
}

// TestReadPDML reads what tshark 4.0 wrote: two PDUs in a segment, control characters, and a malformed one.
func TestReadPDML(t *testing.T) {
	for _, tt := range []struct {
		file           string
		pdus, complain int
	}{{"testdata/two.pdml", 2, 0}, {"testdata/malformed.pdml", 1, 2}} {
		f, err := os.Open(tt.file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		w, err := readPDML(f, "2775")
		if err != nil {
			t.Fatalf("%s: %v", tt.file, err)
		}
		if len(w.pdus) != tt.pdus || len(w.faults) != tt.complain {
			t.Errorf("%s: %d PDUs and complaints %q, want %d and %d", tt.file, len(w.pdus), w.faults, tt.pdus, tt.complain)
		}
		if to := w.pdus[0].text("smpp.destination_addr"); to != "13900010001" {
			t.Errorf("%s: destination_addr %q", tt.file, to)
		}
	}
}

// TestPrintable: octets keep their places, and none is left that XML does not allow.
func TestPrintable(t *testing.T) {
	got := make([]byte, 10)
	n, err := printable{strings.NewReader("a\x00\x1b\tb\xe9\n")}.Read(got)
	if err != nil || string(got[:n]) != "a??\tb?\n" {
		t.Errorf("got %s, %v", hex.EncodeToString(got[:n]), err)
	}
}
