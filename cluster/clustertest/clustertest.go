// Package clustertest runs a cluster of several nodes in one process, each with its own store and
// directory, over TCP on the loopback device. Nodes can be stopped, crashed and started again, and the links between
// them cut, one direction alone too.
package clustertest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"smppbridge/cluster"
	"smppbridge/store"
)

// patience bounds every wait: long enough for a loaded machine on whose disk each sync takes half a second, because a
// wait that is over early costs nothing.
const patience = time.Minute

// host is where nodes listen. They come back at the same port, and nobody else in the tests listens at this address, so
// that it is not another's meanwhile.
const host = "127.0.0.2"

// A Cluster is a number of nodes.
type Cluster struct {
	t     testing.TB
	nodes []*member
	peers []cluster.Peer
	tune  func(*cluster.Config)
	net   *fabric
}

type member struct {
	dir   string
	alone bool // it was added or emptied: it begins no cluster, and knows nobody
	net   *network
	node  *cluster.Node // nil while it is down
	store *store.Store  // nil while it is down

	mu    sync.Mutex
	fatal error // guarded by mu
}

// New starts n nodes that form one cluster. tune, which may be nil, changes their configurations.
// At the end of the test the nodes are stopped, and the test fails if one of them had a fatal error.
func New(t testing.TB, n int, tune func(*cluster.Config)) *Cluster {
	t.Helper()
	c := &Cluster{t: t, tune: tune, net: newFabric()}
	for range n {
		c.settle()
	}
	for i := range n {
		c.Start(i)
	}
	t.Cleanup(func() {
		c.Heal()
		for i, m := range c.nodes {
			if m.node != nil {
				c.Stop(i)
			}
			if err := m.fault(); err != nil {
				t.Errorf("node %s had a fatal error: %v", c.peers[i].ID, err)
			}
		}
	})
	return c
}

// settle gives the next node an id, an address and a directory, and returns its index.
func (c *Cluster) settle() int {
	c.t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		c.t.Fatal(err)
	}
	i := len(c.nodes)
	c.peers = append(c.peers, cluster.Peer{ID: fmt.Sprintf("n%d", i+1), Addr: l.Addr().String()})
	c.nodes = append(c.nodes, &member{dir: filepath.Join(c.t.TempDir(), c.peers[i].ID), net: c.net.network(i, l)})
	return i
}

// Add starts a further node, which waits to be joined, and returns its index.
func (c *Cluster) Add() int {
	c.t.Helper()
	i := c.settle()
	c.nodes[i].alone = true
	c.Start(i)
	return i
}

// Peer returns id and address of node i.
func (c *Cluster) Peer(i int) cluster.Peer { return c.peers[i] }

// Dir returns where node i keeps its log; its store's file is the same name with ".db" behind it.
func (c *Cluster) Dir(i int) string { return c.nodes[i].dir }

// Fatal returns the error after which node i could do no more, nil if there was none, and forgets it: the
// test expected it.
func (c *Cluster) Fatal(i int) error {
	m := c.nodes[i]
	m.mu.Lock()
	defer m.mu.Unlock()
	err := m.fatal
	m.fatal = nil
	return err
}

// Start starts node i, which is down, on what is in its directory.
func (c *Cluster) Start(i int) {
	c.t.Helper()
	m := c.nodes[i]
	l, err := m.net.open(c.peers[i].Addr)
	if err != nil {
		c.t.Fatal(err)
	}
	cfg := cluster.Config{
		NodeID: c.peers[i].ID, Dir: m.dir, Addr: c.peers[i].Addr, Peers: c.founders(), Bootstrap: true,
		Listener: l, Dial: m.net.dial, Fatal: m.fail,
		// All nodes share a machine, perhaps with much else: a leader is not lost for being slow.
		HeartbeatTimeout: time.Second, ElectionTimeout: time.Second, LeaderLeaseTimeout: time.Second,
		SegmentBytes: 4 << 20, // a log begins by writing one
	}
	if m.alone {
		cfg.Peers, cfg.Bootstrap = nil, false
	}
	if c.tune != nil {
		c.tune(&cfg)
	}
	m.store, err = store.Open(m.dir+".db", store.Options{MmapSize: 4 << 30})
	if err != nil {
		c.t.Fatal(err)
	}
	if m.node, err = cluster.Start(cfg, m.store); err != nil {
		c.t.Fatal(err)
	}
}

