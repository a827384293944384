package main

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"
)

// TestClusterPortSpeaksTLS: the certificates of the configuration are those of the cluster port, and who has none is
// turned away.
func TestClusterPortSpeaksTLS(t *testing.T) {
	dir, ca := t.TempDir(), newClusterCA(t)
	s := startSystem(t, func(o *options) { o.Cluster.TLS = clusterFiles(t, dir, ca, time.Hour) })
	c, err := tls.Dial("tcp", s.cluster.Addr(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	defer c.Close()
	if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != "n1" {
		t.Errorf("the certificate is of %q, want n1", got)
	}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := c.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("without a certificate: %d octets, %v, want to be told that one is required", n, err)
	}
}

// TestClusterIDIsTheConfigurations: the operator's name for a new cluster is the one in its log and its OutIds.
func TestClusterIDIsTheConfigurations(t *testing.T) {
	s := startSystem(t, func(o *options) { o.Cluster.ClusterID = "lhr7" })
	want(t, "cluster_id", s.store.ClusterID(), "lhr7")
}
