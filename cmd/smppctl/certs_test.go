package main

import (
	"crypto/tls"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"smppbridge/configs"
	"smppbridge/configs/certs"
)

// TestCertsFitNodes: the printed lines are a configuration, whose files a node takes as they are.
func TestCertsFitNodes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	out, err := runCommand(t, "", "cluster", "certs", "--dir", dir, "n1=127.0.0.1,host1", "n2=::1")
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range []string{"n1", "n2"} {
		_, doc, ok := strings.Cut(out, "Copy to "+node+",")
		if !ok {
			t.Fatalf("%s is not in the output:\n%s", node, out)
		}
		doc = strings.Join(strings.SplitAfter(doc, "\n")[2:4], "")
		file := filepath.Join(dir, node+".yaml")
		if err := os.WriteFile(file, []byte(strings.ReplaceAll(doc, "  cluster:\n  ", "cluster:\n")), 0o600); err != nil {
			t.Fatal(err)
		}
		n, err := configs.LoadNode(file)
		if err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		c := n.Cluster.TLS
		p, err := certs.LoadPeers(certs.PeerFiles{Cert: c.CertFile, Key: c.KeyFile, CA: c.CAFile, Names: []string{node}}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(p.NotAfter()); left < 729*day || left > 730*day {
			t.Errorf("%s: good for %v, want 730 days", node, left)
		}
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "n1.crt"), filepath.Join(dir, "n1.key"))
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"n1", "host1", "127.0.0.1"} {
		if err := pair.Leaf.VerifyHostname(host); err != nil {
			t.Error(err)
		}
	}
	for name, mode := range map[string]fs.FileMode{".": 0o700, "ca.key": 0o600, "n1.key": 0o600, "n2.key": 0o600, "ca.crt": 0o644, "n1.crt": 0o644} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != mode {
			t.Errorf("%s has mode %04o, want %04o", name, got, mode)
		}
	}
}

// TestCertsOfAnOldCA: they end with it, and one that has ended signs nothing.
func TestCertsOfAnOldCA(t *testing.T) {
	dir := t.TempDir()
	at := func(after time.Duration) *certsTask {
		return &certsTask{dir: dir, days: 730, renew: true, nodes: []nodeName{{id: "n1"}}, now: time.Now().Add(after)}
	}
	if err := at(0).run(new(strings.Builder)); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := at(3600 * day).run(&out); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, "n1.crt"), filepath.Join(dir, "n1.key"))
	if err != nil {
		t.Fatal(err)
	}
	ends := pair.Leaf.NotAfter.Format(time.DateOnly)
	if left := time.Until(pair.Leaf.NotAfter); left > 3650*day || !strings.Contains(out.String(), "good until "+ends+", their CA until "+ends) {
		t.Errorf("it ends on %s, in %v; said:\n%s", ends, left, out.String())
	}
	if err := at(3651 * day).run(&out); err == nil || !strings.Contains(err.Error(), "has expired on "+ends+": make a new CA in another folder") {
		t.Errorf("an expired CA: got %v", err)
	}
}
