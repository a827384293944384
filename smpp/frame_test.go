package smpp

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

func TestReaderCutsAndJoins(t *testing.T) {
	var stream []byte
	var want []int
	for i := range 300 {
		m := &SubmitSM{DestinationAddr: "86", ShortMessage: string(bytes.Repeat([]byte{'x'}, i%200))}
		if i%50 == 49 {
			m.TLVs = m.TLVs.With(TagMessagePayload, string(make([]byte, 60000+i)))
		}
		before := len(stream)
		stream = Append(stream, StatusOK, uint32(i), m)
		want = append(want, len(stream)-before)
	}
	for name, r := range map[string]io.Reader{
		"at once": bytes.NewReader(stream), "octet by octet": iotest.OneByteReader(bytes.NewReader(stream)),
		"halves": iotest.HalfReader(bytes.NewReader(stream)), "error with data": iotest.DataErrReader(bytes.NewReader(stream)),
	} {
		frames := NewReader(r, MaxPDU)
		for i, n := range want {
			h, body, err := frames.Next()
			if err != nil || h.Sequence != uint32(i) || int(h.Length) != n || len(body) != n-HeaderLen {
				t.Fatalf("%s: PDU %d: got %+v, %d octets, %v", name, i, h, len(body), err)
			}
			var m SubmitSM
			if err := m.Decode(body); err != nil {
				t.Fatalf("%s: PDU %d: %v", name, i, err)
			}
		}
		if _, _, err := frames.Next(); err != io.EOF || frames.Buffered() != 0 {
			t.Errorf("%s: at the end: %v", name, err)
		}
	}
}

func TestReaderRefusesLengths(t *testing.T) {
	for _, tt := range []struct {
		name   string
		octets string
		want   Header
	}{
		{"0", "00000000", Header{}},
		{"15", "0000000f 00000004", Header{Length: 15}},
		{"over the limit", "00000401 00000004 00000000 00000007", Header{Length: 0x401, ID: SubmitSMID, Sequence: 7}},
		{"TLS", "16030102", Header{Length: 0x16030102}},
	} {
		h, _, err := NewReader(bytes.NewReader(fromHex(t, tt.octets)), 1024).Next()
		if !errors.Is(err, ErrFrame) || h != tt.want {
			t.Errorf("%s: got %+v %v", tt.name, h, err)
		}
	}
	for _, octets := range []string{"00", "00000010 00000015", "00000011 00000015 00000000 00000001", "00000401 000000"} {
		if _, _, err := NewReader(bytes.NewReader(fromHex(t, octets)), 1024).Next(); err != io.ErrUnexpectedEOF {
			t.Errorf("%s and the end: got %v", octets, err)
		}
	}
	if _, _, err := NewReader(iotest.ErrReader(nil), 1024).Next(); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("a reader that returns nothing: %v", err)
	}
}

// TestReaderGivesBufferBack promises that an idle session after a burst is small.
func TestReaderGivesBufferBack(t *testing.T) {
	link := Append(nil, StatusOK, 1, &EnquireLink{})
	burst := bytes.Repeat(link, 100000)
	var quiet []io.Reader
	for range 10 {
		quiet = append(quiet, bytes.NewReader(link))
	}
	frames := NewReader(io.MultiReader(append([]io.Reader{bytes.NewReader(burst)}, quiet...)...), MaxPDU)
	most := 0
	for range 100010 {
		if _, _, err := frames.Next(); err != nil {
			t.Fatal(err)
		}
		most = max(most, len(frames.buf))
	}
	if most != maxReadBuffer || len(frames.buf) != minReadBuffer {
		t.Errorf("buffer: at most %d octets, %d in the end", most, len(frames.buf))
	}
}
