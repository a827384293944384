package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smppbridge/smpp"
)

func TestPairsReceiveOverAnotherConnection(t *testing.T) {
	c := &centre{password: "secret"}
	o := optionsFor(c.serve(t))
	o.pair, o.strict = true, true
	s := mustLoad(t, t.Context(), o)
	if s.OK != 2000 || s.Receipts.Received != 2000 || s.Stray != 0 || s.failed() != nil {
		t.Errorf("summary %+v, receipts %+v, failed %v; want 2000 of each", s, s.Receipts, s.failed())
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.binds != 8 || s.Config.BindMode != "pair" {
		t.Errorf("%d binds in mode %s, want four pairs", c.binds, s.Config.BindMode)
	}
}

// TestTransmitterRefusesReceipts is about a server that delivers on the wrong bind.
func TestTransmitterRefusesReceipts(t *testing.T) {
	b := newBind(&run{window: 1, ledger: newLedger(nil, nil), schedule: schedule{binds: 1}}, smpp.Transmitter, 0)
	pdu := smpp.Append(nil, smpp.StatusOK, 5, &smpp.DeliverSM{ESMClass: smpp.ESMClassReceipt})
	if err := b.handleLocked(&smpp.Header{ID: smpp.DeliverSMID, Sequence: 5}, pdu[smpp.HeaderLen:]); err != nil {
		t.Fatal(err)
	}
	h, _, err := smpp.NewReader(bytes.NewReader(b.replies), smpp.MaxPDU).Next()
	if err != nil || h.Status != smpp.StatusInvBndSts || h.Sequence != 5 || b.batch.stray != 1 || len(b.batch.receipts) != 0 {
		t.Errorf("answer %+v, %v, %d stray; want ESME_RINVBNDSTS and one stray PDU", h, err, b.batch.stray)
	}
}

func TestVersionIsTheBinds(t *testing.T) {
	for text, version := range map[string]byte{"0x33": 0x33, "0x34": 0x34, "0x50": 0x50} {
		c := &centre{password: "secret", version: version}
		t.Setenv(passwordEnv, "secret")
		out, err := execute(t, "--addr", c.serve(t), "--messages", "10", "--version", text, "--json")
		if err != nil || !strings.Contains(out, `"interface_version": "`+text+`"`) {
			t.Errorf("%s: %v in\n%s", text, err, out)
		}
	}
}

func TestLongTextsGetAReceiptForEachPart(t *testing.T) {
	set := []string{strings.Repeat("x", 400) + "{n}", "short {n}", strings.Repeat("码", 100)}
	for i, long := range longForms {
		t.Run(long, func(t *testing.T) {
			c := &centre{password: "secret"}
			o := optionsFor(c.serve(t))
			o.message.text, o.message.texts, o.message.long = "", set, longForm(i)
			o.schedule.messages, o.strict = 300, true
			want := uint64(300)
			if o.message.long != longPayload {
				want = 300 + 100*2 + 100 // three parts, one, two
			}
			s := mustLoad(t, t.Context(), o)
			if s.Messages != 300 || s.Submitted != want || s.OK != want || s.Receipts.Received != want || s.failed() != nil {
				t.Errorf("%d messages, %d submit_sm, %d receipts, failed %v; want 300, %d, %d", s.Messages, s.Submitted, s.Receipts.Received, s.failed(), want, want)
			}
			if s.Config.DataCodings["0x00"] != 2 || s.Config.DataCodings["0x08"] != 1 || s.Config.Long != long {
				t.Errorf("config %+v, want two GSM texts and a UCS-2 one, %s", s.Config, long)
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			if len(c.phones) != 300 {
				t.Errorf("%d phones, want 300", len(c.phones))
			}
		})
	}
}

// certificate makes one for 127.0.0.1 and writes it to a file.
func certificate(t *testing.T) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, path
}

func TestTLS(t *testing.T) {
	cert, path := certificate(t)
	tests := []struct {
		name string
		tls  tlsOptions
		ok   bool
	}{
		{"trusted", tlsOptions{ca: path}, true},
		{"not trusted", tlsOptions{on: true}, false},
		{"not checked", tlsOptions{insecure: true}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &centre{password: "secret", tls: &tls.Config{Certificates: []tls.Certificate{cert}}}
			o := optionsFor(c.serve(t))
			o.tls = tt.tls
			s, err := load(t.Context(), o)
			if !tt.ok {
				if !errors.As(err, new(*tls.CertificateVerificationError)) {
					t.Errorf("load: %v, want a certificate that is not trusted", err)
				}
				return
			}
			if err != nil || s.OK != 2000 || s.Receipts.Received != 2000 || s.failed() != nil || !s.Config.TLS {
				t.Errorf("load: %+v, %v; want 2000 accepted", s, err)
			}
		})
	}
}