// founders returns the nodes that began the cluster.
func (c *Cluster) founders() (ps []cluster.Peer) {
	for i, m := range c.nodes {
		if !m.alone {
			ps = append(ps, c.peers[i])
		}
	}
	return ps
}

// Stop shuts node i down in order.
func (c *Cluster) Stop(i int) {
	c.t.Helper()
	m := c.nodes[i]
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	err := errors.Join(m.node.Shutdown(ctx), m.store.Close())
	m.node, m.store = nil, nil
	if err != nil {
		c.t.Errorf("stop node %s: %v", c.peers[i].ID, err)
	}
}

// Crash takes node i from the cluster without a farewell: its network goes first, so that nothing
// it has under way is heard of by the others. What a dying process leaves on disk is not shown by
// this: see the test of package cluster that kills one.
func (c *Cluster) Crash(i int) {
	c.nodes[i].net.cut()
	c.Stop(i)
}

// Empty removes all that node i, which is down, has. When it is started it waits to be joined.
func (c *Cluster) Empty(i int) {
	c.t.Helper()
	m := c.nodes[i]
	m.alone = true
	if err := errors.Join(os.RemoveAll(m.dir), os.Remove(m.dir+".db")); err != nil {
		c.t.Fatal(err)
	}
}

// Node returns node i, nil while it is down.
func (c *Cluster) Node(i int) *cluster.Node { return c.nodes[i].node }

// Store returns the store of node i, nil while it is down.
func (c *Cluster) Store(i int) *store.Store { return c.nodes[i].store }

// Leader waits until one of the nodes that are up is ready to lead, and returns it.
func (c *Cluster) Leader() int {
	c.t.Helper()
	leader := -1
	c.Eventually("a leader", func() bool {
		for i, m := range c.nodes {
			if m.node != nil && m.node.IsLeader() && m.node.Ready() == nil {
				leader = i
				return true
			}
		}
		return false
	})
	return leader
}

// Propose proposes cmd on whichever node leads, again and again until it has a result: a command
// with a token is applied once, however often that takes.
func (c *Cluster) Propose(cmd store.Command) store.Result {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		res, err := c.Node(c.Leader()).Propose(ctx, cmd)
		if err == nil {
			return res
		}
		if ctx.Err() != nil {
			c.t.Fatalf("propose: %v", err)
		}
	}
}

// Agree waits until the files of all nodes that are up hold the same: all that was answered before it was called,
// which the leader's file may have later.
func (c *Cluster) Agree() {
	c.t.Helper()
	leader := c.Leader()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.Node(leader).Sync(ctx); err != nil {
		c.t.Fatalf("sync on node %s: %v", c.peers[leader].ID, err)
	}
	index, _ := c.Store(leader).Applied()
	c.Eventually(fmt.Sprintf("all nodes at index %d", index), func() bool {
		low, high := ^uint64(0), uint64(0)
		for _, m := range c.nodes {
			if m.store != nil {
				at, _ := m.store.Applied()
				low, high = min(low, at), max(high, at)
			}
		}
		return low == high && low >= index
	})
}

// Eventually waits until ok returns true.
func (c *Cluster) Eventually(what string, ok func() bool) {
	c.t.Helper()
	Eventually(c.t, what, ok)
}

// Eventually waits until ok returns true, and ends the test if it does not.
func Eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatalf("after %v not yet: %s", patience, what)
		}
	}
}

func (m *member) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fatal = err
}

func (m *member) fault() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.fatal
}
