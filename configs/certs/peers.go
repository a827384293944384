package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Why a peer's certificate is refused, besides what crypto/x509 finds.
var (
	errNoCertificate = errors.New("the peer has no certificate")
	errNotAllowed    = errors.New("none of the allowed names")
)

// PeerFiles name what a node needs to speak with the others. All are PEM.
type PeerFiles struct {
	Cert string // the node's certificate and its chain, used in both directions
	Key  string // its private key
	CA   string // who signs the certificates of nodes

	// Names are what a node's certificate must have one of, as a DNS name or as its common name. Empty: any that
	// the CA signed is a node's.
	Names []string
}

// Peers is what a node needs to speak with the others, as it is in the files now. Both ends verify each other:
// chain to the CA, time, extended key usage, and the names if there are any.
//
// The host that was dialled is not looked for in the certificate. Whoever has a key that the CA vouches for may
// write the state by dialling, so being dialled adds nothing to what he can do; and nodes may move without new
// certificates.
type Peers struct {
	follower
	names []string
	now   atomic.Pointer[identity]
}

// An identity is what one reading of the files gave.
type identity struct {
	pair   tls.Certificate
	cas    *x509.CertPool
	ends   time.Time // the node's certificate, or the one of its authorities that ends first
	server *tls.Config
}

// LoadPeers reads the files for the first time. Its error is that of a missing or broken one. A certificate that
// has expired is loaded and logged: a node alone has nobody who would refuse it.
func LoadPeers(files PeerFiles, log *slog.Logger) (*Peers, error) {
	p := &Peers{names: slices.Clone(files.Names)}
	p.follower = follower{
		files: []file{{"certificate", files.Cert}, {"key", files.Key}, {"CA", files.CA}},
		use:   p.build,
		ends:  func() time.Time { return p.now.Load().ends },
		log:   log,
	}
	if _, err := p.Reload(); err != nil {
		return nil, err
	}
	return p, nil
}

// build takes what was read into use, if this node itself would accept it from another: its own certificate tells
// that the CA does not fit, or that names are misspelt, before the others do.
func (p *Peers) build(pems [][]byte) error {
	pair, err := p.pair(pems)
	if err != nil {
		return err
	}
	cas, err := p.pool(pems)
	if err != nil {
		return err
	}
	is := &identity{pair: pair, cas: cas, ends: pair.Leaf.NotAfter}
	chain, err := parse(pair.Certificate)
	if err != nil {
		return fmt.Errorf("TLS certificate %s: %w", p.files[certFile].path, err)
	}
	for _, usage := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
		chains, err := p.verify(is, chain, usage)
		var invalid x509.CertificateInvalidError
		switch {
		case errors.As(err, &invalid) && invalid.Reason == x509.Expired && p.now.Load() == nil:
			p.log.Warn("other nodes will refuse this certificate", "file", p.files[certFile].path, "err", err)
		case err != nil:
			return fmt.Errorf("TLS certificate %s: other nodes would refuse it as a %s's: %w", p.files[certFile].path, role(usage), err)
		default:
			is.ends = lastEnd(chains)
		}
	}
	is.server = p.serverConfig(is)
	p.now.Store(is)
	return nil
}

func role(usage x509.ExtKeyUsage) string {
	if usage == x509.ExtKeyUsageServerAuth {
		return "server"
	}
	return "client"
}

// lastEnd is when the last of the chains breaks.
func lastEnd(chains [][]*x509.Certificate) (end time.Time) {
	for _, chain := range chains {
		first := slices.MinFunc(chain, func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) })
		if first.NotAfter.After(end) {
			end = first.NotAfter
		}
	}
	return end
}

func parse(ders [][]byte) ([]*x509.Certificate, error) {
	certs := make([]*x509.Certificate, 0, len(ders))
	for _, der := range ders {
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

// Server returns the configuration for connections that come in. It follows the files.
func (p *Peers) Server() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return p.now.Load().server, nil
		},
	}
}

// serverConfig is the configuration of one handshake. Connections between nodes are few and live long: nothing is
// gained by resuming them, and one that is resumed would keep a certificate that is no longer good.
func (p *Peers) serverConfig(is *identity) *tls.Config {
	return &tls.Config{
		Certificates:           []tls.Certificate{is.pair},
		ClientAuth:             tls.RequireAndVerifyClientCert,
		ClientCAs:              is.cas,
		MinVersion:             tls.VersionTLS13,
		SessionTicketsDisabled: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := p.verify(is, s.PeerCertificates, x509.ExtKeyUsageClientAuth)
			return err
		},
	}
}

// Client returns the configuration for connections that go out. It follows the files.
//
// A tls.Config has one pool of authorities for its whole life, so crypto/tls is told to skip its own verification
// and VerifyConnection does all of it, against the pool of now. It is called in every handshake.
func (p *Peers) Client() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			_, err := p.verify(p.now.Load(), s.PeerCertificates, x509.ExtKeyUsageServerAuth)
			return err
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &p.now.Load().pair, nil
		},
	}
}

// verify returns the chains from a certificate, the first, to the authorities.
func (p *Peers) verify(is *identity, certs []*x509.Certificate, usage x509.ExtKeyUsage) ([][]*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errNoCertificate
	}
	leaf, between := certs[0], x509.NewCertPool()
	for _, cert := range certs[1:] {
		between.AddCert(cert)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{
		Roots:         is.cas,
		Intermediates: between,
		KeyUsages:     []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return nil, fmt.Errorf("certificate of %.64q: %w", leaf.Subject.CommonName, err)
	}
	if !p.allows(leaf) {
		return nil, fmt.Errorf("certificate of %.64q: %w (cluster.tls.names)", leaf.Subject.CommonName, errNotAllowed)
	}
	return chains, nil
}

// allows reports whether a verified certificate is a node's.
func (p *Peers) allows(leaf *x509.Certificate) bool {
	has := append([]string{leaf.Subject.CommonName}, leaf.DNSNames...)
	return len(p.names) == 0 || slices.ContainsFunc(p.names, func(want string) bool {
		return slices.ContainsFunc(has, func(name string) bool { return strings.EqualFold(name, want) })
	})
}
