package main

import (
	"context"
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"

	"github.com/alexedwards/argon2id"
	"github.com/spf13/cobra"

	"smppbridge/bridge/aliyun"
	"smppbridge/bridge/aliyun/aliyunsim"
	"smppbridge/configs"
)

//go:embed dev_policy.yaml
var devPolicy string

// devFlags are the command line of dev.
type devFlags struct {
	smpp, tls, http, callback, cluster, sim, data string
	node                                          int // one of several on this machine, from 1; 0: a node alone
	paused                                        bool
	logLevel                                      string
}

func newDev() *cobra.Command {
	var f devFlags
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run a node with a simulator of the API built in, to play with",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := new(slog.LevelVar).UnmarshalText([]byte(f.logLevel)); err != nil {
				return usageError{fmt.Errorf("--log-level: %w", err)}
			}
			if err := f.asNode(cmd.Flags().Changed); err != nil {
				return usageError{err}
			}
			return dev(cmd.Context(), f, cmd.OutOrStdout())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.smpp, "smpp", "127.0.0.1:2775", "SMPP listener")
	fl.StringVar(&f.tls, "tls", "", "SMPP listener with TLS, e.g. 127.0.0.1:3550, with a certificate made for the occasion; empty = none")
	fl.StringVar(&f.http, "http", "127.0.0.1:9775", "admin HTTP listener")
	fl.StringVar(&f.callback, "callback", "127.0.0.1:0", "listener for the simulator's reports")
	fl.StringVar(&f.cluster, "cluster", "127.0.0.1:0", "cluster listener")
	fl.StringVar(&f.sim, "sim", "127.0.0.1:0", "listener of the built-in simulator")
	fl.StringVar(&f.data, "data", "", "data directory; empty = a new one that is removed at the end")
	fl.IntVar(&f.node, "node", 0, "1 to 9: be node n1 to n9 of a cluster on this machine, with ports counted up from those of node 1; needs --data")
	fl.BoolVar(&f.paused, "paused", false, "accept and keep messages, send none until resumed")
	fl.StringVar(&f.logLevel, "log-level", "warn", "debug, info, warn or error")
	return cmd
}

// dev runs a node, and the simulator it sends to, until ctx ends.
func dev(ctx context.Context, f devFlags, out io.Writer) error {
	if f.smpp == "" {
		return usageError{errors.New("--smpp: is empty; want an address")}
	}
	if f.data == "" {
		dir, err := os.MkdirTemp("", "smppbridge-dev-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		f.data = dir
	}
	level := new(slog.LevelVar)
	log := newLogger(configs.Log{Level: f.logLevel, Format: "text"}, level)
	if f.node > 0 {
		return devNode(ctx, f, log, out)
	}
	sim, err := startSimulator(ctx, f.sim, log)
	if err != nil {
		return fmt.Errorf("start simulator: %w", err)
	}
	defer sim.stop()
	opts, err := devOptions(f, sim.addr)
	if err != nil {
		return err
	}
	opts.Log = log
	fingerprint := ""
	if f.tls != "" {
		if opts.TLS, fingerprint, err = selfSigned(); err != nil {
			return fmt.Errorf("make certificate: %w", err)
		}
	}
	n, err := start(ctx, opts)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	sim.SetReportURL(fmt.Sprintf("http://%s/callback/%s/smsreport", n.callbackAddr, opts.CallbackSecret))
	sim.SetIncomingURL(fmt.Sprintf("http://%s/callback/%s/smsup", n.callbackAddr, opts.CallbackSecret))
	printDevHelp(out, n, sim.addr, fingerprint)
	return n.wait(ctx)
}

// devOptions is the node configuration of dev.
func devOptions(f devFlags, sim string) (options, error) {
	hash, err := argon2id.CreateHash("secret", argon2id.DefaultParams)
	if err != nil {
		return options{}, err
	}
	key, err := aliyun.Static("sim-key", "sim-secret", "")
	if err != nil {
		return options{}, err
	}
	cfg := configs.DefaultNode()
	cfg.NodeID = "dev"
	cfg.DataDir = f.data
	cfg.SMPP.Listen, cfg.HTTP.Listen, cfg.Callback.Listen, cfg.Cluster.Listen = f.smpp, f.http, f.callback, f.cluster
	cfg.SMPP.TLS.Listen = f.tls
	cfg.SMPP.MaxUnboundPerAddress = cfg.SMPP.MaxUnbound // all clients are on this machine
	cfg.Policy.Follow = true
	cfg.DrainTime = configs.Duration(5 * time.Second)
	return options{
		Node:           cfg,
		CallbackSecret: rand.Text(),
		Credentials:    map[string]aliyun.Credentials{configs.DefaultCredential: key},
		Policy:         []byte(strings.NewReplacer("ENDPOINT", sim, "HASH", hash).Replace(devPolicy)),
		Paused:         f.paused,
	}, nil
}

// simulator is the API that dev sends to.
type simulator struct {
	*aliyunsim.Server
	addr string
	stop func()
}

func startSimulator(ctx context.Context, listen string, log *slog.Logger) (*simulator, error) {
	cfg := aliyunsim.DevConfig()
	cfg.Log = log
	srv, err := aliyunsim.New(cfg)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, err
	}
	// It outlives ctx: the node's last calls end while it stops.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := srv.Run(ctx, l); err != nil && ctx.Err() == nil {
			log.Error("simulator", "err", err)
		}
	}()
	return &simulator{Server: srv, addr: l.Addr().String(), stop: func() { cancel(); <-done }}, nil
}

func printDevHelp(out io.Writer, n *node, sim, fingerprint string) {
	host, port, _ := net.SplitHostPort(n.smppAddr.String())
	secure := ""
	if n.smppTLSAddr != nil {
		secure = fmt.Sprintf("SMPP/TLS  %s   (certificate with SHA-256 %s)\n", n.smppTLSAddr, fingerprint)
	}
	fmt.Fprintf(out, `SMPP      %[1]s   (accounts test, otp, slow, bank, legacy, vendor, strict, dedupe; password secret)
%[7]sHTTP      http://%[2]s   (/metrics /readyz /v1/status /v1/messages/{message_id})
simulator http://%[3]s/sim/ledger   (what was "sent"; /sim/faults to break things)
send      SMPP_PASSWORD=secret smppctl send --addr %[4]s --system-id test --to 13800138000 --text 'hello'
          any ESME at host %[5]s, port %[6]s will do; Ctrl-C ends
ready
`, n.smppAddr, n.httpAddr, sim, n.smppAddr, host, port, secure)
}
