package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"smppbridge/cluster"
)

// startCluster opens the cluster port and Raft's log. With data, or to bootstrap, the node takes part from here on.
func (n *node) startCluster(context.Context) error {
	c := n.opts.Cluster
	cfg := cluster.Config{
		NodeID:    n.opts.NodeID,
		Dir:       filepath.Join(n.opts.DataDir, "raft"),
		Addr:      c.Listen,
		Bootstrap: c.Bootstrap,
		ClusterID: c.ClusterID,
		Insecure:  c.Insecure,
		Log:       n.log,
		Now:       n.opts.Now,
		Fatal:     func(err error) { n.fail("cluster", err) },
	}
	if c.Advertise != "" {
		cfg.Addr, cfg.Listen = c.Advertise, c.Listen
	}
	if err := n.clusterTLS(&cfg); err != nil {
		return err
	}
	started, err := cluster.Start(cfg, n.store)
	if err != nil {
		return err
	}
	n.cluster = started
	n.undo.addSlow("cluster", raftWithin, teardownWithin, n.cluster.Shutdown)
	n.undo.add("leave", leaveWithin, n.leave)
	n.registry.MustRegister(newFigures(started, n.store))
	n.opened.Store(true)
	return nil
}

// stepDown gives leadership away, if this node has it.
func (n *node) stepDown(ctx context.Context) error {
	if !n.cluster.IsLeader() {
		return nil
	}
	return n.cluster.StepDown(ctx)
}

// leave takes the node out of its cluster if that was asked for. Its sessions are over then, and their answers committed.
func (n *node) leave(ctx context.Context) error {
	select {
	case <-n.leaving:
	default:
		return nil
	}
	defer close(n.left)
	if err := n.cluster.Leave(ctx); err != nil {
		n.leaveErr = fmt.Errorf("%w; %w", err, errLeave)
		return n.leaveErr
	}
	n.log.InfoContext(ctx, "left the cluster", "node", n.opts.NodeID)
	return nil
}

// errAlone refuses what a node that is the whole cluster is asked to leave.
var errAlone = errors.New("this node is the whole cluster, and cannot leave itself: stop it instead")
