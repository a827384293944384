package main

import (
	"bufio"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// cancelRequest is what a node is asked to cancel, or to count.
type cancelRequest struct {
	Account  string    `json:"account"`
	Template string    `json:"template,omitempty"`
	Route    string    `json:"route,omitempty"`
	Class    string    `json:"class,omitempty"`
	Before   time.Time `json:"before,omitzero"`
	DryRun   bool      `json:"dry_run"`
}

// cancelAnswer is what became of it.
type cancelAnswer struct {
	Before    time.Time `json:"before"`
	Messages  int       `json:"messages"`
	Cancelled int       `json:"cancelled"`
}

var errNotConfirmed = errors.New("nothing was cancelled")

func newCancel() *cobra.Command {
	var addr, before string
	var yes bool
	var req cancelRequest
	cmd := &cobra.Command{
		Use:   "cancel --account NAME",
		Short: "Cancel what an account has waiting",
		Long: `Cancel the messages of an account that wait to be sent, or for their parts: all of them, or those of a template, of a class, that
have no other way than a route, that were accepted before a time. They are counted first, and cancelled after a "yes" on the
terminal, or with --yes. What comes after the counting is not meant, and what is on its way then is sent. ESMEs that asked for
receipts get them, as after a cancel_sm.

To stop what comes, pause the account first.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if req.Before, err = parseBefore(before); err != nil {
				return err
			}
			return runCancel(cmd, listener(addr), req, yes)
		},
	}
	httpFlag(cmd, &addr)
	f := cmd.Flags()
	f.StringVar(&req.Account, "account", "", "system_id")
	f.StringVar(&req.Template, "template", "", "TemplateCode")
	f.StringVar(&req.Route, "route", "", "messages that have no other way than this route")
	f.StringVar(&req.Class, "class", "", "class of the template")
	f.StringVar(&before, "before", "", "accepted before this time, such as 2026-11-21T20:15:00+08:00, or so long ago, such as 30m")
	f.BoolVar(&yes, "yes", false, "do not ask")
	_ = cmd.MarkFlagRequired("account") // it is a flag
	return cmd
}

// parseBefore reads a time, or how long ago it was. "" is the zero time.
func parseBefore(s string) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil && ago >= 0 {
		return time.Now().Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return t, fmt.Errorf("--before %q is neither a time such as 2026-11-21T20:15:00+08:00 nor so long ago as 30m", s)
	}
	return t, nil
}

func runCancel(cmd *cobra.Command, l listener, req cancelRequest, yes bool) error {
	out := cmd.OutOrStdout()
	req.DryRun = true
	var a cancelAnswer
	if err := l.post(cmd.Context(), "/v1/cancel", req, &a); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d messages wait\n", a.Messages)
	if a.Messages == 0 {
		return nil
	}
	if !yes {
		fmt.Fprint(out, "cancel them? (yes) ")
		line, _ := bufio.NewReader(cmd.InOrStdin()).ReadString('\n') // without one it is no yes
		if strings.TrimSpace(line) != "yes" {
			return errNotConfirmed
		}
	}
	req.DryRun, req.Before = false, a.Before // those that were counted
	if err := l.post(cmd.Context(), "/v1/cancel", req, &a); err != nil {
		return err
	}
	_, err := fmt.Fprintf(out, "%d cancelled\n", a.Cancelled)
	return err
}
