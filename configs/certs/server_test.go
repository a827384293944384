package certs_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"smppbridge/configs/certs"
)

// serverFiles writes what a listener called name needs.
func serverFiles(t testing.TB, a *certs.Authority, name string) certs.ServerFiles {
	t.Helper()
	f := peerFiles(t, a, issue(t, a, name, 0, hour))
	return certs.ServerFiles{Cert: f.Cert, Key: f.Key, ClientCA: f.CA}
}

// client is one that trusts the authority a, and has a certificate of it.
func client(t testing.TB, a *certs.Authority) *tls.Config {
	t.Helper()
	p := issue(t, a, "bank", 0, hour)
	pair, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(caPEM(t, a))
	return &tls.Config{RootCAs: roots, ServerName: "centre", Certificates: []tls.Certificate{pair}}
}

// wantReload tells the files' holder to look.
func wantReload(t testing.TB, c interface{ Reload() (bool, error) }, wantChanged bool, wantErr string) {
	t.Helper()
	changed, err := c.Reload()
	if changed != wantChanged || (err == nil) != (wantErr == "") || err != nil && !strings.Contains(err.Error(), wantErr) {
		t.Errorf("Reload: got %v %v, want %v %q", changed, err, wantChanged, wantErr)
	}
}

// TestCertificatesFollowTheirFiles: new handshakes use what is in the files now, while that can be used; connections that
// are open go on.
func TestCertificatesFollowTheirFiles(t *testing.T) {
	ours, next := newAuthority(t), newAuthority(t)
	files := serverFiles(t, ours, "centre")
	files.Required = true
	s, err := certs.LoadServer(files, new(logged).logger())
	if err != nil {
		t.Fatal(err)
	}
	in, out, _, err := meet(t, s.Config(), client(t, ours))
	if err != nil {
		t.Fatal(err)
	}
	wantReload(t, s, false, "")
	p := issue(t, next, "centre", 0, 3*hour)
	put(t, files.Cert, p.Cert)
	wantReload(t, s, true, "does not match") // the key is still the old one's
	wantReload(t, s, false, "does not match")
	if _, _, _, err := meet(t, s.Config(), client(t, ours)); err != nil {
		t.Errorf("the old certificate is not used while the new one cannot be: %v", err)
	}
	put(t, files.Key, p.Key)
	put(t, files.ClientCA, []byte("nothing"))
	wantReload(t, s, true, "no certificate in it")
	put(t, files.ClientCA, caPEM(t, next))
	wantReload(t, s, true, "")
	wantReload(t, s, false, "")
	if _, _, _, err := meet(t, s.Config(), client(t, next)); err != nil {
		t.Errorf("the new certificate: %v", err)
	}
	if _, _, _, err := meet(t, s.Config(), client(t, ours)); err == nil {
		t.Error("a client that trusts the old authority alone shakes hands")
	}
	if left := time.Until(s.NotAfter()); left < 2*hour || left > 3*hour {
		t.Errorf("the certificate ends in %v", left)
	}
	if _, err := in.Write([]byte{2}); err != nil {
		t.Error(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Errorf("the connection that was open: %v", err)
	}
	if err := os.Remove(files.Cert); err != nil {
		t.Fatal(err)
	}
	wantReload(t, s, true, "no such file")
	wantReload(t, s, false, "no such file")
}

// TestFilesAreLookedAt by themselves, and a fault is told once.
func TestFilesAreLookedAt(t *testing.T) {
	ours := newAuthority(t)
	files := serverFiles(t, ours, "centre")
	log := new(logged)
	s, err := certs.LoadServer(files, log.logger())
	if err != nil {
		t.Fatal(err)
	}
	p := issue(t, ours, "centre", 0, 20*hour)
	synctest.Test(t, func(t *testing.T) {
		done := make(chan error, 1)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- s.Run(ctx) }()
		put(t, files.Cert, p.Cert)
		time.Sleep(time.Minute)
		if n := strings.Count(log.String(), "not reloaded"); n != 1 {
			t.Errorf("the fault is told %d times:\n%s", n, log)
		}
		put(t, files.Key, p.Key)
		time.Sleep(11 * time.Second)
		if n := strings.Count(log.String(), `msg="certificates reloaded"`); n != 1 {
			t.Errorf("reloaded %d times", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if left := time.Until(s.NotAfter()); left < 19*hour {
		t.Errorf("the certificate ends in %v", left)
	}
}

func TestServerFilesThatCannotBeUsed(t *testing.T) {
	ours := newAuthority(t)
	for _, tt := range []struct {
		name  string
		spoil func(*certs.ServerFiles)
		want  string
	}{
		{"no certificate", func(f *certs.ServerFiles) { f.Cert += "x" }, "read TLS certificate: "},
		{"no key", func(f *certs.ServerFiles) { f.Key += "x" }, "read TLS key: "},
		{"no CA", func(f *certs.ServerFiles) { f.ClientCA += "x" }, "read TLS client CA: "},
		{"a CA that is none", func(f *certs.ServerFiles) { f.ClientCA = f.Key }, "item 1 is a PRIVATE KEY, not a certificate"},
		{"the key of another", func(f *certs.ServerFiles) { f.Key = serverFiles(t, ours, "other").Key }, "does not match"},
		{"a key that all can read", func(f *certs.ServerFiles) {
			if err := os.Chmod(f.Key, 0o644); err != nil {
				t.Fatal(err)
			}
		}, "mode 0644: others can read it"},
	} {
		files := serverFiles(t, ours, "centre")
		tt.spoil(&files)
		if _, err := certs.LoadServer(files, new(logged).logger()); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}

// TestAuthorityFilesAreReadWhole: of two authorities in a file, none is left out quietly.
func TestAuthorityFilesAreReadWhole(t *testing.T) {
	a, b := newAuthority(t), newAuthority(t)
	one, two := string(caPEM(t, a)), string(caPEM(t, b))
	for _, tt := range []struct{ name, ca, want string }{
		{"two", one + two, ""},
		{"with remarks", "the old one:\n" + one + "\nthe new one:\n" + two, ""},
		{"without a line break between", strings.TrimSpace(one) + two, "2 items begin in it and "},
		{"the second cut short", one + two[:len(two)/2], "2 items begin in it and 1 are whole"},
		{"the second broken", one + strings.Replace(two, "MII", "MIX", 1), "item 2: x509: "},
		{"empty", "", "no certificate in it"},
	} {
		files := serverFiles(t, a, "centre")
		files.ClientCA = filepath.Join(t.TempDir(), "ca")
		put(t, files.ClientCA, []byte(tt.ca))
		_, err := certs.LoadServer(files, new(logged).logger())
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
	}
}
