package smpp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs/certs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptest"
)

// An authority signs certificates for tests.
type authority struct {
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{t: t}
	a.key = newKey(t)
	a.cert = &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, a.cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.pem = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return a
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue returns a certificate for name and its key.
func (a *authority) issue(name string, notAfter time.Time) (cert, key []byte) {
	a.t.Helper()
	k := newKey(a.t)
	der, err := x509.CreateCertificate(rand.Reader, &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: notAfter, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}, a.cert, k.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		a.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// files writes what a listener called name needs.
func (a *authority) files(t testing.TB, name string) certs.ServerFiles {
	t.Helper()
	dir := t.TempDir()
	f := certs.ServerFiles{Cert: filepath.Join(dir, "cert"), Key: filepath.Join(dir, "key"), ClientCA: filepath.Join(dir, "ca")}
	cert, key := a.issue(name, time.Now().Add(time.Hour))
	put(t, f.Cert, cert)
	put(t, f.Key, key)
	put(t, f.ClientCA, a.pem)
	return f
}

func put(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// client makes conn the TLS connection of a client with a certificate for name, or none.
func (a *authority) client(conn net.Conn, name string, trusting bool) *tls.Conn {
	a.t.Helper()
	config := &tls.Config{ServerName: "centre", RootCAs: x509.NewCertPool(), InsecureSkipVerify: trusting}
	config.RootCAs.AppendCertsFromPEM(a.pem)
	if name != "" {
		pair, err := tls.X509KeyPair(a.issue(name, time.Now().Add(time.Hour)))
		if err != nil {
			a.t.Fatal(err)
		}
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	}
	return tls.Client(conn, config)
}

func TestClientCertificates(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	for _, tt := range []struct {
		name             string
		required         bool
		by               *authority
		certificate      string
		ok               bool
		sees             string // by the backend
		toClient, logged string
	}{
		{"asked for, given", false, ours, "bank", true, "bank", "", ""},
		{"asked for, not given", false, ours, "", true, "", "", ""},
		{"asked for, somebody else's", false, foreign, "bank", false, "", "unknown certificate authority", "unknown authority"},
		{"required, given", true, ours, "bank", true, "bank", "", ""},
		{"required, not given", true, ours, "", false, "", "certificate required", "didn't provide a certificate"},
		{"required, somebody else's", true, foreign, "bank", false, "", "unknown certificate authority", "unknown authority"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			files := ours.files(t, "centre")
			files.Required = tt.required
			reg, log := prometheus.NewRegistry(), new(logged)
			b, addr := through(t, smpp.Config{Registerer: reg, Log: log.logger()}, smpp.Transport{TLS: load(t, files).Config()})
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			e := smpptest.New(t, tt.by.client(conn, tt.certificate, true))
			if tt.ok {
				e.MustBind(smpp.Transceiver, "test", "secret")
				if is := <-b.binds; !is.tls || is.name != tt.sees || is.remote != conn.LocalAddr().String() {
					t.Errorf("Bind sees %+v, want a certificate of %q", is, tt.sees)
				}
				return
			}
			e.SendRaw(make([]byte, 100_000)) // unread, it must not keep the reason from the client
			if err := e.Conn().SetDeadline(time.Now().Add(smpptest.DefaultTimeout)); err != nil {
				t.Fatal(err)
			}
			if _, err := e.Conn().Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), tt.toClient) {
				t.Errorf("the client gets %v, want %q", err, tt.toClient)
			}
			if _, err := io.ReadAll(conn); err != nil {
				t.Errorf("then the connection ends with %v: a reset, which may overtake the reason", err)
			}
			e.Close()
			if err := checkMetric(reg, "smppbridge_smpp_session_ends_total{reason=tls_handshake}", "1"); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"level=DEBUG msg=\"session ended\"", "remote=" + conn.LocalAddr().String(), "reason=tls_handshake", tt.logged} {
				if err := eventually(func() error {
					if !strings.Contains(log.String(), want) {
						return fmt.Errorf("the log lacks %q:\n%s", want, log)
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func load(t testing.TB, files certs.ServerFiles) *certs.Server {
	t.Helper()
	c, err := certs.LoadServer(files, new(logged).logger())
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLSVersions(t *testing.T) {
	ours := newAuthority(t)
	for _, tt := range []struct {
		minimum, client uint16
		ok              bool
	}{
		{0, tls.VersionTLS11, false},
		{0, tls.VersionTLS12, true},
		{0, tls.VersionTLS13, true},
		{tls.VersionTLS10, tls.VersionTLS11, false}, // not below 1.2 whatever is asked for
		{tls.VersionTLS13, tls.VersionTLS12, false},
		{tls.VersionTLS13, tls.VersionTLS13, true},
	} {
		files := ours.files(t, "centre")
		files.Minimum = tt.minimum
		_, addr := through(t, smpp.Config{}, smpp.Transport{TLS: load(t, files).Config()})
		conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS10, MaxVersion: tt.client})
		if (err == nil) != tt.ok {
			t.Errorf("minimum %x, client %x: got %v, want ok = %v", tt.minimum, tt.client, err, tt.ok)
		}
		if err == nil {
			smpptest.New(t, conn).MustBind(smpp.Receiver, "test", "secret")
		}
	}
}

// TestTheWrongPort: a plain client on the TLS port and a TLS client on the plain one
// are closed quietly, soon, and counted.
func TestTheWrongPort(t *testing.T) {
	ours := newAuthority(t)
	reg := prometheus.NewRegistry()
	_, addr := through(t, smpp.Config{Registerer: reg}, smpp.Transport{TLS: load(t, ours.files(t, "centre")).Config()})
	e := smpptest.Dial(t, addr)
	e.Send(&smpp.Bind{Type: smpp.Transmitter, SystemID: "test", Password: "secret"})
	expectSilentEnd(t, e.Conn())
	if err := checkMetric(reg, "smppbridge_smpp_session_ends_total{reason=tls_handshake}", "1"); err != nil {
		t.Error(err)
	}

	plain := prometheus.NewRegistry()
	_, addr = through(t, smpp.Config{Registerer: plain}, smpp.Transport{})
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	watch := &watched{Conn: conn}
	if err := ours.client(watch, "", true).Handshake(); !errors.Is(err, io.EOF) || watch.n > 0 {
		t.Errorf("the TLS client gets %v and %d octets", err, watch.n)
	}
	conn.Close()
	if err := checkMetric(plain, "smppbridge_smpp_session_ends_total{reason=protocol_error}", "1"); err != nil {
		t.Error(err)
	}
}

// watched counts what a connection brings.
type watched struct {
	net.Conn
	n int
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.n += n
	return n, err
}

// TestTLSInsideProxy: the header comes first, then the handshake; drain and unbind work
// through both.
func TestTLSInsideProxy(t *testing.T) {
	ours := newAuthority(t)
	b, addr := through(t, smpp.Config{}, smpp.Transport{TLS: load(t, ours.files(t, "centre")).Config(), Proxy: fromLoopback})
	for i, header := range []string{"PROXY TCP4 198.51.100.7 127.0.0.1 8080 2775\r\n", v2TCP4} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, header); err != nil {
			t.Fatal(err)
		}
		e := smpptest.New(t, ours.client(conn, fmt.Sprint("bank", i), false))
		e.MustBind(smpp.Transceiver, "test", "secret")
		if is := <-b.binds; is.remote != "198.51.100.7:8080" || !is.tls || is.name != fmt.Sprint("bank", i) {
			t.Errorf("Bind sees %+v", is)
		}
		e.Send(hello)
		e.Expect(smpp.SubmitSMRespID)
		e.Send(&smpp.Unbind{})
		e.Expect(smpp.UnbindRespID)
		e.ExpectClosed()
	}
}
