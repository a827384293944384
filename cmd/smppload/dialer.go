package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"strings"
)

// A dialer makes the connections of a fleet, to one node or to several of a cluster.
type dialer struct {
	addrs []string
	tls   *tls.Config // nil: plain; the name comes with the address
}

// tlsOptions is what the command line says about TLS.
type tlsOptions struct {
	on       bool
	ca       string // a file; "" = the system's
	insecure bool   // any certificate will do
}

// newDialer checks the addresses, which commas separate, and reads the certificates.
func newDialer(addrs string, o tlsOptions) (*dialer, error) {
	d := &dialer{addrs: strings.Split(addrs, ",")}
	for _, addr := range d.addrs {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return nil, err
		}
	}
	if !o.on && o.ca == "" && !o.insecure {
		return d, nil
	}
	d.tls = &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: o.insecure}
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

// dial connects to the address whose turn it is.
func (d *dialer) dial(ctx context.Context, turn int) (net.Conn, error) {
	addr := d.addrs[turn%len(d.addrs)]
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil || d.tls == nil {
		return conn, err
	}
	cfg := d.tls.Clone()
	cfg.ServerName, _, _ = net.SplitHostPort(addr)
	t := tls.Client(conn, cfg)
	if err := t.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return t, nil
}
