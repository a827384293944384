package smpp

import (
	"crypto/tls"
	"net"
	"net/netip"
	"syscall"
	"testing"
)

// TestKeepAliveBelowEverything: the socket's options are set below TLS and PROXY header.
func TestKeepAliveBelowEverything(t *testing.T) {
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := NewListener(plain, Transport{
		TLS:   &tls.Config{},
		Proxy: Proxies{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	})
	defer l.Close()
	client, err := net.Dial("tcp", plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer rawConn(conn).Close()
	if headerOf(conn) == nil {
		t.Error("no PROXY header is expected")
	}
	tune(conn)
	tcp, ok := rawConn(conn).(*net.TCPConn)
	if !ok {
		t.Fatalf("below everything is %T", rawConn(conn))
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []struct{ level, option, value int }{
		{syscall.SOL_SOCKET, syscall.SO_KEEPALIVE, 1},
		{syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE, 60},
		{syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1},
	} {
		if err := raw.Control(func(fd uintptr) {
			if got, err := syscall.GetsockoptInt(int(fd), want.level, want.option); err != nil || got != want.value {
				t.Errorf("option %d of level %d: got %d %v, want %d", want.option, want.level, got, err, want.value)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNeighbourhood(t *testing.T) {
	for addr, want := range map[string]string{
		"192.0.2.1:5": "192.0.2.1", "[::ffff:192.0.2.1]:5": "192.0.2.1",
		"[2001:db8:1:2:3:4:5:6]:5": "2001:db8:1:2::", "[fe80::1%1]:5": "fe80::",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := neighbourhood(tcp); got.String() != want {
			t.Errorf("%s: got %s, want %s", addr, got, want)
		}
	}
	if got := neighbourhood(&net.UnixAddr{}); got.IsValid() {
		t.Errorf("no IP: got %s", got)
	}
}
