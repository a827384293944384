package certs_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/configs/certs"
)

// sign makes a certificate that no Authority would, signed with the certificate and key in by.
func sign(t testing.TB, by certs.Pair, change func(*x509.Certificate)) certs.Pair {
	t.Helper()
	signer, err := tls.X509KeyPair(by.Cert, by.Key)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "odd"}, DNSNames: []string{"odd"},
		NotBefore: time.Now().Add(-hour), NotAfter: time.Now().Add(hour), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	change(template)
	der, err := x509.CreateCertificate(rand.Reader, template, signer.Leaf, key.Public(), signer.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return certs.Pair{
		Cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		Key:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
	}
}

func ownPair(t testing.TB, a *certs.Authority) certs.Pair {
	t.Helper()
	p, err := a.Pair()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// showing are configurations of one who trusts everybody and shows p, or nothing.
func showing(t testing.TB, p *certs.Pair) (server, client *tls.Config) {
	t.Helper()
	client = &tls.Config{InsecureSkipVerify: true}
	if p == nil {
		return nil, client
	}
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }
	return &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert}, client
}

// TestNodesRefuseStrangers, whoever dials; both sides say why. What one side refuses is told to the other by the
// alerts of TLS, which are coarser.
func TestNodesRefuseStrangers(t *testing.T) {
	ours, foreign := newAuthority(t), newAuthority(t)
	node := loadNode(t, ours, "n1")
	expired := issue(t, ours, "n2", 3*hour, -2*hour)
	early := issue(t, ours, "n2", -3*hour, 4*hour)
	strange := issue(t, foreign, "n2", 0, hour)
	onlyServer := sign(t, ownPair(t, ours), func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] })
	onlyClient := sign(t, ownPair(t, ours), func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] })
	byNode := sign(t, issue(t, ours, "n3", 0, hour), func(*x509.Certificate) {})
	for _, tt := range []struct {
		name                   string
		shows                  *certs.Pair
		atServer, told         string // when the stranger dials: the node's error, the stranger's
		atClient, toldToServer string // when the node dials it
	}{
		{"another CA", &strange, "signed by unknown authority", "unknown certificate authority", "signed by unknown authority", "bad certificate"},
		{"expired", &expired, "has expired", "expired certificate", "has expired", "bad certificate"},
		{"not yet valid", &early, "is not yet valid", "expired certificate", "is not yet valid", "bad certificate"},
		{"no certificate", nil, "didn't provide a certificate", "certificate required", "", ""},
		{"a server's alone", &onlyServer, "incompatible key usage", "bad certificate", "", ""},
		{"a client's alone", &onlyClient, "", "", "incompatible key usage", "bad certificate"},
		{"signed by a node", &byNode, "signed by unknown authority", "unknown certificate authority", "signed by unknown authority", "bad certificate"},
	} {
		server, client := showing(t, tt.shows)
		_, _, atServer, told := meet(t, node.Server(), client)
		wantErr(t, tt.name+", dialling: the node", atServer, tt.atServer)
		wantErr(t, tt.name+", dialling: the stranger", told, tt.told)
		if server == nil {
			continue
		}
		_, _, told, atClient := meet(t, server, node.Client())
		wantErr(t, tt.name+", dialled: the node", atClient, tt.atClient)
		wantErr(t, tt.name+", dialled: the stranger", told, tt.toldToServer)
	}
}

func wantErr(t *testing.T, what string, err error, want string) {
	t.Helper()
	if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
		t.Errorf("%s: got %v, want %q", what, err, want)
	}
}

// TestNodesShakeHands, each with each, over the version that hides their certificates from others.
func TestNodesShakeHands(t *testing.T) {
	ours := newAuthority(t)
	nodes := []*certs.Peers{loadNode(t, ours, "n1"), loadNode(t, ours, "n2"), loadNode(t, ours, "n3", "N3", "n2", "n1")}
	for i, a := range nodes {
		for j, b := range nodes {
			in, out, serverErr, clientErr := meet(t, a.Server(), b.Client())
			if serverErr != nil || clientErr != nil {
				t.Fatalf("%d to %d: %v, %v", j+1, i+1, serverErr, clientErr)
			}
			if v := in.ConnectionState().Version; v != tls.VersionTLS13 {
				t.Errorf("over TLS %x", v)
			}
			if name := out.ConnectionState().PeerCertificates[0].Subject.CommonName; name != "n"+string(rune('1'+i)) {
				t.Errorf("dialled n%d, got %s", i+1, name)
			}
		}
	}
	old := nodes[0].Client()
	old.MinVersion, old.MaxVersion = tls.VersionTLS12, tls.VersionTLS12
	if _, _, err, _ := meet(t, nodes[1].Server(), old); err == nil {
		t.Error("TLS 1.2 is spoken")
	}
	p := issue(t, ours, "n4", 0, hour)
	old, _ = showing(t, &p)
	old.MaxVersion = tls.VersionTLS12
	if _, _, _, err := meet(t, old, nodes[1].Client()); err == nil {
		t.Error("TLS 1.2 is spoken by a client")
	}
}

