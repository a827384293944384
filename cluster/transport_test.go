package cluster

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

func TestPlainAddressesAreLoopback(t *testing.T) {
	tests := []struct {
		addr     string
		insecure bool
		ok       bool
		want     error
	}{
		{"127.0.0.1:7775", false, true, nil},
		{"[::1]:7775", false, true, nil},
		{"localhost:7775", false, true, nil},
		{"192.0.2.1:7775", false, false, ErrNotEncrypted},
		{"192.0.2.1:7775", true, true, nil},
		{"node1.example:7775", false, false, ErrNotEncrypted},
		{"node1.example:7775", true, true, nil},
		{":7775", true, false, nil},
		{"0.0.0.0:7775", true, false, nil},
		{"[::]:7775", true, false, nil},
		{"127.0.0.1", false, false, nil},
	}
	for _, test := range tests {
		err := checkAddr(test.addr, test.insecure)
		if (err == nil) != test.ok || test.want != nil && !errors.Is(err, test.want) {
			t.Errorf("%q, insecure %v: %v, want ok %v, %v", test.addr, test.insecure, err, test.ok, test.want)
		}
	}
}

func TestConfigNamesAllFaults(t *testing.T) {
	_, err := Start(Config{
		Addr: "192.0.2.1:7775", SegmentBytes: 1, HeartbeatTimeout: time.Second, ElectionTimeout: time.Millisecond,
		Peers: []Peer{{ID: "n1", Addr: "127.0.0.1:1"}, {ID: "n1", Addr: ":2"}},
	}, nil)
	if err == nil {
		t.Fatal("started")
	}
	for _, want := range []string{
		"no store", "no id", "no directory", "election timeout", "segments of 1", "not encrypted", `peer id "n1"`,
		"names no host", "do not name this node",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
}

func openPort(t *testing.T, self identity) *port {
	t.Helper()
	p, err := listenPort(Config{Addr: "127.0.0.1:0"}.withDefaults(), func() identity { return self })
	if err != nil {
		t.Fatal(err)
	}
	p.run()
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// TestPortDropsStrangers: who does not greet is cut, and who is silent holds up nobody.
func TestPortDropsStrangers(t *testing.T) {
	p := openPort(t, identity{node: "n1"})
	connect := func() net.Conn {
		c, err := net.Dial("tcp", p.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	connect() // silent
	stranger := connect()
	if _, err := stranger.Write([]byte("GET / HTTP/1.1\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	_ = stranger.SetReadDeadline(time.Now().Add(patience))
	if _, err := io.Copy(io.Discard, stranger); isTimeout(err) {
		t.Errorf("the stranger was not cut: %v", err)
	}
}

// TestPortCarriesRaft: the greeting is taken off, and Close ends what is open.
func TestPortCarriesRaft(t *testing.T) {
	p := openPort(t, identity{node: "n1"})
	self := raft.ServerAddress(p.Addr().String())
	out, err := p.Dial(self, patience)
	if err != nil {
		t.Fatal(err)
	}
	in, err := p.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	var got [1]byte
	if _, err := io.ReadFull(in, got[:]); err != nil || got[0] != 'x' {
		t.Errorf("read %q, %v: the greeting was not taken off", got, err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if _, err := in.Read(got[:]); !errors.Is(err, net.ErrClosed) {
		t.Errorf("an accepted connection lives after Close: %v", err)
	}
	if _, err := p.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after Close: %v", err)
	}
	if _, err := p.Dial(self, time.Second); err == nil {
		t.Error("dial after Close")
	}
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// TestRaftLogsThroughSlog: levels are one lower for what is no event to an operator, keys are spelled
// as ours.
func TestRaftLogsThroughSlog(t *testing.T) {
	var out bytes.Buffer
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{
		Level: slog.LevelDebug,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})
	l := newRaftLogger(slog.New(h))
	l.Info("entering follower state", "leader-id", "n2")
	l.Named("sub").Warn("slow", "error", errors.New("late"), "servers", hclog.Fmt("%d+%d", 1, 2))
	l.Trace("nothing")
	l.Error("bad")
	want := `level=DEBUG msg=raft event="entering follower state" leader_id=n2
level=WARN msg=raft event=slow err=late servers=1+2
level=ERROR msg=raft event=bad
`
	if got := out.String(); got != want {
		t.Errorf("logged\n%swant\n%s", got, want)
	}
}
