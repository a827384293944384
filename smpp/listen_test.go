package smpp_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs/certs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// through serves what comes over TCP through tr until the test ends.
func through(t testing.TB, cfg smpp.Config, tr smpp.Transport) (b *seeing, addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b = &seeing{binds: make(chan seen, 1000)}
	t.Cleanup(serve(t, smpp.NewServer(cfg, b), smpp.NewListener(l, tr)))
	return b, l.Addr().String()
}

// seeing is a backend that takes every bind and tells what it could see of it then.
type seeing struct {
	backend
	binds chan seen
}

type seen struct {
	remote string
	tls    bool
	name   string // in the client's certificate
}

func (b *seeing) Bind(_ context.Context, s *smpp.Session, _ *smpp.Bind) (smpp.Options, error) {
	is := seen{remote: s.RemoteAddr().String()}
	var state, ok = s.TLS()
	if is.tls = ok && state.HandshakeComplete; is.tls && len(state.PeerCertificates) > 0 {
		is.name = state.PeerCertificates[0].Subject.CommonName
	}
	b.binds <- is
	return smpp.Options{}, nil
}

// SubmitSM keeps nothing.
func (*seeing) SubmitSM(s *smpp.Session, r smpp.Request, _ *smpp.SubmitSM) {
	s.Respond(r, smpp.StatusOK, "00000001", 1)
}

// fromLoopback trusts what the tests connect from.
var fromLoopback = smpp.Proxies{From: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}

const (
	headerV2 = "\r\n\r\n\x00\r\nQUIT\n"
	v2TCP4   = headerV2 + "\x21\x11\x00\x0C\xC6\x33\x64\x07\x7F\x00\x00\x01\x1F\x90\x0A\xD7"
)

func TestProxyHeader(t *testing.T) {
	required := fromLoopback
	required.Required = true
	others := smpp.Proxies{From: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}}
	for _, tt := range []struct {
		name   string
		proxy  smpp.Proxies
		header string
		want   string // the ESME's address; empty: not SMPP; "ours": that of the connection
		reason string // of the end
	}{
		{"v1 IPv4", fromLoopback, "PROXY TCP4 198.51.100.7 127.0.0.1 8080 2775\r\n", "198.51.100.7:8080", ""},
		{"v1 IPv6", fromLoopback, "PROXY TCP6 2001:db8::7 ::1 8080 2775\r\n", "[2001:db8::7]:8080", ""},
		{"v2 IPv4", fromLoopback, v2TCP4, "198.51.100.7:8080", ""},
		{"v2 IPv6 with parameters", fromLoopback, headerV2 + "\x21\x21\x02\x27" +
			"\x20\x01\x0D\xB8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" + strings.Repeat("\x00", 15) + "\x01" + "\x1F\x90\x0A\xD7" +
			"\x04\x02\x00" + strings.Repeat("x", 512), "[2001:db8::7]:8080", ""},
		{"none", fromLoopback, "", "ours", ""},
		{"none, but it has to", required, "", "", "proxy_header"},
		{"v1, and it has to", required, "PROXY TCP4 198.51.100.7 127.0.0.1 8080 2775\r\n", "198.51.100.7:8080", ""},
		{"v1 from somebody else", others, "PROXY TCP4 198.51.100.7 127.0.0.1 8080 2775\r\n", "", "protocol_error"},
		{"v2 from somebody else", others, v2TCP4, "", "protocol_error"},
		{"none from somebody else", others, "", "ours", ""},
		{"v1 unknown", fromLoopback, "PROXY UNKNOWN\r\n", "", "health_check"},
		{"v2 local", fromLoopback, headerV2 + "\x20\x00\x00\x00", "", "health_check"},
		{"v2 of nothing", fromLoopback, headerV2 + "\x21\x00\x00\x00", "", "proxy_header"},
		{"v2 UDP", fromLoopback, headerV2 + "\x21\x12\x00\x0C\xC6\x33\x64\x07\x7F\x00\x00\x01\x1F\x90\x0A\xD7", "", "proxy_header"},
		{"v2 of another version", fromLoopback, headerV2 + "\x31\x11\x00\x0C\xC6\x33\x64\x07\x7F\x00\x00\x01\x1F\x90\x0A\xD7", "", "proxy_header"},
		{"v2 too long", fromLoopback, headerV2 + "\x21\x11\xFF\xFF" + strings.Repeat("x", 8000), "", "proxy_header"},
		{"v1 without an end", fromLoopback, "PROXY TCP4 " + strings.Repeat("1", 200), "", "proxy_header"},
		{"v1 of no address", fromLoopback, "PROXY TCP4 me you 1 2\r\n", "", "proxy_header"},
		{"two of them", fromLoopback, v2TCP4 + v2TCP4, "", "protocol_error"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			b, addr := through(t, smpp.Config{Registerer: reg}, smpp.Transport{Proxy: tt.proxy})
			e := smpptest.Dial(t, addr)
			bind := smpp.Append(nil, 0, 1, &smpp.Bind{Type: smpp.Transceiver, InterfaceVersion: 0x34})
			e.SendRaw(append([]byte(tt.header), bind...)) // at once: nothing behind the header is lost
			if tt.want == "" {
				expectSilentEnd(t, e.Conn())
				if err := checkMetric(reg, "smppbridge_smpp_session_ends_total{reason="+tt.reason+"}", "1"); err != nil {
					t.Error(err)
				}
				return
			}
			e.Expect(smpp.BindTransceiverRespID)
			want := tt.want
			if want == "ours" {
				want = e.Conn().LocalAddr().String()
			}
			if is := <-b.binds; is.remote != want {
				t.Errorf("Bind sees %s, want %s", is.remote, want)
			}
			e.Send(&smpp.EnquireLink{})
			e.Expect(smpp.EnquireLinkRespID)
			e.Send(&smpp.Unbind{})
			e.Expect(smpp.UnbindRespID)
			e.ExpectClosed()
		})
	}
}

