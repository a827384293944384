package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/cluster"
	"smppbridge/configs"
	"smppbridge/configs/certs"
)

// clusterFiles writes what node n1 needs for TLS with others, signed by a, good for so long.
func clusterFiles(t *testing.T, dir string, a *certs.Authority, lasts time.Duration) configs.ClusterTLS {
	t.Helper()
	ca, err := a.Pair()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := a.Issue("n1", []string{"127.0.0.1"}, time.Now(), lasts)
	if err != nil {
		t.Fatal(err)
	}
	c := configs.ClusterTLS{CertFile: filepath.Join(dir, "n1.crt"), KeyFile: filepath.Join(dir, "n1.key"), CAFile: filepath.Join(dir, "ca.crt")}
	write(t, c.CertFile, string(pair.Cert))
	write(t, c.KeyFile, string(pair.Key))
	write(t, c.CAFile, string(ca.Cert))
	return c
}

func newClusterCA(t *testing.T) *certs.Authority {
	t.Helper()
	a, err := certs.NewAuthority(time.Now(), 1000*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

const peerExpiryMetric = "smppbridge_cluster_certificate_expiry_timestamp_seconds"

// TestClusterCertificates: the files that the configuration names are used, their end is a metric, and a SIGHUP has
// them read again.
func TestClusterCertificates(t *testing.T) {
	dir, ca := t.TempDir(), newClusterCA(t)
	s := startSystem(t, func(o *options) { o.Cluster.TLS = clusterFiles(t, dir, ca, time.Hour) })
	endsIn := func() time.Duration { return time.Until(time.Unix(int64(s.gauge(peerExpiryMetric)), 0)) }
	if left := endsIn(); left < 50*time.Minute || left > time.Hour {
		t.Errorf("the certificate ends in %v, want an hour", left)
	}
	clusterFiles(t, dir, ca, 5*time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	hangups := make(chan os.Signal)
	go reloadOn(ctx, hangups, s.node, filepath.Join(dir, "none.yaml"), new(slog.LevelVar))
	hangups <- syscall.SIGHUP
	s.eventually("the new certificate is used", func() bool { return endsIn() > 4*time.Hour })
	clusterFiles(t, dir, newClusterCA(t), 9*time.Hour)
	write(t, filepath.Join(dir, "n1.key"), "nothing")
	hangups <- syscall.SIGHUP
	s.eventually("what cannot be used is logged", func() bool {
		return strings.Contains(s.logs.String(), `level=ERROR msg="certificates not reloaded, the old ones stay"`)
	})
	if left := endsIn(); left < 4*time.Hour || left > 5*time.Hour {
		t.Errorf("then the certificate ends in %v, want as before", left)
	}
}

// TestNoClusterCertificates: without files nodes speak plainly, and the metric says that nothing expires.
func TestNoClusterCertificates(t *testing.T) {
	s := startSystem(t)
	if got := s.gauge(peerExpiryMetric); got != 0 {
		t.Errorf("%s is %v, want 0", peerExpiryMetric, got)
	}
}

// TestClusterTLSReachesTheCluster in both directions, with the names that are allowed; a fault names the key.
func TestClusterTLSReachesTheCluster(t *testing.T) {
	files := clusterFiles(t, t.TempDir(), newClusterCA(t), time.Hour)
	for _, tt := range []struct {
		name   string
		change func(*configs.ClusterTLS)
		used   bool
		want   string
	}{
		{"all files", func(*configs.ClusterTLS) {}, true, ""},
		{"a name of its own", func(c *configs.ClusterTLS) { c.Names = []string{"n1"} }, true, ""},
		{"no files", func(c *configs.ClusterTLS) { *c = configs.ClusterTLS{} }, false, ""},
		{"names of others", func(c *configs.ClusterTLS) { c.Names = []string{"n2"} }, false, "cluster.tls: TLS certificate "},
		{"no CA", func(c *configs.ClusterTLS) { c.CAFile += "x" }, false, "cluster.tls: read TLS CA: "},
	} {
		n := &node{registry: prometheus.NewRegistry(), log: slog.New(slog.DiscardHandler)}
		n.opts.Cluster.TLS = files
		tt.change(&n.opts.Cluster.TLS)
		var cfg cluster.Config
		err := n.clusterTLS(&cfg)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		if (cfg.ServerTLS != nil) != tt.used || (cfg.ClientTLS != nil) != tt.used {
			t.Errorf("%s: server %v, client %v, want both or none: %v", tt.name, cfg.ServerTLS != nil, cfg.ClientTLS != nil, tt.used)
		}
		n.undo.log = n.log
		n.undo.run(t.Context())
	}
}
