package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync/atomic"

	"github.com/spf13/cobra"

	"smppbridge/smpp"
)

// An echo is the least a message centre can do: it takes every bind and answers each
// submit_sm at once, from memory. What it reaches is the ceiling that package smpp
// and the machine set, beside which a node's durable accepts are read.
type echo struct {
	window int
	last   atomic.Uint64 // the message number given last
}

// Bind takes everyone.
func (e *echo) Bind(context.Context, *smpp.Session, *smpp.Bind) (smpp.Options, error) {
	return smpp.Options{Window: e.window}, nil
}

func (*echo) Handle(s *smpp.Session, r smpp.Request, _ smpp.PDU) {
	s.Respond(r, smpp.StatusInvCmdID, "", 0)
}

// SubmitSM answers.
func (e *echo) SubmitSM(s *smpp.Session, r smpp.Request, _ *smpp.SubmitSM) {
	var digits [messageIDDigits]byte
	n := e.last.Add(1)
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = "0123456789abcdef"[n&15]
		n >>= 4
	}
	s.Respond(r, smpp.StatusOK, string(digits[:]), 0)
}

// Closed has nothing to give back.
func (*echo) Closed(*smpp.Session) {}

// echoFlags are the command line of echo.
type echoFlags struct {
	listen  string
	window  int
	profile string
}

func newEcho() *cobra.Command {
	var f echoFlags
	cmd := &cobra.Command{
		Use:   "echo",
		Short: "Serve SMPP without keeping anything: the ceiling to measure a node against",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveEcho(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", "127.0.0.1:2775", "SMPP listener; port 0 = any, which is printed")
	fl.IntVar(&f.window, "window", smpp.DefaultWindow, "unanswered submit_sm before a session is not read any more")
	fl.StringVar(&f.profile, "cpuprofile", "", "write a CPU profile here")
	return cmd
}

// serveEcho runs until ctx ends.
func serveEcho(ctx context.Context, f echoFlags, out, errOut io.Writer) error {
	l, err := net.Listen("tcp", f.listen)
	if err != nil {
		return err
	}
	stop, err := profile(f.profile)
	if err != nil {
		l.Close()
		return err
	}
	fmt.Fprintf(out, "SMPP      %s\nready\n", l.Addr())
	log := slog.New(slog.NewTextHandler(errOut, &slog.HandlerOptions{Level: slog.LevelWarn}))
	srv := smpp.NewServer(smpp.Config{SystemID: "echo", Log: log}, &echo{window: f.window})
	if err := srv.Serve(ctx, l); err != nil {
		_ = stop() // the server's error is the one to tell
		return err
	}
	return stop()
}
