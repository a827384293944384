// Demo runs the main job on real input: it starts a node with the built-in simulator, binds a
// third-party ESME client over TCP, sends a one-time code, a notice, a long Chinese text and a text
// that no template matches, prints each submit_sm_resp and deliver_sm as they come, and exits with 0
// if and only if all came back as they should.
//
//	go run ./cmd/demo --daemon bin/smppbridged
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"
)

func main() {
	daemon := flag.String("daemon", "bin/smppbridged", "the daemon's binary")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute) // it ends as soon as all is there
	defer cancel()
	if err := run(ctx, *daemon); err != nil {
		fmt.Fprintln(os.Stderr, "\nDEMO FAILED:", err)
		os.Exit(1)
	}
	fmt.Println("\nall as it should be")
}

// run starts the daemon in a temporary directory and plays every scene.
func run(ctx context.Context, daemon string) (err error) {
	d, err := startDaemon(ctx, daemon)
	if err != nil {
		return err
	}
	defer func() {
		if stopErr := d.stop(); err == nil {
			err = stopErr
		}
	}()
	for _, s := range scenes {
		fmt.Printf("\n== %s\n", s.title)
		if err := s.play(ctx, d); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	return nil
}
