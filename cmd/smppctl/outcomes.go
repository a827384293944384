package main

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

// outcomeTable is what the API's codes mean on a node.
type outcomeTable struct {
	Outcomes []struct {
		Code   string `json:"code"`
		Class  string `json:"class"`
		Status string `json:"command_status"`
		Stat   string `json:"stat"`
		Err    string `json:"err"`
		Policy bool   `json:"policy"`
	} `json:"outcomes"`
}

func newOutcomes() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "outcomes",
		Short: "Print what the API's answers mean",
		Long: `Print what the API's codes mean under the policy that the node at --http has in force: the built-in table with the policy's
outcomes before it. A code that ends in * stands for all that begin so and have no line of their own, "other" for the rest;
words in lower case are ours, for calls that the API did not answer.

CLASS says what becomes of the message. retry, throttle, account, phone: it was surely not sent and is tried again, after a
while, with the route slowed down, with the account's routes at rest, in the phone's next window. permanent: it ends with
STAT and ERR in its receipt. uncertain: it may have been sent, and the API is asked. STATUS is what an ESME gets that waits
for the API's answer (ack: submitted); codes that share an ERR share the first one's.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printAnswer(cmd, addr, "/v1/outcomes")
			}
			var t outcomeTable
			if err := listener(addr).ask(cmd.Context(), http.MethodGet, "/v1/outcomes", nil, &t); err != nil {
				return err
			}
			return t.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the node's answer as it is")
	return cmd
}

// print writes the table for people.
func (t *outcomeTable) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "CODE\tCLASS\tSTATUS\tSTAT\tERR\tFROM")
	for _, o := range t.Outcomes {
		from := "built in"
		if o.Policy {
			from = "policy"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", o.Code, o.Class, o.Status, or(o.Stat, "-"), o.Err, from)
	}
	return table.Flush()
}
