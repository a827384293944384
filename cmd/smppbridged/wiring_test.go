package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// These tests are about what the node passes on: each key of its configuration reaches the part that it is about.
// That the part does what the key says is tested there.

// counted is a counter of package smpp with a reason.
func (s *system) counted(name, reason string) (n float64) {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			if f.GetName() == "smppbridge_smpp_"+name && len(m.GetLabel()) == 1 && m.GetLabel()[0].GetValue() == reason {
				n += m.GetCounter().GetValue()
			}
		}
	}
	return n
}

// from connects from an address of the loopback network.
func (s *system) from(addr string) net.Conn {
	s.t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(addr)}}
	conn, err := d.DialContext(s.t.Context(), "tcp", s.smppAddr.String())
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	return conn
}

// TestNodeLimitsConnections: smpp.max_sessions, max_unbound and max_unbound_per_address.
func TestNodeLimitsConnections(t *testing.T) {
	s := startSystem(t, func(o *options) {
		o.SMPP.MaxSessions, o.SMPP.MaxUnbound, o.SMPP.MaxUnboundPerAddress = 4, 3, 2
	})
	admitted := func(addr string) *smpptest.ESME {
		t.Helper()
		e := smpptest.New(t, s.from(addr))
		e.Send(&smpp.EnquireLink{})
		e.Expect(smpp.EnquireLinkRespID)
		return e
	}
	refused := func(addr, reason string) {
		t.Helper()
		smpptest.New(t, s.from(addr)).ExpectClosed()
		if got := s.counted("refused_connections_total", reason); got != 1 {
			t.Errorf("from %s: %v refused for %s, want 1", addr, got, reason)
		}
	}
	one, two := admitted("127.0.0.1"), admitted("127.0.0.1")
	refused("127.0.0.1", "max_unbound_per_address")
	admitted("127.0.0.2")
	refused("127.0.0.3", "max_unbound")
	one.MustBind(smpp.Transmitter, "test", password)
	two.MustBind(smpp.Transmitter, "test", password)
	admitted("127.0.0.3")
	refused("127.0.0.4", "max_sessions")
}

// TestNodeBoundsWhatSessionsHold: smpp.max_buffered is in MiB.
func TestNodeBoundsWhatSessionsHold(t *testing.T) {
	s := startSystem(t, func(o *options) { o.SMPP.MaxBuffered = 1 })
	begun := make([]byte, smpp.MaxPDU-1) // all but the last octet of a PDU
	copy(begun, smpp.AppendHeader(nil, smpp.EnquireLinkID, smpp.StatusOK, 5))
	begun[1], begun[2], begun[3] = byte(smpp.MaxPDU>>16), byte(smpp.MaxPDU>>8&0xFF), byte(smpp.MaxPDU&0xFF)
	for range 5 {
		s.bind("test", smpp.Transmitter).SendRaw(begun)
	}
	wait(t, t.Context(), time.Second) // 5 of 128 KiB: below the bound, for several looks at it
	if got := s.counted("session_ends_total", "buffer_limit"); got != 0 {
		t.Fatalf("%v of 5 sessions were cut", got)
	}
	for range 5 {
		s.bind("otp", smpp.Transmitter).SendRaw(begun)
	}
	s.eventually("one of 10 is cut", func() bool { return s.counted("session_ends_total", "buffer_limit") > 0 })
}

