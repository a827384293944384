package smpp

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

var (
	benchSubmit = &SubmitSM{
		SourceAddrTON: 5, SourceAddr: "10690001", DestAddrTON: 1, DestAddrNPI: 1, DestinationAddr: "8613900000000",
		RegisteredDelivery: 1, ShortMessage: "Your code is 123456, valid for five minutes.",
	}
	benchReceipt = &Receipt{MessageID: "00000000ab", Sub: 1, Dlvrd: 1, State: StateDelivered, Err: "000"}
)

func BenchmarkDecodeSubmitSM(b *testing.B) {
	body := benchSubmit.AppendBody(nil)
	var m SubmitSM
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Decode(body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeSubmitSMWithParameters(b *testing.B) {
	m := *benchSubmit
	m.TLVs = m.TLVs.With(0x1400, "110100001352").With(0x1401, "120100000000").WithByte(TagSARSegmentSeqnum, 1)
	body := m.AppendBody(nil)
	b.ReportAllocs()
	for b.Loop() {
		if err := m.Decode(body); err != nil {
			b.Fatal(err)
		}
		if _, ok := m.TLVs.Get(TagMessagePayload); ok {
			b.Fatal("found what is not there")
		}
	}
}

func BenchmarkEncodeSubmitSM(b *testing.B) {
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], StatusOK, 1, benchSubmit)
	}
}

func BenchmarkEncodeSubmitSMResp(b *testing.B) {
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = appendMessageIDResp(buf[:0], SubmitSMRespID, StatusOK, 1, "00000000ab")
	}
}

func BenchmarkEncodeDeliverSM(b *testing.B) {
	m := &DeliverSM{
		SourceAddr: "8613900000000", DestinationAddr: "10690001", ESMClass: ESMClassReceipt,
		ShortMessage: benchReceipt.ShortMessage(), TLVs: benchReceipt.TLVs(),
	}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = Append(buf[:0], StatusOK, 1, m)
	}
}

func BenchmarkReceipt(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = benchReceipt.ShortMessage(), benchReceipt.TLVs()
	}
}

func BenchmarkDecodeText(b *testing.B) {
	ucs2, err := encodeUCS2(strings.Repeat("您的验证码为", 10) + "1234567890")
	if err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name   string
		coding byte
		octets string
	}{
		{"GSM7 plain", DataCodingDefault, strings.Repeat("0123456789abcdef", 10)},
		{"GSM7 special", DataCodingDefault, strings.Repeat("01234\x04\x05\x1B\x28\x009abcdef", 10)},
		{"Latin1", DataCodingLatin1, strings.Repeat("0123456789\xE4\xF6cdef", 10)},
		{"UCS2", DataCodingUCS2, ucs2},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := DecodeText(bench.coding, AlphabetGSM7, bench.octets); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// atOnce is the least a backend can be.
type atOnce struct{}

func (atOnce) Bind(context.Context, *Session, *Bind) (Options, error) { return Options{}, nil }
func (atOnce) Closed(*Session)                                        {}
func (atOnce) Handle(s *Session, r Request, _ PDU) {
	s.Respond(r, StatusInvCmdID, "", 0)
}

func (atOnce) SubmitSM(s *Session, r Request, _ *SubmitSM) {
	s.Respond(r, StatusOK, "00000000ab", uint64(r.Sequence))
}

// BenchmarkSession is a submit_sm and its response over TCP, client included.
func BenchmarkSession(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := NewServer(Config{}, atOnce{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	frames := NewReader(conn, MaxPDU)
	write(b, conn, Append(nil, StatusOK, 1, &Bind{Type: Transceiver, SystemID: "test"}))
	if h, _, err := frames.Next(); err != nil || h.Status != StatusOK {
		b.Fatal(h, err)
	}
	const batch = 200
	var octets []byte
	for range batch {
		octets = Append(octets, StatusOK, 7, benchSubmit)
	}
	slots := make(chan struct{}, 5)
	b.ReportAllocs()
	b.ResetTimer()
	go func() {
		for i := 0; i < b.N; i += batch {
			slots <- struct{}{}
			if _, err := conn.Write(octets); err != nil {
				return
			}
		}
	}()
	for i := 0; i < b.N; i += batch {
		for range batch {
			if _, _, err := frames.Next(); err != nil {
				b.Fatal(err)
			}
		}
		<-slots
	}
}

func write(tb testing.TB, w io.Writer, b []byte) {
	tb.Helper()
	if _, err := w.Write(b); err != nil {
		tb.Fatal(err)
	}
}

// BenchmarkIdleSession reports what a bound session costs that does nothing, after
// a burst of traffic, and without the kernel's share. The client's end of the
// connection is included: it is in the same process.
func BenchmarkIdleSession(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := NewServer(Config{MaxUnbound: 10000}, atOnce{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	const sessions = 2000
	before := memoryInUse()
	conns := make([]net.Conn, 0, sessions)
	octets := Append(nil, StatusOK, 1, &Bind{Type: Transceiver, SystemID: "test"})
	octets = Append(octets, StatusOK, 2, benchSubmit)
	responses := make([]byte, HeaderLen+1+5+HeaderLen+11) // bind_transceiver_resp with its parameter, submit_sm_resp
	b.ResetTimer()
	for range sessions {
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
		write(b, conn, octets)
		if _, err := io.ReadFull(conn, responses); err != nil {
			b.Fatal(err)
		}
	}
	<-time.After(600 * time.Millisecond) // two ticks: buffers are given back
	b.ReportMetric(float64(memoryInUse()-before)/sessions, "B/session")
	b.ReportMetric(0, "ns/op")
	runtime.KeepAlive(conns)
}

func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}
