// Smppload is a fleet of ESMEs that measures a message centre:
//
//	SMPP_PASSWORD=secret smppload --binds 8 --window 200 --duration 10s
//	SMPP_PASSWORD=secret smppload --binds 8 --rate 20000 --duration 10s
//	SMPP_PASSWORD=secret smppload --messages 100000 --registered --text '【阿里云测试】{n}' --ucs2
//	smppload echo
//
// Without a rate each bind keeps its window full, which finds the highest
// throughput. With one, messages leave by a schedule that does not wait for the
// server, and latency counts from when a message was to leave: that is what a
// client sees. Receipts are matched one by one, over all binds.
//
// It exits with 0; with 1 when a session was lost, a submit_sm was never answered or
// awaited receipts are missing; with 2 when the command line is wrong. An interrupt ends
// the run early and prints what there is; a second one ends it at once.
//
// Read it in this order: fleet.go is a run from bind to unbind, bind.go one session,
// bind_write.go and bind_read.go its two goroutines, ledger.go and matches.go what is
// counted, summary.go what is printed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1
	exitUsage  = 2
)

// passwordEnv is where the password is looked for: an argument is seen by everyone
// on the machine.
const passwordEnv = "SMPP_PASSWORD"

// usageError marks an error of the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() { os.Exit(exitCode()) }

func exitCode() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // the second signal is not caught
	err := newRoot().ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "smppload:", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

// loadFlags are the command line of a run.
type loadFlags struct {
	fleetOptions
	profile string
	json    bool
}

func newRoot() *cobra.Command {
	var f loadFlags
	root := &cobra.Command{
		Use:           "smppload",
		Short:         "A fleet of ESMEs that measures a message centre",
		Args:          noArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE:          func(cmd *cobra.Command, _ []string) error { return runLoad(cmd, f) },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newEcho())
	f.define(root)
	return root
}

// noArgs is cobra.NoArgs as an error of the command line.
func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

// define makes the flags.
func (f *loadFlags) define(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.addr, "addr", "127.0.0.1:2775", "the message centre")
	fl.StringVar(&f.systemID, "system-id", "test", "account")
	fl.StringVar(&f.password, "password", "", "its password; better given in the environment as "+passwordEnv)
	fl.IntVar(&f.binds, "binds", 8, "sessions, all transceivers")
	fl.IntVar(&f.window, "window", 200, "unanswered submit_sm of one bind")
	fl.Int64Var(&f.schedule.rate, "rate", 0, "messages per second of all binds together; 0 = as fast as the windows allow")
	fl.DurationVar(&f.schedule.duration, "duration", 10*time.Second, "length of the schedule; 0 = until --messages or an interrupt")
	fl.Int64Var(&f.schedule.messages, "messages", 0, "stop after so many; 0 = no limit")
	fl.Int64Var(&f.first, "first", 0, "number of the first message: {n} and the phone number follow from it")
	fl.StringVar(&f.message.text, "text", "load test {n}", "text; {n} becomes the message's number (9 digits), {code} a six-digit code")
	fl.BoolVar(&f.message.ucs2, "ucs2", false, "send the text as UCS-2 instead of GSM 7-bit")
	fl.BoolVar(&f.message.registered, "registered", false, "ask for receipts")
	fl.DurationVar(&f.receipts, "wait-receipts", 30*time.Second, "how long to wait for receipts at the end, if they are asked for; 0 = do not")
	fl.DurationVar(&f.patience, "patience", 30*time.Second, "give up when submit_sm are unanswered and for so long no answer at all has come")
	fl.StringVar(&f.message.source, "source", "1069", "source_addr")
	fl.StringVar(&f.message.destPrefix, "dest-prefix", "138", "how the ascending 11-digit phone numbers begin")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.StringVar(&f.profile, "cpuprofile", "", "write a CPU profile here")
}

// runLoad does one run and prints it.
func runLoad(cmd *cobra.Command, f loadFlags) error {
	if f.password == "" {
		f.password = os.Getenv(passwordEnv)
	}
	if err := f.check(); err != nil {
		return usageError{err}
	}
	stop, err := profile(f.profile)
	if err != nil {
		return err
	}
	s, err := load(cmd.Context(), f.fleetOptions)
	if err := errors.Join(err, stop()); err != nil {
		return err
	}
	write := s.writeText
	if f.json {
		write = s.writeJSON
	}
	if err := write(cmd.OutOrStdout()); err != nil {
		return err
	}
	return s.failed()
}

// check reports what is wrong with the command line.
func (o *fleetOptions) check() error {
	for _, c := range []struct {
		flag        string
		value       int64
		least, most int64
	}{
		{"binds", int64(o.binds), 1, 100_000},
		{"window", int64(o.window), 1, 100_000},
		{"rate", o.schedule.rate, 0, 10_000_000},
		{"messages", o.schedule.messages, 0, 1e12},
		{"first", o.first, 0, 1e12},
		{"duration", int64(o.schedule.duration), 0, int64(24 * time.Hour)},
		{"patience", int64(o.patience), int64(time.Millisecond), int64(24 * time.Hour)},
		{"wait-receipts", int64(o.receipts), 0, int64(24 * time.Hour)},
	} {
		if c.value < c.least || c.value > c.most {
			return fmt.Errorf("--%s: out of range", c.flag)
		}
	}
	_, err := newMessage(o.message)
	return err
}
