package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// writePair writes a new certificate and its key, and returns the certificate.
func writePair(t *testing.T, certFile, keyFile string) *x509.Certificate {
	t.Helper()
	config, _, err := selfSigned()
	if err != nil {
		t.Fatal(err)
	}
	pair := config.Certificates[0]
	key, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write(t, certFile, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]})))
	write(t, keyFile, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})))
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// withTLS gives a node a listener with TLS, on files in dir.
func withTLS(t *testing.T, dir string) (change func(*options), cert *x509.Certificate) {
	t.Helper()
	files := configs.SMPPTLS{
		Listen: "127.0.0.1:0", CertFile: filepath.Join(dir, "cert"), KeyFile: filepath.Join(dir, "key"),
		Clients: "optional", Minimum: "1.2",
	}
	cert = writePair(t, files.CertFile, files.KeyFile)
	return func(o *options) { o.SMPP.TLS = files }, cert
}

// bindTLS binds over TLS to the one that has cert.
func (s *system) bindTLS(account string, cert *x509.Certificate) (*client, error) {
	s.t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(cert)
	conn, err := tls.Dial("tcp", s.smppTLSAddr.String(), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	if err != nil {
		return nil, err
	}
	c := &client{ESME: smpptest.New(s.t, conn), t: s.t}
	c.Timeout = patience
	s.clients = append(s.clients, c)
	c.MustBind(smpp.Transceiver, account, password)
	return c, nil
}

// TestBothListeners: an account is one over both, and the certificate is the one in the
// files when the node was last told to look.
func TestBothListeners(t *testing.T) {
	dir := t.TempDir()
	change, cert := withTLS(t, dir)
	s := startSystem(t, change)
	secure, err := s.bindTLS("test", cert)
	if err != nil {
		t.Fatal(err)
	}
	plain := s.bind("test", smpp.Transmitter)
	for _, c := range []*client{secure, plain} { // receipts come to the one receiver
		if got := secure.receipt(c.mustSubmit(phone, "private: over TLS or not")); got.State != smpp.StateDelivered {
			t.Errorf("receipt: %v", got.State)
		}
	}
	status := decoded[map[string]any](s, "/v1/status")
	if status["smpp"] != s.smppAddr.String() || status["smpp_tls"] != s.smppTLSAddr.String() {
		t.Errorf("status: smpp %v, smpp_tls %v", status["smpp"], status["smpp_tls"])
	}

	next := writePair(t, filepath.Join(dir, "cert"), filepath.Join(dir, "key"))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hangups := make(chan os.Signal)
	go reloadOn(ctx, hangups, s.node, filepath.Join(dir, "none.yaml"), new(slog.LevelVar)) // certificates do not wait for it
	hangups <- syscall.SIGHUP
	s.eventually("the configuration's fault", func() bool { return strings.Contains(s.logs.String(), "reload: nothing changed") })
	if !strings.Contains(s.logs.String(), `msg="certificates reloaded"`) {
		t.Error("the certificates were not reloaded before the configuration")
	}
	if _, err := s.bindTLS("test", cert); err == nil {
		t.Error("the old certificate is still used")
	}
	if _, err := s.bindTLS("test", next); err != nil {
		t.Errorf("with the new certificate: %v", err)
	}
	secure.mustSubmit(phone, "private: on the old connection")
}

func TestTLSListenerAlone(t *testing.T) {
	change, cert := withTLS(t, t.TempDir())
	s := startSystem(t, change, func(o *options) { o.SMPP.Listen = "" })
	if s.smppAddr != nil {
		t.Errorf("a plain listener on %s", s.smppAddr)
	}
	c, err := s.bindTLS("test", cert)
	if err != nil {
		t.Fatal(err)
	}
	c.mustSubmit(phone, "private")
	if status := decoded[map[string]any](s, "/v1/status"); status["smpp"] != "none" {
		t.Errorf("status: smpp %v", status["smpp"])
	}
}

// TestListenersThatCannotBe: what is wrong is named, and the other listener is closed again.
func TestListenersThatCannotBe(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	dir := t.TempDir()
	for _, tt := range []struct {
		name   string
		change func(*options)
		want   string
	}{
		{"no certificate", func(o *options) { o.SMPP.TLS.CertFile += "x" }, "smpp.tls: read TLS certificate: open .*certx: no such file"},
		{"another's key", func(o *options) {
			o.SMPP.TLS.KeyFile += "2"
			writePair(t, filepath.Join(dir, "cert2"), o.SMPP.TLS.KeyFile)
		}, "smpp.tls: TLS certificate .*cert and key .*key2: .*does not match"},
		{"a port that is taken", func(o *options) { o.SMPP.TLS.Listen = busy.Addr().String() }, busy.Addr().String() + ".*address already in use"},
		{"none", func(o *options) { o.SMPP.Listen, o.SMPP.TLS.Listen = "", "" }, "neither smpp.listen nor smpp.tls.listen"},
	} {
		opts := options{Node: configs.DefaultNode()}
		opts.SMPP.Listen = "127.0.0.1:0"
		change, _ := withTLS(t, dir)
		change(&opts)
		tt.change(&opts)
		n := &node{opts: opts, registry: prometheus.NewRegistry()}
		listeners, err := n.listenSMPP()
		if err == nil || !regexp.MustCompile(tt.want).MatchString(err.Error()) {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
		for _, l := range listeners {
			if conn, err := net.Dial("tcp", l.Addr().String()); err == nil {
				conn.Close()
				t.Errorf("%s: %s is still open", tt.name, l.Addr())
			}
		}
	}
}

// TestPROXYHeadersOfALoadBalancer reach the account's side: the log names the ESME.
func TestPROXYHeadersOfALoadBalancer(t *testing.T) {
	change, _ := withTLS(t, t.TempDir())
	s := startSystem(t, change, func(o *options) { o.SMPP.Proxy = configs.Proxy{From: []string{"127.0.0.1"}} })
	for i, addr := range []net.Addr{s.smppAddr, s.smppTLSAddr} {
		conn, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "PROXY TCP4 198.51.100.%d 127.0.0.1 4711 2775\r\n", i); err != nil {
			t.Fatal(err)
		}
		if addr == s.smppTLSAddr {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
		}
		smpptest.New(t, conn).MustBind(smpp.Transmitter, "test", password)
		// The session is logged behind its bind_resp: that may be here first.
		want := fmt.Sprintf("remote=198.51.100.%d:4711", i)
		s.eventually(want+" in the log", func() bool { return strings.Contains(s.logs.String(), want) })
	}
}

// TestDevOverTLS: the certificate is the one whose fingerprint was printed.
func TestDevOverTLS(t *testing.T) {
	d := startDev(t, buildDaemon(t), "--tls", "127.0.0.1:0")
	line := regexp.MustCompile(`(?m)^SMPP/TLS\s+(127\.0\.0\.1:\d+)\s+\(certificate with SHA-256 ([0-9A-F:]{95})\)$`)
	m := line.FindStringSubmatch(strings.Join(d.printed, "\n"))
	if m == nil {
		t.Fatalf("dev does not say where TLS is: %q", d.printed)
	}
	conn, err := tls.Dial("tcp", m[1], &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(conn.ConnectionState().PeerCertificates[0].Raw)
	if got := strings.ReplaceAll(fmt.Sprintf("% X", sum[:]), " ", ":"); got != m[2] {
		t.Errorf("the certificate's fingerprint is %s, printed was %s", got, m[2])
	}
	smpptest.New(t, conn).MustBind(smpp.Transceiver, "test", "secret")
}
