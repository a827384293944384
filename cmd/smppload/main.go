// Smppload is a fleet of ESMEs that measures a message centre:
//
//	SMPP_PASSWORD=secret smppload --binds 8 --window 200 --duration 10s
//	SMPP_PASSWORD=secret smppload --binds 8 --rate 20000 --duration 10s
//	SMPP_PASSWORD=secret smppload --schedule 100/s:10s,0:5s,100-5000/s:60s --json --series
//	SMPP_PASSWORD=secret smppload --messages 100000 --registered --strict --texts texts.txt --long udh8
//	SMPP_PASSWORD=secret smppload --bind-mode pair --registered --reconnect --rate 500 --duration 1h
//	SMPP_PASSWORD=secret smppload --idle 5000
//	smppload echo
//
// Without a rate each bind keeps its window full, which finds the highest
// throughput. With a rate or a schedule, messages leave at times that do not wait for
// the server, and latency counts from when a message was to leave: that is what a
// client sees. A rate counts messages; a text in parts is a submit_sm for each. What
// is due together leaves together, so that latencies are coarse by a millisecond.
//
// Receipts are matched one by one, over all binds, with what was submitted: exactly
// one for each message_id, with the addresses swapped and otherwise to the letter, in
// an expected state, not before the submit_sm_resp on the same connection. Each way
// of being wrong has its counter.
//
// With --reconnect a connection that breaks is made again, after 100 ms at first and
// up to 5 s later. What was unanswered on it is counted as unknown: the server may
// have accepted it. --resubmit sends it once more, with user_message_reference 1, and
// so can double it, as a real client that does the same can.
//
// It exits with 0; with 1 when a session was lost, a submit_sm was never answered or
// awaited receipts are missing, with --strict also when anything about a receipt is
// wrong; with 2 when the command line is wrong. An interrupt ends the run early and
// prints what there is; a second one ends it at once. What --json prints is described
// field by field at the type summary.
//
// Read it in this order: fleet.go is a run from bind to unbind, bind.go one session,
// bind_write.go and bind_read.go its two goroutines, bind_again.go its return;
// schedule.go and plan.go say when a message leaves, texts.go, message.go and
// encode.go what it is; ledger.go, matches.go and checks.go are what is counted,
// summary.go what is printed.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
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
