package certs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// lookEvery is how often the files are looked at.
const lookEvery = 10 * time.Second

// What is wrong with files that could be read.
var (
	errNoCA    = errors.New("no certificate in it")
	errOpenKey = errors.New("others can read it; make it 0600")
)

// A file is one of those that are followed.
type file struct{ what, path string }

// The files' places in what is read.
const (
	certFile = iota
	keyFile
	caFile // may be missing
)

// follower reads files, and takes their contents into use when they have changed and can be used.
type follower struct {
	files []file
	use   func(pems [][]byte) error // takes contents into use, or says why it cannot
	ends  func() time.Time          // of what is in use
	log   *slog.Logger

	mu   sync.Mutex
	seen [sha256.Size]byte // guarded by mu; of what was last read, good or not
}

// NotAfter is when what is in use expires.
func (f *follower) NotAfter() time.Time { return f.ends() }

// Run reloads the files when they have changed, until ctx ends. What cannot be used is logged once.
func (f *follower) Run(ctx context.Context) error {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		switch changed, err := f.Reload(); {
		case err != nil && changed:
			f.log.WarnContext(ctx, "certificates not reloaded, the old ones stay", "err", err)
		case changed:
			f.log.InfoContext(ctx, "certificates reloaded", "file", f.files[certFile].path, "not_after", f.NotAfter())
		}
	}
}

// Reload reads the files. changed is false when they, or the fault that they have, are as the last time; the error
// is the fault, also then.
func (f *follower) Reload() (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	pems, fault := f.read()
	is := sha256.Sum256(fmt.Append(bytes.Join(pems, []byte{0}), fault))
	if fault == nil && is == f.seen {
		return false, nil
	}
	if fault == nil {
		if fault = f.use(pems); fault != nil {
			is[0] ^= 1 // not the same as in use; the fault's text may have the time in it
		}
	}
	changed = is != f.seen
	f.seen = is
	return changed, fault
}

// read returns the contents of the files, in their order.
func (f *follower) read() ([][]byte, error) {
	var pems [][]byte
	for i, file := range f.files {
		b, err := os.ReadFile(file.path)
		if err == nil && i == keyFile {
			err = checkPrivate(file.path)
		}
		if err != nil {
			return pems, fmt.Errorf("read TLS %s: %w", file.what, err)
		}
		pems = append(pems, b)
	}
	return pems, nil
}

// checkPrivate refuses a key that everybody on the machine can read. A group may: many systems have one for it.
func checkPrivate(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o007 != 0 {
		err = fmt.Errorf("%s: mode %04o: %w", path, info.Mode().Perm(), errOpenKey)
	}
	return err
}

// pair reads certificate and key.
func (f *follower) pair(pems [][]byte) (tls.Certificate, error) {
	pair, err := tls.X509KeyPair(pems[certFile], pems[keyFile])
	if err != nil {
		return pair, fmt.Errorf("TLS certificate %s and key %s: %w", f.files[certFile].path, f.files[keyFile].path, err)
	}
	return pair, nil
}

// pool reads the certificates of authorities. Each must be one: a rotation in which the second of two is quietly
// left out would cut nodes off later, when the first goes.
func (f *follower) pool(pems [][]byte) (*x509.CertPool, error) {
	pool, file, n := x509.NewCertPool(), f.files[caFile], 0
	rest := pems[caFile]
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		n++
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("%s %s: item %d is a %s, not a certificate", file.what, file.path, n, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s %s: item %d: %w", file.what, file.path, n, err)
		}
		pool.AddCert(cert)
	}
	// pem.Decode passes over what it cannot read.
	switch begun := bytes.Count(pems[caFile], []byte("-----BEGIN ")); {
	case begun != n:
		return nil, fmt.Errorf("%s %s: %d items begin in it and %d are whole", file.what, file.path, begun, n)
	case n == 0:
		return nil, fmt.Errorf("%s %s: %w", file.what, file.path, errNoCA)
	}
	return pool, nil
}
