package smpptrace

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"testing"

	"smppbridge/smpp"
)

// echo answers at once and makes no receipts.
type echo struct{ centre }

func (e *echo) SubmitSM(s *smpp.Session, r smpp.Request, _ *smpp.SubmitSM) {
	s.Respond(r, smpp.StatusOK, "00000000ab", uint64(r.Sequence))
}

// BenchmarkSubmits is a submit_sm and its response over TCP, client included: the session's most, without anything
// durable behind it. A trace is to leave half of it at least.
func BenchmarkSubmits(b *testing.B) {
	log := slog.New(slog.NewJSONHandler(io.Discard, nil))
	for _, bench := range []struct {
		name string
		f    Filter
		log  *slog.Logger
	}{
		{"no trace", Filter{}, nil},
		{"of another account", Filter{SystemID: "other"}, log},
		{"of another number", Filter{Number: "13700000000"}, log},
		{"of the account", Filter{SystemID: "bank"}, log},
		{"of the number", Filter{Number: secretPhone}, log},
		{"of the account, log off", Filter{SystemID: "bank"}, slog.New(slog.DiscardHandler)},
	} {
		b.Run(bench.name, func(b *testing.B) { benchmarkSubmits(b, bench.f, bench.log) })
	}
}

func benchmarkSubmits(b *testing.B, f Filter, log *slog.Logger) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	srv := smpp.NewServer(smpp.Config{}, &echo{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	defer func() { cancel(); <-done }()
	var tr *Trace
	traced := make(chan error, 1)
	tctx, stop := context.WithCancel(ctx)
	if log != nil {
		if tr, err = New(f, Options{}, io.Discard, "", log); err != nil {
			b.Fatal(err)
		}
		tr.pcap.most = 1 << 50 // its size would end it
		srv.SetTracer(tr)
		go func() { traced <- tr.Run(tctx) }()
	}
	flood(b, l.Addr().String())
	stop()
	if tr != nil {
		if err := <-traced; err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(tr.Status().Dropped)/float64(2*b.N), "dropped/PDU")
	}
}

// flood sends b.N submit_sm, a thousand of them unanswered.
func flood(b *testing.B, addr string) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	frames := smpp.NewReader(conn, smpp.MaxPDU)
	write := func(p []byte) {
		if _, err := conn.Write(p); err != nil {
			b.Error(err)
		}
	}
	write(smpp.Append(nil, smpp.StatusOK, 1, &smpp.Bind{Type: smpp.Transceiver, SystemID: "bank", Password: secretWord}))
	if h, _, err := frames.Next(); err != nil || h.Status != smpp.StatusOK {
		b.Fatal(h, err)
	}
	const group = 200
	one := smpp.Append(nil, smpp.StatusOK, 7, &smpp.SubmitSM{SourceAddr: "10690001", DestinationAddr: "86" + secretPhone,
		RegisteredDelivery: 1, ShortMessage: "Your code is 123456, valid for five minutes."})
	all := bytes.Repeat(one, group)
	slots := make(chan struct{}, 5)
	b.ResetTimer()
	go func() { // ends when all is sent, which the answers wait for
		for left := b.N; left > 0; left -= group {
			slots <- struct{}{}
			write(all[:min(left, group)*len(one)])
		}
	}()
	for i := range b.N {
		if _, _, err := frames.Next(); err != nil {
			b.Fatal(err)
		}
		if i%group == group-1 {
			<-slots
		}
	}
	b.StopTimer()
}

// BenchmarkMask is what the trace's own goroutine does for a PDU before it writes it.
func BenchmarkMask(b *testing.B) {
	pdu := smpp.Append(nil, smpp.StatusOK, 7, &smpp.SubmitSM{SourceAddr: "10690001", DestinationAddr: "86" + secretPhone, ShortMessage: secretText})
	b.ReportAllocs()
	for b.Loop() {
		mask(pdu, false, false)
	}
}
