package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"smppbridge/bridge"
	"smppbridge/configs"
)

func newRun() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run a node",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return run(cmd.Context(), file)
		},
	}
	cmd.Flags().StringVar(&file, "config", "/etc/smppbridge/smppbridged.yaml", "node configuration")
	return cmd
}

// run runs the node that file describes until ctx ends.
func run(ctx context.Context, file string) error {
	cfg, err := configs.LoadNode(file)
	if err != nil {
		return usageError{err}
	}
	level := new(slog.LevelVar)
	log := newLogger(cfg.Log, level)
	opts, err := nodeOptions(cfg, log)
	if err != nil {
		return usageError{err}
	}
	// Before the start: a SIGHUP that nobody waits for would end the process.
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)
	for _, w := range cfg.Warnings() {
		opts.Log.Warn("configuration", "warning", w)
	}
	n, err := start(ctx, opts)
	if err != nil {
		return unlessStopped(ctx, err)
	}
	go reloadOn(ctx, hangups, n, file, level) // ends with ctx
	return n.wait(ctx)
}

// nodeOptions reads what the configuration refers to.
func nodeOptions(cfg *configs.Node, log *slog.Logger) (options, error) {
	opts := options{Node: *cfg, Log: log}
	if cfg.Callback.Listen != "" {
		secret, err := cfg.Callback.ReadSecret()
		if err != nil {
			return options{}, fmt.Errorf("callback.secret_file: %w", err)
		}
		opts.CallbackSecret = secret
	}
	creds, err := credentials(cfg.Credentials, log)
	if err != nil {
		return options{}, err
	}
	opts.Credentials = creds
	if opts.Logins, err = logins(cfg.Credentials); err != nil {
		return options{}, err
	}
	if cfg.Policy.File != "" {
		if opts.Policy, err = readPolicy(cfg); err != nil {
			return options{}, err
		}
	}
	return opts, nil
}

// readPolicy returns the octets of the policy file, which is valid and fits the node: once it is
// in the replicated state, a policy that no node can use is hard to get rid of.
func readPolicy(cfg *configs.Node) ([]byte, error) {
	file := cfg.Policy.File
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("policy.file: %w", err)
	}
	p, err := configs.ParsePolicy(file, b)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(cfg.CheckPolicy(p), bridge.CheckPolicy(p)); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return b, nil
}

func newLogger(cfg configs.Log, level *slog.LevelVar) *slog.Logger {
	setLevel(level, cfg.Level)
	o := &slog.HandlerOptions{Level: level}
	if cfg.Format == "text" {
		return slog.New(slog.NewTextHandler(os.Stderr, o))
	}
	return slog.New(slog.NewJSONHandler(os.Stderr, o))
}

func setLevel(level *slog.LevelVar, name string) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(name)); err == nil { // checked by configs
		level.Set(l)
	}
}

// reloadOn re-reads, at each SIGHUP, what can change while a node runs: certificates, the log level
// and, where the node follows it, the policy file. A file with faults changes nothing. It ends with ctx.
func reloadOn(ctx context.Context, hangups <-chan os.Signal, n *node, file string, level *slog.LevelVar) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangups:
		}
		n.reloadCertificates(ctx)
		if err := reload(ctx, n, file, level); err != nil {
			n.log.ErrorContext(ctx, "reload: nothing changed", "err", err)
			continue
		}
		n.log.InfoContext(ctx, "reloaded", "file", file)
	}
}

func reload(ctx context.Context, n *node, file string, level *slog.LevelVar) error {
	cfg, err := configs.LoadNode(file)
	if err != nil {
		return err
	}
	if cfg.Policy.Follow && cfg.Policy.File != "" {
		cfg.Credentials = n.opts.Node.Credentials // new ones are opened at the next start
		doc, err := readPolicy(cfg)
		if err != nil {
			return err
		}
		if err := n.putPolicy(ctx, doc); err != nil {
			return err
		}
	}
	setLevel(level, cfg.Log.Level)
	return nil
}
