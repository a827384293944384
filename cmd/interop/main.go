// Interop lets the ESMEs of others loose on a daemon: Kannel, npm's smpp, Perl's Net::SMPP, gosmpp and
// go-smpp, each as a transceiver and as a transmitter with a receiver. Each submits short texts in every
// coding it has, flash texts, a text in message_payload, texts in parts and one that must be refused, and must
// get the receipt of each; what the simulator of the API was asked to send must be what was submitted. The scripted
// ones also do the operations besides submit_sm. All of it is captured, and tshark must dissect every octet of it.
//
//	go run ./cmd/interop --daemon bin/smppbridged            what it needs is there
//	go run ./cmd/interop --daemon bin/smppbridged --install  install it first (Debian, root)
//
// It prints one line per client and check, and exits with 0 only if all passed.
//
// Read run.go first, then texts.go and operations.go (what is asked of a client), check.go (what it must have seen),
// wire.go and wire_check.go (what must have been on the wire). Each client has a file of its own; those that are
// not Go are in clients/.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// runLimit is how long a run may take once everything is installed.
const runLimit = 9 * time.Minute

// options are the command line.
type options struct {
	daemon  string
	install bool
	maybe   bool   // where it cannot be run, say so and succeed
	cache   string // where npm's package is kept from one run to the next
	keep    string // directory for logs and capture; empty = removed at the end
	only    string // part of a client's name; empty = all
}

func main() {
	var o options
	flag.StringVar(&o.daemon, "daemon", "bin/smppbridged", "the daemon's binary")
	flag.BoolVar(&o.install, "install", false, "install what is missing from Debian and npm (needs root)")
	flag.BoolVar(&o.maybe, "optional", false, "succeed, saying so, where clients cannot be installed or nothing can be captured")
	flag.StringVar(&o.cache, "cache", "", "directory for npm's package (default: smppbridge-interop in the user's cache directory)")
	flag.StringVar(&o.keep, "keep", "", "keep logs and capture in this directory; they hold the texts of the run")
	flag.StringVar(&o.only, "only", "", "only clients whose name contains this")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := interop(ctx, o)
	if o.maybe && errors.Is(err, errNoPlace) {
		fmt.Println("\nINTEROP WAS NOT RUN:", err)
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "\nINTEROP FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("\nall as it should be")
}

// errNoPlace says that the run needs what this machine does not have: it has said nothing about the daemon.
var errNoPlace = errors.New("not possible here")

// interop installs what is asked for, and runs.
func interop(ctx context.Context, o options) error {
	if o.cache == "" {
		dir, err := os.UserCacheDir()
		if err != nil {
			dir = os.TempDir()
		}
		o.cache = filepath.Join(dir, "smppbridge-interop")
	}
	if o.install {
		if err := install(ctx, o.cache); err != nil {
			return fmt.Errorf("%w: %w", errNoPlace, err)
		}
	}
	tools, err := findTools(ctx, o.cache)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoPlace, err)
	}
	ctx, cancel := context.WithTimeout(ctx, runLimit)
	defer cancel()
	return run(ctx, o, tools)
}