func TestTLSReconnects(t *testing.T) {
	cert, path := certificate(t)
	c := &centre{password: "secret", tls: &tls.Config{Certificates: []tls.Certificate{cert}}, judge: func(n int) verdict { return verdict{hangUp: n == 500} }}
	o := optionsFor(c.serve(t))
	o.tls, o.reconnect, o.resubmit = tlsOptions{ca: path}, true, true
	s := mustLoad(t, t.Context(), o)
	if s.OK != 2000 || s.Remade != 1 || s.Receipts.Missing != 0 {
		t.Errorf("%d accepted, %d connections made again, %d receipts missing; want 2000, 1, 0", s.OK, s.Remade, s.Receipts.Missing)
	}
}

func TestIdleFleetHoldsItsSessions(t *testing.T) {
	c := &centre{password: "secret"}
	addr := c.serve(t)
	ctx, cancel := context.WithCancel(t.Context())
	out := &firstLine{line: make(chan string, 1)}
	o := optionsFor(addr)
	o.binds, o.hold, o.progressTo, o.schedule = 50, true, out, schedule{}
	type result struct {
		s   *summary
		err error
	}
	done := make(chan result, 1)
	go func() {
		s, err := load(ctx, o)
		done <- result{s, err}
	}()
	if line := <-out.line; !strings.HasPrefix(line, "bound 50 sessions in ") {
		t.Errorf("it says %q, want that 50 are bound", line)
	}
	if n := c.server.Sessions(); n != 50 {
		t.Errorf("%d sessions, want 50", n)
	}
	c.mu.Lock()
	held := c.bound[7]
	c.mu.Unlock()
	if err := held.Probe(ctx); err != nil {
		t.Errorf("enquire_link: %v", err)
	}
	cancel()
	r := <-done
	if r.err != nil || r.s.Submitted != 0 || r.s.SessionsLost != 0 || r.s.failed() != nil {
		t.Errorf("load: %+v, %v; want nothing submitted and nothing lost", r.s, r.err)
	}
}

func TestIdleEndsByItself(t *testing.T) {
	c := &centre{password: "secret"}
	t.Setenv(passwordEnv, "secret")
	out, err := execute(t, "--addr", c.serve(t), "--idle", "3", "--bind-mode", "pair", "--duration", "50ms")
	if err != nil || !strings.HasPrefix(out, "bound 6 sessions in ") || !strings.Contains(out, "sessions     3, 0 lost") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// TestJSONIsOneObject runs with all that adds to it.
func TestJSONIsOneObject(t *testing.T) {
	c := &centre{password: "secret"}
	t.Setenv(passwordEnv, "secret")
	texts := filepath.Join(t.TempDir(), "texts")
	if err := os.WriteFile(texts, []byte("geheim {n}\n码\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, "--addr", c.serve(t), "--schedule", "1000/s:200ms,0:100ms,0-1000/s:200ms", "--texts", texts, "--seed", "5",
		"--long", "udh16", "--registered", "--strict", "--reconnect", "--resubmit", "--json", "--series", "--version", "0x50")
	if err != nil {
		t.Fatal(err)
	}
	var s summary
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&s); err != nil || d.More() {
		t.Fatalf("not one object: %v\n%s", err, out)
	}
	if s.OK != 300 || s.Receipts.Received != 300 || len(s.Series) == 0 || *s.Config.Seed != 5 || s.Config.Duration != 0.5 || !s.Config.Strict {
		t.Errorf("summary %+v, config %+v; want 300 accepted in 0.5 s by seed 5", s, s.Config)
	}
	if r := s.Receipts; !(0 < r.P50 && r.P50 <= r.P90 && r.P90 <= r.P99 && r.P99 <= r.P999 && r.P999 <= r.Max) {
		t.Errorf("receipt latencies %v %v %v %v %v, want them ascending", r.P50, r.P90, r.P99, r.P999, r.Max)
	}
	if strings.Contains(out, "geheim") || strings.Contains(out, "secret") {
		t.Errorf("a text or the password is in the output:\n%s", out)
	}
}
