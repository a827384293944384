package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"smppbridge/configs"
	"smppbridge/configs/certs"
	"smppbridge/smpp"
)

// startSMPP serves ESMEs, over TCP, TLS or both.
func (n *node) startSMPP(context.Context) error {
	listeners, err := n.listenSMPP()
	if err != nil {
		return err
	}
	n.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "smppbridge_smpp_certificate_expiry_timestamp_seconds",
		Help: "When the certificate of the SMPP listener with TLS expires, as Unix time; 0 without one.",
	}, n.certificateExpiry))
	c := n.opts.SMPP
	n.server = smpp.NewServer(smpp.Config{
		SystemID:             c.SystemID,
		MaxSessions:          c.MaxSessions,
		MaxUnbound:           c.MaxUnbound,
		MaxUnboundPerAddress: c.MaxUnboundPerAddress,
		MaxBuffered:          c.MaxBuffered << 20,
		BindTimeout:          c.BindTimeout.Std(),
		WriteTimeout:         c.WriteTimeout.Std(),
		Congestion:           n.bridge.Congestion,
		Log:                  n.log,
		Registerer:           n.registry,
	}, n.bridge)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	for _, l := range listeners {
		running.Go(func() {
			if err := n.server.Serve(ctx, l); err != nil && !n.draining.Load() {
				n.fail("SMPP", err)
			}
		})
	}
	if n.certificates != nil {
		running.Go(func() { _ = n.certificates.Run(ctx) }) // ends with ctx alone
	}
	n.undo.add("SMPP drain", n.opts.DrainTime.Std(), func(stop context.Context) error {
		err := n.server.Drain(stop)
		cancel()
		running.Wait()
		return err
	})
	return nil
}

// listenSMPP opens the listeners that the configuration has.
func (n *node) listenSMPP() (listeners []net.Listener, err error) {
	defer func() {
		if err != nil {
			for _, l := range listeners {
				l.Close()
			}
		}
	}()
	c := n.opts.SMPP
	proxy := smpp.Proxies{From: c.Proxy.Networks(), Required: c.Proxy.Required}
	if c.Listen != "" {
		l, err := net.Listen("tcp", c.Listen)
		if err != nil {
			return listeners, err
		}
		n.smppAddr = l.Addr()
		listeners = append(listeners, smpp.NewListener(l, smpp.Transport{Proxy: proxy}))
	}
	if c.TLS.Listen != "" {
		config, err := n.tlsConfig()
		if err != nil {
			return listeners, err
		}
		l, err := net.Listen("tcp", c.TLS.Listen)
		if err != nil {
			return listeners, err
		}
		n.smppTLSAddr = l.Addr()
		listeners = append(listeners, smpp.NewListener(l, smpp.Transport{TLS: config, Proxy: proxy}))
	}
	if len(listeners) == 0 {
		return nil, errors.New("neither smpp.listen nor smpp.tls.listen is set")
	}
	return listeners, nil
}

// tlsConfig loads the certificates.
func (n *node) tlsConfig() (*tls.Config, error) {
	if n.opts.TLS != nil {
		return n.opts.TLS, nil
	}
	certificates, err := certs.LoadServer(certificateFiles(n.opts.SMPP.TLS), n.log)
	if err != nil {
		return nil, fmt.Errorf("smpp.tls: %w", err)
	}
	n.certificates = certificates
	return certificates.Config(), nil
}

func (n *node) certificateExpiry() float64 {
	if n.certificates == nil {
		return 0
	}
	return float64(n.certificates.NotAfter().Unix())
}

func certificateFiles(c configs.SMPPTLS) certs.ServerFiles {
	files := certs.ServerFiles{
		Cert: c.CertFile, Key: c.KeyFile, ClientCA: c.ClientCA,
		Required: c.Clients == "required", Minimum: tls.VersionTLS12,
	}
	if c.Minimum == "1.3" {
		files.Minimum = tls.VersionTLS13
	}
	return files
}

// reloadCertificates reads the files of both ports with TLS now, and not within seconds.
func (n *node) reloadCertificates(ctx context.Context) {
	if n.certificates != nil {
		n.reloadNow(ctx, n.certificates)
	}
	if n.peers != nil {
		n.reloadNow(ctx, n.peers)
	}
}

func (n *node) reloadNow(ctx context.Context, files interface {
	Reload() (changed bool, err error)
	NotAfter() time.Time
}) {
	switch changed, err := files.Reload(); {
	case err != nil:
		n.log.ErrorContext(ctx, "certificates not reloaded, the old ones stay", "err", err)
	case changed:
		n.log.InfoContext(ctx, "certificates reloaded", "not_after", files.NotAfter())
	}
}

// addrText is an address for people; a listener that is not there has none.
func addrText(addr net.Addr) string {
	if addr == nil {
		return "none"
	}
	return addr.String()
}
