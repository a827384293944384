package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/cluster"
	"smppbridge/configs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptrace"
	"smppbridge/store"
)

// How long steps may take.
const (
	leaderWithin = 30 * time.Second // at start: to have a leader
	stopWithin   = 10 * time.Second // of each step of stopping but the drain
)

// options is what a node is started with: its configuration and what that refers to.
type options struct {
	configs.Node
	CallbackSecret string
	Credentials    map[string]aliyun.Credentials // by name
	Policy         []byte                        // seeds an empty system, or is followed
	Paused         bool                          // start with sending paused
	TLS            *tls.Config                   // of the TLS listener; nil: from its files
	Log            *slog.Logger
}

// node is a running node.
type node struct {
	opts     options
	log      *slog.Logger
	registry *prometheus.Registry
	undo     teardown
	failed   chan error  // capacity 8: something the node cannot go on without has ended
	up       atomic.Bool // all parts have started
	draining atomic.Bool

	store   *store.Store
	cluster *cluster.Node
	sender  *aliyun.Client
	bridge  *bridge.Bridge
	server  *smpp.Server
	tracer  *smpptrace.Recorder

	certificates *smpp.Certificates // nil without a TLS listener that has files

	smppAddr, smppTLSAddr, httpAddr, callbackAddr net.Addr // nil: no such listener
}

// start brings a node up, in the order in which its parts need one another. What was started is
// stopped again if a later part does not start.
func start(ctx context.Context, opts options) (*node, error) {
	n := &node{
		opts:     opts,
		log:      opts.Log,
		registry: prometheus.NewRegistry(),
		undo:     teardown{log: opts.Log},
		failed:   make(chan error, 8),
	}
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, part := range []struct {
		name  string
		start func(context.Context) error
	}{
		{"admin HTTP", n.startAdmin},
		{"store", n.openStore},
		{"cluster", n.startCluster},
		{"policy", n.seedPolicy},
		{"API client", n.startSender},
		{"bridge", n.startBridge},
		{"callback HTTP", n.startCallback},
		{"SMPP", n.startSMPP},
		{"trace", n.startTracer},
	} {
		if err := part.start(ctx); err != nil {
			n.undo.run()
			return nil, fmt.Errorf("start %s: %w", part.name, err)
		}
	}
	n.up.Store(true)
	n.log.Info("node started", "node", opts.NodeID, "smpp", addrText(n.smppAddr), "smpp_tls", addrText(n.smppTLSAddr), "http", n.httpAddr.String())
	return n, nil
}

// wait runs until ctx ends or a part fails, then stops everything: no new binds, what is in
// flight is answered, sessions are unbound, then the parts in reverse order. Receipts are kept.
func (n *node) wait(ctx context.Context) error {
	stopWatchdog := n.notifyReady(ctx)
	var err error
	select {
	case <-ctx.Done():
	case err = <-n.failed:
	}
	n.notifyStopping()
	stopWatchdog()
	n.draining.Store(true)
	n.undo.run()
	if err != nil {
		return err
	}
	n.log.Info("node stopped")
	return nil
}

// fail reports that a part has ended that the node cannot go on without.
func (n *node) fail(part string, err error) {
	select {
	case n.failed <- fmt.Errorf("%s: %w", part, err):
	default: // others failed first
	}
}

func (n *node) openStore(context.Context) error {
	if err := os.MkdirAll(n.opts.DataDir, 0o700); err != nil {
		return err
	}
	clusterID := n.opts.Cluster.ClusterID
	if clusterID == "" {
		// Only a new file takes it. Were it the same for each, reports of a system whose data was thrown
		// away would name the OutIds of the new one.
		clusterID = strings.ToLower(rand.Text()[:8])
	}
	st, err := store.Open(filepath.Join(n.opts.DataDir, "state.db"), store.Options{
		ClusterID: clusterID,
		Log:       n.log,
	})
	if err != nil {
		return err
	}
	n.store = st
	n.undo.add("store", stopWithin, func(context.Context) error { return st.Close() })
	return nil
}