// TestNodeSetsTimers: smpp.bind_timeout, enquire_link, response_timeout and write_timeout.
func TestNodeSetsTimers(t *testing.T) {
	const short = configs.Duration(200 * time.Millisecond)
	const most = 9 * time.Second // without one of them it would take ten, at least
	for _, tt := range []struct {
		name, reason string
		set          func(*configs.SMPP)
		attack       func(*system) (silent time.Time)
	}{
		{"bind_timeout", "bind_timeout", func(c *configs.SMPP) { c.BindTimeout = short },
			func(s *system) time.Time { s.from("127.0.0.1"); return time.Now() }},
		{"enquire_link and response_timeout", "enquire_link_timeout",
			func(c *configs.SMPP) { c.EnquireLink, c.ResponseTimeout = short, short },
			func(s *system) time.Time { s.bind("test", smpp.Receiver); return time.Now() }},
		{"write_timeout", "slow_reader", func(c *configs.SMPP) { c.WriteTimeout = short }, (*system).neverRead},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startSystem(t, func(o *options) {
				tt.set(&o.SMPP)
				o.Log = slog.New(slog.DiscardHandler) // a line for each PDU would take most of the time
			})
			silent := tt.attack(s)
			s.eventually("the session is cut", func() bool { return s.counted("session_ends_total", tt.reason) == 1 })
			if took := time.Since(silent); took > most {
				t.Errorf("cut after %v, want about %v", took, short.Std())
			}
		})
	}
}

// neverRead binds, and sends requests whose answers it does not read, until it is cut. The node is silent from the begin of the
// last write on: how long it takes to fill all buffers is the machine's affair.
func (s *system) neverRead() (silent time.Time) {
	conn := s.from("127.0.0.1")
	// With much less its own kernel throws away the acknowledgements of what it sends.
	if err := conn.(*net.TCPConn).SetReadBuffer(64 << 10); err != nil {
		s.t.Fatal(err)
	}
	smpptest.New(s.t, conn).MustBind(smpp.Transmitter, "test", password)
	link := smpp.AppendHeader(nil, smpp.EnquireLinkID, smpp.StatusOK, 5)
	many := []byte(strings.Repeat(string(link), 4096))
	if err := conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	for {
		silent = time.Now()
		if _, err := conn.Write(many); err != nil {
			return silent
		}
	}
}

// TestNodeTellsOfItself: smpp.system_id, and to clients of SMPP 5.0 how busy the node is.
func TestNodeTellsOfItself(t *testing.T) {
	s := startSystem(t, func(o *options) { o.SMPP.SystemID = "centre-7" })
	e := smpptest.New(t, s.from("127.0.0.1"))
	e.Send(&smpp.Bind{Type: smpp.Transmitter, SystemID: "test", Password: password, InterfaceVersion: 0x50})
	if _, p := e.Expect(smpp.BindTransmitterRespID); p.(*smpp.BindResp).SystemID != "centre-7" {
		t.Errorf("bound to %q", p.(*smpp.BindResp).SystemID)
	}
	e.Send(&smpp.SubmitSM{DestinationAddr: phone, ShortMessage: "private"})
	_, p := e.Expect(smpp.SubmitSMRespID)
	state, ok := p.(*smpp.SubmitSMResp).TLVs.Get(smpp.TagCongestionState)
	// One message of a window of 1,000 is nothing; but a node that accepts something is not idle.
	if !ok || len(state) != 1 || state[0] == 0 {
		t.Errorf("congestion_state is %q, want the node's", state)
	}
}

// TestNodeRequiresPROXYHeaders: smpp.proxy.required.
func TestNodeRequiresPROXYHeaders(t *testing.T) {
	s := startSystem(t, func(o *options) { o.SMPP.Proxy = configs.Proxy{From: []string{"127.0.0.1"}, Required: true} })
	e := smpptest.New(t, s.from("127.0.0.1"))
	e.Send(&smpp.EnquireLink{})
	e.ExpectClosed()
	s.eventually("it ended for want of a header", func() bool { return s.counted("session_ends_total", "proxy_header") == 1 })
	conn := s.from("127.0.0.1")
	if _, err := fmt.Fprint(conn, "PROXY TCP4 198.51.100.1 127.0.0.1 4711 2775\r\n"); err != nil {
		t.Fatal(err)
	}
	smpptest.New(t, conn).MustBind(smpp.Transmitter, "test", password)
}

