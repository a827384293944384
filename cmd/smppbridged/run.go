package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"smppbridge/configs"
)

func newRun() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "run --config FILE",
		Short: "Run a node",
		Args:  cobra.NoArgs,
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
	opts, err := nodeOptions(cfg)
	if err != nil {
		return usageError{err}
	}
	level := new(slog.LevelVar)
	opts.Log = newLogger(cfg.Log, level)
	for _, w := range cfg.Warnings() {
		opts.Log.Warn("configuration", "warning", w)
	}
	n, err := start(ctx, opts)
	if err != nil {
		return err
	}
	go reloadOnHangup(ctx, n, file, level)
	return n.wait(ctx)
}

// nodeOptions reads what the configuration refers to.
func nodeOptions(cfg *configs.Node) (options, error) {
	opts := options{Node: *cfg}
	if cfg.Callback.Listen != "" {
		secret, err := cfg.Callback.ReadSecret()
		if err != nil {
			return options{}, err
		}
		opts.CallbackSecret = secret
	}
	creds, err := credentials(cfg.Credentials)
	if err != nil {
		return options{}, err
	}
	opts.Credentials = creds
	if cfg.Policy.File != "" {
		if opts.Policy, err = readPolicy(cfg.Policy.File); err != nil {
			return options{}, err
		}
	}
	return opts, nil
}

// readPolicy returns the octets of a policy file that is valid.
func readPolicy(file string) ([]byte, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if _, err := configs.ParsePolicy(file, b); err != nil {
		return nil, err
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

// reloadOnHangup re-reads, at each SIGHUP, what can change while a node runs: the log level and,
// where the node follows it, the policy file. A file with faults changes nothing. It ends with ctx.
func reloadOnHangup(ctx context.Context, n *node, file string, level *slog.LevelVar) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
		}
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
		doc, err := readPolicy(cfg.Policy.File)
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