// TestNamesAreAllowed: the CA of a company signs others too.
func TestNamesAreAllowed(t *testing.T) {
	ours := newAuthority(t)
	picky, n2 := loadNode(t, ours, "n1", "n1", "Node Two"), loadNode(t, ours, "n2")
	const refused = `certificate of "n2": none of the allowed names`
	_, _, atServer, told := meet(t, picky.Server(), n2.Client())
	wantErr(t, "dialled by n2", atServer, refused)
	wantErr(t, "n2", told, "bad certificate")
	_, _, told, atClient := meet(t, n2.Server(), picky.Client())
	wantErr(t, "dialling n2", atClient, refused)
	wantErr(t, "n2, dialled", told, "bad certificate")
	named := sign(t, ownPair(t, ours), func(c *x509.Certificate) { c.Subject.CommonName = "node two" })
	server, client := showing(t, &named)
	_, _, atServer, _ = meet(t, picky.Server(), client)
	wantErr(t, "a common name that is allowed, dialling", atServer, "")
	_, _, _, atClient = meet(t, server, picky.Client())
	wantErr(t, "a common name that is allowed, dialled", atClient, "")
}

// TestPlainAndTLS: on the wrong port both sides end soon, with an error that says what is wrong.
func TestPlainAndTLS(t *testing.T) {
	node := loadNode(t, newAuthority(t), "n1")
	l := listen(t)
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		done <- tls.Server(conn, node.Server()).Handshake()
	}()
	plain := dial(t, l)
	if _, err := plain.Write([]byte("Rwhatever a plain node says first")); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "plain to the TLS port", <-done, "first record does not look like a TLS handshake")

	go func() {
		conn, err := l.Accept()
		if err == nil {
			_, _ = conn.Write([]byte("R")) // a plain node's answer
			conn.Close()
		}
		done <- err
	}()
	err := tls.Client(dial(t, l), node.Client()).Handshake()
	if err == nil {
		t.Error("TLS to a plain port: got no error")
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

// TestRotation replaces the CA of three nodes, file by file. At every moment each can connect to each.
func TestRotation(t *testing.T) {
	old, next := newAuthority(t), newAuthority(t)
	ids := []string{"n1", "n2", "n3"}
	files, nodes := make([]certs.PeerFiles, 3), make([]*certs.Peers, 3)
	servers, clients := make([]*tls.Config, 3), make([]*tls.Config, 3) // made once, as a node does
	for i, id := range ids {
		files[i] = peerFiles(t, old, issue(t, old, id, 0, hour))
		nodes[i] = loadPeers(t, files[i])
		servers[i], clients[i] = nodes[i].Server(), nodes[i].Client()
	}
	all := func(step string) {
		t.Helper()
		for i := range nodes {
			wantReload(t, nodes[i], true, "")
			for _, server := range servers {
				for _, client := range clients {
					if _, _, serverErr, clientErr := meet(t, server, client); serverErr != nil || clientErr != nil {
						t.Fatalf("%s of %s: %v, %v", step, ids[i], serverErr, clientErr)
					}
				}
			}
		}
	}
	for i := range files {
		put(t, files[i].CA, caPEM(t, old, next))
	}
	all("both CAs")
	for i, id := range ids {
		p := issue(t, next, id, 0, hour)
		put(t, files[i].Cert, p.Cert)
		put(t, files[i].Key, p.Key)
	}
	all("new certificate")
	for i := range files {
		put(t, files[i].CA, caPEM(t, next))
	}
	all("old CA away")
	late := loadNode(t, old, "n4")
	if _, _, err, _ := meet(t, servers[0], late.Client()); err == nil {
		t.Error("a certificate of the old CA is still taken")
	}
	if _, _, _, err := meet(t, late.Server(), clients[0]); err == nil {
		t.Error("a server's certificate of the old CA is still taken")
	}
}

// TestPeerFilesThatCannotBeUsed: a node does not take what the others would refuse, and goes on with what it had.
func TestPeerFilesThatCannotBeUsed(t *testing.T) {
	ours, other := newAuthority(t), newAuthority(t)
	for _, tt := range []struct {
		name  string
		spoil func(*certs.PeerFiles)
		want  string
	}{
		{"no certificate", func(f *certs.PeerFiles) { f.Cert += "x" }, "read TLS certificate: "},
		{"no CA", func(f *certs.PeerFiles) { f.CA += "x" }, "read TLS CA: "},
		{"a key that all can read", func(f *certs.PeerFiles) { must(t, os.Chmod(f.Key, 0o604)) }, "mode 0604: others can read it"},
		{"the key of another", func(f *certs.PeerFiles) { put(t, f.Key, issue(t, ours, "n2", 0, hour).Key) }, "does not match"},
		{"the CA of another", func(f *certs.PeerFiles) { put(t, f.CA, caPEM(t, other)) },
			"other nodes would refuse it as a server's: certificate of \"n1\": x509: certificate signed by unknown authority"},
		{"names without its own", func(f *certs.PeerFiles) { f.Names = []string{"n2"} }, "none of the allowed names (cluster.tls.names)"},
		{"a web server's", func(f *certs.PeerFiles) {
			p := sign(t, ownPair(t, ours), func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[1:] })
			put(t, f.Cert, p.Cert)
			put(t, f.Key, p.Key)
		}, "other nodes would refuse it as a client's: "},
	} {
		files := peerFiles(t, ours, issue(t, ours, "n1", 0, hour))
		tt.spoil(&files)
		_, err := certs.LoadPeers(files, new(logged).logger())
		wantErr(t, tt.name, err, tt.want)
		if err == nil || strings.Contains(err.Error(), "PRIVATE") {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestExpiredCertificate: a node starts with one, since alone it needs nobody's leave, and says so; while it runs it
// does not give up a good one for one that has expired.
func TestExpiredCertificate(t *testing.T) {
	ours, log := newAuthority(t), new(logged)
	expired := issue(t, ours, "n1", 3*hour, -2*hour)
	files := peerFiles(t, ours, expired)
	p, err := certs.LoadPeers(files, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), "level=WARN msg=\"other nodes will refuse this certificate\"") {
		t.Errorf("logged: %s", log)
	}
	if left := time.Until(p.NotAfter()); left > -hour || left < -3*hour {
		t.Errorf("it ends in %v", left)
	}
	good := issue(t, ours, "n1", 0, hour)
	put(t, files.Cert, good.Cert)
	put(t, files.Key, good.Key)
	wantReload(t, p, true, "")
	put(t, files.Cert, expired.Cert)
	put(t, files.Key, expired.Key)
	wantReload(t, p, true, "has expired")
	if _, _, serverErr, clientErr := meet(t, p.Server(), p.Client()); serverErr != nil || clientErr != nil {
		t.Errorf("the good certificate was given up: %v, %v", serverErr, clientErr)
	}
}

// TestExpiredCertificateIsToldOnce, though the error tells the time.
func TestExpiredCertificateIsToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // also the certificates' time is the bubble's
		ours, log := newAuthority(t), new(logged)
		files := peerFiles(t, ours, issue(t, ours, "n1", 0, hour))
		p, err := certs.LoadPeers(files, log.logger())
		if err != nil {
			t.Fatal(err)
		}
		expired := issue(t, ours, "n1", 3*hour, -2*hour)
		put(t, files.Cert, expired.Cert)
		put(t, files.Key, expired.Key)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if n := strings.Count(log.String(), "has expired"); n != 1 {
			t.Errorf("told %d times:\n%s", n, log)
		}
	})
}

// TestNotAfterIsTheChains: a CA that ends before the certificate ends it too.
func TestNotAfterIsTheChains(t *testing.T) {
	ours := newAuthority(t)
	short := sign(t, ownPair(t, ours), func(c *x509.Certificate) {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage, c.ExtKeyUsage = true, true, x509.KeyUsageCertSign, nil
		c.NotAfter = time.Now().Add(10 * time.Minute)
	})
	leaf := sign(t, short, func(*x509.Certificate) {})
	files := peerFiles(t, ours, leaf)
	put(t, files.CA, short.Cert)
	if left := time.Until(loadPeers(t, files).NotAfter()); left > 10*time.Minute || left < 5*time.Minute {
		t.Errorf("it ends in %v, its CA in 10 minutes", left)
	}
}
