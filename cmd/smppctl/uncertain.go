package main

import (
	"fmt"
	"io"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// uncertainMessage is a message of which nobody knows whether it was sent.
type uncertainMessage struct {
	MessageID string    `json:"message_id"`
	SystemID  string    `json:"system_id"`
	Phone     string    `json:"phone"`
	Class     string    `json:"class"`
	Route     string    `json:"route"`
	Messages  int       `json:"messages"`
	Since     time.Time `json:"since"`
	AskAt     time.Time `json:"ask_at"`
	Then      string    `json:"then"`
	Number    uint64    `json:"number"`
}

type uncertainAnswer struct {
	Total    int                `json:"total"`
	Messages []uncertainMessage `json:"messages"`
}

// uncertainPage is how many are asked for at a time.
const uncertainPage = 1000

func newUncertain() *cobra.Command {
	var addr string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "uncertain",
		Short: "Print the messages of which nobody knows whether they were sent",
		Long: `Print the messages of which nobody knows whether they were sent: the API was called, and its answer was lost or said nothing.
They are asked about, and nothing is sent again before the API said that it does not know them. ASKED is when it is asked
next (UTC); THEN is what their class says if nothing is found out: they are sent again (resend), or their ESME gets a receipt
that says unknown (report). CALL is how many messages were in the same call.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printAnswer(cmd, addr, fmt.Sprintf("/v1/uncertain?limit=%d", limit))
			}
			a, err := listener(addr).uncertain(cmd, limit)
			if err != nil {
				return err
			}
			return a.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().IntVar(&limit, "limit", 100, "how many of them; with --json 1000 at most")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the node's answer as it is")
	return cmd
}

// uncertain asks for as many messages as limit says, page by page.
func (l listener) uncertain(cmd *cobra.Command, limit int) (all uncertainAnswer, err error) {
	for after := uint64(0); len(all.Messages) < limit; {
		var a uncertainAnswer
		most := min(limit-len(all.Messages), uncertainPage)
		if err := l.ask(cmd.Context(), http.MethodGet, fmt.Sprintf("/v1/uncertain?after=%d&limit=%d", after, most), nil, &a); err != nil {
			return all, err
		}
		all.Total = a.Total
		all.Messages = append(all.Messages, a.Messages...)
		if len(a.Messages) < most {
			break
		}
		after = a.Messages[len(a.Messages)-1].Number
	}
	return all, nil
}

// print writes the messages for people.
func (a *uncertainAnswer) print(out io.Writer) error {
	if len(a.Messages) == 0 {
		_, err := fmt.Fprintln(out, "none")
		return err
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "MESSAGE_ID\tACCOUNT\tPHONE\tCLASS\tROUTE\tSINCE\tASKED\tTHEN\tCALL")
	for i := range a.Messages {
		m := &a.Messages[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%d\n", m.MessageID, m.SystemID, m.Phone, or(m.Class, "-"), or(m.Route, "-"),
			m.Since.UTC().Format(time.DateTime), m.AskAt.UTC().Format(time.TimeOnly), m.Then, m.Messages)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if more := a.Total - len(a.Messages); more > 0 {
		_, err := fmt.Fprintf(out, "and %d more\n", more)
		return err
	}
	return nil
}