// writeClient writes the certificate of a client to file, and returns it with its key.
func writeClient(t *testing.T, file, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, file, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// certifiedAccount binds with its certificate alone.
const certifiedAccount = `
  - {system_id: certified, password_hash: "HASH", sign_name: 阿里云测试, templates: [SMS_100000003], bind: {tls: certificate, certificates: [core.bank.example]}}
`

// TestNodeAsksForCertificates: smpp.tls.client_ca, clients and minimum; an account that is bound to a certificate
// binds with it.
func TestNodeAsksForCertificates(t *testing.T) {
	dir := t.TempDir()
	own := writeClient(t, filepath.Join(dir, "ca"), "core.bank.example")
	foreign := writeClient(t, filepath.Join(dir, "other"), "core.bank.example")
	const none = -1 // no session at all
	for _, tt := range []struct {
		name, clients, minimum string
		certificate            *tls.Certificate
		version                uint16
		account                string
		want                   int
	}{
		{"optional, with one", "optional", "1.2", &own, tls.VersionTLS13, "certified", int(smpp.StatusOK)},
		{"optional, without", "optional", "1.2", nil, tls.VersionTLS13, "certified", int(smpp.StatusBindFail)},
		{"optional, without, an account that needs none", "optional", "1.2", nil, tls.VersionTLS12, "test", int(smpp.StatusOK)},
		{"optional, a foreign one", "optional", "1.2", &foreign, tls.VersionTLS13, "certified", none},
		{"required, with one", "required", "1.2", &own, tls.VersionTLS12, "certified", int(smpp.StatusOK)},
		{"required, without", "required", "1.2", nil, tls.VersionTLS13, "test", none},
		{"at least 1.3, by 1.3", "optional", "1.3", nil, tls.VersionTLS13, "test", int(smpp.StatusOK)},
		{"at least 1.3, by 1.2", "optional", "1.3", nil, tls.VersionTLS12, "test", none},
	} {
		t.Run(tt.name, func(t *testing.T) {
			change, cert := withTLS(t, t.TempDir())
			s := startSystem(t, change, func(o *options) {
				o.SMPP.TLS.ClientCA, o.SMPP.TLS.Clients, o.SMPP.TLS.Minimum = filepath.Join(dir, "ca"), tt.clients, tt.minimum
				o.Policy = append(o.Policy, strings.ReplaceAll(certifiedAccount, "HASH", hashOf(t, password))...)
			})
			roots := x509.NewCertPool()
			roots.AddCert(cert)
			config := &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tt.version}
			if tt.certificate != nil {
				config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return tt.certificate, nil }
			}
			if got := s.bindOver(config, tt.account); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// bindOver binds over TLS and returns the status, or -1 when there was no answer.
func (s *system) bindOver(config *tls.Config, account string) int {
	s.t.Helper()
	conn, err := tls.Dial("tcp", s.smppTLSAddr.String(), config)
	if err != nil {
		return -1
	}
	defer conn.Close()
	bind := &smpp.Bind{Type: smpp.Transceiver, SystemID: account, Password: password, InterfaceVersion: 0x34}
	if _, err := conn.Write(smpp.Append(nil, smpp.StatusOK, 1, bind)); err != nil {
		return -1
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		s.t.Fatal(err)
	}
	h, _, err := smpp.NewReader(conn, smpp.MaxPDU).Next()
	switch {
	case err == nil:
		return int(h.Status)
	case strings.Contains(err.Error(), "timeout"):
		s.t.Fatal(err)
	}
	return -1
}

// TestNodeFollowsCertificates, also when nobody tells it to look. It looks every ten seconds.
func TestNodeFollowsCertificates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	change, _ := withTLS(t, dir)
	s := startSystem(t, change)
	next := writePair(t, filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	s.eventually("the new certificate is used", func() bool {
		c, err := s.bindTLS("test", next)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// TestNodeHasOneClock: validity begins by the clock that decides about its end. By another, this one-time code
// would be too old before it is sent.
func TestNodeHasOneClock(t *testing.T) {
	s := startSystem(t, func(o *options) {
		o.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
	})
	c := s.bind("otp", smpp.Transceiver)
	id := c.mustSubmit(phone, "您的验证码是4711，5分钟内有效，请勿泄露。")
	if r := c.receipt(id); r.State != smpp.StateDelivered {
		t.Errorf("receipt says %v, want it delivered", r.State)
	}
}