// expectSilentEnd waits until the other side has closed conn without a word.
func expectSilentEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(smpptest.DefaultTimeout)); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if netErr, ok := err.(net.Error); ok && netErr.Timeout() {
		t.Error("the connection is still open")
	}
	if len(got) > 0 {
		t.Errorf("it was sent %x", got)
	}
	conn.Close() // the session waits for that, a little
}

// TestSlowHeadersBlockNobody: connections that send no header, half of one, or no
// handshake keep nobody waiting, and end when the bind time-out is over.
func TestSlowHeadersBlockNobody(t *testing.T) {
	files := newAuthority(t).files(t, "centre")
	certificates, err := certs.LoadServer(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	const bindTimeout = 5 * time.Second
	_, addr := through(t, smpp.Config{BindTimeout: bindTimeout}, smpp.Transport{TLS: certificates.Config(), Proxy: fromLoopback})
	start := time.Now()
	var slow []net.Conn
	for _, octets := range []string{"", "P", "\r\n\r\n\x00", headerV2 + "\x21\x11\x00\x0C", v2TCP4, v2TCP4 + "\x16\x03\x01"} {
		for range 10 {
			e := smpptest.Dial(t, addr)
			e.SendRaw([]byte(octets))
			slow = append(slow, e.Conn())
		}
	}
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, v2TCP4); err != nil {
		t.Fatal(err)
	}
	good := smpptest.New(t, newAuthority(t).client(conn, "", true))
	good.MustBind(smpp.Transceiver, "test", "secret")
	if took := time.Since(start); took >= bindTimeout { // before that none of them has ended
		t.Errorf("a bind beside them was done after %v", took)
	}
	for _, conn := range slow {
		expectSilentEnd(t, conn)
	}
	good.Send(&smpp.EnquireLink{})
	good.Expect(smpp.EnquireLinkRespID)
}

func TestUnboundPerAddress(t *testing.T) {
	reg := prometheus.NewRegistry()
	_, addr := through(t, smpp.Config{MaxUnboundPerAddress: 3, Registerer: reg}, smpp.Transport{})
	const refused = "smppbridge_smpp_refused_connections_total{reason=max_unbound_per_address}"
	open := []*smpptest.ESME{smpptest.Dial(t, addr), smpptest.Dial(t, addr), smpptest.Dial(t, addr)}
	for range 2 {
		smpptest.Dial(t, addr).ExpectClosed()
	}
	if err := checkMetric(reg, refused, "2"); err != nil {
		t.Error(err)
	}
	other := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	conn, err := other.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	smpptest.New(t, conn).MustBind(smpp.Receiver, "test", "secret")
	open[0].MustBind(smpp.Receiver, "test", "secret") // no longer unbound
	open[1].Close()
	for range 2 {
		if err := eventually(func() error { return tryBind(addr) }); err != nil {
			t.Errorf("a place is free again, but %v", err)
		}
	}
}

