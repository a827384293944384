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

// clusterStatus is what a node says of its cluster.
type clusterStatus struct {
	Node      string          `json:"node"`
	Addr      string          `json:"addr"`
	Ready     string          `json:"ready"`
	ClusterID string          `json:"cluster_id"`
	Epoch     uint64          `json:"epoch"`
	Lineage   string          `json:"lineage"`
	Version   uint64          `json:"version"`
	Supported uint64          `json:"supported"`
	Leader    string          `json:"leader"`
	Term      uint64          `json:"term"`
	InTouch   bool            `json:"in_touch"`
	Members   []clusterMember `json:"members"`
}

// clusterMember is a member of it.
type clusterMember struct {
	ID      string `json:"node"`
	Addr    string `json:"addr"`
	Voter   bool   `json:"voter"`
	Leader  bool   `json:"leader"`
	HeardMS int64  `json:"heard_ms"`
	Applied uint64 `json:"applied"`
	Version uint64 `json:"version"`
	ClockMS int64  `json:"clock_ms"`
}

func newClusterStatus() *cobra.Command {
	var addr string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Print the cluster as a node sees it",
		Long: `Print the cluster as the node at --http sees it. HEARD is how long ago the member answered that node, BEHIND how many entries
of the log it has not applied of those that the one ahead has, CLOCK by how much its clock is ahead of that node's, VERSION
what it can apply at most: the cluster's version rises when all can. Each recovery raises the epoch and begins a lineage: nodes of
two lineages are two clusters, whatever their name.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				return printAnswer(cmd, addr, "/v1/cluster")
			}
			var c clusterStatus
			if err := listener(addr).ask(cmd.Context(), http.MethodGet, "/v1/cluster", nil, &c); err != nil {
				return err
			}
			return c.print(cmd.OutOrStdout())
		},
	}
	httpFlag(cmd, &addr)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the node's answer as it is")
	return cmd
}

// member returns the member of that id, nil if there is none.
func (c *clusterStatus) member(id string) *clusterMember {
	for i := range c.Members {
		if c.Members[i].ID == id {
			return &c.Members[i]
		}
	}
	return nil
}

// print writes the cluster for people.
func (c *clusterStatus) print(out io.Writer) error {
	if c.member(c.Node) == nil {
		fmt.Fprintf(out, "%s is no member of a cluster. Ask a member to join it: smppctl cluster join %s %s\n", c.Node, c.Node, c.Addr)
	} else {
		leader := "no leader"
		if c.Leader != "" {
			leader = "leader " + c.Leader
		}
		fmt.Fprintf(out, "cluster %s, epoch %d, lineage %s, version %d, %s, term %d\n", or(c.ClusterID, "(new)"), c.Epoch, c.Lineage, c.Version, leader, c.Term)
	}
	if c.Ready != "ready" {
		fmt.Fprintf(out, "%s is not ready: %s\n", c.Node, c.Ready)
	}
	if len(c.Members) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NODE\tADDRESS\tROLE\tHEARD\tBEHIND\tCLOCK\tVERSION")
	for i := range c.Members {
		m := &c.Members[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.ID, m.Addr, m.role(), c.heard(m), c.behind(m), c.clock(m), m.version())
	}
	return table.Flush()
}

func (m *clusterMember) role() string {
	switch {
	case m.Leader:
		return "leader"
	case m.Voter:
		return "voter"
	}
	return "catching up"
}

func (c *clusterStatus) heard(m *clusterMember) string {
	switch {
	case m.ID == c.Node:
		return "-" // it is the one that tells
	case m.HeardMS < 0:
		return "never"
	}
	return (time.Duration(m.HeardMS) * time.Millisecond).Round(100 * time.Millisecond).String()
}

// behind says how many entries a member has not applied of those that any has.
func (c *clusterStatus) behind(m *clusterMember) string {
	if m.HeardMS < 0 && m.ID != c.Node {
		return "unknown"
	}
	most := uint64(0)
	for _, o := range c.Members {
		most = max(most, o.Applied)
	}
	return strconv.FormatUint(most-m.Applied, 10)
}

func (c *clusterStatus) clock(m *clusterMember) string {
	switch {
	case m.ID == c.Node:
		return "-"
	case m.HeardMS < 0:
		return "unknown"
	}
	return fmt.Sprintf("%+dms", m.ClockMS)
}

func (m *clusterMember) version() string {
	if m.Version == 0 {
		return "unknown"
	}
	return strconv.FormatUint(m.Version, 10)
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
