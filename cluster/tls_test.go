package cluster_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/cluster/clustertest"
	"smppbridge/configs/certs"
	"smppbridge/store"
)

// A credentials is the files of nodes, and what each has read of them.
type credentials struct {
	t     testing.TB
	dir   string
	peers map[string]*certs.Peers
	logs  map[string]*nodeLog
}

func newAuthority(t testing.TB) *certs.Authority {
	t.Helper()
	a, err := certs.NewAuthority(time.Now(), 100*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// newCredentials gives three nodes certificates of one authority, good for an hour.
func newCredentials(t testing.TB, a *certs.Authority) *credentials {
	c := &credentials{t: t, dir: t.TempDir(), peers: map[string]*certs.Peers{}, logs: map[string]*nodeLog{}}
	for i := range 3 {
		node := fmt.Sprint("n", i+1)
		c.logs[node] = new(nodeLog)
		c.trust(node, a)
		c.certify(node, a, time.Hour)
		c.load(node)
	}
	return c
}

func (c *credentials) file(node, ext string) string { return filepath.Join(c.dir, node+ext) }

func (c *credentials) put(file string, b []byte) {
	c.t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		c.t.Fatal(err)
	}
}

// trust writes the file of a node's authorities.
func (c *credentials) trust(node string, authorities ...*certs.Authority) {
	c.t.Helper()
	var b []byte
	for _, a := range authorities {
		p, err := a.Pair()
		if err != nil {
			c.t.Fatal(err)
		}
		b = append(b, p.Cert...)
	}
	c.put(c.file(node, ".ca"), b)
}

// certify writes a node's certificate and key.
func (c *credentials) certify(node string, a *certs.Authority, lasts time.Duration) {
	c.t.Helper()
	p, err := a.Issue(node, nil, time.Now().Add(-time.Minute), lasts)
	if err != nil {
		c.t.Fatal(err)
	}
	c.put(c.file(node, ".crt"), p.Cert)
	c.put(c.file(node, ".key"), p.Key)
}

func (c *credentials) load(node string, names ...string) {
	c.t.Helper()
	p, err := certs.LoadPeers(certs.PeerFiles{
		Cert: c.file(node, ".crt"), Key: c.file(node, ".key"), CA: c.file(node, ".ca"), Names: names,
	}, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	c.peers[node] = p
}

// reload has a node read its files again, which have changed.
func (c *credentials) reload(node string) {
	c.t.Helper()
	if changed, err := c.peers[node].Reload(); err != nil || !changed {
		c.t.Fatalf("reload at %s: %v %v", node, changed, err)
	}
}

// tune is for clustertest.New. A node without certificates is a plain one.
func (c *credentials) tune(cfg *cluster.Config) {
	if p := c.peers[cfg.NodeID]; p != nil {
		cfg.ServerTLS, cfg.ClientTLS = p.Server(), p.Client()
	}
	cfg.Log = slog.New(slog.NewTextHandler(c.logs[cfg.NodeID], nil))
}

// A nodeLog is a log that is read while it is written.
type nodeLog struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

// Write implements io.Writer.
func (l *nodeLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *nodeLog) has(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.buf.String(), s)
}

// TestStrangersAreKeptOut: of three nodes the third does not belong to the others. They go on without it, it gets
// nothing, and the logs of both say why.
func TestStrangersAreKeptOut(t *testing.T) {
	t.Parallel()
	ours, foreign := newAuthority(t), newAuthority(t)
	for _, tt := range []struct {
		name         string
		spoil        func(c *credentials)
		others, says string // the logs of the others and its own
	}{
		{"another CA", func(c *credentials) {
			c.trust("n3", foreign)
			c.certify("n3", foreign, time.Hour)
			c.load("n3")
		}, "signed by unknown authority", "signed by unknown authority"},
		{"an expired certificate", func(c *credentials) {
			c.certify("n3", ours, 0)
			c.load("n3")
		}, "certificate has expired", "expired certificate"},
		{"a name that is not allowed", func(c *credentials) {
			c.load("n1", "n1", "n2")
			c.load("n2", "n1", "n2")
		}, `certificate of \"n3\": none of the allowed names`, "bad certificate"},
		{"plain, among TLS", func(c *credentials) { delete(c.peers, "n3") },
			"this node speaks TLS, the other one does not", "the cluster port there speaks TLS, this node does not"},
		{"TLS, among plain", func(c *credentials) { delete(c.peers, "n1"); delete(c.peers, "n2") },
			"TLS is spoken to this node's plain cluster port", "this node speaks TLS, the other one does not"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			creds := newCredentials(t, ours)
			tt.spoil(creds)
			c := clustertest.New(t, 3, creds.tune)
			number(t, c.Propose(acceptCommand("x", 1, "private")))
			if leader := c.Leader(); leader == 2 {
				t.Error("the stranger leads")
			}
			c.Eventually("the others say "+tt.others, func() bool { return creds.logs["n1"].has(tt.others) || creds.logs["n2"].has(tt.others) })
			c.Eventually("it says "+tt.says, func() bool { return creds.logs["n3"].has(tt.says) })
			if index, _ := c.Store(2).Applied(); index != 0 || c.Node(2).Ready() == nil {
				t.Errorf("the stranger has entries up to %d, ready: %v", index, c.Node(2).Ready())
			}
		})
	}
}

