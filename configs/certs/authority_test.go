package certs_test

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"slices"
	"testing"
	"time"

	"smppbridge/configs/certs"
)

func leaf(t testing.TB, p certs.Pair) *x509.Certificate {
	t.Helper()
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return pair.Leaf
}

// TestAuthorityIssues certificates for both ends, with the names asked for, and none that outlives it.
func TestAuthorityIssues(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	made, err := certs.NewAuthority(now, 100*hour)
	if err != nil {
		t.Fatal(err)
	}
	a, err := certs.ReadAuthority(ownPair(t, made)) // as the next run of the tool finds it
	if err != nil {
		t.Fatal(err)
	}
	ca := leaf(t, ownPair(t, a))
	if !ca.IsCA || !ca.MaxPathLenZero || ca.MaxPathLen != 0 || ca.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign || !ca.NotAfter.Equal(a.NotAfter()) {
		t.Errorf("CA: %v, path length %d, usage %b, until %v", ca.IsCA, ca.MaxPathLen, ca.KeyUsage, ca.NotAfter)
	}
	p, err := a.Issue("n1", []string{"10.0.0.1", "host1", "fd00::1", "n1"}, now, 50*hour)
	if err != nil {
		t.Fatal(err)
	}
	node := leaf(t, p)
	if node.Subject.CommonName != "n1" || !slices.Equal(node.DNSNames, []string{"n1", "host1"}) ||
		!slices.EqualFunc(node.IPAddresses, []string{"10.0.0.1", "fd00::1"}, func(ip net.IP, s string) bool { return ip.String() == s }) {
		t.Errorf("names: %s, %v, %v", node.Subject.CommonName, node.DNSNames, node.IPAddresses)
	}
	if want := []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}; !slices.Equal(node.ExtKeyUsage, want) || node.IsCA {
		t.Errorf("usage %v, CA %v", node.ExtKeyUsage, node.IsCA)
	}
	if !node.NotAfter.Equal(now.Add(50*hour)) || !node.NotBefore.Equal(now.Add(-hour)) {
		t.Errorf("good from %v to %v", node.NotBefore, node.NotAfter)
	}
	if p, err = a.Issue("n1", nil, now, 200*hour); err != nil {
		t.Fatal(err)
	}
	if end := leaf(t, p).NotAfter; !end.Equal(a.NotAfter()) {
		t.Errorf("good until %v, its CA until %v", end, a.NotAfter())
	}
}

func TestReadAuthorityRefuses(t *testing.T) {
	a, b := ownPair(t, newAuthority(t)), ownPair(t, newAuthority(t))
	for _, tt := range []struct {
		name string
		pair certs.Pair
		want string
	}{
		{"a node's certificate", issue(t, newAuthority(t), "n1", 0, hour), "not that of an authority"},
		{"another's key", certs.Pair{Cert: a.Cert, Key: b.Key}, "does not match"},
		{"no key", certs.Pair{Cert: a.Cert}, "failed to find any PEM"},
	} {
		_, err := certs.ReadAuthority(tt.pair)
		wantErr(t, tt.name, err, tt.want)
	}
}
