package main

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// routesAnswer is what a node says of the routes.
type routesAnswer struct {
	Leader string        `json:"leader"`
	Routes []routeStatus `json:"routes"`
}

// routeStatus is how a route stands.
type routeStatus struct {
	Name     string    `json:"route"`
	Account  string    `json:"account"`
	Priority int       `json:"priority"`
	Weight   int       `json:"weight"`
	Circuit  string    `json:"circuit"`
	Since    time.Time `json:"since"`
	Until    time.Time `json:"until,omitzero"`
	Code     string    `json:"code"`
	QPS      int       `json:"qps"`
	Rate     float64   `json:"rate"`
	Workers  int       `json:"workers"`
	Running  int       `json:"running"`
	Stopped  bool      `json:"stopped"`
}

func newRoutes() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "routes",
		Short: "Print how the routes stand",
		Long: `Print how the routes stand, as the leader knows: any node can be asked. ACCOUNT is the Alibaba Cloud account. CIRCUIT is closed
while a route is used, open while it rests after faults, and half-open while one message at a time tries whether it is well
again; stopped by smppctl pause; WHY is the code that opened it. RATE is the calls a second at which it is used, of its qps: the API's throttling
halves it, and it comes back by itself. CALLS are those under way, of its workers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printAnswer(cmd, addr, "/v1/routes")
			}
			var a routesAnswer
			if err := listener(addr).ask(cmd.Context(), http.MethodGet, "/v1/routes", nil, &a); err != nil {
				return err
			}
			return a.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the node's answer as it is")
	return cmd
}

// state is what a route is used for: its circuit's, unless an operator has stopped it.
func (r *routeStatus) state() string {
	if r.Stopped {
		return "stopped"
	}
	return r.Circuit
}

// print writes the routes for people.
func (a *routesAnswer) print(out io.Writer) error {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ROUTE\tACCOUNT\tPRIORITY\tWEIGHT\tCIRCUIT\tSINCE\tWHY\tRATE\tCALLS")
	for i := range a.Routes {
		r := &a.Routes[i]
		fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s of %d\t%d of %d\n", r.Name, r.Account, r.Priority, r.Weight, r.state(),
			r.Since.UTC().Format(time.DateTime), or(r.Code, "-"), strconv.FormatFloat(r.Rate, 'f', -1, 64), r.QPS, r.Running, r.Workers)
	}
	return table.Flush()
}
