package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"smppbridge/bridge"
	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/upstream"
	"smppbridge/cluster"
	"smppbridge/configs"
	"smppbridge/configs/certs"
	"smppbridge/smpp"
	"smppbridge/smpp/smpptrace"
	"smppbridge/store"
)

// announceWithin is one try to say that the node has started: long enough for a change of leaders.
const announceWithin = 10 * time.Second

// options is what a node is started with: its configuration and what that refers to.
type options struct {
	configs.Node
	CallbackSecret string
	Credentials    map[string]aliyun.Credentials    // by name
	Logins         map[string]*upstream.Credentials // by name, of routes of kind smpp
	Policy         []byte                           // seeds an empty system, or is followed
	Paused         bool                             // start with sending paused
	TLS            *tls.Config                      // of the TLS listener; nil: from its files
	Log            *slog.Logger
	Now            func() time.Time // the clock of the node; nil: time.Now
}

// node is a running node.
type node struct {
	opts     options
	log      *slog.Logger
	registry *prometheus.Registry
	undo     teardown
	failed   chan error  // capacity 8: something the node cannot go on without has ended
	up       atomic.Bool // all parts have started
	opened   atomic.Bool // store and cluster have; others may have to be waited for
	draining atomic.Bool
	waits    atomic.Pointer[string] // what a start waits for; nil: for nothing
	notified bool                   // systemd knows that the node has done what it can by itself
	watchdog func()                 // ends telling systemd that the node makes progress

	snapshots sync.Mutex // held while a snapshot is sent: each keeps freed pages

	ending   chan struct{} // closed when the node begins to stop
	leaving  chan struct{} // closed when it was asked to leave its cluster
	leaves   sync.Once     // closes leaving
	left     chan struct{} // closed when it has left, or has not
	leaveErr error         // before left is closed: why it has not

	store      *store.Store
	cluster    *cluster.Node
	sender     *aliyun.Client
	upstream   *upstream.Client
	bridge     *bridge.Bridge
	reconciler *bridge.Reconciler
	server     *smpp.Server
	tracer     *smpptrace.Recorder

	queues     *aliyun.Queues
	queuesRead []configs.Queue // what they were set to; only the bridge's loading of policies touches it

	certificates *certs.Server // nil without a TLS listener that has files
	peers        *certs.Peers  // nil without TLS between nodes

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
		watchdog: func() {},
		ending:   make(chan struct{}),
		leaving:  make(chan struct{}),
		left:     make(chan struct{}),
	}
	n.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, part := range []struct {
		name  string
		start func(context.Context) error
	}{
		{"admin HTTP", n.startAdmin},
		{"store", n.openStore},
		{"cluster", n.startCluster},
		{"membership", n.awaitMembership},
		{"policy", n.seedPolicy},
		{"credentials", n.startCredentials},
		{"API client", n.startSender},
		{"pause", n.inheritPause},
		{"bridge", n.startBridge},
		{"callback HTTP", n.startCallback},
		{"SMPP", n.startSMPP},
		{"trace", n.startTracer},
	} {
		if err := part.start(ctx); err != nil {
			n.stop()
			return nil, fmt.Errorf("start %s: %w", part.name, err)
		}
	}
	// First of all steps: what sessions submit while they are drained is sent by the next leader.
	n.undo.add("leadership", stepDownWithin, n.stepDown)
	n.up.Store(true)
	n.notifyReady("ready")
	n.log.Info("node started", "node", opts.NodeID, "smpp", addrText(n.smppAddr), "smpp_tls", addrText(n.smppTLSAddr), "http", n.httpAddr.String())
	return n, nil
}

// fail reports that a part has ended that the node cannot go on without.
func (n *node) fail(part string, err error) {
	select {
	case n.failed <- fmt.Errorf("%s: %w", part, err):
	default: // others failed first
	}
}

func (n *node) openStore(context.Context) error {
	if err := cutShort(n.opts.DataDir); err != nil {
		return err
	}
	if err := os.MkdirAll(n.opts.DataDir, 0o700); err != nil {
		return err
	}
	st, err := store.Open(filepath.Join(n.opts.DataDir, "state.db"), store.Options{Log: n.log})
	if err != nil {
		return err
	}
	n.store = st
	n.undo.addSlow("store", closeWithin, readersWithin, func(context.Context) error { return st.Close() })
	return nil
}

func (n *node) startBridge(start context.Context) error {
	b, err := bridge.New(bridge.Config{
		NodeID:  n.opts.NodeID,
		Cluster: n.cluster,
		Store:   n.store,
		Sender:  senders{n.sender, n.upstream},
		Catalog: n.sender,
		Leading: []func(context.Context) error{n.upstream.Run, n.readQueues, n.reconcileLeading},
		Session: smpp.Options{
			EnquireLink:     n.opts.SMPP.EnquireLink.Std(),
			ResponseTimeout: n.opts.SMPP.ResponseTimeout.Std(),
		},
		StatusOf:   func(err string) smpp.Status { return smpp.Status(n.sender.Outcomes().StatusOfErr(err)) },
		OnPolicy:   n.setRoutes,
		HandOver:   n.cluster.Transfer,
		Retention:  n.opts.Retention.Std(),
		Paused:     n.opts.Paused,
		Log:        n.log,
		Registerer: n.registry,
		Now:        n.cluster.Now, // not time.Now: decisions go by the clock of the stamps
	})
	if err != nil {
		return err
	}
	n.bridge = b
	n.reconciler = bridge.NewReconciler(b, n.sender, n.registry)
	n.upstream.Deliver(b)
	n.cluster.Answer(subjectPause, n.answerPause)
	n.cluster.Answer(subjectRoutes, n.answerRoutes)
	n.runBridge()
	return n.await(start, "a leader that takes the node's start", func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, announceWithin)
		defer cancel()
		return b.Announce(ctx)
	})
}

// runBridge runs the bridge until the node stops.
func (n *node) runBridge() {
	// Its own context: sessions are drained while the bridge still works.
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := n.bridge.Run(ctx); err != nil {
			n.fail("bridge", err)
		}
	}()
	n.undo.add("bridge", bridgeWithin, func(stop context.Context) error {
		cancel()
		return waitFor(stop, done)
	})
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
