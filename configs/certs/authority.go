package certs

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
	"math/big"
	"net"
	"time"
)

// clockSkew is how far back a certificate's time begins: the clocks of those who check it may be late.
const clockSkew = time.Hour

var errNotAuthority = errors.New("the certificate is not that of an authority")

// An Authority signs the certificates of nodes, and nothing else.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// A Pair is a certificate and its private key, in PEM.
type Pair struct{ Cert, Key []byte }

// NewAuthority makes an authority that is good from now for a time. Two authorities have different names, so that
// a file with both can be read by people.
func NewAuthority(now time.Time, lasts time.Duration) (*Authority, error) {
	serial, key, err := newSerialAndKey()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: fmt.Sprintf("smppbridge cluster CA %08x", uint32(serial.Uint64()))},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(lasts),
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:                  true,
		BasicConstraintsValid: true,
		MaxPathLen:            0,
		MaxPathLenZero:        true, // it signs nodes, no other authority
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make CA: %w", err)
	}
	return &Authority{cert: cert, key: key}, nil
}

// ReadAuthority reads what [Authority.Pair] returned.
func ReadAuthority(p Pair) (*Authority, error) {
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, err
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return nil, errNotAuthority
	}
	return &Authority{cert: pair.Leaf, key: key}, nil
}

// Pair returns the authority's own certificate and key.
func (a *Authority) Pair() (Pair, error) { return newPair(a.cert.Raw, a.key) }

// NotAfter is when the authority, and whatever it signed, expires.
func (a *Authority) NotAfter() time.Time { return a.cert.NotAfter }

// Issue makes a certificate for a node, good from now for a time but not beyond the authority's own, and for both
// ends of a connection. hosts are names and addresses that it has beside the node's id.
func (a *Authority) Issue(node string, hosts []string, now time.Time, lasts time.Duration) (Pair, error) {
	serial, key, err := newSerialAndKey()
	if err != nil {
		return Pair{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: node},
		DNSNames:              []string{node},
		NotBefore:             now.Add(-clockSkew),
		NotAfter:              now.Add(lasts),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	if template.NotAfter.After(a.cert.NotAfter) {
		template.NotAfter = a.cert.NotAfter
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else if host != node {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), a.key)
	if err != nil {
		return Pair{}, fmt.Errorf("sign certificate of %s: %w", node, err)
	}
	return newPair(der, key)
}

func newSerialAndKey() (*big.Int, *ecdsa.PrivateKey, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127)) // RFC 5280, 4.1.2.2: positive, at most 20 octets
	if err != nil {
		return nil, nil, fmt.Errorf("make serial number: %w", err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	return serial, key, nil
}

func newPair(der []byte, key *ecdsa.PrivateKey) (Pair, error) {
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return Pair{}, fmt.Errorf("write key: %w", err)
	}
	return Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}, nil
}
