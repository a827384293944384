package smpp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// certificatesEvery is how often the files are looked at.
const certificatesEvery = 10 * time.Second

// What is wrong with files that could be read.
var (
	errNoCA    = errors.New("no certificate in it")
	errOpenKey = errors.New("others can read it; make it 0600")
)

// CertificateFiles name what a TLS listener needs. All are PEM.
type CertificateFiles struct {
	Cert     string // the certificate and its chain
	Key      string // its private key
	ClientCA string // who signs client certificates; empty: none are asked for
	Required bool   // with ClientCA: a client without a certificate is refused
	Minimum  uint16 // the lowest version of TLS; 0: 1.2
}

// Certificates are those of a TLS listener, as they are in their files now. New
// connections get new ones; those that are open keep theirs.
type Certificates struct {
	files CertificateFiles
	log   *slog.Logger

	config atomic.Pointer[tls.Config] // what the next handshake uses

	mu   sync.Mutex
	seen [sha256.Size]byte // guarded by mu; of what was last read, good or not
}

// LoadCertificates reads the files for the first time. Its error is that of a missing
// or broken one.
func LoadCertificates(files CertificateFiles, log *slog.Logger) (*Certificates, error) {
	c := &Certificates{files: files, log: log}
	if _, err := c.Reload(); err != nil {
		return nil, err
	}
	return c, nil
}

// Config returns the configuration for a [Transport]. It follows the files.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return c.config.Load(), nil
		},
	}
}

// NotAfter is when the certificate in use expires.
func (c *Certificates) NotAfter() time.Time {
	return c.config.Load().Certificates[0].Leaf.NotAfter
}

// Run reloads the files when they have changed, until ctx ends. What cannot be used is
// logged once, and what was in use stays: between the writing of a new certificate and
// of its key the two do not fit.
func (c *Certificates) Run(ctx context.Context) error {
	ticker := time.NewTicker(certificatesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		switch changed, err := c.Reload(); {
		case err != nil && changed:
			c.log.WarnContext(ctx, "certificates not reloaded, the old ones stay", "err", err)
		case changed:
			c.log.InfoContext(ctx, "certificates reloaded", "not_after", c.NotAfter())
		}
	}
}

// Reload reads the files. changed is false when they, or the fault that they have, are
// as the last time; the error is the fault, also then.
func (c *Certificates) Reload() (changed bool, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	pems, err := c.read()
	config := c.config.Load()
	if err == nil {
		config, err = c.build(pems)
	}
	seen := sha256.Sum256(bytes.Join(append(pems, fmt.Append(nil, err)), []byte{0}))
	changed = seen != c.seen
	c.seen = seen
	if err == nil && changed {
		c.config.Store(config)
	}
	return changed, err
}

// read returns the contents of certificate, key and, if there is one, client CA.
func (c *Certificates) read() ([][]byte, error) {
	var pems [][]byte
	for _, file := range []struct{ what, path string }{
		{"certificate", c.files.Cert}, {"key", c.files.Key}, {"client CA", c.files.ClientCA},
	} {
		if file.path == "" && file.what == "client CA" {
			continue
		}
		b, err := os.ReadFile(file.path)
		if err == nil && file.what == "key" {
			err = checkPrivate(file.path)
		}
		if err != nil {
			return pems, fmt.Errorf("read TLS %s: %w", file.what, err)
		}
		pems = append(pems, b)
	}
	return pems, nil
}

// checkPrivate refuses a key that everybody on the machine can read. A group may: many
// systems have one for it.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		err = fmt.Errorf("%s: mode %04o: %w", path, info.Mode().Perm(), errOpenKey)
	}
	return err
}

// build makes the configuration of handshakes. Sessions live for days, so nothing is
// gained by resuming them; and one that is resumed is not asked for its certificate.
func (c *Certificates) build(pems [][]byte) (*tls.Config, error) {
	pair, err := tls.X509KeyPair(pems[0], pems[1])
	if err != nil {
		return nil, fmt.Errorf("TLS certificate %s and key %s: %w", c.files.Cert, c.files.Key, err)
	}
	config := &tls.Config{
		Certificates:           []tls.Certificate{pair},
		MinVersion:             max(c.files.Minimum, tls.VersionTLS12),
		SessionTicketsDisabled: true,
	}
	if len(pems) > 2 {
		config.ClientCAs = x509.NewCertPool()
		if !config.ClientCAs.AppendCertsFromPEM(pems[2]) {
			return nil, fmt.Errorf("client CA %s: %w", c.files.ClientCA, errNoCA)
		}
		config.ClientAuth = tls.VerifyClientCertIfGiven
		if c.files.Required {
			config.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	return config, nil
}
