package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/cluster"
	"smppbridge/configs/certs"
)

// clusterTLS gives the cluster port its certificates, if the configuration has some, and follows their files until
// the cluster has stopped.
func (n *node) clusterTLS(cfg *cluster.Config) error {
	defer n.registerPeerExpiry()
	c := n.opts.Cluster.TLS
	if !c.Used() {
		return nil
	}
	peers, err := certs.LoadPeers(certs.PeerFiles{Cert: c.CertFile, Key: c.KeyFile, CA: c.CAFile, Names: c.Names}, n.log)
	if err != nil {
		return fmt.Errorf("cluster.tls: %w", err)
	}
	n.peers = peers
	cfg.ServerTLS, cfg.ClientTLS = peers.Server(), peers.Client()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = peers.Run(ctx) // ends with ctx alone
	}()
	n.undo.add("cluster certificates", time.Second, func(stop context.Context) error {
		cancel()
		return waitFor(stop, done)
	})
	return nil
}

// registerPeerExpiry comes last: metrics are served while the node starts.
func (n *node) registerPeerExpiry() {
	n.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smppbridge_cluster_certificate_expiry_timestamp_seconds",
		Help: "When this node's certificate for other nodes, or the CA it comes from, expires, as Unix time; 0 without one.",
	}, n.peerExpiry))
}

func (n *node) peerExpiry() float64 {
	if n.peers == nil {
		return 0
	}
	return float64(n.peers.NotAfter().Unix())
}
