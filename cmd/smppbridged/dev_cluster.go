package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"time"
)

// mostDevNodes is how many nodes dev --node can be.
const mostDevNodes = 9

// The ports of node 1; node 2 has the next ones.
const (
	devSMPPPort     = 2775
	devHTTPPort     = 9775
	devClusterPort  = 7775
	devCallbackPort = 8775
	devSimAddr      = "127.0.0.1:18080" // shared
)

// devCallbackSecret is the same at all nodes: whoever plays the API reports to its own.
const devCallbackSecret = "callbacks-of-dev-nodes"

// asNode gives the flags that were not set what node f.node has.
func (f *devFlags) asNode(set func(flag string) bool) error {
	switch {
	case f.node == 0 && !set("node"):
		return nil
	case f.node < 1 || f.node > mostDevNodes:
		return fmt.Errorf("--node: %d is not from 1 to %d", f.node, mostDevNodes)
	case f.tls != "":
		return errors.New("--node: there is no --tls for nodes of a cluster")
	case f.data == "":
		return errors.New("--node: a node of a cluster keeps its data; give all of them the same --data DIR, each has its own folder there")
	}
	f.data = filepath.Join(f.data, fmt.Sprintf("n%d", f.node))
	for _, d := range []struct {
		flag string
		addr *string
		port int
	}{
		{"smpp", &f.smpp, devSMPPPort}, {"http", &f.http, devHTTPPort}, {"cluster", &f.cluster, devClusterPort},
		{"callback", &f.callback, devCallbackPort},
	} {
		if !set(d.flag) {
			*d.addr = fmt.Sprintf("127.0.0.1:%d", d.port+f.node-1)
		}
	}
	if !set("sim") {
		f.sim = devSimAddr
	}
	return nil
}

// devNode runs one node of several, until ctx ends. The first begins the cluster, the others wait to be joined. One
// of them plays the API for all; when it dies another one does.
func devNode(ctx context.Context, f devFlags, log *slog.Logger, out io.Writer) error {
	data, err := filepath.Abs(f.data)
	if err != nil {
		return err
	}
	f.data = data
	opts, err := devOptions(f, f.sim)
	if err != nil {
		return err
	}
	opts.Log = log
	opts.NodeID = fmt.Sprintf("n%d", f.node)
	opts.Cluster.Bootstrap = f.node == 1
	opts.Node.Policy.Follow = false // each start makes new password hashes
	opts.CallbackSecret = devCallbackSecret
	playing := make(chan struct{})
	simCtx, stop := context.WithCancel(context.WithoutCancel(ctx)) // the node's last calls end while it stops
	go func() {
		defer close(playing)
		playWhenFree(simCtx, f, log)
	}()
	defer func() { stop(); <-playing }()
	if f.node > 1 {
		fmt.Fprintf(out, "n%d waits to be joined, unless it has been: smppctl cluster join n%d %s\n", f.node, f.node, f.cluster)
	}
	n, err := start(ctx, opts)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	printDevHelp(out, n, f.sim, "")
	return n.wait(ctx)
}

// playWhenFree plays the API at f.sim when no other node does, until ctx ends.
func playWhenFree(ctx context.Context, f devFlags, log *slog.Logger) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		sim, err := startSimulator(ctx, f.sim, log)
		if err == nil {
			sim.SetReportURL(fmt.Sprintf("http://%s/callback/%s/smsreport", f.callback, devCallbackSecret))
			sim.SetIncomingURL(fmt.Sprintf("http://%s/callback/%s/smsup", f.callback, devCallbackSecret))
			<-ctx.Done()
			sim.stop()
			return
		}
		if opErr := new(net.OpError); !errors.As(err, &opErr) {
			log.Error("simulator", "err", err)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
