// Smppbridged is the bridge's daemon: an SMPP message centre in front of Alibaba Cloud's SMS API.
//
//	smppbridged run --config /etc/smppbridge/smppbridged.yaml
//	smppbridged recover --config /etc/smppbridge/smppbridged.yaml
//	smppbridged dev
//
// It exits with 0 after a clean stop, 78 when its configuration or command line is wrong, 65 when its data must not be used
// as they are or the cluster goes on without it, and 1 when anything else ended it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"

	"smppbridge/bridge"
	"smppbridge/cluster"
	"smppbridge/store"
)

// Exit codes.
const (
	exitFailed = 1
	exitData   = 65 // EX_DATAERR. The unit does not restart after it
	exitUsage  = 78 // EX_CONFIG; not 2, with which a panic ends. The unit does not restart after it
)

// usageError marks an error of configuration or command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	syscall.Umask(0o077) // also for the files of libraries
	if os.Getenv("GOGC") == "" {
		// The live heap is small and what is allocated for each message soon dead: collecting at twice
		// the live heap would take a third of the processors at full load.
		debug.SetGCPercent(400)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "smppbridged:", err)
		os.Exit(exitCode(err))
	}
}

// exitCode says whether to start the node again: after 1 it may be better the next time.
func exitCode(err error) int {
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	for _, data := range []error{bridge.ErrSucceeded, store.ErrDiverged, store.ErrVersion, cluster.ErrLogLost, cluster.ErrRemoved, errBadData} {
		if errors.Is(err, data) {
			return exitData
		}
	}
	return exitFailed
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "smppbridged",
		Short:         "An SMPP message centre in front of Alibaba Cloud's SMS API",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		Args:          noArgs,
		RunE: func(*cobra.Command, []string) error {
			return usageError{errors.New("a command is missing: run, dev or recover; smppbridged --help says more")}
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newRun(), newDev(), newRecover())
	return root
}

// noArgs is cobra.NoArgs with an error that is known as the command line's.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// version is the module's version and the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			v += " " + s.Value[:min(len(s.Value), 12)]
		}
	}
	return v
}
