package certs_test

import (
	"bytes"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"smppbridge/configs/certs"
)

const (
	hour     = time.Hour
	patience = 20 * time.Second
)

func newAuthority(t testing.TB) *certs.Authority {
	t.Helper()
	a, err := certs.NewAuthority(time.Now(), 240*hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func caPEM(t testing.TB, authorities ...*certs.Authority) []byte {
	t.Helper()
	var b []byte
	for _, a := range authorities {
		p, err := a.Pair()
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p.Cert...)
	}
	return b
}

// issue makes a certificate that began ago and ends in some time.
func issue(t testing.TB, a *certs.Authority, node string, ago, ends time.Duration) certs.Pair {
	t.Helper()
	p, err := a.Issue(node, []string{"127.0.0.1"}, time.Now().Add(-ago), ago+ends)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// put writes a file as a careful operator does, whole.
func put(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file+".new", b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		t.Fatal(err)
	}
}

// peerFiles writes what a node needs.
func peerFiles(t testing.TB, a *certs.Authority, p certs.Pair) certs.PeerFiles {
	t.Helper()
	dir := t.TempDir()
	f := certs.PeerFiles{Cert: filepath.Join(dir, "n.crt"), Key: filepath.Join(dir, "n.key"), CA: filepath.Join(dir, "ca.crt")}
	put(t, f.Cert, p.Cert)
	put(t, f.Key, p.Key)
	put(t, f.CA, caPEM(t, a))
	return f
}

func loadPeers(t testing.TB, files certs.PeerFiles) *certs.Peers {
	t.Helper()
	p, err := certs.LoadPeers(files, new(logged).logger())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// loadNode is a node with a certificate of a's.
func loadNode(t testing.TB, a *certs.Authority, node string, names ...string) *certs.Peers {
	t.Helper()
	files := peerFiles(t, a, issue(t, a, node, 0, hour))
	files.Names = names
	return loadPeers(t, files)
}

// meet connects a client to a server as nodes do: the server's first octet tells the client that it was let in.
func meet(t testing.TB, server, client *tls.Config) (in, out *tls.Conn, serverErr, clientErr error) {
	t.Helper()
	l := listen(t)
	var wg sync.WaitGroup
	wg.Go(func() {
		conn, err := l.Accept()
		if err != nil {
			serverErr = err
			return
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		in = tls.Server(conn, server)
		if _, serverErr = in.Write([]byte{1}); serverErr != nil {
			in.Close()
		}
	})
	out = tls.Client(dial(t, l), client)
	_, clientErr = out.Read(make([]byte, 1))
	if clientErr != nil {
		out.Close()
	}
	wg.Wait()
	t.Cleanup(func() { in.Close(); out.Close() })
	return in, out, serverErr, clientErr
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func dial(t testing.TB, l net.Listener) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(patience))
	return conn
}

// logged is a log that can be read while it is written.
type logged struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (l *logged) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