func (n *node) startCluster(context.Context) error {
	c, err := cluster.Start(cluster.Config{
		NodeID:    n.opts.NodeID,
		Dir:       filepath.Join(n.opts.DataDir, "raft"),
		Addr:      n.opts.Cluster.Listen,
		Bootstrap: n.opts.Cluster.Bootstrap,
		Log:       n.log,
		Fatal:     func(err error) { n.fail("cluster", err) },
	}, n.store)
	if err != nil {
		return err
	}
	n.cluster = c
	n.undo.add("cluster", stopWithin, c.Shutdown)
	n.registry.MustRegister(newFigures(c, n.store))
	return nil
}

// seedPolicy gives an empty system its first policy, and a node that follows its file the file's.
func (n *node) seedPolicy(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, leaderWithin)
	defer cancel()
	for n.cluster.Ready() != nil {
		select {
		case <-ctx.Done():
			return fmt.Errorf("no leader: %w", n.cluster.Ready())
		case err := <-n.failed:
			return err
		case <-time.After(10 * time.Millisecond):
		}
	}
	if n.opts.Policy == nil || n.store.Policy().Version != 0 && !n.opts.Node.Policy.Follow {
		return nil
	}
	return n.putPolicy(ctx, n.opts.Policy)
}

// putPolicy makes doc the policy in force, unless it is already.
func (n *node) putPolicy(ctx context.Context, doc []byte) error {
	cur := n.store.Policy()
	if string(cur.Doc) == string(doc) {
		return nil
	}
	res, err := n.cluster.Propose(ctx, &store.PutPolicy{Base: cur.Version, Doc: doc, Author: n.opts.NodeID})
	if err != nil {
		return fmt.Errorf("put policy: %w", err)
	}
	if r, ok := res.(*store.PolicyResult); !ok || !r.OK {
		return errors.New("put policy: another version came between")
	}
	return nil
}

func (n *node) startSender(context.Context) error {
	c, err := aliyun.New(aliyun.Config{Log: n.log, Registerer: n.registry})
	if err != nil {
		return err
	}
	n.sender = c
	return nil
}

// setRoutes gives the API client the routes of a policy.
func (n *node) setRoutes(p *configs.Policy) error {
	routes := make([]aliyun.Route, 0, len(p.Routes))
	for _, r := range p.Routes {
		creds := n.opts.Credentials[r.Credentials]
		if creds == nil {
			return fmt.Errorf("route %s: the node's configuration has no credentials %q", r.Name, r.Credentials)
		}
		routes = append(routes, aliyun.Route{
			Name: r.Name, Endpoint: r.Endpoint, Plain: r.Plain, Credentials: creds,
			Workers: r.Workers, Timeout: r.Timeout.Std(),
		})
	}
	return n.sender.SetRoutes(routes)
}

func (n *node) startBridge(start context.Context) error {
	b, err := bridge.New(bridge.Config{
		NodeID:      n.opts.NodeID,
		Incarnation: max(uint64(time.Now().UnixMicro()), n.store.Incarnation(n.opts.NodeID)+1),
		Cluster:     n.cluster,
		Store:       n.store,
		Sender:      n.sender,
		Session: smpp.Options{
			EnquireLink:     n.opts.SMPP.EnquireLink.Std(),
			ResponseTimeout: n.opts.SMPP.ResponseTimeout.Std(),
		},
		StatusOf:   func(err string) smpp.Status { return smpp.Status(aliyun.StatusOfErr(err)) },
		OnPolicy:   n.setRoutes,
		Retention:  n.opts.Retention.Std(),
		Paused:     n.opts.Paused,
		Log:        n.log,
		Registerer: n.registry,
	})
	if err != nil {
		return err
	}
	n.bridge = b
	// Its own context: sessions are drained while the bridge still works.
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := b.Run(ctx); err != nil {
			n.fail("bridge", err)
		}
	}()
	n.undo.add("bridge", stopWithin, func(stop context.Context) error {
		cancel()
		return waitFor(stop, done)
	})
	start, cancelStart := context.WithTimeout(start, leaderWithin)
	defer cancelStart()
	return b.Announce(start)
}

// waitFor waits until done is closed or ctx ends.
func waitFor(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
