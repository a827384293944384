package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"smppbridge/bridge/aliyun/aliyunsim"
)

// fleet3 is three nodes beside one simulator.
type fleet3 struct {
	t     *testing.T
	sim   *aliyunsim.Server
	nodes []*system // n1, n2, n3
}

// prepareThree makes nodes of which the first bootstraps; none is started. Their addresses outlive restarts.
func prepareThree(t *testing.T, change ...func(*options)) *fleet3 {
	t.Helper()
	sim, addr := newSimulator(t)
	return prepareThreeAt(t, sim, addr, change...)
}

// prepareThreeAt is prepareThree beside a simulator that is there.
func prepareThreeAt(t *testing.T, sim *aliyunsim.Server, addr string, change ...func(*options)) *fleet3 {
	t.Helper()
	f := &fleet3{t: t, sim: sim}
	for i := range 3 {
		s := newSystem(t, sim, addr, change...)
		s.opts.NodeID = fmt.Sprintf("n%d", i+1)
		s.opts.Cluster.Listen, s.opts.HTTP.Listen = freeAddr(t), freeAddr(t)
		// Others are told the name, though the node listens at the number.
		s.opts.Cluster.Advertise = strings.Replace(s.opts.Cluster.Listen, "127.0.0.1", "localhost", 1)
		s.opts.Cluster.Bootstrap = i == 0
		s.endWithTest()
		f.nodes = append(f.nodes, s)
	}
	return f
}

// startThree prepares them and starts them.
func startThree(t *testing.T, change ...func(*options)) *fleet3 {
	t.Helper()
	f := prepareThree(t, change...)
	f.start()
	return f
}

// start starts the nodes and joins the second and third to the first.
func (f *fleet3) start() {
	f.t.Helper()
	f.nodes[0].start()
	for _, s := range f.nodes[1:] {
		started := s.startLater()
		f.nodes[0].join(s)
		f.started(s, started)
	}
}

// result is what start returned.
type result struct {
	node *node
	err  error
}

// startLater starts a node that waits for others.
func (s *system) startLater() <-chan result {
	started := make(chan result, 1)
	go func() { // ends with the start, at the latest with the test's context
		n, err := start(s.t.Context(), s.opts)
		started <- result{n, err}
	}()
	return started
}

// started waits until a node's start is over.
func (f *fleet3) started(s *system, started <-chan result) {
	f.t.Helper()
	r := soon(f.t, started, "start of "+s.opts.NodeID)
	if r.err != nil {
		f.t.Fatalf("%s: %v", s.opts.NodeID, r.err)
	}
	s.attend(r.node)
}

// ask asks the admin listener of a node that may still start.
func (s *system) ask(method, path, body string) (int, string) {
	s.t.Helper()
	return request(s.t, method, "http://"+s.opts.HTTP.Listen+path, body)
}

// join has s's node join another, and waits until it votes.
func (s *system) join(other *system) {
	s.t.Helper()
	body := fmt.Sprintf(`{"node":%q,"addr":%q}`, other.opts.NodeID, other.opts.Cluster.Advertise)
	last := ""
	s.eventually("join of "+other.opts.NodeID, func() bool { // its port may not be open yet
		code, answer := s.ask(http.MethodPost, "/v1/cluster/join", body)
		last = answer
		return code == http.StatusOK
	})
	s.eventually("vote of "+other.opts.NodeID+": "+last, func() bool {
		for _, m := range s.clusterDoc().Members {
			if m.ID == other.opts.NodeID {
				return m.Voter
			}
		}
		return false
	})
}

// clusterDoc is the node's /v1/cluster.
func (s *system) clusterDoc() (d clusterDoc) {
	s.t.Helper()
	code, body := s.ask(http.MethodGet, "/v1/cluster", "")
	if code != http.StatusOK {
		s.t.Fatalf("/v1/cluster answered %d %s", code, body)
	}
	if err := json.Unmarshal([]byte(body), &d); err != nil {
		s.t.Fatal(err)
	}
	return d
}

// awaitLeader waits until a node leads, and returns it.
func (f *fleet3) awaitLeader() (leader *system) {
	f.t.Helper()
	f.nodes[0].eventually("a leader", func() bool {
		i := slices.IndexFunc(f.nodes, func(s *system) bool { return s.node.cluster.IsLeader() })
		if i >= 0 {
			leader = f.nodes[i]
		}
		return i >= 0
	})
	return leader
}

// leader waits until a node leads, and returns it and another one.
func (f *fleet3) leader() (leader, other *system) {
	f.t.Helper()
	leader = f.awaitLeader()
	for _, s := range f.nodes {
		if s != leader {
			other = s
		}
	}
	return leader, other
}

// singly has each message go by a call of its own.
func singly(o *options) {
	o.Policy = bytes.Replace(o.Policy, []byte("  notice: {"), []byte("  notice: {batch: 1, "), 1)
}
