// Command aliyunsim plays Alibaba Cloud's SMS API on a local port. See the package
// bridge/aliyun/aliyunsim for what it plays and for the control endpoints under /sim/.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"smppbridge/bridge/aliyun/aliyunsim"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := command().ExecuteContext(ctx); err != nil {
		stop()
		os.Exit(1)
	}
}

// options are what the flags set.
type options struct {
	listen      []string
	reportURL   string
	incomingURL string
	key, secret string
	registry    string
	seed        uint64
	latency     time.Duration
	reportDelay time.Duration
	qps         int
	ledgerLimit int
	noLimits    bool
	tls         bool
}

func command() *cobra.Command {
	var o options
	c := &cobra.Command{
		Use:   "aliyunsim",
		Short: "Play Alibaba Cloud's SMS API (Dysmsapi 2017-05-25) on a local port",
		Long: "Play Alibaba Cloud's SMS API (Dysmsapi 2017-05-25) on a local port. Nothing is sent to anybody.\n\n" +
			"Faults, the ledger of what was executed and counters are under /sim/ on the same port, without\n" +
			"authentication: this is a test tool and must not be reachable by others.",
		Args:         cobra.NoArgs,
		SilenceUsage: true,
		RunE:         func(c *cobra.Command, _ []string) error { return run(c.Context(), o, c.OutOrStdout()) },
	}
	f := c.Flags()
	f.StringSliceVar(&o.listen, "listen", []string{"127.0.0.1:18080"}, "addresses to listen on: endpoints of one API")
	f.StringVar(&o.reportURL, "report-url", "", "URL that delivery reports are pushed to (none: not pushed)")
	f.StringVar(&o.incomingURL, "incoming-url", "", "URL that incoming messages are pushed to (none: not pushed)")
	f.StringVar(&o.key, "key", "sim-key", "AccessKey id of the built-in account")
	f.StringVar(&o.secret, "secret", "sim-secret", "AccessKey secret of the built-in account")
	f.StringVar(&o.registry, "registry", "", "JSON file with accounts and outcomes in place of the built-in account")
	f.Uint64Var(&o.seed, "seed", 0, "seed of the faults' choices")
	f.DurationVar(&o.latency, "latency", 0, "time that every send takes")
	f.DurationVar(&o.reportDelay, "report-delay", 300*time.Millisecond, "time from a send to its report")
	f.IntVar(&o.qps, "qps", -1, "calls a second to each API and account (negative: no limit, 0: Alibaba's quotas)")
	f.IntVar(&o.ledgerLimit, "ledger-limit", 1<<20, "messages that the ledger remembers (0: all)")
	f.BoolVar(&o.noLimits, "no-limits", false, "no frequency limits per phone number")
	f.BoolVar(&o.tls, "tls", false, "serve HTTPS with a self-signed certificate")
	return c
}

// run plays until ctx ends.
func run(ctx context.Context, o options, out io.Writer) error {
	cfg, err := o.config()
	if err != nil {
		return err
	}
	s, err := aliyunsim.New(cfg)
	if err != nil {
		return err
	}
	if len(o.listen) == 0 {
		return errors.New("listen: no address")
	}
	scheme := "http"
	if o.tls {
		scheme = "https"
	}
	list := make([]net.Listener, 0, len(o.listen))
	says := ""
	for _, addr := range o.listen {
		ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
		if err != nil {
			for _, open := range list {
				_ = open.Close()
			}
			return fmt.Errorf("listen: %w", err)
		}
		list = append(list, ln)
		says += fmt.Sprintf("aliyunsim listens on %s://%s (control: %s://%s/sim/)\n", scheme, ln.Addr(), scheme, ln.Addr())
	}
	_, _ = io.WriteString(out, says)
	return s.Run(ctx, list[0], list[1:]...)
}

// registry is what the file named by --registry holds.
type registry struct {
	Accounts []aliyunsim.Account          `json:"accounts"`
	Outcomes map[string]aliyunsim.Outcome `json:"outcomes"`
}

func (o options) config() (aliyunsim.Config, error) {
	cfg := aliyunsim.DevConfig()
	cfg.Accounts[0].Keys[0] = aliyunsim.Key{ID: o.key, Secret: o.secret}
	if o.registry != "" {
		r, err := readRegistry(o.registry)
		if err != nil {
			return cfg, err
		}
		cfg.Accounts, cfg.Outcomes = r.Accounts, r.Outcomes
	}
	cfg.ReportURL, cfg.Reports.Delay, cfg.IncomingURL = o.reportURL, o.reportDelay, o.incomingURL
	cfg.Seed, cfg.TLS, cfg.LedgerLimit, cfg.Limits.Off = o.seed, o.tls, o.ledgerLimit, o.noLimits
	if cfg.QPS = map[string]int{"*": o.qps}; o.qps == 0 {
		cfg.QPS = nil
	}
	if o.latency > 0 {
		cfg.Faults = aliyunsim.Faults{{Kind: aliyunsim.FaultLatency, DelayMS: int(o.latency.Milliseconds())}}
	}
	cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	return cfg, nil
}

func readRegistry(path string) (r registry, err error) {
	file, err := os.Open(path)
	if err != nil {
		return r, fmt.Errorf("read the registry: %w", err)
	}
	defer func() { _ = file.Close() }()
	d := json.NewDecoder(file)
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, fmt.Errorf("read the registry %s: %w", path, err)
	}
	if len(r.Accounts) == 0 {
		return r, fmt.Errorf("read the registry %s: it has no accounts", path)
	}
	return r, nil
}