// tryBind binds on a connection of its own, and leaves.
func tryBind(addr string) error {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(smpp.Append(nil, 0, 1, &smpp.Bind{Type: smpp.Receiver})); err != nil {
		return err
	}
	_, err = io.ReadFull(conn, make([]byte, smpp.HeaderLen))
	return err
}

// TestUnboundPerAddressBehindAProxy counts ESMEs, not the load balancer.
func TestUnboundPerAddressBehindAProxy(t *testing.T) {
	reg := prometheus.NewRegistry()
	b, addr := through(t, smpp.Config{MaxUnboundPerAddress: 2, Registerer: reg}, smpp.Transport{Proxy: fromLoopback})
	dial := func(from string) *smpptest.ESME {
		e := smpptest.Dial(t, addr)
		e.SendRaw([]byte("PROXY TCP6 " + from + " ::1 8080 2775\r\n"))
		return e
	}
	first := dial("2001:db8::1")
	second := dial("2001:db8::2") // the same network
	third := dial("2001:db8::3")
	// Which one comes first is the scheduler's choice: one of the three ends.
	ended := make(chan struct{}, 3)
	for _, e := range []*smpptest.ESME{first, second, third} {
		go func() {
			_, _ = io.Copy(io.Discard, e.Conn())
			e.Close()
			ended <- struct{}{}
		}()
	}
	<-ended
	for name, want := range map[string]string{
		"smppbridge_smpp_refused_connections_total{reason=max_unbound_per_address}": "1",
		"smppbridge_smpp_session_ends_total{reason=unbound_limit}":                  "1",
	} {
		if err := checkMetric(reg, name, want); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	dial("2001:db8:0:1::1").MustBind(smpp.Receiver, "test", "secret") // another network
	if is := <-b.binds; is.remote != "[2001:db8:0:1::1]:8080" {
		t.Errorf("Bind sees %s", is.remote)
	}
	for _, e := range []*smpptest.ESME{first, second, third} {
		e.Close()
	}
	if err := checkMetric(reg, "smppbridge_smpp_connections", "1"); err != nil {
		t.Fatal(err)
	}
	dial("2001:db8::4").MustBind(smpp.Receiver, "test", "secret")
}

// TestRefusedConnectionsAreCountedByReason at every limit.
func TestRefusedConnectionsAreCountedByReason(t *testing.T) {
	reg := prometheus.NewRegistry()
	inMemory(t, smpp.Config{MaxUnbound: 1, MaxSessions: 2, Registerer: reg}, func(t *testing.T, _ *smpp.Server, _ *backend, dial func() *smpptest.ESME) {
		first := dial()
		dial().ExpectClosed()
		first.MustBind(smpp.Receiver, "test", "secret")
		dial().MustBind(smpp.Receiver, "test", "secret")
		dial().ExpectClosed()
		dial().ExpectClosed()
	})
	for reason, want := range map[string]string{"max_unbound": "1", "max_sessions": "2", "draining": "0", "max_unbound_per_address": "0"} {
		if err := checkMetric(reg, "smppbridge_smpp_refused_connections_total{reason="+reason+"}", want); err != nil {
			t.Error(err)
		}
	}
}

// TestTLSIsBoundedByTheBindTimeout, in fake time.
func TestTLSIsBoundedByTheBindTimeout(t *testing.T) {
	files := newAuthority(t).files(t, "centre")
	certificates, err := certs.LoadServer(files, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		l := smpptest.NewListener()
		srv := smpp.NewServer(smpp.Config{}, newBackend())
		stop := serve(t, srv, smpp.NewListener(l, smpp.Transport{TLS: certificates.Config()}))
		defer stop()
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		time.Sleep(smpp.DefaultBindTimeout - time.Second)
		synctest.Wait()
		if n := srv.Sessions(); n != 1 {
			t.Errorf("%d sessions before the time-out", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := srv.Sessions(); n != 0 {
			t.Errorf("%d sessions after the time-out", n)
		}
	})
}

// logged is a log that a test looks into.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logged) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(lockedWriter{&l.mu, &l.buf}, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// TestDrainDuringAHandshake does not wait for the bind time-out.
func TestDrainDuringAHandshake(t *testing.T) {
	certificates := load(t, newAuthority(t).files(t, "centre"))
	synctest.Test(t, func(t *testing.T) {
		l := smpptest.NewListener()
		srv := smpp.NewServer(smpp.Config{}, newBackend())
		stop := serve(t, srv, smpp.NewListener(l, smpp.Transport{TLS: certificates.Config()}))
		defer stop()
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		synctest.Wait()
		start := time.Now()
		if err := srv.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("Drain took %v", took)
		}
	})
}
