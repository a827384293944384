package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// newCluster is the commands about the nodes of a cluster.
func newCluster() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cluster",
		Short: "The nodes of a cluster",
		Long: `The nodes of a cluster. Any member may be asked for anything but what is about itself (leave): it passes on what only the
leader can do.`,
	}
	cmd.AddCommand(newClusterStatus(), newClusterJoin(), newClusterRemove(), newClusterTransfer(), newClusterLeave(), newClusterSnapshot(), newClusterCerts())
	return cmd
}

// How long changes of the cluster may take, and how often it is asked how far one is.
const (
	changeWithin = 45 * time.Second
	voteEvery    = 500 * time.Millisecond
)

// change has a member carry out a change.
func (l listener) change(ctx context.Context, path string, body, answer any) error {
	ctx, cancel := context.WithTimeout(ctx, changeWithin)
	defer cancel()
	return l.post(ctx, path, body, answer)
}

// joinFlags are the flags of join.
type joinFlags struct {
	addr   string
	noWait bool
	within time.Duration
}

func newClusterJoin() *cobra.Command {
	var f joinFlags
	cmd := &cobra.Command{
		Use:   "join NODE ADDR",
		Short: "Make a node that runs and waits a member",
		Long: `Make a node a member. It runs already, with bootstrap: false and without data; NODE is its node_id and ADDR its
cluster.advertise (or cluster.listen). It is sent all that the cluster has and gets a vote when it has caught up; this
command waits for that. Ctrl-C ends the waiting, not the joining.

A member that has moved is joined again, under its new address.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return runJoin(cmd, f, args[0], args[1]) },
	}
	httpFlag(cmd, &f.addr)
	cmd.Flags().BoolVar(&f.noWait, "no-wait", false, "do not wait until it has a vote")
	cmd.Flags().DurationVar(&f.within, "within", time.Hour, "how long to wait for that")
	return cmd
}

func runJoin(cmd *cobra.Command, f joinFlags, node, addr string) error {
	ctx, out, l := cmd.Context(), cmd.OutOrStdout(), listener(f.addr)
	var answer struct{}
	if err := l.change(ctx, "/v1/cluster/join", map[string]string{"node": node, "addr": addr}, &answer); err != nil {
		return err
	}
	if f.noWait {
		fmt.Fprintf(out, "%s is a member; it gets a vote when it has caught up\n", node)
		return nil
	}
	fmt.Fprintf(out, "%s is a member and catches up\n", node)
	if err := l.awaitVote(ctx, node, f.within, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s has a vote\n", node)
	return nil
}

// awaitVote waits until a member votes, and tells how far behind it is. That the node asked does not answer for a moment is not an
// end: it may be restarted. A question that is under way when the time is over is waited for: its answer is what is told.
func (l listener) awaitVote(ctx context.Context, node string, within time.Duration, out io.Writer) error {
	over, tick := time.NewTimer(within), time.NewTicker(voteEvery)
	defer over.Stop()
	defer tick.Stop()
	told := time.Now()
	for {
		var last error
		var c clusterStatus
		switch err := l.ask(ctx, http.MethodGet, "/v1/cluster", nil, &c); {
		case err != nil:
			last = err
		case c.member(node) == nil:
			return fmt.Errorf("%s is not a member any more: somebody has removed it", node)
		case c.member(node).Voter:
			return nil
		default:
			last = fmt.Errorf("it is %s behind", c.behind(c.member(node)))
		}
		if time.Since(told) > 10*time.Second {
			told = time.Now()
			fmt.Fprintf(out, "%s has no vote yet: %v\n", node, last)
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		case <-over.C:
		}
		return fmt.Errorf("%s has no vote yet: %w; it goes on: see `smppctl cluster status`", node, last)
	}
}

func newClusterRemove() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "remove NODE",
		Short: "Take a member out, dead or alive",
		Long: `Take a member out. A node that lives leaves in order by "cluster leave"; this is for one that is dead, or will not come
back. Its ESMEs' binds are void at once. Started again, it waits: empty its data_dir before it is joined again.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer struct{}
			err := listener(addr).change(cmd.Context(), "/v1/cluster/remove", map[string]string{"node": args[0]}, &answer)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), args[0], "is no member any more")
			return err
		},
	}
	httpFlag(cmd, &addr)
	return cmd
}

func newClusterTransfer() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "transfer [NODE]",
		Short: "Have another node lead: NODE, or the one that is most up to date",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			node := ""
			if len(args) == 1 {
				node = args[0]
			}
			var answer struct {
				Leader string `json:"leader"`
			}
			err := listener(addr).change(cmd.Context(), "/v1/cluster/transfer", map[string]string{"node": node}, &answer)
			if err != nil {
				return err
			}
			if answer.Leader == "" {
				answer.Leader = "another node"
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), answer.Leader, "leads")
			return err
		},
	}
	httpFlag(cmd, &addr)
	return cmd
}

// leaveWithin bounds a node's leaving: it drains its sessions first.
const leaveWithin = 15 * time.Minute

func newClusterLeave() *cobra.Command {
	var addr string
	cmd := &cobra.Command{
		Use:   "leave",
		Short: "Have the node asked drain its sessions, leave its cluster for good, and end",
		Long: `Have the node at --http hand over leadership, answer and unbind its ESMEs, leave its cluster, and end with exit code 0. To stop a
node for a while, stop it: a member that is away is waited for, and catches up. Empty data_dir before a node that
left is joined again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), leaveWithin)
			defer cancel()
			var answer struct {
				Left string `json:"left"`
			}
			if err := listener(addr).post(ctx, "/v1/cluster/leave", struct{}{}, &answer); err != nil {
				return err
			}
			_, err := fmt.Fprintln(cmd.OutOrStdout(), answer.Left, "has left")
			return err
		},
	}
	httpFlag(cmd, &addr)
	return cmd
}
