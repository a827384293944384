package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
)

// A dialer makes the connections of a fleet.
type dialer struct {
	addr string
	tls  *tls.Config // nil: plain
}

// tlsOptions is what the command line says about TLS.
type tlsOptions struct {
	on       bool
	ca       string // a file; "" = the system's
	insecure bool   // any certificate will do
}

// newDialer reads the certificates.
func newDialer(addr string, o tlsOptions) (*dialer, error) {
	d := &dialer{addr: addr}
	if !o.on && o.ca == "" && !o.insecure {
		return d, nil
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	d.tls = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.insecure}
	if o.ca == "" {
		return d, nil
	}
	pem, err := os.ReadFile(o.ca)
	if err != nil {
		return nil, err
	}
	d.tls.RootCAs = x509.NewCertPool()
	if !d.tls.RootCAs.AppendCertsFromPEM(pem) {
		return nil, errors.New("no certificate in the file")
	}
	return d, nil
}

// dial connects.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", d.addr)
	if err != nil || d.tls == nil {
		return conn, err
	}
	t := tls.Client(conn, d.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}
