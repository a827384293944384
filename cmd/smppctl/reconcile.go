package main

import (
	"fmt"
	"io"
	"net/url"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// reconcileAnswer is what a node says of a day.
type reconcileAnswer struct {
	Accounts []struct {
		Day     string          `json:"day"`
		Account string          `json:"account"`
		Kinds   []reconcileKind `json:"kinds"`
	} `json:"accounts"`
}

type reconcileKind struct {
	Kind   string          `json:"kind"`
	Ours   reconcileCounts `json:"ours"`
	Theirs reconcileCounts `json:"theirs"`
}

type reconcileCounts struct {
	Sent      int64 `json:"sent"`
	Segments  int64 `json:"segments"`
	Delivered int64 `json:"delivered"`
	Failed    int64 `json:"failed"`
	Open      int64 `json:"open"`
	Uncertain int64 `json:"uncertain"`
}

func newReconcile() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "reconcile [DAY]",
		Short: "Compare a day's messages with what the Alibaba Cloud accounts count",
		Long: `Compare a day's messages with what the Alibaba Cloud accounts count (QuerySendStatistics), by kind of template. DAY is of UTC+8,
such as 20261121; without it, yesterday. OURS are the messages that the API accepted as far as this system knows, SEGMENTS the SMS
they are made of; UNCERTAIN ones, of which it never became known, may be among the account's as well. What others send by the
same account is, too. Kinds are shown where the class of every template says its kind: otp, notice, promotion, international.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "/v1/reconcile"
			if len(args) > 0 {
				path += "?day=" + url.QueryEscape(args[0])
			}
			var a reconcileAnswer
			if err := listener(addr).post(cmd.Context(), path, nil, &a); err != nil {
				return err
			}
			return a.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	return cmd
}

// print writes the counts for people.
func (a *reconcileAnswer) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ACCOUNT\tDAY\tKIND\tOURS\tSEGMENTS\tUNCERTAIN\tTHEIRS\tDIFFERENCE\tDELIVERED\tFAILED\tOPEN")
	for _, account := range a.Accounts {
		for i := range account.Kinds {
			k := &account.Kinds[i]
			fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%d\t%d\t%d\t%+d\t%d/%d\t%d/%d\t%d/%d\n", account.Account, account.Day, k.Kind,
				k.Ours.Sent, k.Ours.Segments, k.Ours.Uncertain, k.Theirs.Sent, k.Theirs.Sent-k.Ours.Sent, k.Ours.Delivered, k.Theirs.Delivered,
				k.Ours.Failed, k.Theirs.Failed, k.Ours.Open, k.Theirs.Open)
		}
	}
	return table.Flush()
}
