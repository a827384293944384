package smpp

import (
	"bytes"
	"context"
	"io"
	"net"
	"reflect"
	"testing"
	"time"
)

// FuzzDecode: no body makes a decoder panic, every fault has a status, and what was
// decoded and encoded once stays the same from then on.
func FuzzDecode(f *testing.F) {
	for _, s := range samples {
		f.Add(uint32(s.pdu.CommandID()), fromHex(f, s.body))
	}
	f.Add(uint32(SubmitSMID), fromHex(f, "00 0000 00 0000 00 000000 00 00 00000000 01 41 00 1400 0001 42"))
	f.Add(uint32(SubmitSMID), append(fromHex(f, "00 0000 00 0000 00 400000 00 00 00000800 08"), "\x05\x00\x03\x2A\x03\x02\x00A"...))
	f.Add(uint32(BindTransmitterID), []byte("a\x00b\x00\x34\x00\x00\x00"))
	f.Add(uint32(SubmitMultiID), fromHex(f, "00 0000 00 fe 01 0101 3100 02 6100 03"))
	f.Add(uint32(SubmitMultiID), fromHex(f, "00 0000 00 01 02 00 000000 00 00 00000000 01 41"))
	f.Add(uint32(SubmitMultiRespID), fromHex(f, "00 ff 0101 3100 0000000b"))
	f.Add(uint32(DataSMID), fromHex(f, "00 0000 00 0000 00 00 00 00 0017 0004 ffffffff 0424 0001 41"))
	f.Add(uint32(CancelSMID), fromHex(f, "00 00 0000 00 0000 00 1400 0000"))
	f.Add(uint32(QuerySMID), fromHex(f, "00 0000 00 00"))
	f.Fuzz(func(t *testing.T, id uint32, body []byte) {
		p, err := Decode(Header{ID: CommandID(id)}, body)
		if err != nil {
			if StatusOf(err, StatusOK) == StatusOK {
				t.Fatalf("%v has no status", err)
			}
			return
		}
		once := p.AppendBody(nil)
		back, err := Decode(Header{ID: CommandID(id)}, once)
		if err != nil || !reflect.DeepEqual(p, back) {
			t.Fatalf("%s: decoded %+v, then %+v %v", CommandID(id), p, back, err)
		}
		if twice := back.AppendBody(nil); !bytes.Equal(once, twice) {
			t.Fatalf("%s: encoded %x, then %x", CommandID(id), once, twice)
		}
		if c, ok := p.(interface{ Check() error }); ok && c.Check() != nil {
			t.Fatalf("decoded, but cannot be sent: %v", c.Check())
		}
		switch m := p.(type) {
		case *SubmitSM:
			readAll(t, m)
		case *DataSM:
			if sub, err := m.Submit(); err == nil {
				readAll(t, &sub)
			} else if StatusOf(err, StatusOK) == StatusOK {
				t.Fatalf("%v has no status", err)
			}
		}
	})
}

// readAll does with a submit_sm what a backend does.
func readAll(t *testing.T, m *SubmitSM) {
	now := time.Unix(1700000000, 0)
	_, _ = m.Expiry(now)
	_, _ = m.Schedule(now)
	_, _ = ParseReceipt(m.ShortMessage, time.UTC)
	c, payload, ok, err := m.Segment()
	if ok && (c.Total < 2 || c.Seq < 1 || c.Seq > c.Total || err != nil) {
		t.Fatalf("segment %+v %v", c, err)
	}
	for a := AlphabetGSM7; a < alphabets; a++ {
		if text, err := DecodeText(m.DataCoding, a, payload); err == nil {
			checkComesBack(t, m.DataCoding, a, text)
		}
	}
}

// obliging answers everything and sends a deliver_sm for each submit_sm. A
// destination address of a digit makes it do something odd.
type obliging struct{ atOnce }

func (obliging) Handle(s *Session, r Request, p PDU) {
	switch m := p.(type) {
	case *SubmitMulti:
		resp := &SubmitMultiResp{MessageID: m.Message.SourceAddr, TLVs: m.Message.TLVs}
		for _, d := range m.Destinations {
			resp.Failed = append(resp.Failed, Unsuccess{d.TON, d.NPI, d.Addr, StatusInvDstAdr})
		}
		s.RespondPDU(r, StatusOK, resp, uint64(r.Sequence))
	case *QuerySM:
		s.RespondPDU(r, StatusOK, &QuerySMResp{MessageID: m.MessageID}, 0)
	default:
		s.Respond(r, StatusInvCmdID, "", 0)
	}
}

func (obliging) SubmitSM(s *Session, r Request, m *SubmitSM) {
	switch m.DestinationAddr {
	case "1":
		s.Close(io.ErrUnexpectedEOF)
	case "2":
		s.Respond(r, StatusOK, "1", 1)
		s.Respond(r, StatusOK, "1", 2) // one too many
		return
	}
	s.Respond(r, StatusOK, m.SourceAddr, uint64(r.Sequence))
	_ = s.DeliverSM((*DeliverSM)(m), func(Status, error) { _ = s.DeliverSM(&DeliverSM{}, func(Status, error) {}) })
}

// FuzzSession: whatever octets come, the session neither panics nor hangs, and is
// gone once its connection is.
func FuzzSession(f *testing.F) {
	bind := Append(nil, StatusOK, 1, &Bind{Type: Transceiver, SystemID: "a"})
	addSessions(f, bind)
	conns := make(chan net.Conn)
	l := &pipes{conns: conns, closed: make(chan struct{})}
	srv := NewServer(Config{}, obliging{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ctx, l) }()
	f.Cleanup(func() { cancel(); <-done })

	f.Fuzz(func(t *testing.T, bound bool, octets []byte) {
		ours, theirs := net.Pipe()
		conns <- theirs
		read := make(chan struct{})
		go func() { _, _ = io.Copy(io.Discard, ours); close(read) }()
		if bound {
			octets = append(bytes.Clone(bind), octets...)
		}
		if err := ours.SetWriteDeadline(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, _ = ours.Write(octets) // the session may end before it has read all
		ours.Close()
		<-read
		for start := time.Now(); srv.Sessions() > 0; {
			if time.Since(start) > 10*time.Second {
				t.Fatal("the session outlives its connection")
			}
			<-time.After(10 * time.Microsecond)
		}
	})
}

// addSessions seeds FuzzSession.
func addSessions(f *testing.F, bind []byte) {
	f.Add(false, []byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(false, bind)
	f.Add(true, bind)
	var all []byte
	for _, s := range samples {
		pdu := Append(nil, StatusOK, firstSequence, s.pdu)
		f.Add(true, pdu)
		all = append(all, pdu...)
	}
	f.Add(true, all)
	for _, version := range []byte{0x33, 0x50} {
		other := Append(nil, StatusOK, 1, &Bind{Type: Transceiver, InterfaceVersion: version})
		f.Add(false, append(other, all...))
	}
	f.Add(true, fromHex(f, "0000000f"))
	for _, dest := range []string{"1", "2"} {
		f.Add(true, append(Append(nil, StatusOK, 5, &SubmitSM{DestinationAddr: dest}), all...))
	}
}

// pipes is a listener of connections in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { close(l.closed); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{} }