// TestCARotation replaces the CA of a cluster under load, file by file, while followers come and go: whoever comes
// gets in, and the leader stays the leader.
func TestCARotation(t *testing.T) {
	t.Parallel()
	old, next := newAuthority(t), newAuthority(t)
	creds := newCredentials(t, old)
	c := led(t, func(cfg *cluster.Config) { steady(cfg); creds.tune(cfg) })
	leader := c.Leader()
	term := c.Node(leader).Figures().Term
	accepted, stop := acceptAtLeader(t, c.Node(leader))
	nodes := []string{"n1", "n2", "n3"}
	come := func(step string) {
		t.Helper()
		for i, node := range nodes {
			if i == leader {
				continue
			}
			c.Crash(i)
			c.Start(i)
			index, _ := c.Store(leader).Applied()
			c.Eventually(fmt.Sprintf("%s: %s is back", step, node), func() bool {
				has, _ := c.Store(i).Applied()
				return has >= index
			})
		}
	}
	for _, node := range nodes {
		creds.trust(node, old, next)
		creds.reload(node)
	}
	come("both CAs")
	for _, node := range nodes {
		creds.certify(node, next, time.Hour)
		creds.reload(node)
		come("new certificate of " + node)
	}
	for _, node := range nodes {
		creds.trust(node, next)
		creds.reload(node)
		come("the old CA is away from " + node)
	}
	stop()
	if f := c.Node(leader).Figures(); !c.Node(leader).IsLeader() || f.Term != term {
		t.Errorf("leader: %v, term %d; want it to lead, term %d", c.Node(leader).IsLeader(), f.Term, term)
	}
	c.Agree()
	if got := len(texts(t, c.Store((leader+1)%3))); got != *accepted || got == 0 {
		t.Errorf("%d messages in the state, %d accepted", got, *accepted)
	}
}

// acceptAtLeader proposes one message after the other until stop, and counts them. None may fail.
func acceptAtLeader(t *testing.T, node *cluster.Node) (accepted *int, stop func()) {
	accepted = new(int)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for seq := uint64(1); ctx.Err() == nil; seq++ {
			res, err := node.Propose(context.Background(), acceptCommand("x", seq, fmt.Sprint("message ", seq)))
			if r, ok := res.(*store.AcceptResult); err != nil || !ok || r.Items[0].Code != store.AcceptOK {
				t.Errorf("message %d: %v %v", seq, res, err)
				if errors.Is(err, store.ErrNotProposed) || err != nil {
					return
				}
			}
			*accepted++
		}
	}()
	return accepted, func() { cancel(); <-done }
}

// TestTLSIsBothOrNone: with it a node may be anywhere, and half of it is a fault.
func TestTLSIsBothOrNone(t *testing.T) {
	creds := newCredentials(t, newAuthority(t))
	server, client := creds.peers["n1"].Server(), creds.peers["n1"].Client()
	const half, open = "TLS in one direction alone", "not encrypted"
	for _, tt := range []struct {
		name, addr     string
		server, client *tls.Config
		want           string
	}{
		{"both", "192.0.2.1:7775", server, client, ""},
		{"a server's alone", "127.0.0.1:7775", server, nil, half},
		{"a client's alone", "127.0.0.1:7775", nil, client, half},
		{"none", "192.0.2.1:7775", nil, nil, open},
	} {
		_, err := cluster.Start(cluster.Config{NodeID: "n1", Dir: t.TempDir(), Addr: tt.addr, ServerTLS: tt.server, ClientTLS: tt.client}, nil)
		if err == nil { // there is no store
			t.Fatalf("%s: started", tt.name)
		}
		for _, fault := range []string{half, open} {
			if got := strings.Contains(err.Error(), fault); got != (fault == tt.want) {
				t.Errorf("%s: says %q: %v; got %v", tt.name, fault, got, err)
			}
		}
	}
}
