// Smppctl is the operator's tool. It checks what an operator writes before a node reads it, makes password hashes,
// says why a text matches no template, sends a test message as any ESME would, and asks a running node about itself:
//
//	smppctl hash-password < password
//	smppctl config check smppbridged.yaml
//	smppctl policy check policy.yaml
//	smppctl template explain --policy policy.yaml --account bank-otp 'TEXT'
//	smppctl template lint --policy policy.yaml
//	smppctl template coverage --policy policy.yaml --account bank-otp texts.txt
//	smppctl template list
//	smppctl template pull --policy policy.yaml
//	SMPP_PASSWORD=... smppctl send --system-id bank-otp --to 13900000000 --text 'TEXT'
//	smppctl where 000000002a
//	smppctl status
//	smppctl routes
//	smppctl uncertain
//	smppctl pause account bank-otp --refuse --reason "codes leak"
//	smppctl brakes
//	smppctl cancel --account bank-otp
//	smppctl outcomes
//	smppctl reconcile 20261120
//	smppctl trace --system-id bank-otp --for 60s
//	smppctl optout list --account bank-promo
//	smppctl cluster status
//
// It exits with 0 if what it was asked for is so, and with 1 if not: a faulty file, a text without a template, a
// message that was not delivered.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := newRoot().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "smppctl:", err)
		return 1
	}
	return 0
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "smppctl",
		Short:         "The operator's tool of smppbridge",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newHashPassword(), newConfig(), newPolicy(), newTemplate(), newSend(), newWhere(), newStatus(), newRoutes(), newUncertain(), newPause(), newResume(), newBrakes(), newCancel(),
		newOutcomes(), newTrace(), newReconcile(), newOptOut(), newCluster(), newVersion())
	return root
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version and the commit it was built from",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(cmd.OutOrStdout(), "smppctl", version())
			return err
		},
	}
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
