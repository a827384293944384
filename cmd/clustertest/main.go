//go:build linux

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

// options are the command line.
type options struct {
	programs
	install bool
	maybe   bool // where it cannot be run, say so and succeed
	nodes   int
	rounds  int
	only    string // regular expression; empty = all
	skip    string // likewise; empty = none
	long    bool
	mix     time.Duration
	load    float64
	seed    uint64
	keep    string
}

// Exit codes.
const (
	exitFailed  = 1
	exitNoPlace = 3 // of the program inside
)

// errNoPlace says that the run needs what this machine does not have: it has said nothing about the daemon.
var errNoPlace = errors.New("not possible here")

func main() { os.Exit(run()) }

func run() int {
	o := parse()
	if os.Getenv(insideEnv) != "" {
		return inside(o)
	}
	code, err := outside(o)
	switch {
	case code == exitNoPlace || errors.Is(err, errNoPlace):
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Println("\nCLUSTER TEST WAS NOT RUN")
		if o.maybe {
			return 0
		}
		return exitFailed
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nCLUSTER TEST FAILED:", err)
		return exitFailed
	}
	return code
}

func parse() options {
	var o options
	flag.StringVar(&o.daemon, "daemon", "bin/smppbridged", "the daemon's binary")
	flag.StringVar(&o.ctl, "ctl", "bin/smppctl", "the operator's tool")
	flag.BoolVar(&o.install, "install", false, "install what is missing from Debian (needs root)")
	flag.BoolVar(&o.maybe, "optional", false, "succeed, saying so, where namespaces and disks cannot be made")
	flag.IntVar(&o.nodes, "nodes", 3, "nodes of the cluster")
	flag.IntVar(&o.rounds, "rounds", 20, "rounds of each scene; fewer than 5: only the most telling scenes, unless --only names some")
	flag.StringVar(&o.only, "only", "", "only scenes that match this regular expression")
	flag.StringVar(&o.skip, "skip", "", "not the scenes that match this one")
	flag.BoolVar(&o.long, "long", false, "also the scenes that take long")
	flag.DurationVar(&o.mix, "mix", time.Minute, "how long the scene mix lasts")
	flag.Float64Var(&o.load, "load", 1, "factor of all rates")
	flag.Uint64Var(&o.seed, "seed", uint64(time.Now().UnixNano()), "of the choices that are left to chance")
	flag.StringVar(&o.keep, "keep", "", "keep logs and disks in this directory, also after success")
	flag.Parse()
	return o
}

// outside prepares the machine, and runs the program inside.
func outside(o options) (int, error) {
	if os.Geteuid() != 0 {
		return 0, fmt.Errorf("%w: namespaces, devices and mounts need root", errNoPlace)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := findTools(ctx, o.install)
	stop()
	if err != nil {
		return 0, fmt.Errorf("%w: %w", errNoPlace, err)
	}
	return enter()
}

// inside runs all scenes, and returns the exit code.
func inside(o options) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := runDirectory(o.keep)
	if err == nil {
		err = furnish()
	}
	if err == nil {
		err = playAll(ctx, o, dir)
	}
	if err == nil && o.keep == "" {
		_ = os.RemoveAll(dir)
	}
	switch {
	case errors.Is(err, errNoPlace):
		fmt.Fprintln(os.Stderr, err)
		return exitNoPlace
	case err != nil:
		fmt.Fprintln(os.Stderr, "\nCLUSTER TEST FAILED:", err)
		fmt.Fprintln(os.Stderr, "logs are in", dir)
		return exitFailed
	}
	fmt.Println("\nall as it should be")
	return 0
}

// runDirectory is where a run keeps its files.
func runDirectory(keep string) (string, error) {
	if keep == "" {
		return os.MkdirTemp("", "smppbridge-cluster-")
	}
	keep, err := filepath.Abs(keep)
	if err != nil {
		return "", err
	}
	return keep, os.MkdirAll(keep, 0o700)
}
