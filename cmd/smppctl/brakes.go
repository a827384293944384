package main

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// brake is what a node says of something that is stopped.
type brake struct {
	Kind    string    `json:"kind"`
	Name    string    `json:"name"`
	Mode    string    `json:"mode"`
	By      string    `json:"by"`
	Reason  string    `json:"reason"`
	At      time.Time `json:"at"`
	Waiting int       `json:"waiting"`
}

type brakesAnswer struct {
	Paused bool    `json:"paused"`
	Brakes []brake `json:"brakes"`
}

// brakeKinds are what can be stopped.
const brakeKinds = "account|template|route"

func newPause() *cobra.Command {
	var addr, reason, by string
	var refuse bool
	cmd := &cobra.Command{
		Use:   "pause " + brakeKinds + " NAME",
		Short: "Stop sending for an account, a template or a route",
		Long: `Stop sending what an account submits, what goes by a template, or by a route, on all nodes and until it is resumed. What is
accepted waits, as long as its validity lasts; calls under way end. With --refuse, submits of the account or for the template are
answered with ESME_RTHROTTLED besides. What would have gone by a stopped route goes by another one if it has another.

A second pause of the same thing changes how it is stopped. Any node can be asked.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			mode := "hold"
			if refuse {
				mode = "refuse"
			}
			body := map[string]string{"kind": args[0], "name": args[1], "mode": mode, "by": by, "reason": reason}
			var answer struct{}
			if err := listener(addr).ask(cmd.Context(), http.MethodPost, "/v1/brakes", body, &answer); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s is stopped: %s\n", args[0], args[1], mode)
			return err
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().BoolVar(&refuse, "refuse", false, "refuse submits, too")
	cmd.Flags().StringVar(&reason, "reason", "", "why, for those who read smppctl brakes; no numbers or texts")
	cmd.Flags().StringVar(&by, "by", os.Getenv("USER"), "who")
	return cmd
}

func newResume() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "resume " + brakeKinds + " NAME",
		Short: "Let go what was stopped by pause",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/v1/brakes/" + url.PathEscape(args[0]) + "/" + url.PathEscape(args[1])
			var answer struct{}
			if err := listener(addr).ask(cmd.Context(), http.MethodDelete, path, nil, &answer); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "%s %s goes on\n", args[0], args[1])
			return err
		},
	}
	httpFlag(cmd, &addr)
	return cmd
}

func newBrakes() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "brakes",
		Short: "Print what is stopped",
		Long: `Print which accounts, templates and routes are stopped, since when, by whom and why. WAITING is how many messages of a stopped
account are to be sent.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printAnswer(cmd, addr, "/v1/brakes")
			}
			var a brakesAnswer
			if err := listener(addr).ask(cmd.Context(), http.MethodGet, "/v1/brakes", nil, &a); err != nil {
				return err
			}
			return a.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the node's answer as it is")
	return cmd
}

// print writes what is stopped for people.
func (a *brakesAnswer) print(out io.Writer) error {
	if a.Paused {
		fmt.Fprintln(out, "this node sends nothing at all while it leads: it is paused")
	}
	if len(a.Brakes) == 0 {
		_, err := fmt.Fprintln(out, "nothing is stopped")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KIND\tNAME\tMODE\tSINCE\tBY\tWAITING\tREASON")
	for i := range a.Brakes {
		b := &a.Brakes[i]
		waiting := "-"
		if b.Kind == "account" {
			waiting = fmt.Sprint(b.Waiting)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", b.Kind, b.Name, b.Mode, b.At.UTC().Format(time.DateTime), or(b.By, "-"),
			waiting, or(oneLine(b.Reason), "-"))
	}
	return table.Flush()
}

// oneLine is a text that somebody has typed, as a cell of a table.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
