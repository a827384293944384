//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

// patience is how long things may take that take a moment: the machine may be busy, and each sync of its disk take half a
// second.
const patience = 90 * time.Second

// joinWithin is how long a node may take to catch up with all that there is.
const joinWithin = 3 * time.Minute

// Addresses. The test network is within the sandbox only.
func nodeIP(index int) net.IP { return net.IPv4(10, 77, 0, byte(index+1)) }

func esmeIP() net.IP { return net.IPv4(10, 77, 0, 100) }
func apiIP() net.IP  { return net.IPv4(10, 77, 0, 200) }

// A lab is everything but the nodes: the network, the API, and the room for nodes.
type lab struct {
	dir    string
	bin    programs
	fabric *fabric
	spaces []*namespace
	api    *api
	probe  probe
	probed chan error
}

// newLab makes namespaces for size nodes, and starts the API. All ends with ctx.
func newLab(ctx context.Context, o options, dir string) (*lab, error) {
	if err := errors.Join(os.RemoveAll(filepath.Join(dir, certsDir)), checkPower(ctx, dir)); err != nil {
		return nil, fmt.Errorf("prepare %s: %w", dir, err)
	}
	l := &lab{dir: dir, bin: o.programs, fabric: newFabric(ctx), probed: make(chan error, 1)}
	outside, err := newTUN(esmeIP(), apiIP())
	if err != nil {
		return nil, err
	}
	l.fabric.attach(ctx, outside, esmeIP(), apiIP())
	certs := []string{"cluster", "certs", "--dir", filepath.Join(dir, certsDir)}
	for i := range o.nodes + 1 { // one more, for a node that joins
		certs = append(certs, fmt.Sprintf("n%d=%s", i+1, nodeIP(i)))
		ns, err := newNamespace(nodeIP(i))
		if err != nil {
			return nil, err
		}
		l.fabric.attach(ctx, ns.tun, nodeIP(i))
		l.spaces = append(l.spaces, ns)
	}
	if out, err := exec.CommandContext(ctx, o.ctl, certs...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("smppctl cluster certs: %w: %s", err, bytes.TrimSpace(out))
	}
	l.api, err = newAPI(ctx, o)
	if err != nil {
		return nil, err
	}
	go func() { l.probed <- l.probe.run(ctx, dir) }() // ends with ctx
	return l, os.WriteFile(filepath.Join(dir, "policy.yaml"), []byte(l.api.policy()), 0o600)
}

// wait returns when everything that runs in the lab has ended, which it does with its ctx.
func (l *lab) wait() {
	<-l.probed
	l.api.wait()
	l.fabric.wait.Wait()
}

// A cluster is nodes that are one system.
type cluster struct {
	lab   *lab
	dir   string
	nodes []*node
}

// newCluster starts a cluster of that many nodes on empty disks.
func (l *lab) newCluster(ctx context.Context, name string, size int) (*cluster, error) {
	c := &cluster{lab: l, dir: filepath.Join(l.dir, name)}
	if err := os.MkdirAll(c.dir, 0o700); err != nil {
		return nil, err
	}
	policy, err := os.ReadFile(filepath.Join(l.dir, "policy.yaml"))
	if err == nil {
		err = os.WriteFile(filepath.Join(c.dir, "policy.yaml"), policy, 0o600)
	}
	for i := 0; i < size && err == nil; i++ {
		_, err = c.add(ctx, i)
	}
	if err != nil {
		c.close(ctx)
		return nil, err
	}
	return c, nil
}

// add starts a node and makes it a member.
func (c *cluster) add(ctx context.Context, index int) (*node, error) {
	n, err := newNode(ctx, c.lab.bin, c.dir, index, c.lab.spaces[index])
	if err != nil {
		return nil, err
	}
	if err := n.proc.start(); err != nil {
		return nil, err
	}
	c.nodes = append(c.nodes, n)
	c.lab.api.pushTo(c.nodes)
	if index > 0 {
		if err := c.join(ctx, n); err != nil {
			return nil, err
		}
	}
	return n, c.awaitReady(ctx, n)
}

// join has a node that starts made a voter, as soon as it can be.
func (c *cluster) join(ctx context.Context, n *node) error { return c.joinAt(ctx, c.nodes[0], n) }

// joinAt is join with the member that is asked for it.
func (c *cluster) joinAt(ctx context.Context, member, n *node) error {
	ctx, cancel := context.WithTimeout(ctx, joinWithin)
	defer cancel()
	return until(ctx, func() error {
		return member.smppctl(ctx, "cluster", "join", n.id, net.JoinHostPort(n.ip.String(), clusterPort))
	})
}

// until repeats f until it succeeds or ctx ends.
func until(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		if pauseErr := pause(ctx, 50*time.Millisecond); pauseErr != nil {
			return fmt.Errorf("%w: %w", pauseErr, err)
		}
	}
}

// awaitReady waits until those nodes would accept messages.
func (c *cluster) awaitReady(ctx context.Context, nodes ...*node) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for _, n := range nodes {
		if err := until(ctx, func() error { return n.ready(ctx) }); err != nil {
			return fmt.Errorf("not ready within %v: %w", patience, err)
		}
	}
	return nil
}

// dump has all nodes tell what their goroutines do, into files beside their logs.
func (c *cluster) dump(ctx context.Context) {
	for _, n := range c.nodes {
		if b, err := n.get(ctx, "/debug/pprof/goroutine?debug=2"); err == nil {
			_ = os.WriteFile(filepath.Join(c.dir, n.id+".goroutines"), b, 0o600) // for who looks for it
		}
		if b, err := n.get(ctx, "/v1/cluster"); err == nil {
			_ = os.WriteFile(filepath.Join(c.dir, n.id+".cluster"), b, 0o600)
		}
	}
}

// errNoLeader is returned when the nodes do not agree on one in time.
var errNoLeader = errors.New("the nodes agree on no leader")

// leader returns the node that leads, once all running nodes but those in except agree on it.
func (c *cluster) leader(ctx context.Context, except ...*node) (*node, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		if n := c.agreed(ctx, except); n != nil {
			return n, nil
		}
		if pause(ctx, 20*time.Millisecond) != nil {
			return nil, errNoLeader
		}
	}
}

func (c *cluster) agreed(ctx context.Context, except []*node) *node {
	if len(c.nodes) == 1 {
		return c.nodes[0]
	}
	names := map[string]bool{}
	for _, n := range without(c.nodes, except...) {
		s, err := n.clusterStatus(ctx)
		if err != nil {
			return nil
		}
		names[s.Leader] = true
	}
	if len(names) != 1 {
		return nil
	}
	for _, n := range without(c.nodes, except...) {
		if names[n.id] {
			return n
		}
	}
	return nil
}

// without returns the nodes that are not among some.
func without(all []*node, some ...*node) []*node {
	var list []*node
	for _, n := range all {
		found := false
		for _, s := range some {
			found = found || s == n
		}
		if !found {
			list = append(list, n)
		}
	}
	return list
}

// close ends all nodes, and removes their disks.
func (c *cluster) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	c.lab.api.pushTo(nil)
	var all sync.WaitGroup
	for _, n := range c.nodes {
		all.Go(func() {
			n.close(ctx)
			_ = os.Remove(n.disk.image)
		})
	}
	all.Wait()
}
